//! Namespaces and Secrets: created, adopted, refused, fenced, deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use storeplane_core::failure::Reason;
use storeplane_core::ids::StoreUid;
use storeplane_server::kube::{ClusterErrorKind, Ensured, NamespaceSpec, NamespaceState, SecretSpec};
use storeplane_server::secret::SecretText;
use uuid::Uuid;

use crate::kube_support::{cluster, namespace, plain_client, remove, spec};

#[tokio::test]
async fn cluster_reports_version_and_simulation() {
    let info = cluster().check().await.expect("the cluster answers");
    assert!(info.version.starts_with('v'), "{info:?}");
    assert!(info.simulated, "{info:?}");
}

#[tokio::test]
async fn namespace_is_created_once_and_adopted_afterwards() {
    let cluster = cluster();
    let first = namespace(&cluster).await;
    let later = NamespaceSpec { fence: 7, ..first.clone() };
    assert_eq!(cluster.ensure_namespace(&later).await, Ok(Ensured::Adopted));
    assert_eq!(cluster.ensure_namespace(&later).await, Ok(Ensured::Adopted));
    let all = cluster.all_namespaces().await.expect("a listing");
    let listed = all.iter().find(|it| it.name == first.name).expect("ours is listed");
    assert_eq!((listed.store_uid, listed.fence, listed.terminating), (Some(first.store_uid), 7, false));
    let found = Api::<Namespace>::all(plain_client().await).get(&first.name).await.expect("the namespace");
    let labels = found.metadata.labels.expect("labels");
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(labels["storeplane.io/tenant"], "default");
    remove(&cluster, &first).await;
}

#[tokio::test]
async fn lower_fence_is_rejected() {
    let cluster = cluster();
    let spec = namespace(&cluster).await;
    let winner = NamespaceSpec { fence: 9, ..spec.clone() };
    cluster.ensure_namespace(&winner).await.expect("adopted");
    let error = cluster.ensure_namespace(&NamespaceSpec { fence: 8, ..spec.clone() }).await.expect_err("fenced");
    assert_eq!((error.kind(), error.retryable()), (ClusterErrorKind::Fenced, false));
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn highest_of_concurrent_fences_wins() {
    let cluster = cluster();
    let spec = namespace(&cluster).await;
    let claims = (2..12).map(|fence| {
        let (cluster, claim) = (cluster.clone(), NamespaceSpec { fence, ..spec.clone() });
        async move { (fence, cluster.ensure_namespace(&claim).await) }
    });
    for (fence, outcome) in futures::future::join_all(claims).await {
        match outcome {
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error.kind(), ClusterErrorKind::Fenced | ClusterErrorKind::Conflict), "{error}");
                assert!(fence < 11, "the highest must not lose: {error}");
            }
        }
    }
    let all = cluster.all_namespaces().await.expect("a listing");
    assert_eq!(all.iter().find(|it| it.name == spec.name).map(|it| it.fence), Some(11));
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn foreign_namespace_is_neither_adopted_nor_deleted() {
    let (cluster, spec) = (cluster(), spec(1));
    let namespaces = Api::<Namespace>::all(plain_client().await);
    let foreign: Namespace = serde_json::from_value(json!({"metadata": {"name": spec.name}})).expect("a namespace");
    namespaces.create(&PostParams::default(), &foreign).await.expect("created by hand");
    let error = cluster.ensure_namespace(&spec).await.expect_err("not ours");
    assert_eq!((error.kind(), error.failure().reason), (ClusterErrorKind::NotOurs, Reason::NotOurs));
    let error = cluster.delete_namespace(&spec.name, spec.store_uid).await.expect_err("not ours");
    assert_eq!(error.kind(), ClusterErrorKind::NotOurs);
    assert_eq!(cluster.namespace_state(&spec.name).await, Ok(NamespaceState::Active));
    namespaces.delete(&spec.name, &kube::api::DeleteParams::default()).await.expect("removed by hand");
}

