//! The handle to the cluster, and what is asked of the cluster as a whole.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::kube::api::ListParams;
use ::kube::{Api, Client};
use k8s_openapi::api::core::v1::Node;
use tokio::sync::watch;

use super::connection::{Connected, Connection};
use super::copied_secrets::CopiedSecret;
use super::error::{ClusterError, ClusterErrorKind};
use crate::backoff::Backoff;
use crate::obstacle::ObstacleLimits;

/// Nodes with this annotation and the value `fake` run nothing, ...
const SIMULATED: &str = "kwok.x-k8s.io/node";
/// ... nor does a kubelet of a version that begins so.
const SIMULATOR: &str = "kwok";
/// Nodes looked at to tell whether the cluster is simulated.
const NODES_LOOKED_AT: u32 = 20;
/// How long a good answer of [`Cluster::check`] is used again ...
const GOOD_FOR: Duration = Duration::from_secs(3);
/// ... and a bad one: many rollouts that wait for the same server ask it at this rate together, not each.
const BAD_FOR: Duration = Duration::from_millis(500);

/// Between two questions to a cluster that does not answer.
pub(super) fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}

/// Where the cluster is, and how to treat it.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Kubeconfig files as in `KUBECONFIG`. Without: `KUBECONFIG`, then `~/.kube/config`, then the pod's account.
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig; without, its current one.
    pub context: Option<String>,
    /// Sets this control plane's namespaces apart from another's in the same cluster (`storeplane.io/instance`).
    pub instance: String,
    /// Longest time for one request. Watches are not requests; they are given up when the connection is silent.
    pub request_timeout: Duration,
    /// How long what stands in a store's way may last.
    pub limits: ObstacleLimits,
    /// Further labels of every store's namespace, for policies that demand them. Ours win.
    pub namespace_labels: BTreeMap<String, String>,
    /// Further annotations of every store's namespace.
    pub namespace_annotations: BTreeMap<String, String>,
    /// Secrets that every store's namespace gets a copy of.
    pub copied_secrets: Vec<CopiedSecret>,
}

impl ClusterConfig {
    /// The usual kubeconfig, 10 s a request, and the usual limits.
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            kubeconfig: None,
            context: None,
            instance: instance.into(),
            request_timeout: Duration::from_secs(10),
            limits: ObstacleLimits::default(),
            namespace_labels: BTreeMap::new(),
            namespace_annotations: BTreeMap::new(),
            copied_secrets: Vec::new(),
        }
    }
}

/// What [`Cluster::check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The API server's version, for example `v1.36.1`.
    pub version: String,
    /// Every node is simulated: pods become ready and nothing runs.
    pub simulated: bool,
}

/// The handle to the cluster: cheap to clone, and made without talking to it.
#[derive(Debug, Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    checked: tokio::sync::Mutex<Option<(Instant, Result<ClusterInfo, ClusterError>)>>,
    simulated: watch::Sender<bool>,
}

impl Cluster {
    /// Nothing is read and nobody is asked before the first request.
    pub fn new(config: ClusterConfig) -> Self {
        let (connection, simulated) = (Connection::new(config), watch::Sender::new(false));
        Self { inner: Arc::new(Inner { connection, checked: tokio::sync::Mutex::default(), simulated }) }
    }

    /// Whether the last good answer of [`Cluster::check`] said that nothing runs; false before the first.
    pub fn simulated(&self) -> watch::Receiver<bool> {
        self.inner.simulated.subscribe()
    }

    /// Whether the cluster answers, and what it is. Callers at the same time share one answer; a good one is used again
    /// for 3 s, a bad one for 0.5 s.
    pub async fn check(&self) -> Result<ClusterInfo, ClusterError> {
        let mut checked = self.inner.checked.lock().await;
        if let Some((when, answer)) = &*checked
            && when.elapsed() < if answer.is_ok() { GOOD_FOR } else { BAD_FOR }
        {
            return answer.clone();
        }
        let answer = self.ask().await;
        *checked = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn ask(&self) -> Result<ClusterInfo, ClusterError> {
        let version = self.call("read the version", |client| async move { client.apiserver_version().await }).await?;
        let simulated = self.is_simulated().await?;
        self.inner.simulated.send_replace(simulated);
        Ok(ClusterInfo { version: version.git_version, simulated })
    }

    async fn is_simulated(&self) -> Result<bool, ClusterError> {
        let list = self.call("list the nodes", |client| async move {
            Api::<Node>::all(client).list(&ListParams::default().limit(NODES_LOOKED_AT)).await
        });
        match list.await {
            Ok(nodes) => Ok(!nodes.items.is_empty() && nodes.items.iter().all(is_simulated)),
            // An account without the right to see nodes works, and is not in a simulation of ours.
            Err(error) if error.kind() == ClusterErrorKind::Forbidden => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One request, within the time. `what` completes "could not …".
    pub(super) async fn call<T, F>(&self, what: &str, request: impl FnOnce(Client) -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ::kube::Error>>,
    {
        let connected = self.connected().await?;
        let answer = tokio::time::timeout(self.config().request_timeout, request(connected.client())).await;
        let error = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => ClusterError::from_client(what, &error),
            Err(_) => {
                let seconds = self.config().request_timeout.as_secs_f32();
                let message = format!("could not {what}: no answer from the API server in {seconds} s");
                ClusterError::new(ClusterErrorKind::Unreachable, message)
            }
        };
        tracing::debug!(%error, kind = ?error.kind(), "cluster request failed");
        self.note_failure(&connected, &error).await;
        Err(error)
    }

    /// The plain client, for what has no method here: tests and tools. Its requests have no time limit.
    pub async fn client(&self) -> Result<Client, ClusterError> {
        Ok(self.connected().await?.client())
    }

    pub(super) async fn connected(&self) -> Result<Arc<Connected>, ClusterError> {
        self.inner.connection.get().await
    }

    pub(super) async fn note_failure(&self, connected: &Arc<Connected>, error: &ClusterError) {
        self.inner.connection.note_failure(connected, error).await;
    }

    /// How long what stands in a store's way may last.
    pub fn limits(&self) -> &ObstacleLimits {
        &self.config().limits
    }

    pub(super) fn config(&self) -> &ClusterConfig {
        self.inner.connection.config()
    }
}

fn is_simulated(node: &Node) -> bool {
    let annotated =
        node.metadata.annotations.as_ref().and_then(|all| all.get(SIMULATED)).is_some_and(|it| it == "fake");
    let kubelet = node.status.as_ref().and_then(|status| status.node_info.as_ref()).map(|info| &info.kubelet_version);
    annotated || kubelet.is_some_and(|version| version.starts_with(SIMULATOR))
}
