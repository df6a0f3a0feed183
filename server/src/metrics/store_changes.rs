//! What a stored change of a store adds to the metrics: the end of its operation, and the first time that it is READY.

use std::time::Duration;

use opentelemetry::trace::{SpanContext, TraceId};
use storeplane_core::failure::Reason;
use storeplane_core::operation::{Operation, OperationKind, OperationState};
use storeplane_core::store::Store;

use super::Metrics;
use crate::telemetry::trace;

/// An operation that ends with a change; counted once the change is committed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoreChange {
    kind: OperationKind,
    outcome: OperationState,
    reason: Option<Reason>,
    took: Duration,
    ready_after: Option<Duration>,
    trace: Option<TraceId>,
}

impl StoreChange {
    /// The end of `after`, if it was active before and is not any more.
    pub fn of(before: OperationState, after: &Operation, store: Option<&Store>) -> Option<Self> {
        let ended_at = after.ended_at.filter(|_| before.is_active() && !after.state.is_active())?;
        let since = |start| Duration::try_from(ended_at - start).unwrap_or_default();
        let is_creation = after.kind == OperationKind::Create && after.state == OperationState::Succeeded;
        Some(Self {
            kind: after.kind,
            outcome: after.state,
            reason: after
                .failure
                .as_ref()
                .filter(|_| after.state == OperationState::Failed)
                .map(|failure| failure.reason),
            took: since(after.created_at),
            ready_after: store.filter(|_| is_creation).map(|store| since(store.created_at)),
            trace: after.trace.as_deref().and_then(sampled),
        })
    }

    /// Counts it.
    pub fn record(self, metrics: &Metrics) {
        let labels = [self.kind.as_str(), self.outcome.as_str()];
        metrics.operations.with(labels).inc();
        metrics.operation_duration.observe(labels, self.took);
        if let Some(reason) = self.reason {
            metrics.operation_failures.with([self.kind.as_str(), reason.as_str()]).inc();
        }
        if let Some(took) = self.ready_after {
            metrics.store_time_to_ready.observe([], took, self.trace);
        }
    }
}

/// The trace of the request that started an operation, if it was sampled: others are not exported.
fn sampled(traceparent: &str) -> Option<TraceId> {
    trace::parse(traceparent).filter(SpanContext::is_sampled).map(|context| context.trace_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sampled_traces_become_examples() {
        let trace = sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").map(|trace| trace.to_string());
        assert_eq!(trace.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        for other in ["", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00-x-y-01", "00"] {
            assert_eq!(sampled(other), None, "{other}");
        }
    }
}
