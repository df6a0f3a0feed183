//! The wiring of components, startup and shutdown.
//!
//! - This file: [`Server`], from its configuration to a clean shutdown.
//! - [`parts`]: what the server is made of. [`components`]: how each part follows from the configuration. [`listeners`]: where it listens. [`metrics`]: what it measures.
//!   [`signals`]: when to stop. [`warnings`](mod@warnings): what is insecure in its configuration.

mod components;
mod listeners;
mod metrics;
mod parts;
mod signals;
mod warnings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::components::signing_key;
pub use self::components::{cluster_config, helm_config};
use self::listeners::Listeners;
use self::parts::Parts;
pub use self::parts::StartError;
pub use self::signals::Signals;
pub use self::warnings::warnings;
use crate::backup_removal::BackupRemoval;
use crate::backup_snapshots::BackupSnapshots;
use crate::backups::volume::Volume;
use crate::charts;
use crate::config::{Config, ConfigError};
use crate::grpc::{self, ApiHandler, Platform, Sealer};
use crate::helm::Helm;
use crate::http::connections;
use crate::http::{self, Readiness, SignIn, SignInLimits, dashboard};
use crate::postgres::{EventHistory, PgBackups, ServerKey};
use crate::worker::Worker;

/// A server that is bound to its port but does not serve yet.
pub struct Server {
    listeners: Listeners,
    router: Router,
    /// What the port for health probes serves.
    probes: Router,
    /// What the port for transfers of backups serves.
    transfers: Option<Router>,
    worker: Worker,
    helm: Helm,
    /// Mutations: they are short, and shutdown waits for them.
    mutations: TaskTracker,
    /// All other tasks, which run until shutdown.
    background: TaskTracker,
    shutdown: CancellationToken,
    patience: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Server {
    /// Checks the configuration and binds the port. Postgres, the cluster and helm may all be unavailable,
    /// unless a chart is to be downloaded.
    pub async fn bind(config: &Config, shutdown: CancellationToken) -> Result<Self, StartError> {
        let (mutations, background) = (TaskTracker::new(), TaskTracker::new());
        let helm = Helm::new(helm_config(config));
        let charts = charts::load(config, &helm, &shutdown).await?;
        let parts = Parts::new(config, (helm, charts), &shutdown)?;
        let mut listeners = Listeners::bind(config)?;
        if let Some(reloader) = listeners.reloader.take() {
            background.spawn(reloader.run(shutdown.clone()));
        }
        parts.start(config, &background, &shutdown)?;
        background.spawn(parts.reconciler(config, &background)?.run(shutdown.clone()));
        background.spawn(parts.rollouts(config)?.run(shutdown.clone()));
        background.spawn(parts.domain_follower(config)?.run(shutdown.clone()));
        let probes = parts.probes(&background, &shutdown);
        if listeners.metrics.is_some() {
            parts.measure(&probes, config, &background, &shutdown);
        }
        let (reporter, health) = grpc::health::service(&probes);
        background.spawn(reporter.run(probes.clone(), shutdown.clone()));
        let transfers = backups(&parts, config, &background, &shutdown)?;
        let circuits = parts.circuits();
        let limits = parts.auth.limits.clone();
        background.spawn(limits.clone().sweep_until(shutdown.clone()));
        let platform = Platform {
            version: dashboard::version(),
            simulated: parts.cluster.simulated(),
            circuits: circuits.clone(),
            clock: Arc::clone(&parts.clock),
        };
        let sealer = Sealer::new(ServerKey::new(parts.pools.api.clone()), EventHistory::new(parts.pools.api.clone()));
        let watches = (parts.watches, limits);
        let handler = ApiHandler::new(parts.service, watches, sealer, parts.audit, mutations.clone(), platform);
        let sign_in_limits =
            SignInLimits::new(parts.auth.limits.clone(), parts.auth.failures.clone(), config.proxies());
        let sign_in = SignIn::new(parts.auth.authenticator.clone(), sign_in_limits);
        let services = grpc::services(handler, parts.auth, health, config.proxies())?;
        let readiness = Readiness { parts: probes, circuits, tls: listeners.tls.clone(), shutdown: shutdown.clone() };
        Ok(Self {
            listeners,
            probes: http::probes(readiness.clone()),
            transfers,
            router: http::router(services, readiness, sign_in, config)?,
            worker: Worker::new(parts.tools, config.worker.max_operations),
            helm: parts.helm,
            mutations,
            background,
            shutdown,
            patience: Duration::from_secs(config.shutdown_seconds),
        })
    }

    /// The address that it listens on, with the actual port if the configured one is 0.
    pub fn address(&self) -> SocketAddr {
        self.listeners.address
    }

    /// The address of `/metrics`, if it is served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.listeners.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Serves until `shutdown`, and then until everything in progress has ended or the time limit is reached.
    pub async fn run(self) {
        let Self { listeners, router, probes, transfers, worker, helm, mutations, background, shutdown, patience } =
            self;
        let worker = background.spawn(worker.run(shutdown.clone()));
        let Listeners { api, limits, tls, health, metrics, backups, .. } = listeners;
        let metrics = metrics.map(|(incoming, _)| (incoming, crate::metrics::http::router()));
        for (incoming, router) in health.map(|incoming| (incoming, probes)).into_iter().chain(metrics) {
            let limits = listeners::probe_limits(limits);
            background.spawn(connections::serve(incoming, router, limits, None, shutdown.clone()));
        }
        if let (Some(incoming), Some(router)) = (backups, transfers) {
            let limits = listeners::transfer_limits(limits);
            background.spawn(connections::serve(incoming, router, limits, None, shutdown.clone()));
        }
        let serving = connections::serve(api, router, limits, tls, shutdown.clone());
        let ending = async {
            serving.await;
            // Also if it ended without a request to stop.
            shutdown.cancel();
            mutations.close();
            mutations.wait().await;
        };
        let handing_on = async {
            let _ = worker.await;
            helm.drained().await;
            background.close();
            background.wait().await;
        };
        let (ended, handed_on) =
            tokio::join!(within(patience, &shutdown, ending), within(patience, &shutdown, handing_on));
        if handed_on.is_none() {
            tracing::warn!("stopping while operations are still held; their leases will expire");
        }
        if ended.is_none() {
            tracing::warn!("stopping while connections are still open");
        }
    }
}

/// Starts the checks of the backup storage, if there is one, scheduled backups, and the removal of deleted ones. Returns what its listener
/// serves, if it has one.
fn backups(
    parts: &Parts,
    config: &Config,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Option<Router>, ConfigError> {
    let Some(backups) = parts.tools.backups.clone() else { return Ok(None) };
    let transfers = backups.volume().map(Volume::router);
    let rows = PgBackups::new(parts.pools.work.clone());
    let snapshots =
        BackupSnapshots { backups: rows.clone(), cluster: parts.cluster.clone(), kept: backups.snapshots.kept };
    let removal = BackupRemoval { backups: rows, storage: Arc::clone(&backups.storage), snapshots };
    tasks.spawn(removal.run(shutdown.clone()));
    tasks.spawn(parts.backup_scheduler(config)?.run(shutdown.clone()));
    tasks.spawn(backups.maintain_until(Arc::clone(&parts.clock), shutdown.clone()));
    Ok(transfers)
}

/// The result of `work`, if it ends before `shutdown` or within the grace period after it.
async fn within<T>(patience: Duration, shutdown: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let up = async {
        shutdown.cancelled().await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = up => None,
    }
}
