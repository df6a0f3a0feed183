//! The health of a release that was ready once: one observation, interpreted with the same causes as a rollout.

use storeplane_core::failure::Reason;

use super::explain::{self, Finding, LogSource};
use super::readiness::{Serving, claim_is_lost};
use super::snapshot::Snapshot;
use crate::obstacle::Obstacle;
use crate::redact::Unmasked;

/// A workload's missing pods rank after anything that may explain them.
const AFTER_ALL: u8 = 30;

/// The result of one observation.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kube) enum Diagnosis {
    /// All workloads serve.
    Healthy,
    /// Some pods are missing, without an obstacle: it may be starting.
    Settling(Unmasked),
    /// There is a problem, or no pod serves; and the container whose log explains it.
    Unhealthy(Unmasked, Option<LogSource>),
}

/// `facts` are failures found without workloads: a missing release, missing Secrets.
pub(in crate::kube) fn diagnose(snapshot: &Snapshot, facts: Vec<Unmasked>) -> Diagnosis {
    let serving = serving(snapshot);
    let lost = snapshot.claims.iter().any(claim_is_lost);
    let worst = serving.iter().map(|(serving, _)| *serving).max().unwrap_or(Serving::Not);
    if facts.is_empty() && !lost && worst == Serving::Fully {
        return Diagnosis::Healthy;
    }
    let shortfalls = serving.into_iter().filter(|(serving, _)| *serving != Serving::Fully);
    let shortfalls = shortfalls.map(|(_, status)| {
        let message = format!("{status}: not all of its pods are ready");
        Finding::new(Reason::NotReady, status, message, Obstacle::Reported).rank(AFTER_ALL)
    });
    let facts = facts.into_iter().map(Finding::fact);
    let mut findings: Vec<_> = explain::findings(snapshot).into_iter().chain(shortfalls).chain(facts).collect();
    findings.sort_by(Finding::order);
    let error = findings.iter().position(|finding| finding.obstacle.is_error());
    let ill = error.is_some() || lost || worst == Serving::Not;
    if findings.is_empty() {
        return Diagnosis::Healthy;
    }
    let cause = findings.remove(error.unwrap_or(0));
    let others = findings.into_iter().map(|finding| format!("also: {}", finding.failure.message));
    let failure = cause.failure.with_details(others);
    if ill { Diagnosis::Unhealthy(failure, cause.log) } else { Diagnosis::Settling(failure) }
}

fn serving(snapshot: &Snapshot) -> Vec<(Serving, String)> {
    let sets = snapshot.release_stateful_sets().map(Serving::of_stateful_set);
    sets.chain(snapshot.release_deployments().map(Serving::of_deployment)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A Deployment of the release with this number of pods, of which some are ready, and its controller's message.
    fn shop(wanted: i32, ready: i32, conditions: &Value) -> Snapshot {
        let mut snapshot = Snapshot::new("shop".into());
        let deployment = json!({"metadata": {"name": "store", "uid": "d", "annotations": {"meta.helm.sh/release-name": "shop"}},
            "spec": {"replicas": wanted, "selector": {}, "template": {}},
            "status": {"replicas": ready, "updatedReplicas": ready, "availableReplicas": ready, "conditions": conditions}});
        snapshot.deployments.put(serde_json::from_value(deployment).expect("a Deployment"));
        snapshot
    }

    fn over_quota() -> Value {
        json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "pods \"store-x\" is forbidden: exceeded quota: store, requested: pods=1, used: pods=2, limited: pods=2"}])
    }

    fn reason(diagnosis: Diagnosis) -> (bool, Reason) {
        match diagnosis {
            Diagnosis::Unhealthy(failure, _) => (true, failure.reason),
            Diagnosis::Settling(failure) => (false, failure.reason),
            Diagnosis::Healthy => panic!("it is well"),
        }
    }

    #[test]
    fn shop_is_healthy_when_all_workloads_serve() {
        assert_eq!(diagnose(&shop(2, 2, &json!([])), Vec::new()), Diagnosis::Healthy);
    }

    #[test]
    fn shop_without_pods_is_unhealthy() {
        assert_eq!(reason(diagnose(&shop(1, 0, &json!([])), Vec::new())), (true, Reason::NotReady));
        assert_eq!(reason(diagnose(&shop(0, 0, &json!([])), Vec::new())), (true, Reason::ScaledToZero));
        assert_eq!(reason(diagnose(&Snapshot::new("shop".into()), Vec::new())), (true, Reason::WorkloadMissing));
    }

    #[test]
    fn partly_ready_shop_is_settling_unless_an_obstacle_exists() {
        assert_eq!(reason(diagnose(&shop(3, 2, &json!([])), Vec::new())), (false, Reason::NotReady));
        let mut refused = shop(3, 2, &over_quota());
        let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "store-x", "uid": "r",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "store", "uid": "d", "controller": true}]}});
        let event = json!({"metadata": {"name": "e", "resourceVersion": "1"}, "involvedObject": {"uid": "r"},
            "reason": "FailedCreate", "message": "exceeded quota: store"});
        refused.replica_sets.put(serde_json::from_value(set).expect("a ReplicaSet"));
        refused.events.put(serde_json::from_value(event).expect("an event"));
        assert_eq!(reason(diagnose(&refused, Vec::new())), (true, Reason::QuotaExceeded));
    }

    #[test]
    fn missing_object_is_the_cause_and_consequences_are_details() {
        let fact = Unmasked::new(Reason::ReleaseMissing, "gone");
        let Diagnosis::Unhealthy(failure, None) = diagnose(&shop(1, 0, &json!([])), vec![fact]) else {
            panic!("unhealthy")
        };
        assert_eq!(failure.reason, Reason::ReleaseMissing);
        assert_eq!(failure.details, ["also: Deployment store 0/1: not all of its pods are ready"]);
    }
}
