//! The wiring: which part gets which, how the server begins and how it ends.
//!
//! - This file: [`Server`], from a configuration to a bound port to a clean end.
//! - [`parts`]: what the server is made of. [`health`]: whether the parts can be used. [`signals`]: when to stop.

pub mod health;
mod parts;
mod signals;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

use self::parts::Parts;
pub use self::parts::{StartError, cluster_config, helm_config};
pub use self::signals::Signals;
use crate::config::Config;
use crate::grpc::{self, ApiHandler};
use crate::helm::Helm;
use crate::http::{self, Readiness};
use crate::worker::Worker;

/// Requests that one connection may have in work at a time; further ones wait. Watches count until they begin.
const CONCURRENCY: usize = 256;
/// Streams that one connection may have open: mostly watches.
const STREAMS: u32 = 1024;
/// Header bytes of one request; grpc's usual limit.
const HEADERS: u32 = 16 * 1024;
/// After this much silence a connection is asked whether it still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long it has for the answer.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that is bound to its port, and not serving yet.
pub struct Server {
    incoming: TcpIncoming,
    address: SocketAddr,
    router: Router,
    worker: Worker,
    helm: Helm,
    /// Mutations: they end by themselves, and are waited for.
    mutations: TaskTracker,
    /// Everything else that runs until shutdown.
    background: TaskTracker,
    shutdown: CancellationToken,
    patience: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Checks what must be right from the start, and binds the port. Postgres, cluster and helm may all be away.
    pub async fn bind(config: &Config, shutdown: CancellationToken) -> Result<Self, StartError> {
        let bind = |source| StartError::Bind { address: config.listen, source };
        let (mutations, background) = (TaskTracker::new(), TaskTracker::new());
        let parts = Parts::new(config, &shutdown).await?;
        let incoming = TcpIncoming::bind(config.listen)
            .map_err(bind)?
            .with_nodelay(Some(true))
            .with_keepalive(Some(KEEPALIVE * 2));
        let address = incoming.local_addr().map_err(bind)?;

        parts.start(config, &background, &shutdown)?;
        background.spawn(parts.reconciler(config, &background)?.run(shutdown.clone()));
        let probes = parts.probes(&background, &shutdown);
        let reporter = tonic_health::server::HealthReporter::new();
        background.spawn(grpc::health::report(reporter.clone(), probes.clone(), shutdown.clone()));
        let edge = ApiHandler::new(parts.service, parts.watches, mutations.clone(), parts.cluster.simulated());
        let services = grpc::services(edge, parts.tokens, reporter)?;
        let readiness = Readiness { parts: probes, shutdown: shutdown.clone() };
        Ok(Self {
            incoming,
            address,
            router: http::router(services, readiness, config),
            worker: Worker::new(parts.tools, config.worker.max_operations),
            helm: parts.helm,
            mutations,
            background,
            shutdown,
            patience: Duration::from_secs(config.shutdown_seconds),
        })
    }

    /// Where it listens: the port that was chosen, if the configured one is 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown is asked for and all that was going on has ended, or the time for that is up.
    pub async fn run(self) -> Result<(), tonic::transport::Error> {
        let Self { incoming, router, worker, helm, mutations, background, shutdown, patience, .. } = self;
        let worker = background.spawn(worker.run(shutdown.clone()));
        let serving = tonic::transport::Server::builder()
            .accept_http1(true)
            .concurrency_limit_per_connection(CONCURRENCY)
            .max_concurrent_streams(STREAMS)
            .http2_max_header_list_size(HEADERS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_routes(Routes::from(router))
            .serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
        let ending = async {
            let served = serving.await;
            // Also when it ended without being asked to.
            shutdown.cancel();
            mutations.close();
            mutations.wait().await;
            served
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
            tracing::warn!("stopping while operations are still held; their leases run out");
        }
        ended.unwrap_or_else(|| {
            tracing::warn!("stopping while connections are still open");
            Ok(())
        })
    }
}

/// What comes of `work`, if it ends before `shutdown` or in the time after it.
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
