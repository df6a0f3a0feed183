//! UpdateStore to a version with another schema: the shop is offline and backed up meanwhile, and the backup is restored if it fails.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use prost_types::FieldMask;
use storeplane_core::operation::Step;
use storeplane_proto::v1::{
    BackupState, BackupTrigger, CancelOperationRequest, ListBackupsRequest, OperationState, RestoreStoreRequest, Store,
    StoreState, UpdateStoreRequest,
};
use tempfile::TempDir;
use tonic::Status;

use super::restores::{assert_online, charts_without_test, ended, restore, wanted};
use super::{Stage, complete, create, events};
use crate::harness::{Api, Run, Setup, env};
use crate::kube_support::{helm, plain_client};
use crate::versions::{append, package};

/// No new pod has room in it.
const FULL: &str = "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: full}\nspec: {hard: {pods: \"0\"}}";

/// The chart in the versions 1.0.0, 1.1.0 with another schema, and 1.2.0 with one more, whose pods do not start.
pub(super) async fn start() -> (Stage, TempDir) {
    let dir = charts_without_test();
    let sample = dir.path().join("sample");
    package(&sample, "1.1.0", dir.path(), |chart| append(&chart.join("storeplane.yaml"), "release: {schema: '2'}"));
    package(&sample, "1.2.0", dir.path(), |chart| {
        append(&chart.join("storeplane.yaml"), "release: {schema: '3'}");
        append(&chart.join("templates/objects.yaml"), FULL);
    });
    (Stage::mortal(Setup { charts: dir.path().to_owned(), ..Setup::small() }).await, dir)
}

pub(super) async fn upgrade(api: &Api, store: &Store, version: &str, validate_only: bool) -> Result<Store, Status> {
    let request = UpdateStoreRequest {
        store_id: store.store_id.clone(),
        store: Some(Store { engine_version: version.to_owned(), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["engine_version".to_owned()] }),
        validate_only,
        ..UpdateStoreRequest::default()
    };
    api.stores.clone().update_store(request).await.map(tonic::Response::into_inner)
}

pub(super) fn version(store: &Store) -> (&str, &str) {
    let versions = store.versions.as_ref().expect("versions");
    (&versions.chart, &versions.schema)
}

