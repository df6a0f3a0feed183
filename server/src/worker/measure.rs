//! The metrics of steps and leases. Those of operations are counted where their end is stored.

use std::time::Duration;

use storeplane_core::failure::Failure;
use storeplane_core::operation::Step;

use super::context::OperationContext;
use super::outcome::StepError;
use crate::metrics::metrics;

/// A step that runs. `None` for one that was completed before a restart and is only checked.
pub(super) struct Attempt(Option<(&'static str, Step, std::time::Instant)>);

impl Attempt {
    pub(super) fn of(context: &OperationContext, step: Step) -> Self {
        let operation = &context.operation;
        let runs = operation.undoing || !operation.is_behind(step);
        Self(runs.then(|| (operation.kind.as_str(), step, std::time::Instant::now())))
    }

    pub(super) fn end(self, ended: &Result<Duration, StepError>) {
        let Self(Some((kind, step, began))) = self else { return };
        let outcome = match ended {
            Ok(_) => "SUCCEEDED",
            Err(StepError::Failed(_) | StepError::OutOfTime | StepError::Retry { .. }) => "FAILED",
            Err(StepError::Stopped | StepError::Lost) => "STOPPED",
        };
        metrics().step_duration.observe([kind, step.as_str(), outcome], began.elapsed());
    }
}

/// A step is tried again.
pub(super) fn retried(context: &OperationContext, step: Step, failure: &Failure) {
    let kind = context.operation.kind.as_str();
    metrics().step_retries.with([kind, step.as_str(), failure.reason.as_str()]).inc();
}

/// Another worker has the operation, or a deletion took precedence.
pub(super) fn lost(context: &OperationContext) {
    let expired = context.guard.renewed.borrow().elapsed() >= context.tools.queue.lease();
    metrics().lease_losses.with([if expired { "EXPIRED" } else { "SUPERSEDED" }]).inc();
}
