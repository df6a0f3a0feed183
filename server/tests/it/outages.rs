//! Outages of Postgres and of the API server: nothing is lost, and work resumes.

use std::time::{Duration, Instant};

use storeplane_proto::v1::{CircuitState, Dependency, GetOverviewRequest, GetStoreCredentialsRequest, StoreState};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::grpc_raw::http;
use crate::harness::{Api, Lab, Proxy, Setup, authority, env, fresh, reason};
use crate::metrics::{read, with_metrics};

/// Longer than a circuit takes to open or to close on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const CIRCUIT: &str = "storeplane_circuit_open{dependency=\"kubernetes\"}";

#[tokio::test]
async fn postgres_outage_acknowledges_nothing_and_work_resumes() {
    let proxy = Proxy::to(authority(&env("STOREPLANE_TEST_DATABASE_URL"))).await;
    let setup = Setup { database_proxy: Some(proxy.address), ..Setup::default() };
    let Lab { database, api, kubernetes, server } = setup.with("STOREPLANE_LEASE_SECONDS", "3").start().await;
    let id = fresh("pgaway");
    api.create(Api::wanted(&id)).await.unwrap();
    api.until_told(&id, "STEP_STARTED INSTALL").await;

    proxy.cut();
    let status = api.create(Api::wanted(&fresh("lost"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
    // Once the circuit is open, calls no longer wait for a connection, which takes 3 s.
    let began = Instant::now();
    loop {
        let called = Instant::now();
        let status = api.get(&id).await.unwrap_err();
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unavailable, "DATABASE_UNAVAILABLE"),
            "{status:?}"
        );
        assert!(status.get_details_retry_info().is_some(), "{status:?}");
        if called.elapsed() < Duration::from_secs(1) && server.log().contains("CIRCUIT_OPENED") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "calls still wait for a connection:\n{}", server.log());
    }
    // The readiness follows with the next probe.
    loop {
        let ready = http(server.address(), "GET /readyz", &[], b"").await;
        if ready.status == 503 {
            assert_ne!(ready.json()["circuits"]["postgres"]["state"], "closed", "{ready:?}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the server stays ready: {ready:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    proxy.mend();

    let (store, seen) = api.settle(&id).await;
    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    kubernetes.assert_installed(&id).await;
    database.assert_sound().await;
    assert_eq!(database.value("SELECT count(*) FROM stores").await, "1", "what was refused was not stored");
    api.delete(&id).await.unwrap();
    api.settle(&id).await;
}

/// Waits until the server's overview shows such a state of the cluster's circuit.
async fn until_circuit(lab: &Lab, wanted: impl Fn(CircuitState) -> bool) -> Dependency {
    let began = Instant::now();
    loop {
        let overview = lab.api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
        let names: Vec<_> = overview.dependencies.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["postgres", "kubernetes"]);
        let cluster = overview.dependencies.into_iter().find(|it| it.name == "kubernetes").unwrap();
        if wanted(cluster.state()) {
            return cluster;
        }
        assert!(began.elapsed() < PATIENCE, "{cluster:?}:\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn api_server_outage_makes_operations_wait_without_failures() {
    let kubeconfig = std::fs::read_to_string(Setup::default().kubeconfig).unwrap();
    let server_line = kubeconfig.lines().find(|line| line.contains("server:")).expect("a server");
    let url = server_line.split("server:").nth(1).unwrap().trim().trim_matches(|c| "\"{}, ".contains(c));
    let url = url.split(['"', ',', '}']).next().unwrap().to_owned();
    let proxy = Proxy::to(authority(&url)).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    std::fs::write(&path, kubeconfig.replace(&authority(&url), &proxy.address.to_string())).unwrap();
    let (setup, metrics) = with_metrics(Setup { kubeconfig: path, ..Setup::default() });
    let lab = setup.start().await;
    let (before, during) = (fresh("kubeup"), fresh("kubeaway"));
    lab.api.ready(&before).await;

    proxy.cut();
    lab.api.create(Api::wanted(&during)).await.unwrap();
    lab.api.until_told(&during, "STEP_RETRIED").await;
    let open = until_circuit(&lab, |state| state != CircuitState::Closed).await;
    assert!(!open.message.is_empty() && open.since_time.is_some(), "{open:?}");
    let late = fresh("kubelate");
    let asked = Instant::now();
    lab.api.create(Api::wanted(&late)).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}: creating needs Postgres only", asked.elapsed());
    lab.api.until_told(&late, "STEP_RETRIED").await;
    let ready = http(lab.server.address(), "GET /readyz", &[], b"").await;
    assert_eq!((ready.status, ready.json()["circuits"]["kubernetes"]["state"] != "closed"), (200, true));
    assert_eq!(read(metrics, CIRCUIT).await, Some(1.0));
    let waiting = lab.api.get(&during).await.unwrap();
    assert_eq!((waiting.state(), waiting.reason.as_str()), (StoreState::Provisioning, "CLUSTER_UNREACHABLE"));
    assert_eq!(lab.api.get(&before).await.unwrap().state(), StoreState::Ready);
    let wanted = GetStoreCredentialsRequest { store_id: before.clone(), ..GetStoreCredentialsRequest::default() };
    let status = lab.api.stores.clone().get_store_credentials(wanted).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "CLUSTER_UNREACHABLE"));
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
    proxy.mend();

    until_circuit(&lab, |state| state == CircuitState::Closed).await;
    assert_eq!(read(metrics, CIRCUIT).await, Some(0.0));
    for id in [&during, &late] {
        let (store, seen) = lab.api.settle(id).await;
        assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
        let retried = seen.types().iter().filter(|kind| **kind == "STEP_RETRIED").count();
        assert_eq!(retried, 1, "waiting is told once: {}", seen.text());
    }
    lab.database.assert_sound().await;
    for id in [&before, &during, &late] {
        lab.api.delete(id).await.unwrap();
        lab.api.settle(id).await;
    }
}
