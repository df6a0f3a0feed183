//! RestoreStore: the shop goes offline, its data is backed up and replaced, and it comes back, whatever fails.

use k8s_openapi::api::apps::v1::Deployment;
use storeplane_core::operation::Step;
use storeplane_proto::v1::{
    BackupState, BackupTrigger, CancelOperationRequest, GetOperationRequest, ListBackupsRequest, Operation,
    OperationState, RestoreStoreRequest, Store, StoreState,
};
use tempfile::TempDir;
use tonic::Status;

use super::{Stage, complete, create, delete, events, until};
use crate::failures::copy;
use crate::harness::{Api, Run, Setup, reason};
use crate::kube_support::plain_client;

pub(super) fn wanted(store: &Store, backup_id: &str) -> RestoreStoreRequest {
    let (store_id, backup_id) = (store.store_id.clone(), backup_id.to_owned());
    RestoreStoreRequest { store_id, backup_id, ..RestoreStoreRequest::default() }
}

pub(super) async fn restore(api: &Api, request: RestoreStoreRequest) -> Result<Store, Status> {
    api.stores.clone().restore_store(request).await.map(tonic::Response::into_inner)
}

/// A chart whose shops are not tested: behind simulated pods there is none.
pub(super) fn charts_without_test() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    copy(&Setup::small().charts, dir.path());
    let descriptor = dir.path().join("sample/storeplane.yaml");
    let text = std::fs::read_to_string(&descriptor).expect("a descriptor");
    std::fs::write(descriptor, text.replace("verify: store-api", "verify: none")).expect("written");
    dir
}

async fn start() -> (Stage, TempDir) {
    let dir = charts_without_test();
    // A short lease: one server is killed.
    (Stage::mortal(Setup { charts: dir.path().to_owned(), ..Setup::small() }).await, dir)
}

/// The operation and the store once it has ended.
pub(super) async fn ended(api: &Api, restoring: &Store) -> (Operation, Store) {
    let (store, _) = api.settle(&restoring.store_id).await;
    let request = GetOperationRequest { operation_id: restoring.operation.clone() };
    let operation = api.operations.clone().get_operation(request).await.expect("the operation").into_inner();
    (operation, store)
}

/// The shop is online as before, and nothing of the restore is left in its namespace.
pub(super) async fn assert_online(stage: &Stage, store: &Store) {
    let cluster = &stage.lab.kubernetes.cluster;
    until("no Job is left", async || cluster.jobs_of(&store.namespace).await.expect("the Jobs").is_empty()).await;
    let deployments = kube::Api::<Deployment>::namespaced(plain_client().await, &store.namespace);
    let replicas = deployments.get("store").await.expect("a Deployment").spec.replicas;
    assert_eq!(replicas, Some(1), "{}", events(stage.api(), &store.store_id).await);
}

