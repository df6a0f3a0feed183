//! Requests that are refused, and repeated ones.

use storeplane_core::operation::Step;
use storeplane_proto::v1::{Backup, BackupState, BackupTrigger, CreateBackupRequest, DeleteBackupRequest, StoreState};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Stage, complete, create, delete, get, request, until, wanted};
use crate::failures::copy;
use crate::grpc_raw::edge;
use crate::harness::{BackupStorage, Lab, Setup, fresh, reason};

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>, expected: &str, details: &[(&str, &str)]) {
    let status = answer.expect_err(expected);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, expected), "{status:?}");
    let metadata = status.get_details_error_info().expect("details").metadata;
    for (key, value) in details {
        assert_eq!(metadata.get(*key).map(String::as_str), Some(*value), "{metadata:?}");
    }
    assert!(status.get_details_precondition_failure().is_some_and(|it| !it.violations.is_empty()), "{status:?}");
}

#[tokio::test]
async fn backup_is_refused_while_the_store_or_another_operation_does_not_allow_it() {
    let stage = Stage::start().await;
    let (store, api) = (stage.simulated().await, stage.api());
    let hold = stage.hold(&store, Step::BackUp, "before");
    let backup = create(api, &store).await;
    hold.reached().await.unwrap();
    let in_progress = [("operation_id", backup.operation_id.as_str()), ("kind", "BACKUP")];
    let refused = request(api, wanted(&store.store_id)).await;
    assert_refused(refused, "OPERATION_IN_PROGRESS", &in_progress);
    assert_refused(api.retry(&store.store_id).await, "OPERATION_IN_PROGRESS", &in_progress);
    assert_refused(api.rotate_credentials(&store.store_id).await, "OPERATION_IN_PROGRESS", &in_progress);
    let used = [("operation_id", backup.operation_id.as_str())];
    assert_refused(delete(api, &backup.backup_id).await, "BACKUP_IN_PROGRESS", &used);
    assert_eq!(api.get(&store.store_id).await.unwrap().state(), StoreState::Ready);
    hold.release();
    complete(api, &backup).await;

    let outdated = CreateBackupRequest { etag: "stale".into(), ..wanted(&store.store_id) };
    assert_eq!(request(api, outdated).await.unwrap_err().code(), Code::Aborted);
    let status = request(api, wanted("never")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "STORE_NOT_FOUND"));
    let hold = stage.hold(&store, Step::Uninstall, "before");
    stage.delete(&store).await;
    hold.reached().await.unwrap();
    assert_refused(request(api, wanted(&store.store_id)).await, "NOT_BACKUPABLE", &[("state", "DELETING")]);
    hold.release();
    assert_eq!(api.settle(&store.store_id).await.0.state(), StoreState::Deleted);
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn server_without_storage_and_chart_without_backups_refuse() {
    let lab = edge().await;
    assert_refused(request(&lab.api, wanted("tea")).await, "BACKUPS_DISABLED", &[]);

    let (dir, storage) = (tempfile::tempdir().unwrap(), BackupStorage::volume());
    let setup = Setup::small();
    copy(&setup.charts, dir.path());
    let descriptor = dir.path().join("sample/storeplane.yaml");
    let text = std::fs::read_to_string(&descriptor).unwrap();
    let (before, _) = text.split_once("backup:").expect("a section");
    std::fs::write(&descriptor, before).unwrap();
    let setup = Setup { charts: dir.path().to_owned(), ..setup };
    let Lab { api, server, database, kubernetes: _kubernetes } = setup.with_backups(&storage).start().await;
    let store = api.ready(&fresh("backup")).await;
    assert_refused(request(&api, wanted(&store.store_id)).await, "BACKUP_UNSUPPORTED", &[]);
    api.delete(&store.store_id).await.unwrap();
    api.settle(&store.store_id).await;
    database.assert_sound().await;
    drop(server);
}

#[tokio::test]
async fn validated_request_changes_nothing() {
    let stage = Stage::start().await;
    let (store, api) = (stage.simulated().await, stage.api());
    let check = |store_id: &str| CreateBackupRequest { validate_only: true, ..wanted(store_id) };
    let before = api.get(&store.store_id).await.unwrap();
    let noted = CreateBackupRequest { description: "before the sale".into(), ..check(&store.store_id) };
    let would = request(api, noted).await.unwrap();
    assert_eq!((would.state(), would.trigger()), (BackupState::Creating, BackupTrigger::OnDemand));
    assert_eq!((&would.store_uid, would.description.as_str()), (&store.uid, "before the sale"));
    assert_eq!(reason(&get(api, &would.backup_id).await.unwrap_err()), "BACKUP_NOT_FOUND");
    assert_eq!(api.get(&store.store_id).await.unwrap(), before);
    for (refused, expected) in [
        (check("never"), "STORE_NOT_FOUND"),
        (check("-"), "INVALID_REQUEST"),
        (CreateBackupRequest { etag: "stale".into(), ..check(&store.store_id) }, "STALE_ETAG"),
    ] {
        assert_eq!(reason(&request(api, refused).await.unwrap_err()), expected);
    }
    let traces =
        "SELECT (SELECT count(*) FROM backups) + (SELECT count(*) FROM audit_events WHERE action = 'CREATE_BACKUP')";
    assert_eq!(stage.lab.database.value(traces).await, "0");
    stage.delete(&store).await;
}

#[tokio::test]
async fn repeated_requests_make_and_delete_one_backup() {
    let stage = Stage::start().await;
    let (store, api) = (stage.simulated().await, stage.api());
    let once = CreateBackupRequest { request_id: uuid::Uuid::now_v7().to_string(), ..wanted(&store.store_id) };
    let first = request(api, once.clone()).await.unwrap();
    let done = complete(api, &first).await;
    assert_eq!(request(api, once.clone()).await.unwrap(), done, "the same backup as it is now");
    let other = CreateBackupRequest { description: "another".into(), ..once.clone() };
    assert_eq!(reason(&request(api, other).await.unwrap_err()), "REQUEST_ID_REUSED");
    assert_eq!(stage.lab.database.value("SELECT count(*) FROM backups").await, "1");

    let delete_once =
        DeleteBackupRequest { backup_id: done.backup_id.clone(), request_id: uuid::Uuid::now_v7().to_string() };
    let delete = async || -> Result<Backup, Status> {
        api.backups.clone().delete_backup(delete_once.clone()).await.map(tonic::Response::into_inner)
    };
    for _ in 0..2 {
        assert_eq!(delete().await.unwrap().state(), BackupState::Deleting);
    }
    let records = "SELECT count(*) FROM audit_events WHERE action = 'DELETE_BACKUP' AND outcome = 'ACCEPTED'";
    assert_eq!(stage.lab.database.value(records).await, "1");
    until("it is forgotten", async || get(api, &done.backup_id).await.is_err()).await;
    let status = request(api, once).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "BACKUP_NOT_FOUND"));
    stage.delete(&store).await;
}
