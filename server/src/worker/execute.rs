//! One operation, from its claim to its end: forward through its steps, or back through their undo.

use std::time::{Duration, Instant};

use storeplane_core::error::PortError;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use storeplane_core::store::CleanupPolicy;
use storeplane_core::transition::operation as transition;
use tracing::Instrument;

use super::Tools;
use super::context::OperationContext;
use super::leases::LeaseGuard;
use super::outcome::{FEW, RetryLimit, StepError};
use super::steps;
use crate::backoff::Backoff;
use crate::failpoints::{Moment, Then, reached};
use crate::postgres::Claim;

/// Before a step is tried again the first time, ...
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// ... and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Walks an operation as far as it goes, and lets go of it.
pub(super) async fn execute(tools: Tools, claim: Claim, guard: LeaseGuard) {
    let operation = &claim.snapshot.operation;
    let span = tracing::info_span!(
        "operation",
        operation_id = %operation.id,
        store_id = %operation.store_id,
        store_uid = %operation.store,
        tenant = %operation.tenant,
        kind = operation.kind.as_str(),
        fence = claim.lease.fence,
    );
    if let Some(trace) = &operation.trace {
        crate::telemetry::link(&span, trace);
    }
    let mut context = OperationContext::new(tools, claim, guard);
    async {
        match context.execute().await {
            Ok(()) => tracing::info!(state = context.operation.state.as_str(), "operation ended"),
            Err(StepError::Stopped | StepError::OutOfTime) => {
                tracing::info!(step = ?context.operation.step, "operation handed on");
            }
            Err(StepError::Lost) => {
                tracing::warn!(step = ?context.operation.step, "operation lost to another claim, or ended meanwhile");
            }
            Err(StepError::Retry { failure, .. } | StepError::Failed(failure)) => {
                tracing::error!(
                    reason = failure.reason.as_str(),
                    message = failure.message,
                    "operation left; it is taken up again"
                );
            }
        }
        context.release().await;
    }
    .instrument(span)
    .await;
}

impl OperationContext {
    async fn execute(&mut self) -> Result<(), StepError> {
        if !self.operation.undoing {
            match self.run_steps().await {
                Ok(()) if !self.operation.undoing => return Ok(()),
                // Somebody cancelled it while its last step ended.
                Ok(()) => {}
                Err(StepError::Stopped) if self.is_cancelled() => self.begin_undo(transition::cancelled()).await?,
                Err(StepError::Failed(failure)) => {
                    if !self.undoes_failures() {
                        return self.fail(failure).await;
                    }
                    self.begin_undo(failure).await?;
                }
                Err(other) => return Err(other),
            }
        }
        match self.compensate().await {
            Ok(()) => Ok(()),
            Err(StepError::Failed(failure)) => self.fail(failure).await,
            Err(other) => Err(other),
        }
    }

    /// A creation's resources go when that was asked for, unless the shop once worked: it has data then.
    fn undoes_failures(&self) -> bool {
        let asked = self.store.spec.cleanup_policy == CleanupPolicy::DeleteResources;
        asked && self.store.ready_at.is_none() && !self.operation.undo_steps().is_empty()
    }

    async fn begin_undo(&mut self, cause: Failure) -> Result<(), StepError> {
        self.write(&|snapshot| Ok(transition::undo_started(snapshot, cause.clone()))).await
    }

    async fn fail(&mut self, failure: Failure) -> Result<(), StepError> {
        let now = self.now();
        self.write(&|snapshot| transition::failed(snapshot, failure.clone(), now)).await
    }

    async fn run_steps(&mut self) -> Result<(), StepError> {
        let mut done: Option<(Step, Duration)> = None;
        for step in self.operation.kind.steps().iter().copied() {
            // What was done before a restart is only looked at again, without a word.
            if !self.operation.is_behind(step) {
                self.started(done.take(), step).await?;
            }
            let took = self.attempt(step).await?;
            done = Some((step, took));
        }
        let (simulated, now) = (self.simulated, self.now());
        self.write(&|snapshot| match done {
            None => transition::succeeded(snapshot, now),
            Some((step, took)) => transition::step_succeeded(snapshot, step, took, simulated)
                .then(|snapshot| transition::succeeded(snapshot, now)),
        })
        .await
    }

