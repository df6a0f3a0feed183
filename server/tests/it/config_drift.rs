//! Drift of configuration: what somebody changes with helm or kubectl is shown, and RetryStore ends it.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api as Objects, ListParams, Patch, PatchParams};
use prost_types::FieldMask;
use serde_json::json;
use storeplane_proto::v1::{
    Condition, ConditionStatus, GetOverviewRequest, ListStoreRevisionsRequest, ListStoresRequest, Store, StoreRevision,
    StoreState, UpdateStoreRequest,
};
use storeplane_server::kube::Cluster;

use crate::drift::{FOLLOWED, becomes, events, finish, patch};
use crate::harness::{Lab, Setup, env, fresh};
use crate::kube_support::helm;

/// Waits until the condition is like this.
async fn condition(lab: &Lab, id: &str, expected: impl Fn(&Condition) -> bool) -> Condition {
    let waiting = async {
        loop {
            let store = lab.api.get(id).await.unwrap();
            let found = store.conditions.into_iter().find(|condition| condition.r#type == "ConfigurationDrifted");
            match found.filter(&expected) {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let found = tokio::time::timeout(FOLLOWED, waiting).await.ok();
    let conditions = lab.api.get(id).await.unwrap().conditions;
    found.unwrap_or_else(|| panic!("{conditions:?}"))
}

async fn found(lab: &Lab, filter: &str) -> Vec<String> {
    let request = ListStoresRequest { filter: filter.to_owned(), ..ListStoresRequest::default() };
    let listed = lab.api.stores.clone().list_stores(request).await.unwrap().into_inner().stores;
    listed.into_iter().map(|store| store.store_id).collect()
}

async fn count(lab: &Lab) -> i64 {
    lab.api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap().into_inner().drifted_count
}

/// Upgrades the release of a store as an administrator would, with the helm major that the server does not use.
async fn upgrade(store: &Store, chart: &str, arguments: &[&str]) {
    let release = format!("store-{}", store.store_id);
    let upgrade = ["upgrade", &release, chart, "--namespace", &store.namespace, "--reuse-values"];
    helm(&env("STOREPLANE_TEST_HELM4"), &[&upgrade, arguments].concat()).await;
}

/// A copy of the chart with another label.
fn edited(charts: &std::path::Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in ["", "templates"] {
        std::fs::create_dir_all(copy.path().join("sample").join(folder)).unwrap();
    }
    for file in ["Chart.yaml", "values.yaml", "templates/objects.yaml"] {
        let text = std::fs::read_to_string(charts.join("sample").join(file)).unwrap();
        let text =
            text.replace("metadata: {name: store}\ndata:", "metadata: {name: store, labels: {edited: here}}\ndata:");
        std::fs::write(copy.path().join("sample").join(file), text).unwrap();
    }
    copy
}

/// Lets the nodes report a digest, as nodes that run containers do.
async fn report_digest(lab: &Lab, store: &Store, image_id: &str) {
    let pods = Objects::<Pod>::namespaced(lab.kubernetes.client().await, &store.namespace);
    for pod in pods.list(&ListParams::default().labels("app=store")).await.unwrap() {
        let mut containers = pod.status.clone().unwrap().container_statuses.unwrap();
        image_id.clone_into(&mut containers[0].image_id);
        let status = json!({"status": {"containerStatuses": containers}});
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    }
}

async fn rename(lab: &Lab, id: &str) {
    let request = UpdateStoreRequest {
        store_id: id.to_owned(),
        store: Some(Store { display_name: "Käse".to_owned(), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..UpdateStoreRequest::default()
    };
    lab.api.stores.clone().update_store(request).await.unwrap();
}

async fn revisions(lab: &Lab, id: &str) -> Vec<StoreRevision> {
    let request = ListStoreRevisionsRequest { store_id: id.to_owned(), ..ListStoreRevisionsRequest::default() };
    lab.api.stores.clone().list_store_revisions(request).await.unwrap().into_inner().revisions
}

#[tokio::test]
async fn changes_by_helm_and_kubectl_are_shown_and_a_retry_ends_them() {
    let setup = Setup::small();
    let chart = setup.charts.join("sample").to_str().unwrap().to_owned();
    let edited = edited(&setup.charts);
    let cluster = Cluster::new(setup.account.config());
    let lab = setup.start().await;
    let id = fresh("hand");
    let store = lab.api.ready(&id).await;
    let is = |status: ConditionStatus| move |found: &Condition| found.status() == status;
    condition(&lab, &id, is(ConditionStatus::False)).await;

    // The same again is no drift, whichever helm does it.
    upgrade(&store, &chart, &[]).await;
    let release = format!("store-{id}");
    let deployed = async |revision| cluster.deployed_with(&store.namespace, &release, revision).await.unwrap().unwrap();
    assert_eq!(deployed(1).await, deployed(2).await);

    let chart = edited.path().join("sample").to_str().unwrap().to_owned();
    upgrade(&store, &chart, &["--set", "store.displayName=By hand"]).await;
    patch(&lab, &store, json!({"template": {"spec": {"containers": [{"name": "store", "image": "other:1"}]}}})).await;
    let differences = "The release differs from revision 1: files of chart version 1.0.0; value store.displayName. \
        Workloads differ from the release: Deployment store, container store: image other:1 instead of store.";
    let drifted = condition(&lab, &id, |found| found.message == differences).await;
    assert_eq!((drifted.status(), drifted.reason.as_str()), (ConditionStatus::True, "RELEASE_CHANGED"));
    assert_eq!(becomes(&lab, &id, StoreState::Ready, FOLLOWED).await.reason, "", "its state is its own");
    assert_eq!((found(&lab, "drifted = true").await, count(&lab).await), (vec![id.clone()], 1));
    assert!(found(&lab, "drifted = false").await.is_empty());

    lab.api.retry(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Ready);
    condition(&lab, &id, is(ConditionStatus::False)).await;
    let live = Objects::<Deployment>::namespaced(lab.kubernetes.client().await, &store.namespace);
    let containers = live.get("store").await.unwrap().spec.template.spec.unwrap().containers;
    assert_eq!(containers[0].image.as_deref(), Some("store"));
    let texts = lab.kubernetes.configuration(&store.namespace).await;
    assert!(texts.contains(&store.display_name) && !texts.contains(&"By hand".to_owned()), "{texts:?}");
    assert_eq!((found(&lab, "drifted = true").await, count(&lab).await), (Vec::new(), 0));
    let statuses = async || {
        let is_drift = |details: &HashMap<String, String>| {
            details.get("condition").is_some_and(|condition| condition == "ConfigurationDrifted")
        };
        let details = events(&lab, &id).await.into_iter().map(|event| event.details).filter(is_drift);
        details.map(|details| details["status"].clone()).collect::<Vec<_>>()
    };
    let until_retried = statuses().await;
    assert_eq!((until_retried[0].as_str(), until_retried.last().unwrap().as_str()), ("TRUE", "FALSE"));

    // An update is no drift.
    let digest = format!("sha256:{}", "ab".repeat(32));
    report_digest(&lab, &store, &format!("docker.io/library/store@{digest}")).await;
    rename(&lab, &id).await;
    let updated = lab.api.settle(&id).await.0;
    assert_eq!((updated.state(), updated.revision), (StoreState::Ready, 2));
    condition(&lab, &id, |found| found.message == "The cluster has what revision 2 records.").await;
    assert_eq!(statuses().await, until_retried);

    let revisions = revisions(&lab, &id).await;
    let [newest, first] = &revisions[..] else { panic!("{revisions:?}") };
    let [found] = &newest.image_digests[..] else { panic!("{newest:?}") };
    assert_eq!(
        [&found.workload, &found.container, &found.image, &found.digest],
        ["Deployment store", "store", "store", &digest]
    );
    assert!(first.image_digests.is_empty(), "{first:?}");
    finish(&lab, &id).await;
}
