use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{container, db_pod, event, explained, put, shop_pod, snapshot, waiting};

fn pulls(reason: &str, message: &str) -> String {
    explained(&snapshot([shop_pod(waiting(reason, message))]))
}

#[test]
fn image_pull_errors_are_reported() {
    assert_snapshot!(pulls("ErrImagePull", "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/shop:1\": not found"), @r#"IMAGE_PULL_FAILED Failing: The image shop:1 of the container main of the pod store-new-x cannot be pulled | ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/shop:1": not found"#);
    assert_snapshot!(pulls("ImagePullBackOff", "Back-off pulling image \"shop:1\""), @r#"IMAGE_PULL_FAILED Failing: The image shop:1 of the container main of the pod store-new-x cannot be pulled | ImagePullBackOff: Back-off pulling image "shop:1""#);
    assert_snapshot!(pulls("InvalidImageName", "Failed to apply default image tag \"SHOP:::1\": couldn't parse image name"), @r#"IMAGE_PULL_FAILED Refused: The image shop:1 of the container main of the pod store-new-x cannot be pulled | InvalidImageName: Failed to apply default image tag "SHOP:::1": couldn't parse image name"#);
}

#[test]
fn missing_config_reference_is_reported() {
    assert_snapshot!(pulls("CreateContainerConfigError", "secret \"store-db\" not found"), @r#"CONTAINER_CONFIG_ERROR Failing: The container main of the pod store-new-x cannot be created: secret "store-db" not found |"#);
    assert_snapshot!(pulls("CreateContainerConfigError", "couldn't find key root-password in Secret store-demo/store-db"), @r#"CONTAINER_CONFIG_ERROR Failing: The container main of the pod store-new-x cannot be created: couldn't find key root-password in Secret store-demo/store-db |"#);
}

fn crash(restarts: i32, last: Value) -> String {
    let state =
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}});
    explained(&snapshot([db_pod(container(state, restarts, json!({"terminated": last})))]))
}

#[test]
fn repeated_exits_are_a_crash_loop() {
    assert_snapshot!(crash(1, json!({"exitCode": 1, "reason": "Error"})), @r#"CRASH_LOOP Failing: The container main of the pod store-db-0 exits repeatedly, the last time with exit code 1 | restarts: 1"#);
    assert_snapshot!(crash(2, json!({"exitCode": 1, "reason": "Error", "message": "no data directory\n"})), @r#"CRASH_LOOP Certain: The container main of the pod store-db-0 exits repeatedly, the last time with exit code 1 | restarts: 2 | no data directory"#);
    assert_snapshot!(crash(3, json!({"exitCode": 0, "reason": "Completed"})), @r#"CRASH_LOOP Certain: The container main of the pod store-db-0 exits repeatedly, the last time with exit code 0 | restarts: 3"#);
    assert_snapshot!(crash(3, json!({"exitCode": 139, "signal": 11})), @r#"CRASH_LOOP Certain: The container main of the pod store-db-0 exits repeatedly, the last time by signal 11 | restarts: 3"#);
}

#[test]
fn out_of_memory_outranks_crash_loop() {
    assert_snapshot!(crash(2, json!({"exitCode": 137, "reason": "OOMKilled"})), @r#"OUT_OF_MEMORY Certain: The container main of the pod store-db-0 was killed: it exceeded its memory limit | restarts: 2"#);
}

#[test]
fn crash_is_detected_before_back_off() {
    let now = json!({"terminated": {"exitCode": 2}});
    assert_snapshot!(explained(&snapshot([db_pod(container(now, 2, json!({})))])), @r#"CRASH_LOOP Certain: The container main of the pod store-db-0 exits repeatedly, the last time with exit code 2 | restarts: 2"#);
    let running = container(json!({"running": {}}), 2, json!({"terminated": {"exitCode": 2}}));
    assert_snapshot!(explained(&snapshot([db_pod(running)])), @r#"CRASH_LOOP Reported: The container main of the pod store-db-0 exits repeatedly, the last time with exit code 2 | restarts: 2"#);
}

#[test]
fn completed_init_container_is_not_a_crash() {
    let init = |exit: i32, restarts: i32| {
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "bootstrap", "image": "shop:1", "imageID": "", "ready": true,
            "restartCount": restarts, "state": {"terminated": {"exitCode": exit}}}],
            "containerStatuses": [{"name": "main", "image": "shop:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "PodInitializing"}}}]})
    };
    assert_eq!(explained(&snapshot([shop_pod(init(0, 1))])), "");
    assert_snapshot!(explained(&snapshot([shop_pod(init(1, 2))])), @r#"CRASH_LOOP Certain: The container bootstrap of the pod store-new-x exits repeatedly, the last time with exit code 1 | restarts: 2"#);
}

#[test]
fn database_crash_outranks_shop_crash() {
    let state = || json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let both = [shop_pod(container(state(), 4, json!({}))), db_pod(container(state(), 4, json!({})))];
    let first = explained(&snapshot(both));
    assert!(first.starts_with("CRASH_LOOP Certain: The container main of the pod store-db-0"), "{first}");
}

#[test]
fn problems_from_before_the_watch_must_recur() {
    let state = || json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let crashed = |restarts| db_pod(container(state(), restarts, json!({})));
    let mut seen = snapshot([crashed(7), shop_pod(waiting("ImagePullBackOff", ""))]);
    seen.mark_problems_old();
    assert_eq!(explained(&seen).matches("Reported").count(), 2, "{}", explained(&seen));
    put(&mut seen, crashed(8));
    put(&mut seen, event("store-new-x", "Failed", "Failed to pull image \"shop:1\": not found"));
    assert_eq!(explained(&seen).matches("Reported").count(), 0, "{}", explained(&seen));
}
