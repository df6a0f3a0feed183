//! A store's Kubernetes objects, logs and events, read from the cluster on request.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Event, ObjectReference, Secret};
use kube::api::{Api as Objects, ListParams, ObjectMeta, PostParams};
use storeplane_proto::v1::{
    GetStoreLogsRequest, GetStoreResourcesRequest, Store, StoreLogs, StoreResource, StoreResources, StoreState,
};
use tonic::{Code, Status};

use crate::harness::{Api, Gateway, Lab, Setup, fields, fresh, reason};

pub(crate) async fn resources(api: &Api, store_id: &str) -> Result<StoreResources, Status> {
    let request = GetStoreResourcesRequest { store_id: store_id.to_owned(), ..GetStoreResourcesRequest::default() };
    api.stores.clone().get_store_resources(request).await.map(tonic::Response::into_inner)
}

async fn logs(api: &Api, store_id: &str, tail_lines: i32) -> Result<StoreLogs, Status> {
    let request = GetStoreLogsRequest { store_id: store_id.to_owned(), tail_lines, ..GetStoreLogsRequest::default() };
    api.stores.clone().get_store_logs(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn line(resource: &StoreResource) -> String {
    format!("{} {} {}", resource.kind, resource.name, resource.status)
}

/// The password of the store's database.
async fn password(lab: &Lab, store: &Store) -> String {
    let secrets = Objects::<Secret>::namespaced(lab.kubernetes.client().await, &store.namespace);
    let data = secrets.get("store-db").await.unwrap().data.unwrap();
    String::from_utf8(data["password"].0.clone()).unwrap()
}

/// An event about the shop with this message.
async fn create_event(lab: &Lab, store: &Store, name: &str, message: &str) {
    let event = Event {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        involved_object: ObjectReference {
            kind: Some("Pod".to_owned()),
            name: Some("store-x".to_owned()),
            namespace: Some(store.namespace.clone()),
            ..ObjectReference::default()
        },
        type_: Some("Warning".to_owned()),
        reason: Some("Testing".to_owned()),
        message: Some(message.to_owned()),
        ..Event::default()
    };
    let events = Objects::<Event>::namespaced(lab.kubernetes.client().await, &store.namespace);
    events.create(&PostParams::default(), &event).await.unwrap();
}

#[tokio::test]
async fn resources_and_logs_are_read_masked_and_require_their_role() {
    let gateway = Gateway::open().await;
    let lab = Setup { kubeconfig: gateway.kubeconfig.clone(), ..Setup::default() }.start().await;
    let id = fresh("live");
    let store = lab.api.ready(&id).await;
    let viewer = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);
    let operator = Api::connect(lab.server.address(), &lab.database.token("default", "operator").await);
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "admin").await);

    let seen = resources(&viewer, &id).await.unwrap();
    let lines: Vec<_> = seen.resources.iter().map(line).collect();
    for expected in
        ["Deployment store 1/1 ready", "StatefulSet store-db 1/1 ready", "Service store ClusterIP, 1 ready pod"]
    {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} is missing in {lines:#?}");
    }
    let kinds: BTreeMap<_, usize> = seen.resources.iter().fold(BTreeMap::new(), |mut kinds, resource| {
        *kinds.entry(resource.kind.as_str()).or_default() += 1;
        kinds
    });
    for kind in ["CronJob", "Ingress", "Namespace", "PersistentVolumeClaim", "Pod"] {
        assert!(kinds.contains_key(kind), "{kind} is missing in {lines:#?}");
    }
    assert!(seen.resources.is_sorted_by_key(|it| (it.kind.clone(), it.name.clone())) && seen.time.is_some());
    let pod = seen.resources.iter().find(|it| it.owner == "Deployment/store").expect("the shop's pod");
    assert!(pod.ready && pod.status == "Running" && pod.create_time.is_some(), "{pod:?}");

    let secret = password(&lab, &store).await;
    create_event(&lab, &store, "telling", &format!("it said {secret}")).await;
    gateway.answer_logs_with(format!("one\ntwo: {secret}\nthree\n"));
    let seen = logs(&operator, &id, 2).await.unwrap();
    assert!(!seen.logs.is_empty() && seen.logs.iter().all(|log| log.lines == ["one", "two: ***", "three"]), "{seen:?}");
    assert!(gateway.asked().iter().any(|line| line.contains("/log?") && line.contains("tailLines=2")));
    let event = seen.events.iter().find(|event| event.reason == "Testing").expect("the event");
    assert_eq!((event.message.as_str(), event.object.as_str(), event.count), ("it said ***", "Pod/store-x", 1));

    gateway.answer_logs_with(format!("{}\n", "x".repeat(99)).repeat(10_000));
    let seen = logs(&operator, &id, 0).await.unwrap();
    let sizes: Vec<usize> = seen.logs.iter().map(|log| log.lines.iter().map(|line| line.len() + 1).sum()).collect();
    assert!(sizes.iter().all(|size| *size <= 64 * 1024) && sizes.iter().sum::<usize>() > 64 * 1024, "{sizes:?}");

    assert_eq!(logs(&viewer, &id, 0).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(reason(&logs(&stranger, &id, 0).await.unwrap_err()), "STORE_NOT_FOUND");
    assert_eq!(reason(&resources(&stranger, &id).await.unwrap_err()), "STORE_NOT_FOUND");
    assert_eq!(fields(&logs(&operator, &id, 501).await.unwrap_err()), ["tail_lines"]);

    gateway.forbid(Box::leak(format!("GET /api/v1/namespaces/{}/secrets", store.namespace).into_boxed_str()));
    let blind = logs(&operator, &id, 0).await.unwrap_err();
    assert_eq!(
        (blind.code(), reason(&blind).as_str()),
        (Code::Unavailable, "CLUSTER_UNREACHABLE"),
        "nothing is shown unmasked"
    );
    gateway.forbid("nothing");
    gateway.answer_with(503);
    let away = resources(&viewer, &id).await.unwrap_err();
    assert_eq!((away.code(), reason(&away).as_str()), (Code::Unavailable, "CLUSTER_UNREACHABLE"));
    gateway.answer_with(0);

    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    assert_eq!(resources(&viewer, &id).await.unwrap().resources, []);
    assert_eq!(logs(&operator, &id, 0).await.unwrap().logs, []);
}

