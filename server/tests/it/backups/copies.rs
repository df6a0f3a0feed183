//! CopyStore and UndeleteStore: a new store gets the data of a backup before its shop starts.

use storeplane_core::operation::Step;
use storeplane_proto::v1::{
    BackupState, BackupTrigger, CopyStoreRequest, GetOperationRequest, ListBackupsRequest, Operation, OperationKind,
    OperationState, Store, StoreEnvironment, StoreState, UndeleteStoreRequest,
};
use tonic::{Code, Status};
use uuid::Uuid;

use super::restores::charts_without_test;
use super::{Stage, complete, create, delete, events};
use crate::harness::{Api, BackupStorage, Gateway, JobPlayer, Run, Setup, fresh, reason};

/// A copy of the store as it is.
fn wanted(source: &Store) -> CopyStoreRequest {
    CopyStoreRequest {
        source_store_id: source.store_id.clone(),
        store_id: fresh("copy"),
        ..CopyStoreRequest::default()
    }
}

async fn copy(api: &Api, request: CopyStoreRequest) -> Result<Store, Status> {
    api.stores.clone().copy_store(request).await.map(tonic::Response::into_inner)
}

async fn undelete(api: &Api, request: UndeleteStoreRequest) -> Result<Store, Status> {
    api.stores.clone().undelete_store(request).await.map(tonic::Response::into_inner)
}

fn deleted(store: &Store) -> UndeleteStoreRequest {
    UndeleteStoreRequest { store_id: store.store_id.clone(), ..UndeleteStoreRequest::default() }
}

async fn operation(api: &Api, store: &Store) -> Operation {
    let request = GetOperationRequest { operation_id: store.operation.clone() };
    api.operations.clone().get_operation(request).await.expect("the operation").into_inner()
}

/// A server that may not see that the nodes are simulated, so that Jobs are created, with a chart whose shops are not tested.
pub(super) async fn start() -> (Stage, tempfile::TempDir, Gateway) {
    let (charts, gateway) = (charts_without_test(), Gateway::open().await);
    gateway.forbid("GET /api/v1/nodes");
    let setup = Setup { charts: charts.path().to_owned(), kubeconfig: gateway.kubeconfig.clone(), ..Setup::small() };
    (Stage::of(setup.with("STOREPLANE_LEASE_SECONDS", "3"), BackupStorage::volume()).await, charts, gateway)
}

