//! The cluster's circuit breaker: which requests pass it, what its trial is, and how to wait until the cluster answers again.

use std::time::Duration;

use ::kube::Api;
use k8s_openapi::api::core::v1::Namespace;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use crate::circuit::{Call, Circuit, CircuitOpen};

/// Failed requests in a row after which the cluster counts as unreachable.
const FAILURES: u32 = 3;
/// A health probe reads this namespace, which every cluster has: the API server answers that from its storage and with our permissions,
/// unlike its version.
const PROBED: &str = "default";
/// Time limit of this request.
const PROBE_WITHIN: Duration = Duration::from_secs(4);
/// Those that waited for the cluster resume within this time, and within the time that they have waited, so that a cluster that has
/// just returned does not get all requests at once.
const RESUME_WITHIN: Duration = Duration::from_secs(3);

/// A closed circuit.
pub(super) fn new() -> Circuit {
    Circuit::new("kubernetes", FAILURES)
}

impl Cluster {
    /// The delay before another attempt: `wait`, or, while the cluster does not answer, until it does; at least as long as the API
    /// server requested.
    pub(crate) async fn pause(&self, wait: Duration, requested: Option<Duration>) {
        let resumed = async {
            if self.circuit().is_open() {
                Box::pin(self.until_it_answers()).await;
            } else {
                tokio::time::sleep(wait).await;
            }
        };
        tokio::join!(resumed, tokio::time::sleep(requested.unwrap_or_default()));
    }

    async fn until_it_answers(&self) {
        let since = Instant::now();
        while let Some(trial) = self.circuit().next_trial().await {
            drop(self.probe_as(trial).await);
        }
        let spread = since.elapsed().min(RESUME_WITHIN);
        tokio::time::sleep(spread.mul_f64(rand::random_range(0.0..1.0))).await;
    }

    /// Begins a request, unless the cluster does not answer.
    pub(super) async fn begin(&self, what: &str) -> Result<Call, ClusterError> {
        if let Some(trial) = self.circuit().due_trial() {
            drop(Box::pin(self.probe_as(trial)).await);
        }
        self.circuit().call().map_err(|open| unanswered(what, &open))
    }

    /// An error while the cluster does not answer, for what would reach it in another way, such as helm.
    pub(crate) fn check_circuit(&self, what: &str) -> Result<(), ClusterError> {
        self.circuit().check().map_err(|open| unanswered(what, &open))
    }

    /// The request of a health probe.
    pub(super) async fn probe(&self) -> Result<(), ClusterError> {
        let call = self.begin(&probe_name()).await?;
        self.probe_as(call).await
    }

    /// The same as the circuit's trial.
    async fn probe_as(&self, call: Call) -> Result<(), ClusterError> {
        let (within, what) = (PROBE_WITHIN.min(self.config().request_timeout), probe_name());
        let read = |client| async move { Api::<Namespace>::all(client).get_opt(PROBED).await };
        let answer = self.request(within, &what, read).await;
        report(call, &what, &answer);
        answer.map(drop)
    }
}

fn probe_name() -> String {
    format!("read the namespace {PROBED}")
}

/// The same text as that of the call that failed: whoever compares errors sees no change.
fn unanswered(what: &str, open: &CircuitOpen) -> ClusterError {
    ClusterError::new(ClusterErrorKind::Unreachable, format!("could not {what}: {}", open.cause))
}

/// Reports to the circuit how a request ended. What was requested is not part of the cause, which every tenant sees.
pub(super) fn report<T>(call: Call, what: &str, answer: &Result<T, ClusterError>) {
    match answer {
        Err(error) if error.is_outage() => {
            let text = error.to_string();
            let cause = text.strip_prefix(&format!("could not {what}: "));
            call.failed(cause.unwrap_or("the API server does not answer"));
        }
        Ok(_) | Err(_) => call.answered(),
    }
}

#[cfg(test)]
mod tests {
    use ::kube::core::Status;

    use super::*;
    use crate::kube::ClusterConfig;

    const FAILED: &str = "could not read the pods: connection refused";

    fn answer(code: u16) -> Result<(), ClusterError> {
        let status = Status::failure("no", "").with_code(code);
        Err(ClusterError::from_client("read the pods", &::kube::Error::Api(status.boxed())))
    }

    #[tokio::test(start_paused = true)]
    async fn only_outages_open_the_circuit() {
        let unreachable = || Err(ClusterError::new(ClusterErrorKind::Unreachable, FAILED));
        let cases = [(unreachable(), true), (Ok(()), false)];
        let codes = [(429, true), (500, true), (503, true), (401, false), (403, false), (404, false), (409, false)];
        for (answer, opens) in cases.into_iter().chain(codes.map(|(code, opens)| (answer(code), opens))) {
            let circuit = Circuit::new("test", FAILURES);
            for _ in 0..FAILURES {
                report(circuit.call().expect("closed"), "read the pods", &answer);
                tokio::time::advance(Duration::from_secs(2)).await;
            }
            assert_eq!(circuit.is_open(), opens, "{answer:?}");
        }
        let circuit = Circuit::new("test", FAILURES);
        for _ in 0..FAILURES {
            report(circuit.call().expect("closed"), "read the pods", &unreachable());
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        assert_eq!(circuit.status().cause.as_deref(), Some("connection refused"), "not what was requested");
    }

    #[tokio::test(start_paused = true)]
    async fn pause_is_at_least_what_the_api_server_requested() {
        let cluster = Cluster::new(ClusterConfig::new("test"));
        let began = Instant::now();
        cluster.pause(Duration::from_secs(1), None).await;
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        cluster.pause(Duration::from_secs(1), Some(Duration::from_secs(7))).await;
        assert_eq!(began.elapsed(), Duration::from_secs(8));
    }
}
