//! How a release that was ready once is doing now: one look at it, and the same causes by which a rollout fails.

use storeplane_core::failure::{Failure, Reason};

use super::explain::{self, Finding, Grace, LogSource};
use super::readiness::{Serving, claim_is_lost};
use super::snapshot::Snapshot;

/// A workload's own shortfall comes after all that may explain it.
const AFTER_ALL: u8 = 30;

/// What one look says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kube) enum Diagnosis {
    /// All of it serves.
    Well,
    /// Less than all of it serves, and nothing stands in the way of the rest: it may just be starting.
    Settling(Failure),
    /// Something is wrong, or nothing of it serves. Whose log tells more.
    Unwell(Failure, Option<LogSource>),
}

/// `facts` are failures that were found without looking at workloads: a missing release, missing Secrets.
pub(in crate::kube) fn diagnose(snapshot: &Snapshot, facts: Vec<Failure>) -> Diagnosis {
    let serving = serving(snapshot);
    let lost = snapshot.claims.iter().any(claim_is_lost);
    let worst = serving.iter().map(|(serving, _)| *serving).max().unwrap_or(Serving::Not);
    if facts.is_empty() && !lost && worst == Serving::Fully {
        return Diagnosis::Well;
    }
    let shortfalls = serving.into_iter().filter(|(serving, _)| *serving != Serving::Fully);
    let shortfalls = shortfalls.map(|(_, status)| {
        let message = format!("{status}: not all of its pods are ready");
        Finding::new(Reason::NotReady, status, message, Grace::Unlimited).rank(AFTER_ALL)
    });
    let facts = facts.into_iter().map(Finding::fact);
    let mut findings: Vec<_> = explain::findings(snapshot).into_iter().chain(shortfalls).chain(facts).collect();
    findings.sort_by(Finding::order);
    let error = findings.iter().position(|finding| finding.grace.is_error());
    let ill = error.is_some() || lost || worst == Serving::Not;
    if findings.is_empty() {
        return Diagnosis::Well;
    }
    let cause = findings.remove(error.unwrap_or(0));
    let others = findings.into_iter().map(|finding| format!("also: {}", finding.failure.message));
    let failure = cause.failure.with_details(others);
    if ill { Diagnosis::Unwell(failure, cause.log) } else { Diagnosis::Settling(failure) }
}

fn serving(snapshot: &Snapshot) -> Vec<(Serving, String)> {
    let sets = snapshot.release_stateful_sets().map(Serving::of_stateful_set);
    sets.chain(snapshot.release_deployments().map(Serving::of_deployment)).collect()
}
