//! The metrics of one call.

use std::time::{Duration, Instant};

use opentelemetry::trace::TraceId;

use super::methods::{self, Method};
use crate::metrics::{InProgress, metrics};

/// A call in progress. Dropping it ends it.
pub(super) struct Call {
    method: Method,
    started: Instant,
    trace: Option<TraceId>,
    _in_progress: InProgress,
}

impl Call {
    /// A call of the method with this path.
    pub(super) fn begin(path: &str, trace: Option<TraceId>) -> Self {
        let method = methods::find(path);
        let in_flight = InProgress::begin(metrics().rpc_in_flight.with([method.service, method.name]));
        Self { method, started: Instant::now(), trace, _in_progress: in_flight }
    }

    /// The time since it began.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Counts it with its status. Call it once.
    pub(super) fn end(&self, status: &'static str) {
        let Method { service, name, streams } = self.method;
        let labels = [service, name, status];
        metrics().rpc_requests.with(labels).inc();
        if !streams {
            metrics().rpc_duration.observe(labels, self.elapsed(), self.trace);
        }
    }
}

/// Shows every method before its first call: a rate needs a first value.
pub(super) fn init() {
    for Method { service, name, streams } in methods::all() {
        let labels = [service, name, "OK"];
        metrics().rpc_in_flight.with([service, name]).inc_by(0.0);
        metrics().rpc_requests.with(labels).inc_by(0);
        if !streams {
            metrics().rpc_duration.init(labels);
        }
    }
}
