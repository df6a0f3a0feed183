//! Reconciliation by one server at a time, and by none while the cluster cannot be observed.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api as Objects, Patch, PatchParams};
use serde_json::json;
use storeplane_proto::v1::StoreState;

use crate::drift::{FOLLOWED, QUIET, becomes, events, finish, patch, times};
use crate::harness::{Api, Gateway, Kubernetes, Lab, Server, Setup, fresh, signal};

#[tokio::test]
async fn store_keeps_its_state_while_cluster_cannot_be_seen() {
    let gateway = Gateway::open().await;
    let lab = Setup { kubeconfig: gateway.kubeconfig.clone(), ..Setup::default() }.start().await;
    let id = fresh("blind");
    let store = lab.api.ready(&id).await;
    let direct = Objects::<StatefulSet>::namespaced(Kubernetes::new().client().await, &store.namespace);
    let scale = |replicas: u32| {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let direct = direct.clone();
        async move { drop(direct.patch("store-db", &PatchParams::default(), &patch).await.unwrap()) }
    };

    // The watches still report that the database is gone, but no examination is answered.
    for status in [503, 429, 403] {
        gateway.answer_with(status);
        scale(0).await;
        tokio::time::sleep(QUIET).await;
        assert_eq!(lab.api.get(&id).await.unwrap().state(), StoreState::Ready, "{status}");
        scale(1).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        gateway.answer_with(0);
    }
    let last = events(&lab, &id).await.last().map(|event| event.sequence);
    assert_eq!(last, Some(store.last_sequence), "no event without an observation");

    gateway.answer_with(503);
    scale(0).await;
    tokio::time::sleep(QUIET).await;
    gateway.answer_with(0);
    becomes(&lab, &id, StoreState::Degraded, FOLLOWED * 2).await;
    scale(1).await;
    becomes(&lab, &id, StoreState::Ready, FOLLOWED).await;
    finish(&lab, &id).await;
}

fn reconciles(log: &str) -> bool {
    log.contains("this server reconciles")
}

#[tokio::test]
async fn one_of_two_servers_reconciles_and_other_takes_over() {
    let mut lab = Lab::start().await;
    let id = fresh("turn");
    let store = lab.api.ready(&id).await;
    let began = Instant::now();
    while !reconciles(&lab.server.log()) {
        assert!(began.elapsed() < FOLLOWED, "no server reconciles");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = Server::start(&Setup::default(), &lab.database).await;
    patch(&lab, &store, json!({"replicas": 0})).await;
    becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert!(!reconciles(&second.log()), "one is enough");

    lab.server.kill9();
    patch(&lab, &store, json!({"replicas": 1})).await;
    let token = lab.database.token("default", "admin").await;
    lab.api = Api::connect(second.address(), &token);
    becomes(&lab, &id, StoreState::Ready, FOLLOWED).await;
    assert!(reconciles(&second.log()));
    let events = events(&lab, &id).await;
    assert_eq!((times(&events, "DEGRADED"), times(&events, "READY")), (1, 2));

    // A paused server also loses the lock.
    lab.server.restart().await;
    signal(second.pid(), "STOP");
    let began = Instant::now();
    while lab.server.log().matches("this server reconciles").count() < 2 {
        assert!(began.elapsed() < FOLLOWED * 3, "a paused server keeps its turn");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    signal(second.pid(), "CONT");
    lab.api = Api::connect(lab.server.address(), &token);
    finish(&lab, &id).await;
}
