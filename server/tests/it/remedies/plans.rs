//! Reasons that are cured by correcting the plan's values.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use storeplane_core::failure::Reason;
use storeplane_proto::v1::{CancelOperationRequest, StoreState};

use super::stage::Stage;

fn broken(reason: Reason) -> &'static str {
    match reason {
        Reason::ChartRejected => "refuse: true\n",
        Reason::QuotaExceeded => "quota: 32Mi\n",
        Reason::PodSecurityViolation => "privileged: true\n",
        Reason::Unschedulable => "node: nowhere\n",
        Reason::ImagePullFailed => "image: missing.invalid/shop:1\n",
        Reason::CrashLoop => "image: crashing.invalid/shop:1\n",
        other => panic!("no plan produces {other:?}"),
    }
}

pub(super) async fn corrected(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    stage.plan(reason, broken(reason));
    let store = stage.create(&id, reason).await;
    if matches!(reason, Reason::ImagePullFailed | Reason::CrashLoop) {
        stage.reports(&id, reason).await;
        kubelet_tries_again(stage, &store.namespace).await;
    }
    stage.fails(&id, reason).await;
    stage.plan(reason, "{}\n");
    stage.retry(&id, reason).await;
}

/// A simulated kubelet tries once. Events from before the watch do not count, because the problem may be resolved; a real kubelet
/// repeats them.
async fn kubelet_tries_again(stage: &Stage, namespace: &str) {
    let client = stage.lab.kubernetes.client().await;
    let (pods, events) =
        (Api::<Pod>::namespaced(client.clone(), namespace), Api::<Event>::namespaced(client, namespace));
    for pod in pods.list(&ListParams::default()).await.unwrap().items {
        let (name, uid, status) = (pod.metadata.name.unwrap(), pod.metadata.uid.unwrap(), pod.status.unwrap());
        let mut containers = status.container_statuses.unwrap();
        let message = format!("Failed to pull image \"{}\": not found", containers[0].image);
        let event = json!({"metadata": {"name": format!("{name}.again")}, "reason": "Failed", "message": message,
            "involvedObject": {"kind": "Pod", "name": name, "namespace": namespace, "uid": uid}});
        events.create(&PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
        containers[0].restart_count += 1;
        let status = Patch::Merge(json!({"status": {"containerStatuses": containers}}));
        pods.patch_status(&name, &PatchParams::default(), &status).await.unwrap();
    }
}

pub(super) async fn cancelled(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    let hold = stage.control.hold(&id, storeplane_core::operation::Step::Install, "before");
    let store = stage.create(&id, reason).await;
    hold.reached().await.unwrap();
    let request = CancelOperationRequest { operation_id: store.operation, ..CancelOperationRequest::default() };
    stage.lab.api.operations.clone().cancel_operation(request).await.unwrap();
    hold.release();
    stage.shows(&id, StoreState::Failed, reason).await;
    stage.retry(&id, reason).await;
}
