//! The handle to the cluster, and what is asked of the cluster as a whole.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::kube::api::ListParams;
use ::kube::core::PartialObjectMeta;
use ::kube::{Api, Client};
use k8s_openapi::api::core::v1::Node;

use super::connection::{Connected, Connection};
use super::error::{ClusterError, ClusterErrorKind};
use super::rollout::Patience;

/// Nodes with this annotation and the value `fake` run nothing.
const SIMULATED: &str = "kwok.x-k8s.io/node";
/// Nodes looked at to tell whether the cluster is simulated.
const NODES_LOOKED_AT: u32 = 50;
/// How long the answer of [`Cluster::check`] is used again.
const CHECK_FRESH: Duration = Duration::from_secs(3);

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
    /// How long a rollout may show a symptom before that is a failure.
    pub patience: Patience,
}

impl ClusterConfig {
    /// The usual kubeconfig, 10 s a request, and the usual patience.
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            kubeconfig: None,
            context: None,
            instance: instance.into(),
            request_timeout: Duration::from_secs(10),
            patience: Patience::default(),
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
    checked: tokio::sync::Mutex<Option<(Instant, ClusterInfo)>>,
}

impl Cluster {
    /// Nothing is read and nobody is asked before the first request.
    pub fn new(config: ClusterConfig) -> Self {
        Self { inner: Arc::new(Inner { connection: Connection::new(config), checked: tokio::sync::Mutex::default() }) }
    }

    /// Whether the cluster answers, and what it is. A good answer is used again for 3 s, a bad one never.
    pub async fn check(&self) -> Result<ClusterInfo, ClusterError> {
        let mut checked = self.inner.checked.lock().await;
        if let Some((when, info)) = &*checked
            && when.elapsed() < CHECK_FRESH
        {
            return Ok(info.clone());
        }
        *checked = None;
        let version = self.call("read the version", |client| async move { client.apiserver_version().await }).await?;
        let info = ClusterInfo { version: version.git_version, simulated: self.simulated().await? };
        *checked = Some((Instant::now(), info.clone()));
        Ok(info)
    }

    async fn simulated(&self) -> Result<bool, ClusterError> {
        let list = self.call("list the nodes", |client| async move {
            Api::<PartialObjectMeta<Node>>::all(client).list(&ListParams::default().limit(NODES_LOOKED_AT)).await
        });
        match list.await {
            Ok(nodes) => {
                let fake = |node: &PartialObjectMeta<Node>| {
                    node.metadata.annotations.as_ref().and_then(|all| all.get(SIMULATED)).is_some_and(|v| v == "fake")
                };
                Ok(!nodes.items.is_empty() && nodes.items.iter().all(fake))
            }
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

    pub(super) async fn connected(&self) -> Result<Arc<Connected>, ClusterError> {
        self.inner.connection.get().await
    }

    pub(super) async fn note_failure(&self, connected: &Arc<Connected>, error: &ClusterError) {
        self.inner.connection.note_failure(connected, error).await;
    }

    pub(super) fn config(&self) -> &ClusterConfig {
        self.inner.connection.config()
    }
}
