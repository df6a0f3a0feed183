//! Common parts of the cluster tests: the handle, unique names, a plain client, helm with a tiny chart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::ids::{StoreUid, Tenant};
use storeplane_server::kube::{Cluster, ClusterConfig, ClusterError, Ensured, NamespaceSpec, RolloutUpdate};
use storeplane_server::obstacle::ObstacleLimits;
use uuid::Uuid;

use crate::harness::{Account, Kubernetes, admin_kubeconfig};

/// A rollout on simulated nodes takes well under a second; this is for a busy machine.
pub(crate) const SETTLES_WITHIN: Duration = Duration::from_mins(3);

pub(crate) fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`"))
}

/// The account of these tests, in an instance of its own.
fn account() -> Account {
    Account::of("it")
}

pub(crate) fn kubeconfig() -> PathBuf {
    account().kubeconfig
}

pub(crate) fn config() -> ClusterConfig {
    account().config()
}

pub(crate) fn cluster() -> Cluster {
    Cluster::new(config())
}

/// A cluster handle with short time limits.
pub(crate) fn impatient() -> Cluster {
    let limits = ObstacleLimits {
        unschedulable: Duration::from_secs(1),
        progress: Duration::from_secs(20),
        ..ObstacleLimits::default()
    };
    Cluster::new(ClusterConfig { limits, ..config() })
}

/// A client of the cluster's administrator.
pub(crate) async fn plain_client() -> kube::Client {
    Kubernetes::new().client().await
}

pub(crate) fn spec(fence: i64) -> NamespaceSpec {
    let uid = Uuid::now_v7();
    let id = format!("it-{}", uid.simple().to_string().split_off(20));
    NamespaceSpec {
        name: format!("store-{id}"),
        store_id: id.parse().expect("a store id"),
        store_uid: StoreUid(uid),
        tenant: Tenant::default(),
        fence,
    }
}

/// A namespace of ours, deleted at the end; the test does not wait for that.
pub(crate) async fn namespace(cluster: &Cluster) -> NamespaceSpec {
    let spec = spec(1);
    assert_eq!(accessible(cluster, &spec).await, Ok(Ensured::Created));
    spec
}

/// The namespace exists, and the account has its permissions there.
pub(crate) async fn accessible(cluster: &Cluster, spec: &NamespaceSpec) -> Result<Ensured, ClusterError> {
    let ensured = cluster.ensure_namespace(spec).await?;
    cluster.ensure_access(&spec.name).await?;
    Ok(ensured)
}

pub(crate) async fn remove(cluster: &Cluster, spec: &NamespaceSpec) {
    cluster.delete_namespace(&spec.name, spec.store_uid).await.expect("the namespace is deleted");
}

/// The last update of a rollout, and all previous ones as lines.
pub(crate) async fn settle(cluster: &Cluster, namespace: &str, release: &str) -> (RolloutUpdate, Vec<String>) {
    let mut updates = cluster.rollout(namespace, release);
    let mut lines = Vec::new();
    let run = async {
        while let Some(update) = updates.next().await {
            match update.expect("an update") {
                RolloutUpdate::Resource(status) => lines.push(status.to_string()),
                RolloutUpdate::Waiting(failure) => lines.push(format!("waiting: {}", failure.reason.as_str())),
                RolloutUpdate::Resumed => lines.push("resumed".into()),
                last => return last,
            }
        }
        panic!("the stream ended without a last word")
    };
    let last = tokio::time::timeout(SETTLES_WITHIN, run).await;
    let last = last.unwrap_or_else(|_| panic!("not settled: {lines:?}"));
    (last, lines)
}

/// Runs helm with the tiny chart's directory.
#[allow(clippy::disallowed_methods, reason = "tests drive helm themselves")]
pub(crate) async fn helm(binary: &str, arguments: &[&str]) -> String {
    let home = tempfile::tempdir().expect("a directory");
    let output = tokio::process::Command::new(binary)
        .args(arguments)
        .env("KUBECONFIG", admin_kubeconfig())
        .env("HELM_CACHE_HOME", home.path())
        .env("HELM_CONFIG_HOME", home.path())
        .env("HELM_DATA_HOME", home.path())
        .output()
        .await
        .expect("helm runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm {arguments:?}: {text}");
    text
}

pub(crate) async fn install(binary: &str, spec: &NamespaceSpec, chart: &Path, values: &[&str]) {
    let chart = chart.to_str().expect("a path");
    let mut arguments = vec!["upgrade", "--install", &spec.name, chart, "--namespace", &spec.name];
    for value in values {
        arguments.extend(["--set", value]);
    }
    helm(binary, &arguments).await;
}

/// A minimal database with a claim, and a minimal shop.
pub(crate) fn chart() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("templates")).expect("a directory");
    for (file, text) in [("Chart.yaml", CHART), ("values.yaml", VALUES), ("templates/all.yaml", TEMPLATE)] {
        std::fs::write(directory.path().join(file), text).expect("a file");
    }
    directory
}

const CHART: &str = "{apiVersion: v2, name: tiny, version: 1.0.0}\n";
const VALUES: &str =
    "{quota: '', storageClass: '', node: '', privileged: false, empty: false, image: 'example.com/shop:1'}\n";
const TEMPLATE: &str = include_str!("kube_chart.yaml");
