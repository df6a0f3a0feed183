use insta::assert_snapshot;
use serde_json::json;

use super::{container, db_pod, event, explained, pod, put, shop_pod, snapshot, waiting};

fn failing_deployment(message: &str) -> serde_json::Value {
    json!({"kind": "Deployment", "metadata": {"name": "store", "uid": "deployment",
        "annotations": {"meta.helm.sh/release-name": "shop", "deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}})
}

fn claim(phase: &str) -> serde_json::Value {
    json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data-store-db-0", "uid": "claim"},
        "spec": {"storageClassName": "fast"}, "status": {"phase": phase}})
}

fn unscheduled(message: &str) -> serde_json::Value {
    json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]})
}

#[test]
fn starting_pod_has_no_obstacle() {
    let starting = db_pod(json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}));
    let creating = shop_pod(waiting("ContainerCreating", ""));
    assert_eq!(explained(&snapshot([starting, creating, claim("Pending")])), "");
}

#[test]
fn exceeded_quota_is_reported() {
    let quota = "create Pod store-db-0 in StatefulSet store-db failed error: pods \"store-db-0\" is forbidden: exceeded quota: store, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi";
    let seen = snapshot([event("set", "FailedCreate", quota)]);
    assert_snapshot!(explained(&seen), @r#"QUOTA_EXCEEDED Refused: StatefulSet store-db cannot create its pods: exceeded quota: store, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi | create Pod store-db-0 in StatefulSet store-db failed error: pods "store-db-0" is forbidden: exceeded quota: store, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi"#);
    let missing = "create Pod store-db-0 in StatefulSet store-db failed error: pods \"store-db-0\" is forbidden: failed quota: store: must specify limits.cpu for: db";
    assert_snapshot!(explained(&snapshot([event("set", "FailedCreate", missing)])), @r#"QUOTA_EXCEEDED Refused: StatefulSet store-db cannot create its pods: failed quota: store: must specify limits.cpu for: db | create Pod store-db-0 in StatefulSet store-db failed error: pods "store-db-0" is forbidden: failed quota: store: must specify limits.cpu for: db"#);
    let range = "Error creating: pods \"store-new-x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi";
    let seen = snapshot([failing_deployment(range), event("store-new", "FailedCreate", range)]);
    assert_snapshot!(explained(&seen), @r#"QUOTA_EXCEEDED Refused: Deployment store cannot create its pods: maximum memory usage per Container is 1Gi, but limit is 2Gi | Error creating: pods "store-new-x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"#);
}

#[test]
fn pod_security_violation_is_reported() {
    let text = "pods \"store-new-x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"main\" must set securityContext.allowPrivilegeEscalation=false)";
    let seen = snapshot([failing_deployment(text), event("store-new", "FailedCreate", text)]);
    assert_snapshot!(explained(&seen), @r#"POD_SECURITY_VIOLATION Refused: Deployment store cannot create its pods: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false) | pods "store-new-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false)"#);
}

#[test]
fn events_from_before_the_watch_are_not_failures_yet() {
    let text = "pods \"store-db-0\" is forbidden: exceeded quota: store";
    let mut seen = snapshot([
        failing_deployment(text),
        event("set", "FailedCreate", text),
        event("store-new", "FailedCreate", text),
    ]);
    seen.age_events();
    assert!(!explained(&seen).contains("Refused"), "{}", explained(&seen));
    let mut again = event("set", "FailedCreate", text);
    again["metadata"]["resourceVersion"] = json!("8");
    put(&mut seen, again);
    assert!(explained(&seen).contains("QUOTA_EXCEEDED Refused: StatefulSet store-db"), "{}", explained(&seen));
}

#[test]
fn transient_refusal_is_tolerated() {
    let uncounted = "create Pod store-db-0 in StatefulSet store-db failed error: pods \"store-db-0\" is forbidden: status unknown for quota: store, resources: limits.memory";
    assert_snapshot!(explained(&snapshot([event("set", "FailedCreate", uncounted)])), @r#"CREATION_REFUSED Progress: StatefulSet store-db cannot create its pods: status unknown for quota: store, resources: limits.memory | create Pod store-db-0 in StatefulSet store-db failed error: pods "store-db-0" is forbidden: status unknown for quota: store, resources: limits.memory"#);
}

#[test]
fn unbound_claim_is_reported() {
    let no_class =
        event("claim", "FailedBinding", "no persistent volumes available for this claim and no storage class is set");
    assert_snapshot!(explained(&snapshot([claim("Pending"), no_class])), @r#"VOLUME_NOT_BOUND Refused: PersistentVolumeClaim data-store-db-0 is not bound: no persistent volumes available for this claim and no storage class is set | storage class: fast"#);
    let missing = event("claim", "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found");
    assert_snapshot!(explained(&snapshot([claim("Pending"), missing])), @r#"VOLUME_NOT_BOUND Refused: PersistentVolumeClaim data-store-db-0 is not bound: storageclass.storage.k8s.io "fast" not found | storage class: fast"#);
    let slow = event(
        "claim",
        "ExternalProvisioning",
        "Waiting for a volume to be created either by the external provisioner 'csi.example.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
    );
    assert_snapshot!(explained(&snapshot([claim("Pending"), slow])), @r#"VOLUME_NOT_BOUND Progress: PersistentVolumeClaim data-store-db-0 is not bound: Waiting for a volume to be created either by the external provisioner 'csi.example.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered | storage class: fast"#);
    let waits = event("claim", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
    assert_eq!(explained(&snapshot([claim("Pending"), waits])), "");
    assert_snapshot!(explained(&snapshot([claim("Lost")])), @r#"VOLUME_NOT_BOUND Failing: PersistentVolumeClaim data-store-db-0 is not bound: its volume is lost |"#);
}

#[test]
fn pod_waiting_for_claim_reports_the_claim() {
    let text = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found";
    let missing = event("claim", "ProvisioningFailed", "storageclass.storage.k8s.io \"fast\" not found");
    assert_snapshot!(explained(&snapshot([db_pod(unscheduled(text)), claim("Pending"), missing])), @r#"VOLUME_NOT_BOUND Refused: PersistentVolumeClaim data-store-db-0 is not bound: storageclass.storage.k8s.io "fast" not found | storage class: fast"#);
}

#[test]
fn unschedulable_outranks_its_consequences() {
    let text = "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.";
    let crash = shop_pod(container(
        json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        3,
        json!({"terminated": {"exitCode": 1}}),
    ));
    assert_snapshot!(explained(&snapshot([db_pod(unscheduled(text)), crash])), @r###"
UNSCHEDULABLE Unschedulable: No node can schedule pod store-db-0: 0/3 nodes are available: 3 Insufficient memory | 0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.
CRASH_LOOP Certain: The container main of the pod store-new-x exits repeatedly, the last time with exit code 1 | restarts: 3
"###);
}

#[test]
fn job_and_old_revision_pods_do_not_fail_rollout() {
    let crash =
        || container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), 9, json!({"terminated": {"exitCode": 1}}));
    let job = pod("store-cron-1", "Job", "job", "", crash());
    let old_shop = pod("store-old-x", "ReplicaSet", "store-old", "", crash());
    assert_eq!(explained(&snapshot([job, super::replica_set("store-old", "1"), old_shop])), "");
    let old_db = pod("store-db-0", "StatefulSet", "set", "old", crash());
    assert_snapshot!(explained(&snapshot([old_db])), @r#"CRASH_LOOP Reported: The container main of the pod store-db-0 exits repeatedly, the last time with exit code 1 | restarts: 9 | The pod is of an older revision of the StatefulSet store-db."#);
}

#[test]
fn missing_volume_secret_and_failing_probe_are_reported() {
    let missing = event(
        "store-db-0",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"config\" : secret \"store-db\" not found",
    );
    let starting = db_pod(waiting("ContainerCreating", ""));
    assert_snapshot!(explained(&snapshot([starting, missing])), @r#"CONTAINER_CONFIG_ERROR Failing: A volume of the pod store-db-0 cannot be mounted: MountVolume.SetUp failed for volume "config" : secret "store-db" not found |"#);
    let probe = event("store-new-x", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
    let running = shop_pod(container(json!({"running": {}}), 0, json!({})));
    assert_snapshot!(explained(&snapshot([running, probe])), @r#"NOT_READY Reported: The pod store-new-x runs and is not ready | Readiness probe failed: HTTP probe failed with statuscode: 503"#);
}

#[test]
fn release_without_workloads_is_reported() {
    let mut seen = snapshot([]);
    seen.release = "another".into();
    assert_snapshot!(explained(&seen), @r#"WORKLOAD_MISSING Reported: The release another has no workload |"#);
}
