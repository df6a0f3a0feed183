//! RollbackStore to a revision with another schema: the shop gets the data of a backup with that schema, behind the page, or keeps all that it had.

use storeplane_core::operation::Step;
use storeplane_proto::v1::{
    Backup, CancelOperationRequest, ListBackupsRequest, OperationKind, OperationState, RestoreStoreRequest,
    RollbackStoreRequest, Store, StoreState,
};
use tempfile::TempDir;
use tonic::Status;

use super::migrations::{start, upgrade, version};
use super::restores::{assert_online, ended, restore, wanted};
use super::{Stage, delete, events};
use crate::harness::{Api, JobPlayer, Run, reason};

/// A shop at its revision 2, with another schema than its revision 1, and the Jobs of its backup so far.
async fn upgraded(script: &[Run]) -> (Stage, TempDir, Store, JobPlayer) {
    let (stage, charts) = start().await;
    let (store, player) = stage.played(script).await;
    let updating = upgrade(stage.api(), &store, "1.1.0", false).await.expect("accepted");
    let (_, after) = ended(stage.api(), &updating).await;
    assert_eq!(
        (version(&after), after.revision),
        (("1.1.0", "2"), 2),
        "{}",
        events(stage.api(), &store.store_id).await
    );
    (stage, charts, after, player)
}

pub(super) fn to(revision: i32, store: &Store) -> RollbackStoreRequest {
    RollbackStoreRequest {
        store_id: store.store_id.clone(),
        revision,
        accept_data_loss: true,
        ..RollbackStoreRequest::default()
    }
}

pub(super) async fn roll_back(api: &Api, request: RollbackStoreRequest) -> Result<Store, Status> {
    api.stores.clone().rollback_store(request).await.map(tonic::Response::into_inner)
}

/// The store's complete backups, oldest first.
async fn backups(api: &Api, store: &Store) -> Vec<Backup> {
    let (store_id, filter) = (store.store_id.clone(), "state = COMPLETE".to_owned());
    let list = ListBackupsRequest { store_id, filter, ..ListBackupsRequest::default() };
    let mut found = api.backups.clone().list_backups(list).await.expect("backups").into_inner().backups;
    found.reverse();
    found
}

