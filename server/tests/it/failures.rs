//! Failures have their true cause, and can be retried, cancelled or cleaned up.

use std::path::Path;

use storeplane_proto::v1::{CancelOperationRequest, CleanupPolicy, CreateStoreRequest, OperationState, StoreState};
use tonic::Code;

use crate::harness::{Api, Lab, Setup, charts, fresh, reason};

/// The charts with an additional plan, consisting of these values.
pub(crate) fn charts_with_plan(name: &str, values: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&charts(), dir.path());
    std::fs::write(dir.path().join("woocommerce/plans").join(format!("{name}.yaml")), values).unwrap();
    dir
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn with_plan(id: &str, plan: &str) -> CreateStoreRequest {
    let mut request = Api::wanted(id);
    request.store.as_mut().unwrap().plan = plan.into();
    request
}

/// A plan whose database requests more than the store's own quota allows.
pub(crate) const OVER_QUOTA: &str =
    "quota: {hard: {requests.cpu: 1m, requests.memory: 1Mi, limits.cpu: 1m, limits.memory: 1Mi}}\n";

#[tokio::test]
async fn exceeded_quota_fails_store_in_seconds() {
    let charts = charts_with_plan("broken", OVER_QUOTA);
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("quota");
    lab.api.create(with_plan(&id, "broken")).await.unwrap();

    let (store, seen) = lab.api.settle(&id).await;

    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "QUOTA_EXCEEDED"), "{}", seen.text());
    assert!(!store.message.is_empty() && !store.remedy.is_empty() && !store.details.is_empty(), "{store:?}");
    assert!(lab.kubernetes.has_namespace(&store.namespace).await, "KEEP keeps the resources");

    // The cause is removed: a retry continues from what exists.
    let small = std::fs::read(charts.path().join("woocommerce/plans/small.yaml")).unwrap();
    std::fs::write(charts.path().join("woocommerce/plans/broken.yaml"), small).unwrap();
    assert_eq!(lab.api.retry(&id).await.unwrap().state(), StoreState::Provisioning);
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Ready, ""), "{}", seen.text());
    // A READY store can be retried too: its chart is applied again.
    assert_eq!(lab.api.retry(&id).await.unwrap().state(), StoreState::Provisioning);
    assert_eq!(reason(&lab.api.retry(&id).await.unwrap_err()), "NOT_RETRYABLE");
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Ready);
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn delete_resources_removes_failed_creation() {
    let charts = charts_with_plan("broken", OVER_QUOTA);
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("clean");
    let request =
        CreateStoreRequest { cleanup_policy: CleanupPolicy::DeleteResources.into(), ..with_plan(&id, "broken") };
    lab.api.create(request).await.unwrap();

    let (store, seen) = lab.api.settle(&id).await;

    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "QUOTA_EXCEEDED"), "{}", seen.text());
    assert!(seen.types().contains(&"UNDO_SUCCEEDED"), "{}", seen.text());
    lab.kubernetes.assert_gone(&id).await;
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
}

#[tokio::test]
async fn rejected_values_fail_immediately_and_are_named() {
    let charts = charts_with_plan("broken", "noSuchValue: 1\n");
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("schema");
    lab.api.create(with_plan(&id, "broken")).await.unwrap();
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "CHART_REJECTED"), "{}", seen.text());
    assert!(store.details.join("\n").contains("noSuchValue"), "{store:?}");
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn cancelled_creation_is_undone_with_events() {
    // Nothing can be scheduled, so that the operation is still active when it is cancelled.
    let charts = charts_with_plan("nowhere", "scheduling: {nodeSelector: {no-such: node}}\n");
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("cancel");
    let store = lab.api.create(with_plan(&id, "nowhere")).await.unwrap();
    lab.api.until_told(&id, "WAITING").await;
    let waiting = lab.api.get(&id).await.unwrap();
    assert_eq!(waiting.reason, "UNSCHEDULABLE", "why it waits is seen while it waits");
    let request = CancelOperationRequest { operation_id: store.operation.clone(), ..CancelOperationRequest::default() };

    let asked = lab.api.operations.clone().cancel_operation(request.clone()).await.unwrap().into_inner();

    assert!(asked.cancel_requested);
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "CANCELLED"), "{}", seen.text());
    let again = lab.api.operations.clone().cancel_operation(request).await.unwrap().into_inner();
    assert_eq!(again.state(), OperationState::Cancelled);
    lab.kubernetes.assert_gone(&id).await;
    lab.api.delete(&id).await.unwrap();
    let deleting = lab.api.get(&id).await.unwrap();
    let request = CancelOperationRequest { operation_id: deleting.operation, ..CancelOperationRequest::default() };
    match lab.api.operations.clone().cancel_operation(request).await {
        Err(status) => {
            assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "NOT_CANCELLABLE"));
        }
        Ok(ended) => assert_eq!(ended.into_inner().state(), OperationState::Succeeded),
    }
    lab.api.settle(&id).await;
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn server_without_helm_serves_and_reports_it() {
    let lab = Setup { helm: "/no/such/helm".into(), ..Setup::default() }.start().await;
    let id = fresh("nohelm");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let (store, _) = lab.api.settle(&id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "HELM_MISSING"));

    // Its namespace exists without a release, so that helm is not needed to delete it.
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    lab.kubernetes.assert_gone(&id).await;
}

#[tokio::test]
async fn delete_without_helm_fails_instead_of_pretending() {
    let mut lab = Lab::start().await;
    let id = fresh("needs");
    lab.api.ready(&id).await;
    lab.server.terminate().await;
    lab.server.set("STOREPLANE_HELM_BIN", "/no/such/helm");
    lab.server.restart().await;
    lab.api.delete(&id).await.unwrap();
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "HELM_MISSING"), "{}", seen.text());
    lab.kubernetes.assert_installed(&id).await;

    lab.server.terminate().await;
    lab.server.set("STOREPLANE_HELM_BIN", &crate::harness::env("STOREPLANE_TEST_HELM3"));
    lab.server.restart().await;
    // The deletion failed, so a retry continues the deletion.
    assert_eq!(lab.api.retry(&id).await.unwrap().state(), StoreState::Deleting);
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    lab.kubernetes.assert_gone(&id).await;
    lab.database.assert_sound().await;
}
