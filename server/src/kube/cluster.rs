//! The handle to the cluster, and requests about the cluster as a whole.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::kube::api::ListParams;
use ::kube::{Api, Client};
use k8s_openapi::api::core::v1::Node;
use tokio::sync::watch;

use super::access::{RecentGrants, StoreAccess, WatchScope};
use super::circuit::{self, report};
use super::connection::{Connected, Connection};
use super::copied_secrets::CopiedSecret;
use super::error::{ClusterError, ClusterErrorKind};
use crate::backoff::Backoff;
use crate::circuit::Circuit;
use crate::obstacle::ObstacleLimits;

/// Nodes with this annotation and the value `fake` run nothing, ...
const SIMULATED: &str = "kwok.x-k8s.io/node";
/// ... and neither does a kubelet whose version starts like this.
const SIMULATOR: &str = "kwok";
/// Number of nodes that are read to detect a simulated cluster.
const NODES_LOOKED_AT: u32 = 20;
/// How long a successful [`Cluster::check`] is cached ...
const GOOD_FOR: Duration = Duration::from_secs(3);
/// ... and a failed one: rollouts that wait for the same API server share its requests.
const BAD_FOR: Duration = Duration::from_millis(500);

/// Delay between requests to a cluster that does not answer.
pub(super) fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}

/// How to reach the cluster, and settings for it.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Kubeconfig files as in `KUBECONFIG`. Default: `KUBECONFIG`, then `~/.kube/config`, then the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig; default: its current one.
    pub context: Option<String>,
    /// Distinguishes this control plane's namespaces from another's in the same cluster (`storeplane.io/instance`).
    pub instance: String,
    /// Time limit of one request. Watches have none; they end when their connection is silent.
    pub request_timeout: Duration,
    /// How long obstacles may last.
    pub limits: ObstacleLimits,
    /// Additional labels of every store's namespace, for policies that require them. Ours take precedence.
    pub namespace_labels: BTreeMap<String, String>,
    /// Additional annotations of every store's namespace.
    pub namespace_annotations: BTreeMap<String, String>,
    /// Secrets that are copied into every store's namespace.
    pub copied_secrets: Vec<CopiedSecret>,
    /// What the account is bound to in each store's namespace; `None` if it needs no binding.
    pub access: Option<StoreAccess>,
    /// Where the account may list and watch.
    pub scope: WatchScope,
}

impl ClusterConfig {
    /// The default kubeconfig, 10 s per request, and the default limits.
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
            access: None,
            scope: WatchScope::Cluster,
        }
    }
}

/// The result of [`Cluster::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterInfo {
    /// The API server's version, for example `v1.36.1`.
    pub version: String,
    /// Every node is simulated: pods become ready but nothing runs.
    pub simulated: bool,
}

/// The handle to the cluster: cheap to clone, and created without a request.
#[derive(Debug, Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    circuit: Circuit,
    checked: tokio::sync::Mutex<Option<(Instant, Result<ClusterInfo, ClusterError>)>>,
    simulated: watch::Sender<bool>,
    recent_grants: RecentGrants,
}

impl Cluster {
    /// Reads and requests nothing yet.
    pub fn new(config: ClusterConfig) -> Self {
        let inner = Inner {
            connection: Connection::new(config),
            circuit: circuit::new(),
            checked: tokio::sync::Mutex::default(),
            simulated: watch::Sender::new(false),
            recent_grants: RecentGrants::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the last successful [`Cluster::check`] found a simulated cluster; false before the first.
    pub fn simulated(&self) -> watch::Receiver<bool> {
        self.inner.simulated.subscribe()
    }

    /// Whether the cluster answers, and its properties. Concurrent callers share one result; a success is cached
    /// for 3 s, a failure for 0.5 s.
    pub async fn check(&self) -> Result<ClusterInfo, ClusterError> {
        let mut checked = self.inner.checked.lock().await;
        if let Some((when, answer)) = &*checked
            && when.elapsed() < if answer.is_ok() { GOOD_FOR } else { BAD_FOR }
        {
            return answer.clone();
        }
        let answer = self.fetch_info().await;
        *checked = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn fetch_info(&self) -> Result<ClusterInfo, ClusterError> {
        match self.probe().await {
            // A denial is reported by what needs the permission.
            Err(error) if error.kind() != ClusterErrorKind::Forbidden => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let version = |client: Client| async move { client.apiserver_version().await };
        let version = self.request(self.config().request_timeout, "read the version", version).await?;
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
            // An account that may not list nodes is not an error; the cluster then counts as not simulated.
            Err(error) if error.kind() == ClusterErrorKind::Forbidden => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One request within the time limit. `what` completes "could not …". While the cluster does not answer, it fails at once.
    pub(super) async fn call<T, F>(&self, what: &str, request: impl FnOnce(Client) -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ::kube::Error>>,
    {
        let call = self.begin(what).await?;
        let answer = Box::pin(self.request(self.config().request_timeout, what, request)).await;
        report(call, what, &answer);
        let error = match answer {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match error.refused_in() {
            Some(namespace) => Err(self.refused_because(namespace).await?.unwrap_or(error)),
            None => Err(error),
        }
    }

    /// One request, past the circuit breaker.
    pub(super) async fn request<T, F>(
        &self,
        within: Duration,
        what: &str,
        request: impl FnOnce(Client) -> F,
    ) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ::kube::Error>>,
    {
        let connected = self
            .connected()
            .await
            .map_err(|error| ClusterError::new(error.kind(), format!("could not {what}: {error}")))?;
        let error = match tokio::time::timeout(within, request(connected.client())).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => ClusterError::from_client(what, &error),
            Err(_) => {
                let seconds = within.as_secs_f32();
                let message = format!("could not {what}: no answer from the API server in {seconds} s");
                ClusterError::new(ClusterErrorKind::Unreachable, message)
            }
        };
        tracing::debug!(%error, kind = ?error.kind(), "cluster request failed");
        self.note_failure(&connected, &error).await;
        Err(error)
    }

    /// The plain client, for tests and tools. Its requests have no time limit.
    pub async fn client(&self) -> Result<Client, ClusterError> {
        Ok(self.connected().await?.client())
    }

    pub(super) async fn connected(&self) -> Result<Arc<Connected>, ClusterError> {
        self.inner.connection.get().await
    }

    pub(super) async fn note_failure(&self, connected: &Arc<Connected>, error: &ClusterError) {
        self.inner.connection.note_failure(connected, error).await;
    }

    /// The cluster's circuit breaker.
    pub fn circuit(&self) -> &Circuit {
        &self.inner.circuit
    }

    /// How long obstacles may last.
    pub fn limits(&self) -> &ObstacleLimits {
        &self.config().limits
    }

    pub(super) fn recent_grants(&self) -> &RecentGrants {
        &self.inner.recent_grants
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
