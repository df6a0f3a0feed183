//! States that once needed kubectl: each has an API call that leads out. And requirements of clusters on every
//! namespace.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use storeplane_proto::v1::{DeleteStoreRequest, ListAuditEventsRequest, StoreState};
use storeplane_server::kube::{Cluster, ClusterConfig, CopiedSecret, CopiedSecretUse};

use crate::harness::{Account, DEFAULT_ENGINE, Gate, Kubernetes, Lab, Setup, fresh};

/// Longer than a forced deletion waits for the cluster.
const WITHIN: Duration = Duration::from_mins(3);
const STORE_UID: &str = "storeplane.io/store-uid";
/// Its value in tests is that of the usual instance.
const INSTANCE: &str = "storeplane.io/instance";

async fn force(lab: &Lab, id: &str) {
    let request = DeleteStoreRequest { store_id: id.to_owned(), force: true, ..DeleteStoreRequest::default() };
    lab.api.stores.clone().delete_store(request).await.expect("accepted");
}

async fn mark(lab: &Lab, namespace: &str, metadata: serde_json::Value) {
    let namespaces: Api<Namespace> = Api::all(lab.kubernetes.client().await);
    let patch = Patch::Merge(json!({"metadata": metadata}));
    namespaces.patch(namespace, &PatchParams::default(), &patch).await.expect("a patched namespace");
}

async fn forced_deletions(lab: &Lab, id: &str) -> usize {
    let filter = format!("action = FORCE_DELETE_STORE AND target = {id}");
    let request = ListAuditEventsRequest { filter, ..ListAuditEventsRequest::default() };
    lab.api.audit.clone().list_audit_events(request).await.expect("a page").into_inner().audit_events.len()
}

#[tokio::test]
async fn forced_delete_forgets_a_store_whose_cluster_is_away() {
    let setup = Setup::small();
    let gate = Gate::before(&setup.kubeconfig).await;
    let lab = Setup { kubeconfig: gate.kubeconfig.clone(), ..setup }.start().await;
    let id = fresh("forced");
    let store = lab.api.ready(&id).await;
    gate.wire.cut();

    force(&lab, &id).await;
    let (store, seen) = tokio::time::timeout(WITHIN, lab.api.settle(&id)).await.unwrap_or_else(|_| panic!("{store:?}"));

    assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    let left =
        seen.events.iter().find(|event| event.r#type == "RESOURCES_LEFT").unwrap_or_else(|| panic!("{}", seen.text()));
    assert!(left.message.contains(&format!("kubectl delete namespace store-{id}")), "{left:?}");
    assert_eq!(left.details["namespace"], format!("store-{id}"));
    assert_eq!(forced_deletions(&lab, &id).await, 1);
    lab.database.assert_sound().await;
    lab.kubernetes.assert_installed(&id).await;
    lab.kubernetes.drop_namespace(&format!("store-{id}")).await;
}

#[tokio::test]
async fn forced_delete_of_a_reachable_store_removes_everything() {
    let lab = Setup::small().start().await;
    let id = fresh("forced");
    lab.api.ready(&id).await;
    force(&lab, &id).await;
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    assert!(!seen.types().contains(&"RESOURCES_LEFT"), "{}", seen.text());
    lab.kubernetes.assert_gone(&id).await;
}

#[tokio::test]
async fn namespace_without_labels_is_deleted_and_one_without_any_mark_is_not_reported_as_deleted() {
    let lab = Setup::small().start().await;
    let (unlabelled, kept, forgotten) = (fresh("unlabelled"), fresh("kept"), fresh("forgotten"));
    let store = lab.api.ready(&unlabelled).await;
    mark(&lab, &store.namespace, json!({"labels": null})).await;
    lab.api.delete(&unlabelled).await.unwrap();
    let (store, seen) = lab.api.settle(&unlabelled).await;
    assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    lab.kubernetes.assert_gone(&unlabelled).await;

    for id in [&kept, &forgotten] {
        let store = lab.api.ready(id).await;
        let secrets: Api<Secret> = Api::namespaced(lab.kubernetes.client().await, &store.namespace);
        let records = ListParams::default().labels("owner=helm");
        secrets.delete_collection(&DeleteParams::default(), &records).await.unwrap();
        mark(&lab, &store.namespace, json!({"labels": null, "annotations": null})).await;

        lab.api.delete(id).await.unwrap();
        let (store, seen) = lab.api.settle(id).await;

        assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "NOT_OURS"), "{}", seen.text());
        let remedy = store.details.join("\n");
        assert!(remedy.contains(&format!("kubectl label namespace store-{id} {STORE_UID}={}", store.uid)), "{remedy}");
    }

    // Both calls that the message names lead out.
    let uid = lab.api.get(&kept).await.unwrap().uid;
    mark(&lab, &format!("store-{kept}"), json!({"labels": {STORE_UID: uid, INSTANCE: "storeplane"}})).await;
    lab.api.retry(&kept).await.unwrap();
    let (store, seen) = lab.api.settle(&kept).await;
    assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    lab.kubernetes.assert_gone(&kept).await;

    force(&lab, &forgotten).await;
    let (store, seen) = lab.api.settle(&forgotten).await;
    assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    assert!(seen.types().contains(&"RESOURCES_LEFT"), "{}", seen.text());
    lab.kubernetes.drop_namespace(&format!("store-{forgotten}")).await;
}

