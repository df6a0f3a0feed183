//! Shops between two series of a database server, which cannot read each other's files.

use std::path::Path;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use kube::api::Api as Objects;
use storeplane_core::operation::Step;
use storeplane_proto::v1::{CancelOperationRequest, OperationState, RestoreStoreRequest, StoreState};

use super::migrations::upgrade;
use super::restores::{assert_online, ended, restore, wanted};
use super::rollbacks::{roll_back, to};
use super::snapshots::{CLAIMS, charts_without_driver};
use super::{Stage, complete, create, events};
use crate::harness::{Run, Setup, env};
use crate::kube_support::{helm, plain_client};
use crate::versions::{append, package};

#[tokio::test]
async fn database_of_another_series_gets_its_data_into_an_empty_volume_also_when_that_is_undone() {
    let charts = charts_without_driver();
    let series = |chart: &Path| append(&chart.join("storeplane.yaml"), "release: {schema: '2+db-2'}");
    package(&charts.path().join("sample"), "1.1.0", charts.path(), series);
    let stage = Stage::mortal(Setup { charts: charts.path().to_owned(), ..Setup::small() }).await;
    // The newer data is larger.
    let script = [Run::Succeeds, Run::Large, Run::Succeeds];
    let (api, (store, jobs)) = (stage.api(), stage.played(&script).await);
    let claims = Objects::<PersistentVolumeClaim>::namespaced(plain_client().await, &store.namespace);
    let uids = async || {
        let [database, uploads] = CLAIMS.map(|name| claims.get(name));
        let (database, uploads) = (database.await.expect("a claim"), uploads.await.expect("a claim"));
        (database.uid(), uploads.uid())
    };
    let before = uids().await;
    let (_, after) = ended(api, &upgrade(api, &store, "1.1.0", false).await.expect("accepted")).await;
    let seen = events(api, &store.store_id).await;
    assert_eq!(
        (after.state(), uids().await == before),
        (StoreState::Ready, true),
        "its server upgrades the files: {seen}"
    );

    let hold = stage.hold(&store, Step::Rollout, "before");
    let returning = roll_back(api, to(1, &store)).await.expect("accepted");
    hold.reached().await.expect("its data is restored");
    let returned = uids().await;
    assert!(
        returned.0 != before.0 && returned.1 == before.1,
        "only the database's: {}",
        events(api, &store.store_id).await
    );
    let request =
        CancelOperationRequest { operation_id: returning.operation.clone(), ..CancelOperationRequest::default() };
    api.operations.clone().cancel_operation(request).await.expect("accepted");
    hold.release();
    let (operation, after) = ended(api, &returning).await;
    let seen = events(api, &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Cancelled, StoreState::Ready), "{seen}");
    let undone = uids().await;
    assert!(undone.0 != returned.0 && undone.1 == before.1, "{seen}");
    let [first, newer, forwards, back] = &jobs.played()[..] else { panic!("four Jobs: {seen}") };
    assert_eq!((&first.sources, &newer.sources), (&forwards.sources, &back.sources), "{seen}");
    let sets = Objects::<StatefulSet>::namespaced(plain_client().await, &store.namespace);
    assert_eq!(sets.get("store-db").await.expect("a StatefulSet").spec.replicas, Some(1));
    assert_online(&stage, &store).await;
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}

/// As if a rollback between the series and its undo had both failed: the volume has files of the newer one.
#[tokio::test]
async fn shop_left_offline_between_two_series_gets_its_data_into_an_empty_volume() {
    let charts = charts_without_driver();
    let series = |chart: &Path| append(&chart.join("storeplane.yaml"), "release: {schema: '1+db-1'}");
    series(&charts.path().join("sample"));
    let stage = Stage::mortal(Setup { charts: charts.path().to_owned(), ..Setup::small() }).await;
    let (api, (store, _jobs)) = (stage.api(), stage.played(&[Run::Succeeds]).await);
    let backup = complete(api, &create(api, &store).await).await;
    let claims = Objects::<PersistentVolumeClaim>::namespaced(plain_client().await, &store.namespace);
    let uid = async || claims.get(CLAIMS[0]).await.expect("a claim").uid();
    let before = uid().await;
    let (chart, release) = (charts.path().join("sample").display().to_string(), format!("store-{}", store.store_id));
    let offline =
        ["upgrade", &release, &chart, "-n", &store.namespace, "--reuse-values", "--set", "store.maintenance=offline"];
    helm(&env("STOREPLANE_TEST_HELM4"), &offline).await;
    let (operation, _) = ended(api, &api.retry(&store.store_id).await.expect("accepted")).await;
    assert_eq!(operation.reason, "RESTORE_FAILED", "{}", operation.message);
    stage.lab.database.execute(&format!("UPDATE stores SET simulated = false WHERE uid = '{}'", store.uid)).await;
    let request = RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let (operation, after) = ended(api, &restore(api, request).await.expect("accepted")).await;
    let seen = events(api, &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert!(uid().await != before, "{seen}");
    assert_online(&stage, &store).await;
    stage.delete(&store).await;
}