#[tokio::test]
async fn new_schema_is_applied_offline_after_a_backup() {
    let (stage, _charts) = start().await;
    let (store, player) = stage.played(&[Run::Succeeds]).await;
    let preview = upgrade(stage.api(), &store, "1.1.0", true).await.expect("valid").update_preview.expect("a preview");
    assert!(preview.maintenance_page && preview.steps[0] == "MAINTENANCE", "{preview:?}");
    let updating = upgrade(stage.api(), &store, "1.1.0", false).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &updating).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_eq!((version(&after), after.revision, player.played().len()), (("1.1.0", "2"), 2, 1));
    assert_online(&stage, &store).await;
    let list = ListBackupsRequest { store_id: store.store_id.clone(), ..ListBackupsRequest::default() };
    let [backup] = &stage.api().backups.clone().list_backups(list).await.expect("backups").into_inner().backups[..]
    else {
        panic!("one backup: {seen}")
    };
    assert_eq!((backup.trigger(), backup.state()), (BackupTrigger::BeforeUpdate, BackupState::Complete));
    let done: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("STEP_SUCCEEDED ")).skip(5).collect();
    let steps = ["MAINTENANCE", "BACK_UP", "VERIFY_BACKUP", "UPGRADE", "ROLLOUT", "VERIFY", "END_MAINTENANCE"];
    assert!(done.len() == steps.len() && done.iter().zip(steps).all(|(line, step)| line.starts_with(step)), "{seen}");
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn failed_version_is_undone_and_its_backup_restored_also_by_another_server() {
    let (mut stage, _charts) = start().await;
    let (store, player) = stage.played(&[Run::Succeeds, Run::Held]).await;
    let updating = upgrade(stage.api(), &store, "1.2.0", false).await.expect("accepted");
    player.started(2).await;
    stage.lab.server.kill9();
    stage.lab.server.restart().await;
    player.release();
    let (operation, after) = ended(stage.api(), &updating).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), operation.reason.as_str()), (OperationState::Failed, "QUOTA_EXCEEDED"), "{seen}");
    assert_eq!((after.state(), version(&after)), (StoreState::Ready, ("1.0.0", "")), "{seen}");
    assert_online(&stage, &store).await;
    let [made, restored] = &player.played()[..] else { panic!("two Jobs: {:?}", player.played()) };
    assert_eq!(made.sources, restored.sources, "what was restored is what was backed up");
    assert!(seen.lines().any(|line| line.starts_with("RESTORED RESTORE")), "{seen}");
    stage.lab.kubernetes.assert_installed(&store.store_id).await;
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn failed_backup_ends_the_maintenance_before_anything_changed() {
    let (stage, _charts) = start().await;
    let dump = Run::Exits("database", 31, "the dump failed");
    let (store, player) = stage.played(&[dump]).await;
    let updating = upgrade(stage.api(), &store, "1.1.0", false).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &updating).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Failed, StoreState::Ready), "{seen}");
    assert_eq!((version(&after), after.revision, player.played().len()), (("1.0.0", ""), 1, 1), "{seen}");
    assert!(!seen.contains(Step::Upgrade.as_str()), "{seen}");
    assert_online(&stage, &store).await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn undo_without_its_data_is_not_started_and_a_restore_of_its_backup_helps() {
    let (stage, _charts) = start().await;
    let import = Run::Exits("database", 32, "the import failed");
    let (store, _player) = stage.played(&[Run::Succeeds, import, import, import, Run::Succeeds]).await;
    let updating = upgrade(stage.api(), &store, "1.2.0", false).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &updating).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Failed, StoreState::Degraded), "{seen}");
    assert_eq!(after.reason, "RESTORE_FAILED", "why it is offline");
    assert!(after.details.iter().any(|line| line.contains("found by the rollback after: ")), "{:?}", after.details);
    let retried = stage.api().retry(&store.store_id).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &retried).await;
    let why = (operation.state(), operation.reason.as_str(), after.state());
    assert_eq!(why, (OperationState::Failed, "RESTORE_FAILED", StoreState::Degraded), "{}", operation.message);

    let updating = upgrade(stage.api(), &store, "1.1.0", false).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &updating).await;
    let why = (operation.state(), operation.reason.as_str(), after.state());
    assert_eq!(why, (OperationState::Failed, "RESTORE_FAILED", StoreState::Degraded), "{}", operation.message);
    assert_eq!(version(&after), ("1.0.0", ""));

    // The retry looked at the nodes.
    stage.lab.database.execute(&format!("UPDATE stores SET simulated = false WHERE uid = '{}'", store.uid)).await;
    let (store_id, filter) = (store.store_id.clone(), "state = COMPLETE".to_owned());
    let list = ListBackupsRequest { store_id, filter, ..ListBackupsRequest::default() };
    let backup = stage.api().backups.clone().list_backups(list).await.expect("backups").into_inner().backups.remove(0);
    let request = RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let (operation, after) = ended(stage.api(), &restore(stage.api(), request).await.expect("accepted")).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_eq!(version(&after), ("1.0.0", ""));
    assert_online(&stage, &store).await;
    let services = kube::Api::<Service>::namespaced(plain_client().await, &store.namespace);
    let selector = services.get("store").await.expect("a Service").spec.and_then(|spec| spec.selector);
    assert!(selector.is_some_and(|selector| !selector.contains_key("page")), "customers reach the shop");
    stage.delete(&store).await;
}

