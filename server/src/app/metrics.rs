//! What the server measures by itself, and the port on which it serves all metrics.

use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpIncoming;

use super::parts::{Parts, StartError};
use crate::config::Config;
use crate::health::Part;
use crate::http::connections::{self, Limits};
use crate::metrics::{http, metrics, number};
use crate::postgres::Sampler;

/// A few Prometheus servers and people.
const LIMITS: Limits = Limits {
    connections: 32,
    per_address: 32,
    first_request: Duration::from_secs(10),
    max_age: Duration::from_hours(1),
    max_age_grace: Duration::from_secs(10),
};

/// The port of the metrics, bound but not yet served.
pub(super) struct MetricsServer {
    incoming: TcpIncoming,
    address: SocketAddr,
}

impl MetricsServer {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, StartError> {
        let bind = |source| StartError::Bind { address, source };
        let incoming = TcpIncoming::bind(address).map_err(bind)?.with_nodelay(Some(true));
        let address = incoming.local_addr().map_err(bind)?;
        Ok(Self { incoming, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn run(self, shutdown: CancellationToken) {
        connections::serve(self.incoming, http::router(), LIMITS, None, shutdown).await;
    }
}

impl Parts {
    /// Measures what is not an event: connections, processes, dependencies, the queue.
    pub(super) fn measure(&self, probes: &[Part], config: &Config, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let (pools, helm, probes, max) =
            (self.pools.clone(), self.helm.clone(), probes.to_vec(), config.helm.max_processes);
        metrics().before_scrape(move |metrics| {
            pools.measure(metrics);
            metrics.helm_processes.with([]).set(number(helm.running()));
            metrics.helm_processes_max.with([]).set(number(max));
            for probe in &probes {
                metrics.dependency_up.with([probe.name]).set(f64::from(u8::from(probe.is_usable())));
            }
        });
        tasks.spawn(Sampler::new(self.pools.work.clone()).run(shutdown.clone()));
    }
}
