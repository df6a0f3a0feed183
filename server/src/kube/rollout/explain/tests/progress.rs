//! Progress, passing obstacles, and leftovers.

use serde_json::{Value, json};

use super::{db_pod, event, explained, put, shop_pod, snapshot, waiting};

const NO_NODE: &str = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available";

fn unscheduled() -> Value {
    db_pod(json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_NODE}]}))
}

/// The shop's pod on a node, not ready, with further conditions; `terminating` after its eviction.
fn on_node(conditions: Value, terminating: bool) -> Value {
    let mut pod = shop_pod(json!({"phase": "Running", "conditions": conditions}));
    pod["spec"] = json!({"nodeName": "node-1", "containers": []});
    if terminating {
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T07:00:00Z");
    }
    pod
}

#[test]
fn autoscaling_is_progress_until_autoscaler_gives_up() {
    assert!(explained(&snapshot([unscheduled()])).starts_with("UNSCHEDULABLE Unschedulable: No node can schedule pod"));
    for reason in ["TriggeredScaleUp", "Nominated"] {
        let seen = explained(&snapshot([unscheduled(), event("store-db-0", reason, "pod triggered scale-up")]));
        assert!(seen.starts_with("UNSCHEDULABLE Progress:") && seen.contains("a node is on its way"), "{seen}");
        assert!(seen.contains(&format!("{reason}: pod triggered scale-up")), "{seen}");
    }
    let mut seen = snapshot([unscheduled(), event("store-db-0", "TriggeredScaleUp", "1->2")]);
    let mut later = event("store-db-0", "NotTriggerScaleUp", "max node group size reached");
    later["metadata"]["resourceVersion"] = json!("9");
    put(&mut seen, later);
    assert!(explained(&seen).starts_with("UNSCHEDULABLE Unschedulable:"), "{}", explained(&seen));
}

#[test]
fn overloaded_registry_is_passing_and_missing_image_is_lasting() {
    for (why, obstacle) in [
        ("failed to pull: unexpected status code 429 Too Many Requests", "Passing"),
        ("failed to pull: 503 Service Unavailable", "Passing"),
        ("dial tcp: lookup registry.test: no such host", "Passing"),
        ("docker.io/library/shop:1: not found", "Failing"),
    ] {
        let seen = explained(&snapshot([shop_pod(waiting("ErrImagePull", why))]));
        assert!(seen.starts_with(&format!("IMAGE_PULL_FAILED {obstacle}:")), "{seen}");
    }
    // Back-off alone has no cause; the newest event has.
    let back_off = shop_pod(waiting("ImagePullBackOff", "Back-off pulling image \"shop:1\""));
    let cause = event("store-new-x", "Failed", "Failed to pull image \"shop:1\": 429 Too Many Requests");
    let seen = explained(&snapshot([back_off, cause]));
    assert!(seen.starts_with("IMAGE_PULL_FAILED Passing:") && seen.contains("429 Too Many Requests"), "{seen}");
}

#[test]
fn evicted_pods_are_not_crashes() {
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
        "containerStatuses": [{"name": "main", "image": "shop:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}, "lastState": {}}]});
    assert_eq!(explained(&snapshot([shop_pod(evicted)])), "");
}

#[test]
fn lost_node_is_named_even_for_terminating_pods() {
    let unknown = json!([{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]);
    let seen = explained(&snapshot([on_node(unknown, false)]));
    assert!(seen.starts_with("NODE_LOST Passing: The node node-1 of pod store-new-x does not answer"), "{seen}");
    let evicted = json!([{"type": "Ready", "status": "False"},
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]);
    let seen = explained(&snapshot([on_node(evicted, true)]));
    assert!(seen.starts_with("NODE_LOST Passing: The node node-1 does not answer: pod store-new-x stays Terminating"));
    let ended = json!([{"type": "Ready", "status": "False"}]);
    assert_eq!(explained(&snapshot([on_node(ended, true)])), "", "a pod that is just being replaced");
}

#[test]
fn workload_scaled_to_zero_is_the_cause() {
    let scaled = json!({"kind": "StatefulSet", "metadata": {"name": "store-db", "uid": "set",
            "annotations": {"meta.helm.sh/release-name": "shop"}},
        "spec": {"replicas": 0, "selector": {}, "template": {}, "serviceName": "store-db"}, "status": {"replicas": 0}});
    let crash = shop_pod(waiting("CrashLoopBackOff", ""));
    let seen = explained(&snapshot([scaled, crash]));
    assert!(seen.starts_with("SCALED_TO_ZERO Failing: StatefulSet store-db is scaled to 0 replicas"), "{seen}");
}

#[test]
fn full_volume_is_recognised_in_probe_and_termination_message() {
    let running = db_pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}));
    let probe = event("store-db-0", "Unhealthy", "Readiness probe failed: ERROR 3: Disk full (Errcode: 28)");
    let seen = explained(&snapshot([running, probe]));
    assert!(seen.starts_with("VOLUME_FULL Failing: A volume of the pod store-db-0 has no space left"), "{seen}");
}

#[test]
fn policy_denial_and_webhook_failure_are_distinguished() {
    let denied = "create Pod store-db-0 in StatefulSet store-db failed error: admission webhook \"check.example.com\" denied the request: no owner";
    let seen = explained(&snapshot([event("set", "FailedCreate", denied)]));
    assert!(
        seen.starts_with("POLICY_DENIED Refused: StatefulSet store-db cannot create its pods: admission webhook"),
        "{seen}"
    );
    let away = "create Pod store-db-0 in StatefulSet store-db failed error: Internal error occurred: failed calling webhook \"check.example.com\": EOF";
    let seen = explained(&snapshot([event("set", "FailedCreate", away)]));
    assert!(seen.starts_with("WEBHOOK_UNAVAILABLE Passing:") && seen.contains("check.example.com"), "{seen}");
}
