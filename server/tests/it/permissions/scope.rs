//! Servers that watch inside stores' namespaces, because their account may not watch all.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, DeleteParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::json;
use storeplane_proto::v1::{ReleaseOwnership, ReleaseScope, Store, StoreState};
use uuid::Uuid;

use super::account_with;
use crate::drift::{FOLLOWED, QUIET, becomes, events, finish, patch, times};
use crate::harness::{Account, Gateway, Lab, Proxy, Setup, authority, fresh};
use crate::live_view::{line, resources};
use crate::metrics::{read, with_metrics};
use crate::orphans::{orphans, until_told};
use crate::releases::{filtered, list};

async fn deployments(lab: &Lab, store: &Store) -> Api<Deployment> {
    Api::namespaced(lab.kubernetes.client().await, &store.namespace)
}

/// A namespace of this control plane that belongs to no store, without `RoleBinding`.
async fn closed_namespace(lab: &Lab, instance: &str) -> String {
    let name = fresh("store-closed");
    let labels = json!({"app.kubernetes.io/managed-by": "storeplane", "storeplane.io/instance": instance,
        "storeplane.io/store-uid": Uuid::new_v4()});
    let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap();
    Api::<Namespace>::all(lab.kubernetes.client().await).create(&PostParams::default(), &namespace).await.unwrap();
    name
}

