//! What the server measures by itself.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::parts::Parts;
use crate::config::Config;
use crate::health::Part;
use crate::metrics::{metrics, number};
use crate::postgres::Sampler;

impl Parts {
    /// Measures what is not an event: connections, processes, dependencies, the queue.
    pub(super) fn measure(&self, probes: &[Part], config: &Config, tasks: &TaskTracker, shutdown: &CancellationToken) {
        let (pools, helm, probes, max) =
            (self.pools.clone(), self.helm.clone(), probes.to_vec(), config.helm.max_processes);
        let circuits = self.circuits();
        metrics().before_scrape(move |metrics| {
            pools.measure(metrics);
            metrics.helm_processes.with([]).set(number(helm.running()));
            metrics.helm_processes_max.with([]).set(number(max));
            for probe in &probes {
                metrics.dependency_up.with([probe.name]).set(f64::from(u8::from(probe.is_usable())));
            }
            for circuit in &circuits {
                metrics.circuit_open.with([circuit.name()]).set(f64::from(u8::from(circuit.is_open())));
            }
        });
        tasks.spawn(Sampler::new(self.pools.work.clone()).run(shutdown.clone()));
    }
}
