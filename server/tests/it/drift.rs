//! Changes to a store outside the control plane: it becomes DEGRADED with the cause, and READY again afterwards.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Secret};
use kube::api::{Api as Objects, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use storeplane_proto::v1::{Store, StoreEvent, StoreState, WatchStoreRequest};

use crate::harness::{Lab, Setup, charts, env, fresh};

/// Changes in the cluster are reported within 10 s; a busy machine gets more.
pub(crate) const FOLLOWED: Duration = Duration::from_secs(40);
/// How long it is observed that nothing is reported.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// Waits for the store to get into a state, for at most `within`.
pub(crate) async fn becomes(lab: &Lab, id: &str, state: StoreState, within: Duration) -> Store {
    let began = Instant::now();
    loop {
        let store = lab.api.get(id).await.unwrap();
        if store.state() == state {
            return store;
        }
        assert!(began.elapsed() < within, "store {id} is not {state:?} after {within:?}: {store:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// All events of a store so far.
pub(crate) async fn events(lab: &Lab, id: &str) -> Vec<StoreEvent> {
    use storeplane_proto::v1::watch_store_response::Update;
    let request = WatchStoreRequest { store_id: id.to_owned(), ..WatchStoreRequest::default() };
    let mut stream = lab.api.stores.clone().watch_store(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    loop {
        match stream.message().await.unwrap().unwrap().update.unwrap() {
            Update::Event(event) => events.push(event),
            Update::CaughtUp(_) => return events,
            _ => {}
        }
    }
}

/// How often the events report this state.
pub(crate) fn times(events: &[StoreEvent], state: &str) -> usize {
    events.iter().filter(|event| event.details.get("state").is_some_and(|it| it == state)).count()
}

async fn deployments(lab: &Lab, store: &Store) -> Objects<Deployment> {
    Objects::namespaced(lab.kubernetes.client().await, &store.namespace)
}

/// Changes the shop's Deployment, as `kubectl patch` would.
pub(crate) async fn patch(lab: &Lab, store: &Store, spec: Value) {
    let patch = Patch::Strategic(json!({"spec": spec}));
    deployments(lab, store).await.patch("store", &PatchParams::default(), &patch).await.unwrap();
}

fn image(name: &str) -> Value {
    json!({"template": {"spec": {"containers": [{"name": "store", "image": name}]}}})
}

/// The uids of a store's volume claims and generated Secrets.
async fn belongings(lab: &Lab, store: &Store) -> Vec<String> {
    let client = lab.kubernetes.client().await;
    let claims = Objects::<PersistentVolumeClaim>::namespaced(client.clone(), &store.namespace);
    let claims = claims.list(&ListParams::default()).await.unwrap();
    let secrets = secrets(lab, store).await;
    let uids = claims.items.into_iter().map(|it| it.metadata.uid).chain(secrets.into_iter().map(|it| it.metadata.uid));
    let mut uids: Vec<_> = uids.flatten().collect();
    uids.sort();
    uids
}

async fn secrets(lab: &Lab, store: &Store) -> Vec<Secret> {
    let all = Objects::<Secret>::namespaced(lab.kubernetes.client().await, &store.namespace);
    all.list(&ListParams::default().labels("app.kubernetes.io/managed-by=storeplane")).await.unwrap().items
}

async fn delete_secrets(lab: &Lab, store: &Store, selector: &str) {
    let all = Objects::<Secret>::namespaced(lab.kubernetes.client().await, &store.namespace);
    all.delete_collection(&DeleteParams::default(), &ListParams::default().labels(selector)).await.unwrap();
}

pub(crate) async fn finish(lab: &Lab, id: &str) {
    lab.database.assert_sound().await;
    lab.api.delete(id).await.unwrap();
    assert_eq!(lab.api.settle(id).await.0.state(), StoreState::Deleted);
    lab.kubernetes.assert_gone(id).await;
}

#[tokio::test]
async fn store_degrades_and_recovers_with_its_workloads() {
    let lab = Lab::start().await;
    let id = fresh("drift");
    let store = lab.api.ready(&id).await;
    let containers = deployments(&lab, &store).await.get("store").await.unwrap().spec.template.spec.unwrap().containers;
    let good = containers[0].image.clone().unwrap();

    patch(&lab, &store, image("missing.invalid/shop:1")).await;
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "IMAGE_PULL_FAILED", "{ill:?}");
    assert!(ill.message.contains("missing.invalid/shop:1") && !ill.remedy.is_empty() && ill.step.is_empty(), "{ill:?}");

    patch(&lab, &store, image(&good)).await;
    let well = becomes(&lab, &id, StoreState::Ready, FOLLOWED).await;
    assert_eq!((well.reason.as_str(), well.message.as_str(), &well.ready_time), ("", "", &store.ready_time));

    patch(&lab, &store, json!({"replicas": 0})).await;
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "SCALED_TO_ZERO", "{ill:?}");
    assert!(ill.message.contains("Deployment store is scaled to 0"), "{ill:?}");
    patch(&lab, &store, json!({"replicas": 1})).await;
    // A relapse: recovery is reported later.
    becomes(&lab, &id, StoreState::Ready, FOLLOWED * 2).await;

    let events = events(&lab, &id).await;
    assert_eq!((times(&events, "DEGRADED"), times(&events, "READY")), (2, 3));
    let down = events.iter().find(|event| event.details.get("state").is_some_and(|it| it == "DEGRADED")).unwrap();
    assert_eq!((down.details["reason"].as_str(), down.operation_id.as_str()), ("IMAGE_PULL_FAILED", ""));
    finish(&lab, &id).await;
}

#[tokio::test]
async fn exceeded_quota_is_the_cause_while_shop_still_serves() {
    let lab = Lab::start().await;
    let id = fresh("scale");
    let store = lab.api.ready(&id).await;
    patch(&lab, &store, json!({"replicas": 40})).await;
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "QUOTA_EXCEEDED", "{ill:?}");
    patch(&lab, &store, json!({"replicas": 1})).await;
    becomes(&lab, &id, StoreState::Ready, FOLLOWED).await;
    finish(&lab, &id).await;
}

#[tokio::test]
async fn quickly_replaced_pod_is_ignored() {
    let lab = Lab::start().await;
    let id = fresh("hiccup");
    let store = lab.api.ready(&id).await;
    let pods = Objects::<Pod>::namespaced(lab.kubernetes.client().await, &store.namespace);
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    tokio::time::sleep(QUIET).await;
    let events = events(&lab, &id).await;
    assert_eq!(events.last().map(|event| event.sequence), Some(store.last_sequence), "{events:?}");
    finish(&lab, &id).await;
}

#[tokio::test]
async fn flapping_store_is_reported_with_growing_intervals() {
    let lab = Lab::start().await;
    let id = fresh("flap");
    let store = lab.api.ready(&id).await;
    patch(&lab, &store, json!({"replicas": 0})).await;
    becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    patch(&lab, &store, json!({"replicas": 1})).await;
    becomes(&lab, &id, StoreState::Ready, FOLLOWED).await;
    patch(&lab, &store, json!({"replicas": 0})).await;
    becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    // After a relapse the store must be healthy for 8 s: shorter recoveries are not reported.
    for replicas in [1, 0, 1, 0, 1] {
        patch(&lab, &store, json!({"replicas": replicas})).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    becomes(&lab, &id, StoreState::Ready, FOLLOWED * 2).await;
    let events = events(&lab, &id).await;
    assert_eq!((times(&events, "DEGRADED"), times(&events, "READY")), (2, 3), "{events:?}");
    finish(&lab, &id).await;
}

async fn deleted_release_is_reinstalled(helm: &str) {
    let lab = Setup { helm: env(helm), ..Setup::default() }.start().await;
    let id = fresh("norelease");
    let store = lab.api.ready(&id).await;
    let before = belongings(&lab, &store).await;

    delete_secrets(&lab, &store, "owner=helm").await;
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "RELEASE_MISSING", "{ill:?}");
    assert!(ill.remedy.contains("Retry the store"), "{ill:?}");

    lab.api.retry(&id).await.unwrap();
    let (well, seen) = lab.api.settle(&id).await;
    assert_eq!(well.state(), StoreState::Ready, "{}", seen.text());
    lab.kubernetes.assert_installed(&id).await;
    assert_eq!(belongings(&lab, &store).await, before, "volumes and Secrets are kept");

    // The same after `helm uninstall`: only the objects that the chart keeps remain.
    crate::kube_support::helm(&env(helm), &["uninstall", &store.namespace, "--namespace", &store.namespace]).await;
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "RELEASE_MISSING", "{ill:?}");
    lab.api.retry(&id).await.unwrap();
    let (well, seen) = lab.api.settle(&id).await;
    assert_eq!(well.state(), StoreState::Ready, "{}", seen.text());
    assert_eq!(belongings(&lab, &store).await, before, "volumes and Secrets are kept");
    finish(&lab, &id).await;
}

#[tokio::test]
async fn deleted_release_is_reinstalled_by_helm_3() {
    Box::pin(deleted_release_is_reinstalled("STOREPLANE_TEST_HELM3")).await;
}

#[tokio::test]
async fn deleted_release_is_reinstalled_by_helm_4() {
    Box::pin(deleted_release_is_reinstalled("STOREPLANE_TEST_HELM4")).await;
}

#[tokio::test]
async fn deleted_workload_is_detected_and_retry_restores_it() {
    let lab = Lab::start().await;
    let id = fresh("noweb");
    let store = lab.api.ready(&id).await;
    let before = belongings(&lab, &store).await;
    deployments(&lab, &store).await.delete("store", &DeleteParams::default()).await.unwrap();
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "WORKLOAD_MISSING", "{ill:?}");
    assert!(ill.message.contains("Deployment store in store-noweb"), "{ill:?}");

    lab.api.retry(&id).await.unwrap();
    let (well, seen) = lab.api.settle(&id).await;
    assert_eq!(well.state(), StoreState::Ready, "{}", seen.text());
    assert_eq!(belongings(&lab, &store).await, before, "volumes and Secrets are kept");
    finish(&lab, &id).await;
}