#[tokio::test]
async fn corrupt_release_record_does_not_block_a_deletion() {
    let lab = Setup::small().start().await;
    let id = fresh("corrupt");
    let store = lab.api.ready(&id).await;
    let secrets: Api<Secret> = Api::namespaced(lab.kubernetes.client().await, &store.namespace);
    let records = secrets.list(&ListParams::default().labels("owner=helm")).await.unwrap();
    for record in records.items {
        let patch = Patch::Merge(json!({"data": {"release": ByteString(b"not a release".to_vec())}}));
        secrets.patch(&record.metadata.name.unwrap(), &PatchParams::default(), &patch).await.unwrap();
    }

    lab.api.delete(&id).await.unwrap();
    let (store, seen) = lab.api.settle(&id).await;

    assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    assert!(seen.text().contains("Helm cannot uninstall the release"), "{}", seen.text());
    lab.kubernetes.assert_gone(&id).await;
}

/// An account that may also read the Secrets that are copied.
fn may_copy(dir: &Path, namespace: &str) -> Account {
    let values = dir.join("values.yaml");
    let secrets = ["registry", "wildcard"].map(|name| format!("{{namespace: {namespace}, name: {name}}}")).join(", ");
    let text = format!("rbac: {{nodes: true}}\nconfig: {{kubernetes: {{copied_secrets: [{secrets}]}}}}\n");
    std::fs::write(&values, text).unwrap();
    Account::create("it-copies", &["--values", values.to_str().unwrap()])
}

#[tokio::test]
async fn namespaces_get_configured_labels_and_copies_of_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let shared = fresh("shared");
    let configuration = dir.path().join("storeplane.toml");
    let text = format!(
        "[kubernetes]\nnamespace_labels = {{ team = \"shops\" }}\nnamespace_annotations = {{ cost-center = \"42\" }}\n\
         copied_secrets = [{{ namespace = \"{shared}\", name = \"registry\", use = \"image-pull\" }},
         {{ namespace = \"{shared}\", name = \"wildcard\", use = \"tls\" }}]\n"
    );
    std::fs::write(&configuration, text).unwrap();
    Kubernetes::new().foreign_namespace(&shared).await;
    let account = may_copy(dir.path(), &shared);
    // The chart's own values serve HTTPS.
    let setup = Setup { env: Vec::new(), ..Setup::of(account.clone()) };
    let setup = setup.with("STOREPLANE_DEFAULT_ENGINE", DEFAULT_ENGINE);
    let lab = setup.with("STOREPLANE_CONFIG", configuration.to_str().unwrap()).start().await;
    let client = lab.kubernetes.client().await;
    let secret = |auths: &str| -> Secret {
        let secret = json!({"metadata": {"name": "registry"}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": format!("{{\"auths\": {auths}}}")}});
        serde_json::from_value(secret).unwrap()
    };
    let originals: Api<Secret> = Api::namespaced(client.clone(), &shared);
    let original = originals.create(&PostParams::default(), &secret("{}")).await.unwrap();
    let wildcard = json!({"metadata": {"name": "wildcard"}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": "c", "tls.key": "k"}});
    let wildcard = serde_json::from_value(wildcard).unwrap();
    let wildcard = originals.create(&PostParams::default(), &wildcard).await.unwrap();
    let id = fresh("labelled");

    let store = lab.api.ready(&id).await;

    let namespace = Api::<Namespace>::all(client.clone()).get(&store.namespace).await.unwrap().metadata;
    assert_eq!(namespace.labels.unwrap()["team"], "shops");
    assert_eq!(namespace.annotations.unwrap()["cost-center"], "42");
    let copies: Api<Secret> = Api::namespaced(client.clone(), &store.namespace);
    let copy = copies.get("registry").await.unwrap();
    assert_eq!((copy.type_, copy.data), (original.type_, original.data));
    let copy = copies.get("wildcard").await.unwrap();
    assert_eq!((copy.type_, copy.data), (wildcard.type_, wildcard.data));
    assert!(store.shop_url.starts_with("https://"), "{}", store.shop_url);
    let ingress = Api::<Ingress>::namespaced(client.clone(), &store.namespace).get("store").await.unwrap();
    let tls = ingress.spec.unwrap().tls.unwrap_or_default();
    assert_eq!(tls[0].secret_name.as_deref(), Some("wildcard"));
    let workloads: Api<Deployment> = Api::namespaced(client, &store.namespace);
    let pods = workloads.get("store").await.unwrap().spec.template.spec.unwrap();
    assert_eq!(
        pods.image_pull_secrets.unwrap_or_default().iter().map(|pull| pull.name.as_str()).collect::<Vec<_>>(),
        ["registry"]
    );

    // Copies follow their original.
    let changed = Patch::Merge(json!({"stringData": {".dockerconfigjson": "{\"auths\": {\"r.example\": {}}}"}}));
    let changed = originals.patch("registry", &PatchParams::default(), &changed).await.unwrap();
    let wanted =
        CopiedSecret { namespace: shared.clone(), name: "registry".into(), purpose: CopiedSecretUse::ImagePull };
    let config = ClusterConfig { copied_secrets: vec![wanted], ..account.config() };
    Cluster::new(config).refresh_copies().await.unwrap();
    assert_eq!(copies.get("registry").await.unwrap().data, changed.data);
    lab.kubernetes.drop_namespace(&shared).await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}
