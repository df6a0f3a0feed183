//! What the end of an operation adds to the metrics.

use std::time::Duration;

use opentelemetry::trace::{SpanContext, TraceId};
use storeplane_core::failure::Reason;
use storeplane_core::operation::{Operation, OperationKind, OperationState};

use super::Metrics;
use crate::telemetry::trace;

/// An operation that ends with a change of its store; counted once the change is committed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperationEnd {
    kind: OperationKind,
    outcome: OperationState,
    reason: Option<Reason>,
    took: Duration,
    trace: Option<TraceId>,
}

impl OperationEnd {
    /// The end of `after`, if it was active before and is not any more.
    pub fn of(before: OperationState, after: &Operation) -> Option<Self> {
        let ended_at = after.ended_at.filter(|_| before.is_active() && !after.state.is_active())?;
        let failure = after.failure.as_ref().filter(|_| after.state == OperationState::Failed);
        Some(Self {
            kind: after.kind,
            outcome: after.state,
            reason: failure.map(|failure| failure.reason),
            took: Duration::try_from(ended_at - after.created_at).unwrap_or_default(),
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
        // A store is created together with its creation, and READY when that has succeeded.
        if (self.kind, self.outcome) == (OperationKind::Create, OperationState::Succeeded) {
            metrics.store_time_to_ready.observe([], self.took, self.trace);
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
    fn only_sampled_traces_become_exemplars() {
        let trace = sampled("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").map(|trace| trace.to_string());
        assert_eq!(trace.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        for other in ["", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "00-x-y-01", "00"] {
            assert_eq!(sampled(other), None, "{other}");
        }
    }
    #[test]
    fn only_successful_creations_have_a_time_to_ready() {
        for kind in OperationKind::ALL {
            for outcome in OperationState::ALL {
                let metrics = Metrics::create();
                let end = OperationEnd { kind, outcome, reason: None, took: Duration::from_secs(7), trace: None };

                end.record(&metrics);

                let is_creation = kind == OperationKind::Create && outcome == OperationState::Succeeded;
                let text = metrics.encode(super::super::Format::Prometheus);
                let sum = format!("storeplane_store_time_to_ready_seconds_sum {}.0\n", if is_creation { 7 } else { 0 });
                assert!(text.contains(&sum), "{kind:?} {outcome:?}: {text}");
            }
        }
    }
}