#[tokio::test]
async fn failed_creation_that_becomes_healthy_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    crate::failures::copy(&charts(), dir.path());
    // More pods than the quota allows: helm deploys the release, and the rollout fails.
    let plan = std::fs::read_to_string(dir.path().join("woocommerce/plans/small.yaml")).unwrap();
    std::fs::write(
        dir.path().join("woocommerce/plans/broken.yaml"),
        format!("{plan}\nquota: {{hard: {{pods: \"0\"}}}}\n"),
    )
    .unwrap();
    let lab = Setup { charts: dir.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("heals");
    let mut request = crate::harness::Api::wanted(&id);
    request.store.as_mut().unwrap().plan = "broken".into();
    lab.api.create(request).await.unwrap();
    let (failed, seen) = lab.api.settle(&id).await;
    assert_eq!((failed.state(), failed.reason.as_str()), (StoreState::Failed, "QUOTA_EXCEEDED"), "{}", seen.text());

    let quotas = Objects::<ResourceQuota>::namespaced(lab.kubernetes.client().await, &failed.namespace);
    quotas.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    // The controllers retry with growing intervals.
    let ready = becomes(&lab, &id, StoreState::Ready, Duration::from_secs(90)).await;
    assert!(ready.ready_time.is_some() && ready.reason.is_empty(), "{ready:?}");
    let events = events(&lab, &id).await;
    assert!(events.last().unwrap().message.contains("has become healthy"), "{events:?}");
    finish(&lab, &id).await;
}