#[tokio::test]
async fn shop_left_offline_stays_so_when_its_restore_is_cancelled() {
    let (stage, _charts) = start().await;
    let import = Run::Exits("database", 32, "the import failed");
    let (store, player) = stage.played(&[Run::Succeeds, import, import, import, Run::Held, Run::Succeeds]).await;
    let updating = upgrade(stage.api(), &store, "1.2.0", false).await.expect("accepted");
    let (_, after) = ended(stage.api(), &updating).await;
    assert_eq!(after.state(), StoreState::Degraded, "{}", after.message);
    stage.lab.database.execute(&format!("UPDATE stores SET simulated = false WHERE uid = '{}'", store.uid)).await;
    let (store_id, filter) = (store.store_id.clone(), "state = COMPLETE".to_owned());
    let list = ListBackupsRequest { store_id, filter, ..ListBackupsRequest::default() };
    let backup = stage.api().backups.clone().list_backups(list).await.expect("backups").into_inner().backups.remove(0);

    let restoring = restore(stage.api(), wanted(&store, &backup.backup_id)).await.expect("accepted");
    player.started(5).await;
    let request =
        CancelOperationRequest { operation_id: restoring.operation.clone(), ..CancelOperationRequest::default() };
    stage.api().operations.clone().cancel_operation(request).await.expect("accepted");
    player.release();
    let (operation, after) = ended(stage.api(), &restoring).await;
    let seen = events(stage.api(), &store.store_id).await;
    let why = (operation.state(), after.state(), after.reason.as_str());
    assert_eq!(why, (OperationState::Failed, StoreState::Degraded, "RESTORE_FAILED"), "{seen}");
    assert!(after.message.contains("Restore the backup that the update made"), "{}", after.message);
    let deployments = kube::Api::<Deployment>::namespaced(plain_client().await, &store.namespace);
    let replicas = deployments.get("store").await.expect("a Deployment").spec.replicas;
    assert_eq!(replicas, Some(0), "no version reads data of another schema: {seen}");

    let again = RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let (operation, after) = ended(stage.api(), &restore(stage.api(), again).await.expect("accepted")).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_online(&stage, &store).await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn version_with_another_schema_that_somebody_deployed_is_not_replaced_by_the_older_one() {
    let (stage, charts) = start().await;
    let (store, _player) = stage.played(&[Run::Succeeds]).await;
    let backup = complete(stage.api(), &create(stage.api(), &store).await).await;
    let newer = charts.path().join("sample-1.1.0.tgz").display().to_string();
    let release = format!("store-{}", store.store_id);
    let upgrade = ["upgrade", &release, &newer, "--namespace", &store.namespace, "--reuse-values"];
    helm(&env("STOREPLANE_TEST_HELM4"), &upgrade).await;
    let deployed = async || {
        let cluster = &stage.lab.kubernetes.cluster;
        let found = cluster.release(&store.namespace, &release).await.expect("an answer").expect("a release");
        let with = cluster.deployed_with(&store.namespace, &release, found.revision).await.expect("an answer");
        with.expect("a record").chart_version
    };
    let rename = UpdateStoreRequest {
        store_id: store.store_id.clone(),
        store: Some(Store { display_name: "Green tea".to_owned(), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..UpdateStoreRequest::default()
    };
    let retried = stage.api().retry(&store.store_id).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &retried).await;
    let why = (operation.state(), operation.reason.as_str());
    assert_eq!(why, (OperationState::Failed, "NEWER_SCHEMA_DEPLOYED"), "{}", operation.message);
    assert!(operation.message.contains("engine_version 1.1.0"), "{}", operation.message);
    let renaming = stage.api().stores.clone().update_store(rename).await.expect("accepted").into_inner();
    let (operation, refused) = ended(stage.api(), &renaming).await;
    assert_eq!(operation.reason, "NEWER_SCHEMA_DEPLOYED", "{}", operation.message);
    assert_eq!((refused.state(), &refused.display_name), (after.state(), &store.display_name), "{}", refused.message);
    assert_eq!(deployed().await, "1.1.0", "{}", after.message);

    stage.lab.database.execute(&format!("UPDATE stores SET simulated = false WHERE uid = '{}'", store.uid)).await;
    let request = RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let (operation, after) = ended(stage.api(), &restore(stage.api(), request).await.expect("accepted")).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_eq!(deployed().await, "1.0.0", "{seen}");
    assert_online(&stage, &store).await;
    stage.delete(&store).await;
}
