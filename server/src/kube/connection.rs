//! The connection to the API server: created on first use, and recreated when it no longer works.
//!
//! Requests and watches use HTTP/2. An API server allows about 100 streams per connection, and further streams
//! wait silently; so watches have their own [`WatchConnection`]s, and requests never wait for them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::kube::client::{Body, ConfigExt as _};
use ::kube::config::{KubeConfigOptions, Kubeconfig};
use ::kube::{Client, Config};
use hyper_rustls::HttpsConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tower::{BoxError, ServiceBuilder};

use super::ClusterConfig;
use super::error::{ClusterError, ClusterErrorKind, root_cause};
use super::tls::connector;
use super::transport::Transport;

/// A connection that is silent for this long gets a ping ...
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// ... and is closed without an answer in this time.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of watch streams per connection; the API server's limit is 100.
const LANE_STREAMS: usize = 90;
/// A failed client is recreated (and the kubeconfig read again) at most this often.
const REMAKE_AFTER: Duration = Duration::from_secs(2);

/// Creates and caches the client.
#[derive(Debug)]
pub(super) struct Connection {
    config: ClusterConfig,
    current: tokio::sync::Mutex<Option<Arc<Connected>>>,
}

impl Connection {
    pub(super) fn new(config: ClusterConfig) -> Self {
        Self { config, current: tokio::sync::Mutex::default() }
    }

    pub(super) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// The current client. Makes no request; fails only if the kubeconfig is unusable.
    pub(super) async fn get(&self) -> Result<Arc<Connected>, ClusterError> {
        let mut current = self.current.lock().await;
        if let Some(connected) = &*current {
            return Ok(Arc::clone(connected));
        }
        let config = self.config.clone();
        let runtime = tokio::runtime::Handle::current();
        // Reads files and may run a credential plugin.
        let made = tokio::task::spawn_blocking(move || runtime.block_on(connect(&config)));
        let made = tokio::time::timeout(self.config.request_timeout, made).await;
        let made = made.unwrap_or_else(|_| Ok(Err("its credential plugin does not answer".into())));
        let connected = made.unwrap_or_else(|_| Err("reading it failed".into())).map_err(|cause| {
            let message = format!("the kubeconfig cannot be used: {cause}");
            ClusterError::new(ClusterErrorKind::Unreachable, message)
        })?;
        Ok(Arc::clone(current.insert(Arc::new(connected))))
    }

    /// Called with every failed request: certificates, tokens and addresses may have changed, and are then read again.
    pub(super) async fn note_failure(&self, connected: &Arc<Connected>, error: &ClusterError) {
        let broken = matches!(error.kind(), ClusterErrorKind::Unreachable | ClusterErrorKind::Unauthorized);
        if !broken || connected.since.elapsed() < REMAKE_AFTER {
            return;
        }
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|it| Arc::ptr_eq(it, connected)) {
            *current = None;
        }
    }
}

/// One set of credentials, and the connections created with it.
pub(super) struct Connected {
    config: Config,
    connector: HttpsConnector<Transport>,
    client: Client,
    connections: Mutex<Vec<WatchConnection>>,
    since: Instant,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("url", &self.config.cluster_url).finish_non_exhaustive()
    }
}

/// One connection for watches.
#[derive(Clone)]
struct WatchConnection {
    client: Client,
    room: Arc<Semaphore>,
    warm: Arc<OnceCell<()>>,
}

/// A client for a number of watches; its share of the connection is released when it is dropped.
pub(super) struct WatchClient {
    pub(super) client: Client,
    _room: OwnedSemaphorePermit,
}

impl Connected {
    /// The client for single requests.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    /// A client with room for `streams` watches at once.
    pub(super) async fn watch_client(&self, streams: u32) -> Result<WatchClient, ::kube::Error> {
        let (connection, room) = self.connection(streams)?;
        // Without a connection, each of the first requests would create one.
        connection.warm.get_or_try_init(|| async { connection.client.apiserver_version().await.map(drop) }).await?;
        Ok(WatchClient { client: connection.client, _room: room })
    }

    fn connection(&self, streams: u32) -> Result<(WatchConnection, OwnedSemaphorePermit), ::kube::Error> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in &*connections {
            if let Ok(room) = Arc::clone(&connection.room).try_acquire_many_owned(streams) {
                return Ok((connection.clone(), room));
            }
        }
        let room = Arc::new(Semaphore::new(LANE_STREAMS.max(streams as usize)));
        let permit = Arc::clone(&room).try_acquire_many_owned(streams);
        let permit = permit.map_err(|error| ::kube::Error::Service(error.into()))?;
        let connection = WatchConnection {
            client: client(&self.config, self.connector.clone())?,
            room,
            warm: Arc::new(OnceCell::new()),
        };
        connections.push(connection.clone());
        Ok((connection, permit))
    }
}

async fn connect(wanted: &ClusterConfig) -> Result<Connected, String> {
    // Fails if another task was first, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = load(wanted).await.map_err(|error| root_cause(&*error))?;
    let connector = connector(&config).map_err(|error| root_cause(&*error))?;
    let client = client(&config, connector.clone()).map_err(|error| root_cause(&error))?;
    tracing::debug!(url = %config.cluster_url, "kubeconfig read");
    Ok(Connected { config, connector, client, connections: Mutex::default(), since: Instant::now() })
}

async fn load(wanted: &ClusterConfig) -> Result<Config, BoxError> {
    let options = KubeConfigOptions { context: wanted.context.clone(), ..KubeConfigOptions::default() };
    match &wanted.kubeconfig {
        Some(paths) => Ok(Config::from_custom_kubeconfig(read(paths)?, &options).await?),
        None if options.context.is_some() => Ok(Config::from_kubeconfig(&options).await?),
        None => Ok(Config::infer().await?),
    }
}

/// Like `KUBECONFIG`, it may name several files.
fn read(paths: &Path) -> Result<Kubeconfig, BoxError> {
    let mut merged = Kubeconfig::default();
    for path in std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()) {
        merged = merged.merge(Kubeconfig::read_from(path)?)?;
    }
    Ok(merged)
}

fn client(config: &Config, connector: HttpsConnector<Transport>) -> Result<Client, ::kube::Error> {
    let http = hyper_util::client::legacy::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}