#[tokio::test]
async fn deleted_namespace_is_reported_and_retry_recreates_it() {
    let lab = Lab::start().await;
    let id = fresh("nospace");
    let store = lab.api.ready(&id).await;
    let namespaces = Objects::<Namespace>::all(lab.kubernetes.client().await);
    namespaces.delete(&store.namespace, &DeleteParams::default()).await.unwrap();

    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "NAMESPACE_MISSING", "{ill:?}");
    assert!(ill.remedy.contains("new, empty shop"), "{ill:?}");

    lab.api.retry(&id).await.unwrap();
    let (well, seen) = lab.api.settle(&id).await;
    assert_eq!(well.state(), StoreState::Ready, "{}", seen.text());
    lab.kubernetes.assert_installed(&id).await;
    finish(&lab, &id).await;
}

#[tokio::test]
async fn lost_secrets_are_regenerated_if_the_chart_allows_it() {
    let lab = Lab::start().await;
    let id = fresh("nosecret");
    let store = lab.api.ready(&id).await;
    let claims = belongings(&lab, &store).await;
    // Creation times have a resolution of one second.
    tokio::time::sleep(Duration::from_secs(2)).await;

    delete_secrets(&lab, &store, "app.kubernetes.io/managed-by=storeplane").await;
    let ill = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(ill.reason, "SECRET_MISSING", "{ill:?}");
    assert!(ill.message.contains("store-admin, store-db, store-salts"), "{ill:?}");

    lab.api.retry(&id).await.unwrap();
    let (well, seen) = lab.api.settle(&id).await;
    assert_eq!(well.state(), StoreState::Ready, "{}", seen.text());
    assert!(seen.text().contains("SECRETS_RENEWED SECRETS"), "{}", seen.text());
    // Either the upgrade replaces the pods, or the step ROLLOUT restarts them.
    let made = secrets(&lab, &store).await.into_iter().filter_map(|it| it.metadata.creation_timestamp).max().unwrap();
    let pods = Objects::<Pod>::namespaced(lab.kubernetes.client().await, &store.namespace);
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        assert!(pod.metadata.creation_timestamp.unwrap() >= made, "{:?} is older than its Secrets", pod.metadata.name);
    }
    let after = belongings(&lab, &store).await;
    assert_eq!(claims.iter().filter(|uid| after.contains(uid)).count(), 2, "the volume claims are kept");
    finish(&lab, &id).await;
}