async fn until_logged(lab: &Lab, event: &str, text: &str) {
    let began = Instant::now();
    let logs = |lab: &Lab| lab.server.log().lines().any(|line| line.contains(event) && line.contains(text));
    while !logs(lab) {
        assert!(began.elapsed() < Duration::from_mins(1), "no {event} {text}:\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the releases of the store are listed with this scope.
async fn until_listed(lab: &Lab, store: &Store, scope: ReleaseScope) {
    let began = Instant::now();
    loop {
        let found = list(&lab.api, filtered(&format!("namespace = {}", store.namespace))).await;
        if let Ok(found) = &found
            && let [release] = &found.releases[..]
            && found.scope() == scope
        {
            assert_eq!(
                (release.ownership(), release.store_uid.as_str()),
                (ReleaseOwnership::Store, store.uid.as_str())
            );
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "{found:?}:\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// When the last complete comparison of all stores ended.
async fn last_round(address: SocketAddr) -> f64 {
    read(address, "storeplane_reconciler_last_round_timestamp_seconds").await.unwrap_or_default()
}

async fn until_next_round(address: SocketAddr) {
    let (before, began) = (last_round(address).await, Instant::now());
    while last_round(address).await <= before {
        assert!(began.elapsed() < Duration::from_mins(1), "stores are no longer compared");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The account's kubeconfig, through a proxy that can cut connections to the API server.
async fn behind_proxy(account: &Account, directory: &Path) -> (Proxy, PathBuf) {
    let mut config = Kubeconfig::read_from(&account.kubeconfig).unwrap();
    let cluster = config.clusters[0].cluster.as_mut().unwrap();
    let proxy = Proxy::to(authority(cluster.server.as_ref().unwrap())).await;
    cluster.server = Some(format!("https://{}", proxy.address));
    let kubeconfig = directory.join("config");
    std::fs::write(&kubeconfig, serde_json::to_vec(&config).unwrap()).unwrap();
    (proxy, kubeconfig)
}

/// Deletes the store's Deployment, and lets RetryStore restore it.
async fn break_and_repair(lab: &Lab, id: &str, store: &Store) {
    deployments(lab, store).await.delete("store", &DeleteParams::default()).await.unwrap();
    let broken = becomes(lab, id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(broken.reason, "WORKLOAD_MISSING", "{broken:?}");
    lab.api.retry(id).await.unwrap();
    let (repaired, seen) = lab.api.settle(id).await;
    assert_eq!(repaired.state(), StoreState::Ready, "{}", seen.text());
}

#[tokio::test]
async fn stores_live_without_permission_to_watch_all_namespaces() {
    let account = account_with("it-narrow", "narrow.yaml");
    let directory = tempfile::tempdir().unwrap();
    let (proxy, kubeconfig) = behind_proxy(&account, directory.path()).await;
    let setup = Setup { kubeconfig, ..Setup::of(account.clone()) }.with_small_chart();
    let (setup, metrics) = with_metrics(setup);
    let mut lab = setup.start().await;
    let closed = closed_namespace(&lab, &account.instance).await;
    let (id, other) = (fresh("narrow"), fresh("withdrawn"));
    let store = lab.api.ready(&id).await;
    let withdrawn = lab.api.ready(&other).await;
    until_logged(&lab, "HEALTH_UNKNOWN", &closed).await;

    break_and_repair(&lab, &id, &store).await;
    until_listed(&lab, &store, ReleaseScope::Namespaced).await;
    let live = resources(&lab.api, &id).await.unwrap();
    assert!(live.resources.iter().any(|resource| line(resource).starts_with("Deployment store ")), "{live:?}");
    until_told(&lab, "ORPHAN_FOUND", &closed).await;
    let listed = orphans(&lab, &account);
    assert!(listed.contains(&closed) && !listed.contains(&store.namespace), "{listed}");

    // Access to one store is withdrawn: no examination is answered, and its watches are refused when they begin again.
    let bindings = Api::<RoleBinding>::namespaced(lab.kubernetes.client().await, &withdrawn.namespace);
    bindings.delete("storeplane", &DeleteParams::default()).await.unwrap();
    patch(&lab, &withdrawn, json!({"replicas": 0})).await;
    proxy.cut();
    until_logged(&lab, "HEALTH_UNKNOWN", "the cluster cannot be watched").await;
    proxy.mend();
    until_logged(&lab, "HEALTH_UNKNOWN", &withdrawn.namespace).await;
    break_and_repair(&lab, &id, &store).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(lab.api.get(&other).await.unwrap().state(), StoreState::Ready, "unknown is not DEGRADED");
    until_next_round(metrics).await;
    until_listed(&lab, &store, ReleaseScope::Namespaced).await;

    // A server that starts restores it.
    lab.server.kill9();
    lab.server.restart().await;
    let broken = becomes(&lab, &other, StoreState::Degraded, FOLLOWED * 2).await;
    assert_eq!(broken.reason, "SCALED_TO_ZERO", "{broken:?}");
    patch(&lab, &withdrawn, json!({"replicas": 1})).await;
    becomes(&lab, &other, StoreState::Ready, FOLLOWED).await;
    assert_eq!(times(&events(&lab, &id).await, "DEGRADED"), 2, "the other store's problems are its own");
    finish(&lab, &other).await;
    finish(&lab, &id).await;
    lab.kubernetes.drop_namespace(&closed).await;
    until_logged(&lab, "HEALTH_KNOWN", &closed).await;
}

#[tokio::test]
async fn refused_watches_of_all_namespaces_are_replaced_by_those_inside_namespaces() {
    let account = Account::of("it-fallback");
    let gateway = Gateway::open_for(&account).await;
    gateway.forbid("GET /api/v1/secrets?");
    let setup = Setup { kubeconfig: gateway.kubeconfig.clone(), ..Setup::of(account) };
    let lab = setup.with_small_chart().start().await;
    let id = fresh("fallback");
    let store = lab.api.ready(&id).await;
    until_listed(&lab, &store, ReleaseScope::Namespaced).await;
    until_logged(&lab, "WATCH_REFUSED", "release records (secrets) of all namespaces").await;
    let asked = gateway.asked();
    let inside = format!("GET /api/v1/namespaces/{}/secrets?", store.namespace);
    assert!(asked.iter().any(|line| line.starts_with(&inside) && line.contains("watch=true")), "{asked:?}");
    break_and_repair(&lab, &id, &store).await;

    // Permissions that are granted later are used.
    gateway.forbid("nothing");
    until_listed(&lab, &store, ReleaseScope::Cluster).await;
    until_logged(&lab, "WATCH_GRANTED", "release records (secrets)").await;
    break_and_repair(&lab, &id, &store).await;
    finish(&lab, &id).await;
}