    async fn compensate(&mut self) -> Result<(), StepError> {
        let mut done = None;
        // A shop that once worked has its customers' orders: cancelling a repair leaves it where it is.
        let steps = if self.store.ready_at.is_some() { Vec::new() } else { self.operation.undo_steps() };
        for step in steps {
            self.started(done.take(), step).await?;
            let took = self.attempt(step).await?;
            done = Some((step, took));
        }
        let (simulated, now) = (self.simulated, self.now());
        self.write(&|snapshot| match done {
            None => transition::undone(snapshot, now),
            Some((step, took)) => transition::step_succeeded(snapshot, step, took, simulated)
                .then(|snapshot| transition::undone(snapshot, now)),
        })
        .await
    }

    /// Notes that a step begins, and with the same stroke that the one before it is done.
    async fn started(&mut self, done: Option<(Step, Duration)>, step: Step) -> Result<(), StepError> {
        let simulated = self.simulated;
        self.write(&|snapshot| match done {
            None => Ok(transition::step_started(snapshot, step)),
            Some((before, took)) => transition::step_succeeded(snapshot, before, took, simulated)
                .then(|snapshot| Ok(transition::step_started(snapshot, step))),
        })
        .await
    }

    /// Runs a step until it succeeds, fails for good, or the operation's time is up.
    async fn attempt(&mut self, step: Step) -> Result<Duration, StepError> {
        let began = Instant::now();
        let span = tracing::info_span!("step", step = step.as_str(), undoing = self.operation.undoing);
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut few = 0;
        let mut last: Option<Failure> = None;
        loop {
            reached(&self.store.id, step, Moment::Before).await;
            let result = match self.keep_time() {
                Ok(()) => steps::run(step, self).instrument(span.clone()).await,
                Err(up) => Err(up),
            };
            if result.is_ok() && reached(&self.store.id, step, Moment::After).await == Then::Again {
                continue;
            }
            let (failure, tries, after) = match result {
                Ok(()) => return Ok(began.elapsed()),
                Err(StepError::Retry { failure, tries, after }) => (failure, tries, after),
                Err(StepError::OutOfTime) => return Err(out_of_time(step, last.or_else(|| self.waiting.clone()))),
                Err(other) => return Err(other),
            };
            few += u32::from(tries == RetryLimit::Bounded);
            if few >= FEW {
                return Err(StepError::Failed(failure));
            }
            tracing::debug!(parent: &span, reason = failure.reason.as_str(), message = failure.message, "step is tried again");
            if last.as_ref().is_none_or(|last| last.reason != failure.reason) {
                self.emit_retry(step, &failure).await?;
            }
            last = Some(failure);
            // Whoever refused may have asked for more.
            let wait = backoff.next().max(after.unwrap_or_default());
            match self.pause(wait).await {
                Err(StepError::OutOfTime) => return Err(out_of_time(step, last)),
                paused => paused?,
            }
        }
    }

    async fn emit_retry(&mut self, step: Step, failure: &Failure) -> Result<(), StepError> {
        let message = format!("Trying again, because: {}", failure.message);
        let event = NewEvent::new(EventType::StepRetried, message).in_step(step).because(failure);
        self.emit(vec![event], Some(failure.clone())).await
    }

    async fn release(&mut self) {
        if self.operation.state.is_active() {
            let released = tokio::time::timeout(Duration::from_secs(2), self.tools.queue.release(self.lease)).await;
            if let Ok(Err(error @ PortError::Internal(_))) = released {
                tracing::error!(error = ?error, "a lease could not be released");
            }
        }
    }
}

fn out_of_time(step: Step, last: Option<Failure>) -> StepError {
    let message = format!("The time for the operation was up while {}.", lower_first(step.describe()));
    StepError::Failed(match last {
        Some(last) => Failure { message: format!("{message} {}", last.message), ..last },
        None => Failure::new(Reason::DeadlineExceeded, message),
    })
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