#[tokio::test]
async fn lost_secrets_fail_retry_by_default() {
    let dir = tempfile::tempdir().unwrap();
    crate::failures::copy(&charts(), dir.path());
    let file = dir.path().join("woocommerce/storeplane.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("lost_secrets: renew", "lost_secrets: refuse")).unwrap();
    let lab = Setup { charts: dir.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("locked");
    let store = lab.api.ready(&id).await;
    let saved = secrets(&lab, &store).await;

    delete_secrets(&lab, &store, "app.kubernetes.io/managed-by=storeplane").await;
    becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    lab.api.retry(&id).await.unwrap();
    let (still, seen) = lab.api.settle(&id).await;
    assert_eq!((still.state(), still.reason.as_str()), (StoreState::Degraded, "SECRET_MISSING"), "{}", seen.text());
    assert!(seen.text().contains("nothing was removed"), "{}", seen.text());
    assert!(secrets(&lab, &store).await.is_empty(), "no new Secrets are generated");

    // Restored from a backup, without our label.
    let all = Objects::<Secret>::namespaced(lab.kubernetes.client().await, &store.namespace);
    for mut secret in saved {
        secret.metadata = kube::api::ObjectMeta { name: secret.metadata.name, ..Default::default() };
        all.create(&PostParams::default(), &secret).await.unwrap();
    }
    // The store recovers without another call.
    becomes(&lab, &id, StoreState::Ready, FOLLOWED * 2).await;
    finish(&lab, &id).await;
}