#[tokio::test]
async fn foreign_namespace_is_not_shown() {
    let lab = Lab::start().await;
    let id = fresh("theirs");
    let namespace = format!("store-{id}");
    lab.kubernetes.foreign_namespace(&namespace).await;
    lab.kubernetes.secret(&namespace, "private", &[("key", "value")]).await;
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let (store, _) = lab.api.settle(&id).await;
    assert_eq!(store.reason, "NOT_OURS");
    create_event(&lab, &store, "private", "their affair").await;

    let seen = resources(&lab.api, &id).await.unwrap().resources;
    assert_eq!(seen.iter().map(line).collect::<Vec<_>>(), [format!("Namespace {namespace} Foreign")]);
    assert_eq!(logs(&lab.api, &id, 0).await.unwrap().events, []);
    lab.kubernetes.drop_namespace(&namespace).await;
}

#[tokio::test]
async fn unlabelled_namespace_still_belongs_to_store_and_is_deleted() {
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Patch, PatchParams};
    use serde_json::json;

    let lab = Lab::start().await;
    let id = fresh("bare");
    let store = lab.api.ready(&id).await;
    let namespaces = Objects::<Namespace>::all(lab.kubernetes.client().await);
    let found = namespaces.get(&store.namespace).await.unwrap().metadata;
    let none = |all: Option<BTreeMap<String, String>>| -> BTreeMap<String, Option<String>> {
        let ours =
            all.unwrap_or_default().into_keys().filter(|key| key.contains("storeplane") || key.contains("managed-by"));
        ours.map(|key| (key, None)).collect()
    };
    // Without most annotations too: only helm's record names the store.
    // The instance stays: without it the admission policy forbids the server to put anything back.
    let mut annotations = none(found.annotations);
    annotations.remove("storeplane.io/instance");
    let patch = json!({"metadata": {"labels": none(found.labels), "annotations": annotations}});
    namespaces.patch(&store.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();

    let seen = resources(&lab.api, &id).await.unwrap().resources;
    assert!(seen.iter().any(|it| line(it) == "Deployment store 1/1 ready"), "{seen:?}");
    let began = std::time::Instant::now();
    let reported = loop {
        let store = lab.api.get(&id).await.unwrap();
        if store.state() == StoreState::Degraded {
            break store;
        }
        assert!(began.elapsed().as_secs() < 60, "the missing labels are not reported: {store:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    assert_eq!(reported.reason, "NAMESPACE_UNLABELLED");

    lab.api.retry(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Ready);
    let labels = namespaces.get(&store.namespace).await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels.get("storeplane.io/store-uid"), Some(&store.uid), "RetryStore puts the labels back");

    let patch = json!({"metadata": {"labels": {"storeplane.io/store-uid": null, "storeplane.io/instance": null}}});
    namespaces.patch(&store.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    lab.kubernetes.assert_gone(&id).await;
    let left = Objects::<Secret>::namespaced(lab.kubernetes.client().await, &store.namespace);
    assert!(left.list(&ListParams::default()).await.unwrap().items.is_empty());
}