#[tokio::test]
async fn namespace_of_another_store_is_refused() {
    let cluster = cluster();
    let spec = namespace(&cluster).await;
    let other = NamespaceSpec { store_uid: StoreUid(Uuid::now_v7()), ..spec.clone() };
    let error = cluster.ensure_namespace(&other).await.expect_err("another's");
    assert_eq!(error.kind(), ClusterErrorKind::NotOurs);
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn secrets_are_created_once_and_keep_their_values() {
    let cluster = cluster();
    let spec = namespace(&cluster).await;
    let secret = |name: &str, text: &str| SecretSpec {
        name: name.into(),
        entries: BTreeMap::from([("password".to_owned(), SecretText::new(text))]),
    };
    cluster.ensure_secrets(&spec.name, vec![secret("store-db", "first")]).await.expect("made");
    let both = vec![secret("store-db", "second"), secret("store-admin", "second")];
    cluster.ensure_secrets(&spec.name, both).await.expect("one kept, one created");
    let read = |name: &'static str, key: &'static str| cluster.read_secret(&spec.name, name, key);
    assert_eq!(read("store-db", "password").await, Ok(Some(SecretText::new("first"))));
    assert_eq!(read("store-admin", "password").await, Ok(Some(SecretText::new("second"))));
    assert_eq!(read("store-admin", "username").await, Ok(None));
    assert_eq!(read("store-salts", "password").await, Ok(None));
    let error = cluster.ensure_secrets("store-it-nowhere", vec![secret("a", "b")]).await.expect_err("no namespace");
    assert_eq!(error.kind(), ClusterErrorKind::NotFound, "{error}");
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn empty_namespace_is_deleted_and_stays_deleted() {
    let cluster = cluster();
    let spec = namespace(&cluster).await;
    remove(&cluster, &spec).await;
    remove(&cluster, &spec).await;
    cluster.wait_namespace_gone(&spec.name, Duration::from_mins(2), |_| {}).await.expect("gone");
    assert_eq!(cluster.namespace_state(&spec.name).await, Ok(NamespaceState::Absent));
    remove(&cluster, &spec).await;
    cluster.wait_namespace_gone(&spec.name, Duration::from_mins(1), |_| {}).await.expect("still gone");
}

#[tokio::test]
async fn namespace_held_by_finalizer_names_it() {
    let (cluster, client) = (cluster(), plain_client().await);
    let spec = namespace(&cluster).await;
    let maps = Api::<ConfigMap>::namespaced(client, &spec.name);
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/keep"]}});
    let held: ConfigMap = serde_json::from_value(held).expect("a map");
    maps.create(&PostParams::default(), &held).await.expect("made");
    remove(&cluster, &spec).await;
    let blocked = async {
        loop {
            match cluster.namespace_state(&spec.name).await.expect("a state") {
                NamespaceState::Terminating { blocked_by } if !blocked_by.is_empty() => return,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), blocked).await.expect("it says what blocks it");
    let mut heard = Vec::new();
    let waited = cluster.wait_namespace_gone(&spec.name, Duration::from_secs(3), |why| heard.push(why.to_vec())).await;
    let error = waited.expect_err("it does not go");
    assert_eq!((error.kind(), error.failure().reason), (ClusterErrorKind::Stuck, Reason::NamespaceStuck));
    assert!(error.failure().details.iter().any(|line| line.contains("example.com/keep")), "{:?}", error.failure());
    assert!(heard.iter().flatten().any(|line| line.contains("example.com/keep")), "{heard:?}");
    let error = cluster.ensure_namespace(&spec).await.expect_err("it is going");
    assert_eq!((error.kind(), error.retryable()), (ClusterErrorKind::Terminating, true));
    let made =
        cluster.ensure_secrets(&spec.name, vec![SecretSpec { name: "a".into(), entries: BTreeMap::new() }]).await;
    assert_eq!(made.expect_err("it is going").kind(), ClusterErrorKind::Terminating);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &free).await.expect("freed");
    cluster.wait_namespace_gone(&spec.name, Duration::from_mins(2), |_| {}).await.expect("gone");
}

#[tokio::test]
async fn secrets_carry_our_label() {
    let cluster = cluster();
    let spec = namespace(&cluster).await;
    let secret = SecretSpec { name: "store-db".into(), entries: BTreeMap::new() };
    cluster.ensure_secrets(&spec.name, vec![secret]).await.expect("made");
    let found = Api::<Secret>::namespaced(plain_client().await, &spec.name).get("store-db").await.expect("a secret");
    assert_eq!(found.metadata.labels.expect("labels")["app.kubernetes.io/managed-by"], "storeplane");
    remove(&cluster, &spec).await;
}