#[tokio::test]
async fn data_is_replaced_after_a_backup_of_the_present_data() {
    let (stage, _charts) = start().await;
    let (store, player) = stage.played(&[Run::Succeeds]).await;
    let backup = complete(stage.api(), &create(stage.api(), &store).await).await;
    let validated = RestoreStoreRequest { validate_only: true, ..wanted(&store, &backup.backup_id) };
    assert_eq!(restore(stage.api(), validated).await.expect("valid").state(), StoreState::Updating);
    let restoring = restore(stage.api(), wanted(&store, &backup.backup_id)).await.expect("accepted");
    assert_eq!(restoring.state(), StoreState::Updating);
    let refused = delete(stage.api(), &backup.backup_id).await.expect_err("it is being read");
    assert_eq!(reason(&refused), "BACKUP_IN_PROGRESS");
    let (operation, after) = ended(stage.api(), &restoring).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_online(&stage, &store).await;
    let [first, before, restored] = &player.played()[..] else { panic!("three Jobs: {:?}", player.played()) };
    assert_eq!(first.sources, restored.sources, "what was restored is what was backed up");
    assert!(before.files.contains_key("recipient") && !restored.files.contains_key("recipient"));
    let list = ListBackupsRequest { store_id: store.store_id.clone(), ..ListBackupsRequest::default() };
    let listed = stage.api().backups.clone().list_backups(list).await.expect("backups").into_inner().backups;
    let found: Vec<_> = listed.iter().map(|backup| (backup.trigger(), backup.state())).collect();
    let expected = [BackupTrigger::BeforeRestore, BackupTrigger::OnDemand].map(|it| (it, BackupState::Complete));
    assert_eq!(found, expected);
    for (event, step) in [
        ("RESTORE_REQUESTED", ""),
        ("BACKUP_COMPLETED", ""),
        ("RESTORED", "RESTORE"),
        ("STEP_SUCCEEDED", "END_MAINTENANCE"),
        ("STEP_SUCCEEDED", "VERIFY"),
    ] {
        assert!(seen.lines().any(|line| line.starts_with(&format!("{event} {step}"))), "{event} {step}: {seen}");
    }
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn failed_restore_leaves_the_shop_online_and_another_one_helps() {
    let (stage, _charts) = start().await;
    let import = Run::Exits("database", 32, "the import failed");
    let script = [Run::Succeeds, import, import, import, Run::Succeeds];
    let (store, player) = stage.played(&script).await;
    let backup = complete(stage.api(), &create(stage.api(), &store).await).await;
    let without = || RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let (operation, after) = ended(stage.api(), &restore(stage.api(), without()).await.expect("accepted")).await;
    assert_eq!((operation.state(), operation.reason.as_str()), (OperationState::Failed, "RESTORE_FAILED"));
    assert!(operation.message.contains("the import failed"), "{}", operation.message);
    assert_eq!(after.state(), StoreState::Ready, "{}", after.message);
    assert_online(&stage, &store).await;
    assert_eq!(player.played().len(), 4, "it was tried three times");
    let (operation, after) = ended(stage.api(), &restore(stage.api(), without()).await.expect("accepted")).await;
    let ends = (operation.state(), after.state());
    assert_eq!(ends, (OperationState::Succeeded, StoreState::Ready), "{}", events(stage.api(), &store.store_id).await);
    stage.delete(&store).await;
}

#[tokio::test]
async fn restore_goes_on_on_another_server_and_ends_when_it_is_cancelled() {
    let (mut stage, _charts) = start().await;
    let (store, player) = stage.played(&[Run::Succeeds, Run::Held, Run::Held]).await;
    let backup = complete(stage.api(), &create(stage.api(), &store).await).await;
    let without = || RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let restoring = restore(stage.api(), without()).await.expect("accepted");
    player.started(2).await;
    stage.lab.server.kill9();
    stage.lab.server.restart().await;
    player.release();
    let (operation, after) = ended(stage.api(), &restoring).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready));
    assert!(operation.claims > 1 && player.played().len() == 2, "the same Job was followed");
    let hold = stage.hold(&store, Step::Restore, "before");
    let restoring = restore(stage.api(), without()).await.expect("accepted");
    hold.reached().await.expect("it restores");
    let request =
        CancelOperationRequest { operation_id: restoring.operation.clone(), ..CancelOperationRequest::default() };
    stage.api().operations.clone().cancel_operation(request).await.expect("accepted");
    hold.release();
    let (operation, after) = ended(stage.api(), &restoring).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Cancelled, StoreState::Ready));
    assert_online(&stage, &store).await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn backup_that_cannot_be_restored_is_refused_with_its_reason() {
    let stage = Stage::start().await;
    let (store, other) = (stage.simulated().await, stage.simulated().await);
    let backup = complete(stage.api(), &create(stage.api(), &other).await).await;
    let refused = async |request| reason(&restore(stage.api(), request).await.expect_err("refused"));
    assert_eq!(refused(wanted(&store, &backup.backup_id)).await, "BACKUP_NOT_USABLE");
    assert_eq!(refused(wanted(&store, &uuid::Uuid::now_v7().to_string())).await, "BACKUP_NOT_FOUND");
    assert_eq!(refused(wanted(&store, "7")).await, "INVALID_REQUEST");
    let own = complete(stage.api(), &create(stage.api(), &store).await).await;
    let outdated = RestoreStoreRequest { etag: "old".into(), ..wanted(&store, &own.backup_id) };
    assert_eq!(refused(outdated).await, "STALE_ETAG");
    let request_id = uuid::Uuid::now_v7().to_string();
    let once = RestoreStoreRequest { request_id, ..wanted(&store, &own.backup_id) };
    let (operation, after) = ended(stage.api(), &restore(stage.api(), once.clone()).await.expect("accepted")).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "simulated");
    delete(stage.api(), &own.backup_id).await.expect("no operation reads it any more");
    let repeated = restore(stage.api(), once).await.expect("the same answer as before");
    assert_eq!(repeated.operation, operation.operation_id);
    assert_eq!(refused(wanted(&store, &own.backup_id)).await, "BACKUP_NOT_USABLE");
    stage.delete(&store).await;
    stage.delete(&other).await;
}
