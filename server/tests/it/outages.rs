//! Outages of Postgres and of the API server: nothing is lost, and work resumes.

use std::time::Duration;

use storeplane_proto::v1::{GetStoreCredentialsRequest, StoreState};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{Api, Lab, Proxy, Setup, authority, env, fresh, reason};

#[tokio::test]
async fn postgres_outage_acknowledges_nothing_and_work_resumes() {
    let proxy = Proxy::to(authority(&env("STOREPLANE_TEST_DATABASE_URL"))).await;
    let setup = Setup { database_proxy: Some(proxy.address), ..Setup::default() };
    let Lab { database, api, kubernetes, server: _server } = setup.with("STOREPLANE_LEASE_SECONDS", "3").start().await;
    let id = fresh("pgaway");
    api.create(Api::wanted(&id)).await.unwrap();
    api.until_told(&id, "STEP_STARTED INSTALL").await;

    proxy.cut();
    let status = api.create(Api::wanted(&fresh("lost"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.mend();

    let (store, seen) = api.settle(&id).await;
    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    kubernetes.assert_installed(&id).await;
    database.assert_sound().await;
    assert_eq!(database.value("SELECT count(*) FROM stores").await, "1", "what was refused was not stored");
    api.delete(&id).await.unwrap();
    api.settle(&id).await;
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
    let lab = Setup { kubeconfig: path, ..Setup::default() }.start().await;
    let (before, during) = (fresh("kubeup"), fresh("kubeaway"));
    lab.api.ready(&before).await;

    proxy.cut();
    lab.api.create(Api::wanted(&during)).await.unwrap();
    lab.api.until_told(&during, "STEP_RETRIED").await;
    let waiting = lab.api.get(&during).await.unwrap();
    assert_eq!((waiting.state(), waiting.reason.as_str()), (StoreState::Provisioning, "CLUSTER_UNREACHABLE"));
    assert_eq!(lab.api.get(&before).await.unwrap().state(), StoreState::Ready);
    let wanted = GetStoreCredentialsRequest { store_id: before.clone(), ..GetStoreCredentialsRequest::default() };
    let status = lab.api.stores.clone().get_store_credentials(wanted).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "CLUSTER_UNREACHABLE"));
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
    proxy.mend();

    assert_eq!(lab.api.settle(&during).await.0.state(), StoreState::Ready);
    lab.database.assert_sound().await;
    for id in [&before, &during] {
        lab.api.delete(id).await.unwrap();
        lab.api.settle(id).await;
    }
}
