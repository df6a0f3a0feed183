//! Orphans are reported once, and never changed.

use std::process::Command;
use std::time::{Duration, Instant};

use storeplane_core::ids::{StoreUid, Tenant};
use storeplane_proto::v1::StoreState;
use storeplane_server::kube::{Cluster, NamespaceSpec};

use crate::harness::{Account, Kubernetes, Lab, Setup, env, fresh};
use crate::kube_support::{accessible, helm};

/// Log lines about a namespace.
fn reported(lab: &Lab, event: &str, namespace: &str) -> usize {
    let log = lab.server.log();
    log.lines().filter(|line| line.contains(event) && line.contains(&format!("namespace=\"{namespace}\""))).count()
}

pub(crate) async fn until_told(lab: &Lab, event: &str, namespace: &str) {
    let began = Instant::now();
    while reported(lab, event, namespace) == 0 {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{event} of {namespace} is missing in the log:\n{}",
            lab.server.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A chart without objects.
fn empty_chart() -> tempfile::TempDir {
    let chart = tempfile::tempdir().unwrap();
    std::fs::write(chart.path().join("Chart.yaml"), "{apiVersion: v2, name: empty, version: 1.0.0}\n").unwrap();
    chart
}

pub(crate) fn orphans(lab: &Lab, account: &Account) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
        .arg("orphans")
        .env_clear()
        .env("DATABASE_URL", &lab.database.url)
        .envs(account.settings.iter().cloned())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn orphans_are_reported_once_and_not_removed() {
    let account = Account::of("it-orphans");
    Kubernetes::of(&account.instance).drop_all().await;
    let lab = Setup::of(account.clone()).start().await;
    let cluster = Cluster::new(account.config());
    let (id, chart) = (fresh("ghost"), empty_chart());
    let store = lab.api.ready(&id).await;
    assert!(orphans(&lab, &account).contains("belongs to a store"));
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);

    // The deleted store's namespace returns, with a release; and a live store's namespace contains a foreign one.
    let spec = NamespaceSpec {
        name: store.namespace.clone(),
        store_id: id.parse().unwrap(),
        store_uid: StoreUid(store.uid.parse().unwrap()),
        tenant: Tenant::default(),
        fence: 9,
    };
    accessible(&cluster, &spec).await.unwrap();
    let live = lab.api.ready(&fresh("alive")).await;
    for (release, namespace) in [(&spec.name, &spec.name), (&"strange".to_owned(), &live.namespace)] {
        let arguments = ["install", release, chart.path().to_str().unwrap(), "--namespace", namespace];
        helm(&env("STOREPLANE_TEST_HELM3"), &arguments).await;
    }
    until_told(&lab, "ORPHAN_FOUND", &spec.name).await;
    until_told(&lab, "ORPHAN_FOUND", &live.namespace).await;

    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((reported(&lab, "ORPHAN_FOUND", &spec.name), reported(&lab, "ORPHAN_FOUND", &live.namespace)), (1, 1));
    assert!(lab.kubernetes.has_namespace(&spec.name).await, "nothing removes it");
    assert_eq!(lab.kubernetes.releases(&spec.name).await, [format!("{} deployed", spec.name)]);
    let listed = orphans(&lab, &account);
    let lines: Vec<_> = listed.lines().filter(|line| line.contains(&spec.name) || line.contains("strange")).collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(listed.contains(&store.uid) && !listed.contains(&format!("namespace  {}", live.namespace)), "{listed}");
    assert_eq!(lab.api.get(&live.store_id).await.unwrap().state(), StoreState::Ready, "its own release is unaffected");

    cluster.delete_namespace(&spec.name, spec.store_uid).await.unwrap();
    until_told(&lab, "ORPHAN_GONE", &spec.name).await;
    lab.api.delete(&live.store_id).await.unwrap();
    lab.api.settle(&live.store_id).await;
}