#[tokio::test]
async fn shop_returns_to_the_data_of_a_schema_and_forward_again() {
    // The newer data is larger.
    let script = [Run::Succeeds, Run::Large, Run::Succeeds];
    let (stage, _charts, store, player) = upgraded(&script).await;
    let api = stage.api();
    let first = backups(api, &store).await.remove(0);
    let refused = roll_back(api, RollbackStoreRequest { accept_data_loss: false, ..to(1, &store) }).await;
    let refused = refused.expect_err("orders would be lost");
    assert_eq!(reason(&refused), "SCHEMA_DIFFERS");
    assert!(refused.message().contains(&first.backup_id) && refused.message().contains("are lost"), "{refused}");
    let preview = roll_back(api, RollbackStoreRequest { validate_only: true, ..to(1, &store) }).await.expect("valid");
    let preview = preview.update_preview.expect("a preview");
    assert_eq!((&preview.restored_backup_id, preview.lost_since), (&first.backup_id, first.create_time));
    assert!(preview.maintenance_page && preview.notes[0].contains("are lost"), "{preview:?}");

    let hold = stage.hold(&store, Step::Restore, "before");
    let (etag, request_id) = (api.get(&store.store_id).await.expect("a store").etag, uuid::Uuid::now_v7().to_string());
    let once = RollbackStoreRequest { etag, request_id, ..to(1, &store) };
    let returning = roll_back(api, once.clone()).await.expect("accepted");
    hold.reached().await.expect("it restores");
    let repeated = roll_back(api, once.clone()).await.expect("the same answer, although the store has changed");
    assert_eq!(repeated.operation, returning.operation);
    let other = RollbackStoreRequest { request_id: String::new(), ..once };
    assert_eq!(reason(&roll_back(api, other).await.expect_err("another request")), "STALE_ETAG");
    let in_use = delete(api, &first.backup_id).await.expect_err("it is being read");
    assert_eq!(reason(&in_use), "BACKUP_IN_PROGRESS");
    hold.release();
    let (operation, after) = ended(api, &returning).await;
    let seen = events(api, &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_eq!((operation.kind(), version(&after), after.revision), (OperationKind::Rollback, ("1.0.0", ""), 3));
    let done: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("STEP_SUCCEEDED ")).skip(12).collect();
    assert_eq!(done.len(), preview.steps.len(), "{seen}");
    assert!(done.iter().zip(&preview.steps).all(|(line, step)| line.starts_with(step.as_str())), "{seen}");
    assert_online(&stage, &store).await;
    let [made, before, restored] = &player.played()[..] else { panic!("three Jobs: {:?}", player.played()) };
    assert!(made.sources == restored.sources && before.sources != restored.sources, "the data is that of the revision");

    // Its newer data is in a backup, which only the newer version can read.
    let newer = backups(api, &store).await.remove(1);
    let refused = restore(api, RestoreStoreRequest { skip_backup: true, ..wanted(&store, &newer.backup_id) }).await;
    assert_eq!(reason(&refused.expect_err("the older version cannot")), "BACKUP_NOT_USABLE");
    let wrong = RollbackStoreRequest { backup_id: first.backup_id.clone(), ..to(2, &store) };
    assert_eq!(reason(&roll_back(api, wrong).await.expect_err("another schema")), "BACKUP_NOT_USABLE");
    let forward = RollbackStoreRequest { backup_id: newer.backup_id, ..to(2, &store) };
    let (operation, after) = ended(api, &roll_back(api, forward).await.expect("accepted")).await;
    let seen = events(api, &store.store_id).await;
    let ends = (operation.state(), after.state(), version(&after));
    assert_eq!(ends, (OperationState::Succeeded, StoreState::Ready, ("1.1.0", "2")), "{seen}");
    let jobs = player.played();
    assert_eq!((jobs.len(), &jobs[4].sources), (5, &jobs[1].sources), "{seen}");
    assert_online(&stage, &store).await;

    // A backup that cannot be read is found while the shop still sells.
    let last = backups(api, &store).await.remove(2);
    stage.storage.files_of(&last.backup_id).iter().for_each(|file| std::fs::remove_file(file).expect("removed"));
    let (operation, after) = ended(api, &roll_back(api, to(1, &store)).await.expect("accepted")).await;
    let why = (operation.state(), operation.reason.as_str(), after.state());
    assert_eq!(why, (OperationState::Failed, "BACKUP_CORRUPTED", StoreState::Ready), "{}", operation.message);
    assert_eq!((version(&after), player.played().len()), (("1.1.0", "2"), 5));
    for backup in [&first, &last] {
        delete(api, &backup.backup_id).await.expect("deleted");
    }
    let refused = roll_back(api, to(1, &store)).await.expect_err("nothing is left");
    assert!(reason(&refused) == "SCHEMA_DIFFERS" && refused.message().contains("no COMPLETE backup"), "{refused}");
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn cancelled_rollback_returns_the_newer_data_also_by_another_server() {
    let script = [Run::Succeeds, Run::Large, Run::Succeeds, Run::Held];
    let (mut stage, _charts, store, player) = upgraded(&script).await;
    let hold = stage.hold(&store, Step::Rollout, "before");
    let returning = roll_back(stage.api(), to(1, &store)).await.expect("accepted");
    hold.reached().await.expect("the older data is there");
    let request =
        CancelOperationRequest { operation_id: returning.operation.clone(), ..CancelOperationRequest::default() };
    stage.api().operations.clone().cancel_operation(request).await.expect("accepted");
    hold.release();
    player.started(4).await;
    stage.lab.server.kill9();
    stage.lab.server.restart().await;
    player.release();
    let (operation, after) = ended(stage.api(), &returning).await;
    let seen = events(stage.api(), &store.store_id).await;
    let ends = (operation.state(), after.state(), version(&after));
    assert_eq!(ends, (OperationState::Cancelled, StoreState::Ready, ("1.1.0", "2")), "{seen}");
    assert_online(&stage, &store).await;
    let [first, before, forwards, back] = &player.played()[..] else { panic!("four Jobs: {seen}") };
    assert_eq!((&first.sources, &before.sources), (&forwards.sources, &back.sources), "{seen}");
    stage.lab.kubernetes.assert_installed(&store.store_id).await;
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}
