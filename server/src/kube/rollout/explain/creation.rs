//! Pods and claims that the API server does not let a controller create.

use storeplane_core::failure::Reason;

use super::{Finding, GracePeriod, sentence};
use crate::kube::rollout::snapshot::{Said, Snapshot};

const REFUSED: [&str; 1] = ["FailedCreate"];

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    if snapshot.release_deployments().next().is_none() && snapshot.release_stateful_sets().next().is_none() {
        let message = format!("No workload of the release {} is there", snapshot.release);
        found.push(Finding::new(Reason::NotReady, "release".into(), message, GracePeriod::Unlimited));
    }
    stateful_sets(snapshot, found);
    deployments(snapshot, found);
}

/// A `StatefulSet` tells of it in events only. They count as long as pods are missing.
fn stateful_sets(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for set in snapshot.release_stateful_sets() {
        let desired = set.spec.replicas.unwrap_or(1);
        let created = set.status.as_ref().map_or(0, |status| status.replicas);
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let said = snapshot.said_about(set.metadata.uid.as_deref(), &REFUSED);
        if let Some(said) = said.last().filter(|_| created < desired) {
            found.push(refusal(&format!("StatefulSet {name}"), *said, 0));
        }
    }
}

/// A Deployment keeps it as a condition; the events of its newest `ReplicaSet` tell whether that is news.
fn deployments(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for deployment in snapshot.release_deployments() {
        let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let failing = conditions
            .iter()
            .find(|it| it.type_.as_deref() == Some("ReplicaFailure") && it.status.as_deref() == Some("True"));
        let Some(message) = failing.and_then(|it| it.message.as_deref()) else { continue };
        let sets = snapshot.replica_sets.iter().filter_map(|set| set.metadata.uid.as_deref());
        let mut sets =
            sets.filter(|uid| snapshot.deployment_of(uid).is_some_and(|it| it.metadata.uid == deployment.metadata.uid));
        let news = sets.any(|uid| snapshot.said_about(Some(uid), &REFUSED).iter().any(|said| said.news));
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        found.push(refusal(&format!("Deployment {name}"), Said { reason: "FailedCreate", message, news }, 1));
    }
}

fn refusal(subject: &str, said: Said<'_>, rank: u8) -> Finding {
    let (reason, grace, start) = classify(said.message);
    // What was said before the watch began may be mended; the controller tries again and says it again if not.
    let grace = if said.news { grace } else { GracePeriod::Unlimited };
    let why = start.and_then(|start| said.message.get(start..)).unwrap_or(said.message);
    let message = format!("{subject} cannot create its pods: {}", sentence(why));
    Finding::new(reason, subject.into(), message, grace).rank(rank).detail(said.message)
}

/// Reason, grace, and where in the API server's words the telling part begins.
fn classify(message: &str) -> (Reason, GracePeriod, Option<usize>) {
    const PASSING: [&str; 5] = [
        // The quota was made in the same breath as the pod, and its use is not counted yet.
        "status unknown for quota",
        // So was the namespace, and its default account is not there yet.
        "error looking up service account",
        "failed calling webhook",
        "connection refused",
        "timed out",
    ];
    if PASSING.iter().any(|text| message.contains(text)) {
        return (Reason::CreationRefused, GracePeriod::Provisioning, None);
    }
    for quota in ["exceeded quota:", "failed quota:"] {
        if let Some(start) = message.find(quota) {
            return (Reason::QuotaExceeded, GracePeriod::Refused, Some(start));
        }
    }
    // A LimitRange: "maximum memory usage per Container is 1Gi, but limit is 2Gi".
    if let Some(start) = message.find(" usage per ").and_then(|at| {
        let before = message.get(..at)?;
        before.rfind("maximum ").or_else(|| before.rfind("minimum "))
    }) {
        return (Reason::QuotaExceeded, GracePeriod::Refused, Some(start));
    }
    if let Some(start) = message.find("violates PodSecurity") {
        return (Reason::PodSecurityViolation, GracePeriod::Refused, Some(start));
    }
    (Reason::CreationRefused, GracePeriod::Transient, message.find("forbidden:"))
}