#[tokio::test]
async fn copy_of_a_live_store_gets_its_data_and_reaches_no_customers() {
    let (mut stage, _charts, _gateway) = start().await;
    let source = stage.api().ready(&fresh("source")).await;
    let making = JobPlayer::start(&source.namespace, &[Run::Held]).await;
    let request = wanted(&source);
    let restoring = JobPlayer::start(&format!("store-{}", request.store_id), &[Run::Succeeds]).await;
    let requested = copy(stage.api(), request.clone()).await.expect("accepted");
    assert_eq!((requested.state(), requested.environment()), (StoreState::Provisioning, StoreEnvironment::Staging));
    assert_eq!(requested.display_name, format!("{} (copy)", source.display_name));
    let from = requested.source.clone().expect("is recorded");
    assert_eq!((from.store_id.as_str(), from.store_uid.as_str()), (source.store_id.as_str(), source.uid.as_str()));
    stage.api().until_told(&requested.store_id, "WAITING RESTORE").await;
    making.started(1).await;
    let meanwhile = stage.api().get(&source.store_id).await.expect("the store");
    assert_eq!(meanwhile.state(), StoreState::Ready, "it keeps selling");
    assert_eq!(reason(&delete(stage.api(), &from.backup_id).await.expect_err("in use")), "BACKUP_IN_PROGRESS");
    stage.lab.server.kill9();
    stage.lab.server.restart().await;
    making.release();

    let (after, seen) = stage.api().settle(&requested.store_id).await;
    let copying = operation(stage.api(), &requested).await;
    assert_eq!((after.state(), copying.kind()), (StoreState::Ready, OperationKind::Copy), "{}", seen.text());
    assert_eq!(restoring.played()[0].sources, making.played()[0].sources, "what was restored is what was backed up");
    let backup = super::get(stage.api(), &from.backup_id).await.expect("the backup");
    assert_eq!((backup.state(), backup.trigger()), (BackupState::Complete, BackupTrigger::Copy));
    let record = stage.lab.kubernetes.cluster.store_record(&after.namespace, &after.namespace, 1).await;
    let record = record.expect("an answer").expect("a record");
    assert!(record.staging && record.store_uid == after.uid, "{record:?}");
    let jobs = stage.lab.kubernetes.cluster.jobs_of(&after.namespace).await.expect("the Jobs");
    assert!(jobs.is_empty(), "{jobs:?}");

    let again = stage.api().retry(&after.store_id).await.expect("accepted");
    assert_eq!(operation(stage.api(), &again).await.kind(), OperationKind::Retry, "it has its data");
    assert_eq!(stage.api().settle(&after.store_id).await.0.state(), StoreState::Ready);
    assert_eq!(restoring.played().len(), 1, "nothing replaces the data of a shop that sells");
    stage.delete(&source).await;
    stage.delete(&after).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn copy_fails_with_the_cause_and_a_retry_continues_it() {
    let (stage, _charts, _gateway) = start().await;
    let source = stage.api().ready(&fresh("source")).await;
    let unreadable = Run::Exits("database", 20, "the database does not answer");
    let _making = JobPlayer::start(&source.namespace, &[unreadable, unreadable, unreadable, Run::Succeeds]).await;
    let request = wanted(&source);
    let (copied, _) = stage.api().settle(&copy(stage.api(), request).await.expect("accepted").store_id).await;
    assert_eq!((copied.state(), copied.reason.as_str()), (StoreState::Failed, "BACKUP_SOURCE_UNREADABLE"));
    assert!(copied.message.contains(&format!("The backup of store {}", source.store_id)), "{}", copied.message);
    assert_eq!(stage.api().get(&source.store_id).await.expect("the store").state(), StoreState::Ready);
    assert_eq!(reason(&stage.api().retry(&copied.store_id).await.expect_err("no data")), "BACKUP_NOT_USABLE");
    stage.delete(&copied).await;

    let backup = complete(stage.api(), &create(stage.api(), &source).await).await;
    let request = CopyStoreRequest { backup_id: backup.backup_id.clone(), ..wanted(&source) };
    let import = Run::Exits("database", 32, "the import failed");
    let script = [import, import, import, Run::Succeeds];
    let restoring = JobPlayer::start(&format!("store-{}", request.store_id), &script).await;
    let copied = copy(stage.api(), request).await.expect("accepted");
    stage.delete(&source).await;
    let (failed, _) = stage.api().settle(&copied.store_id).await;
    assert_eq!((failed.state(), failed.reason.as_str()), (StoreState::Failed, "RESTORE_FAILED"), "{}", failed.message);
    let retried = stage.api().retry(&copied.store_id).await.expect("accepted");
    assert_eq!(operation(stage.api(), &retried).await.kind(), OperationKind::Copy);
    let (after, seen) = stage.api().settle(&copied.store_id).await;
    assert_eq!((after.state(), restoring.played().len()), (StoreState::Ready, 4), "{}", seen.text());
    stage.delete(&after).await;
}

#[tokio::test]
async fn deleted_store_comes_back_with_its_id_and_its_data() {
    let stage = Stage::start().await;
    let (api, store) = (stage.api(), stage.simulated().await);
    assert_eq!(reason(&undelete(api, deleted(&store)).await.expect_err("it is there")), "NOT_DELETED");
    let old = complete(api, &create(api, &store).await).await;
    let newest = complete(api, &create(api, &store).await).await;
    stage.delete(&store).await;
    assert_eq!(reason(&undelete(api, deleted(&store)).await.expect_err("not yet")), "NOT_DELETED");
    api.settle(&store.store_id).await;

    let validated = UndeleteStoreRequest { validate_only: true, ..deleted(&store) };
    assert_eq!(undelete(api, validated).await.expect("valid").state(), StoreState::Provisioning);
    assert_eq!(api.get(&store.store_id).await.expect("the store").state(), StoreState::Deleted);
    let request = UndeleteStoreRequest { request_id: Uuid::now_v7().to_string(), ..deleted(&store) };
    let undeleted = undelete(api, request.clone()).await.expect("accepted");
    assert_eq!(undelete(api, request).await.expect("repeated").uid, undeleted.uid);
    let (after, seen) = api.settle(&store.store_id).await;
    assert_eq!((after.state(), &after.uid), (StoreState::Ready, &undeleted.uid), "{}", seen.text());
    assert_eq!((&after.host, &after.display_name), (&store.host, &store.display_name));
    assert!(after.uid != store.uid && after.environment() == StoreEnvironment::Production, "{after:?}");
    assert_eq!(after.source.clone().map(|source| source.backup_id), Some(newest.backup_id.clone()));
    stage.delete(&after).await;
    api.settle(&store.store_id).await;

    let first = UndeleteStoreRequest { uid: store.uid.clone(), backup_id: old.backup_id.clone(), ..deleted(&store) };
    let undeleted = undelete(api, first).await.expect("an older backup of the first one");
    assert_eq!(undeleted.source.map(|source| source.backup_id), Some(old.backup_id.clone()));
    api.settle(&store.store_id).await;
    stage.delete(&store).await;
    api.settle(&store.store_id).await;
    assert_eq!(reason(&undelete(api, deleted(&store)).await.expect_err("it has none")), "NO_BACKUP");
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn copy_that_is_refused_changes_nothing() {
    let stage = Stage::start().await;
    let (api, source, other) = (stage.api(), stage.simulated().await, stage.simulated().await);
    let foreign = complete(api, &create(api, &other).await).await;
    let refused = async |request| reason(&copy(api, request).await.expect_err("refused"));
    let of = |backup: &str| CopyStoreRequest { backup_id: backup.to_owned(), ..wanted(&source) };
    assert_eq!(refused(of(&foreign.backup_id)).await, "BACKUP_NOT_USABLE");
    assert_eq!(refused(of(&Uuid::now_v7().to_string())).await, "BACKUP_NOT_FOUND");
    let taken = CopyStoreRequest { store_id: other.store_id.clone(), ..wanted(&source) };
    assert_eq!(refused(taken).await, "STORE_ALREADY_EXISTS");
    let sized = Store { plan: "huge".into(), ..Store::default() };
    assert_eq!(refused(CopyStoreRequest { store: Some(sized), ..wanted(&source) }).await, "INVALID_REQUEST");
    let status = copy(api, CopyStoreRequest { source_store_id: "never".into(), ..wanted(&source) }).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "STORE_NOT_FOUND"));
    let validated = CopyStoreRequest { validate_only: true, ..wanted(&source) };
    let would_be = copy(api, validated.clone()).await.expect("valid");
    assert_eq!(would_be.environment(), StoreEnvironment::Staging);
    assert_eq!(reason(&api.get(&validated.store_id).await.unwrap_err()), "STORE_NOT_FOUND");
    let list = ListBackupsRequest { store_id: source.store_id.clone(), ..ListBackupsRequest::default() };
    let backups = api.backups.clone().list_backups(list).await.expect("a list").into_inner().backups;
    assert_eq!(backups, [], "nothing was backed up");

    let hold = stage.hold(&source, Step::BackUp, "before");
    let making = create(api, &source).await;
    hold.reached().await.expect("it is being backed up");
    assert_eq!(refused(wanted(&source)).await, "OPERATION_IN_PROGRESS");
    assert_eq!(refused(of(&making.backup_id)).await, "BACKUP_NOT_USABLE");
    hold.release();
    complete(api, &making).await;
    let production = Store { environment: StoreEnvironment::Production.into(), ..Store::default() };
    let request =
        CopyStoreRequest { store: Some(production), request_id: Uuid::now_v7().to_string(), ..wanted(&source) };
    let copied = copy(api, request.clone()).await.expect("accepted");
    assert_eq!(copy(api, request).await.expect("repeated").uid, copied.uid);
    let (after, seen) = api.settle(&copied.store_id).await;
    assert_eq!(
        (after.state(), after.environment()),
        (StoreState::Ready, StoreEnvironment::Production),
        "{}",
        seen.text()
    );
    let copying = operation(api, &copied).await;
    assert_eq!(copying.state(), OperationState::Succeeded, "{}", events(api, &copied.store_id).await);
    for store in [&source, &other, &after] {
        stage.delete(store).await;
    }
    stage.lab.database.assert_sound().await;
}
