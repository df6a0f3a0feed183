use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{Snapshot, container, event, explained, pod, put, snapshot, waiting};

/// The observed Job `backup`, and `more`.
fn observed(active: i32, more: impl IntoIterator<Item = Value>) -> Snapshot {
    let mut snapshot = Snapshot::of_job("backup".into());
    let job = json!({"kind": "Job", "metadata": {"name": "backup", "uid": "job"}, "status": {"active": active}});
    for object in std::iter::once(job).chain(more) {
        put(&mut snapshot, object);
    }
    snapshot
}

fn job_pod(status: Value) -> Value {
    pod("backup-x", "Job", "job", "", status)
}

#[test]
fn what_blocks_a_job_is_reported() {
    let forbidden = "Error creating: pods \"backup-x\" is forbidden: exceeded quota: store, requested: pods=1, used: pods=2, limited: pods=2";
    assert_snapshot!(explained(&observed(0, [event("job", "FailedCreate", forbidden)])), @r#"QUOTA_EXCEEDED Refused: Job backup cannot create its pods: exceeded quota: store, requested: pods=1, used: pods=2, limited: pods=2 | Error creating: pods "backup-x" is forbidden: exceeded quota: store, requested: pods=1, used: pods=2, limited: pods=2"#);
    assert_eq!(explained(&observed(1, [event("job", "FailedCreate", forbidden)])), "", "it has a pod now");
    assert_snapshot!(explained(&observed(1, [job_pod(waiting("ImagePullBackOff", "Back-off pulling image"))])), @r#"IMAGE_PULL_FAILED Failing: The image shop:1 of the container main of the pod backup-x cannot be pulled | ImagePullBackOff: Back-off pulling image"#);
    let attached = "Multi-Attach error for volume \"pvc-1\" Volume is already used by pod(s) store-x";
    let starting = job_pod(waiting("ContainerCreating", ""));
    assert_snapshot!(explained(&observed(1, [starting, event("backup-x", "FailedAttachVolume", attached)])), @r#"VOLUME_NOT_BOUND Reported: A volume of the pod backup-x cannot be mounted: Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) store-x |"#);
}

#[test]
fn ended_container_of_a_job_is_no_obstacle() {
    let failed = container(json!({"terminated": {"exitCode": 20, "reason": "Error"}}), 0, json!({}));
    assert_eq!(explained(&observed(1, [job_pod(failed)])), "");
}

#[test]
fn pods_of_jobs_do_not_count_as_the_releases() {
    let failing = waiting("ImagePullBackOff", "Back-off pulling image");
    let other = pod("backup-y", "Job", "another", "", failing.clone());
    assert_eq!(explained(&observed(1, [other])), "", "of another Job");
    let mut page = job_pod(failing);
    page["metadata"]["labels"] = json!({"app": "store"});
    assert_eq!(explained(&snapshot([page])), explained(&snapshot([])));
}
