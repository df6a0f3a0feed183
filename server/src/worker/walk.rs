//! One operation, from its claim to its end: forwards through its steps, or back through their undo.

use std::time::{Duration, Instant};

use storeplane_core::decide::work as decide;
use storeplane_core::error::PortError;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use storeplane_core::store::CleanupPolicy;
use tracing::Instrument;

use super::Tools;
use super::leases::Held;
use super::outcome::{FEW, Setback, Tries};
use super::steps;
use super::work::Work;
use crate::backoff::Backoff;
use crate::failpoints::{Moment, Then, reached};
use crate::postgres::Claim;

/// Before a step is tried again the first time, ...
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// ... and at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Walks an operation as far as it goes, and lets go of it.
pub(super) async fn walk(tools: Tools, claim: Claim, held: Held) {
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
    let mut work = Work::new(tools, claim, held);
    async {
        match work.walk().await {
            Ok(()) => tracing::info!(state = work.operation.state.as_str(), "operation ended"),
            Err(Setback::Stopped | Setback::OutOfTime) => {
                tracing::info!(step = ?work.operation.step, "operation handed on");
            }
            Err(Setback::Lost) => {
                tracing::warn!(step = ?work.operation.step, "operation lost to another claim, or ended meanwhile");
            }
            Err(Setback::Again { failure, .. } | Setback::Failed(failure)) => {
                tracing::error!(
                    reason = failure.reason.as_str(),
                    message = failure.message,
                    "operation left; it is taken up again"
                );
            }
        }
        work.release().await;
    }
    .instrument(span)
    .await;
}

impl Work {
    async fn walk(&mut self) -> Result<(), Setback> {
        if !self.operation.undoing {
            match self.forwards().await {
                Ok(()) if !self.operation.undoing => return Ok(()),
                // Somebody cancelled it while its last step ended.
                Ok(()) => {}
                Err(Setback::Stopped) if self.is_cancelled() => self.begin_undo(decide::cancelled()).await?,
                Err(Setback::Failed(failure)) => {
                    if !self.undoes_failures() {
                        return self.fail(failure).await;
                    }
                    self.begin_undo(failure).await?;
                }
                Err(other) => return Err(other),
            }
        }
        match self.backwards().await {
            Ok(()) => Ok(()),
            Err(Setback::Failed(failure)) => self.fail(failure).await,
            Err(other) => Err(other),
        }
    }

    /// A creation's resources go when that was asked for, unless the shop once worked: it has data then.
    fn undoes_failures(&self) -> bool {
        let asked = self.store.spec.cleanup_policy == CleanupPolicy::DeleteResources;
        asked && self.store.ready_at.is_none() && !self.operation.undo_steps().is_empty()
    }

    async fn begin_undo(&mut self, cause: Failure) -> Result<(), Setback> {
        self.write(&|snapshot| Ok(decide::undo_started(snapshot, cause.clone()))).await
    }

    async fn fail(&mut self, failure: Failure) -> Result<(), Setback> {
        let now = self.now();
        self.write(&|snapshot| decide::failed(snapshot, failure.clone(), now)).await
    }

    async fn forwards(&mut self) -> Result<(), Setback> {
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
            None => decide::succeeded(snapshot, now),
            Some((step, took)) => decide::step_succeeded(snapshot, step, took, simulated)
                .then(|snapshot| decide::succeeded(snapshot, now)),
        })
        .await
    }

    async fn backwards(&mut self) -> Result<(), Setback> {
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
            None => decide::undone(snapshot, now),
            Some((step, took)) => {
                decide::step_succeeded(snapshot, step, took, simulated).then(|snapshot| decide::undone(snapshot, now))
            }
        })
        .await
    }

    /// Notes that a step begins, and with the same stroke that the one before it is done.
    async fn started(&mut self, done: Option<(Step, Duration)>, step: Step) -> Result<(), Setback> {
        let simulated = self.simulated;
        self.write(&|snapshot| match done {
            None => Ok(decide::step_started(snapshot, step)),
            Some((before, took)) => decide::step_succeeded(snapshot, before, took, simulated)
                .then(|snapshot| Ok(decide::step_started(snapshot, step))),
        })
        .await
    }

    /// Runs a step until it succeeds, fails for good, or the operation's time is up.
    async fn attempt(&mut self, step: Step) -> Result<Duration, Setback> {
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
                Err(Setback::Again { failure, tries, after }) => (failure, tries, after),
                Err(Setback::OutOfTime) => return Err(out_of_time(step, last.or_else(|| self.waiting.clone()))),
                Err(other) => return Err(other),
            };
            few += u32::from(tries == Tries::Few);
            if few >= FEW {
                return Err(Setback::Failed(failure));
            }
            tracing::debug!(parent: &span, reason = failure.reason.as_str(), message = failure.message, "step is tried again");
            if last.as_ref().is_none_or(|last| last.reason != failure.reason) {
                self.tell_retry(step, &failure).await?;
            }
            last = Some(failure);
            // Whoever refused may have asked for more.
            let wait = backoff.next().max(after.unwrap_or_default());
            match self.pause(wait).await {
                Err(Setback::OutOfTime) => return Err(out_of_time(step, last)),
                paused => paused?,
            }
        }
    }

    async fn tell_retry(&mut self, step: Step, failure: &Failure) -> Result<(), Setback> {
        let message = format!("Trying again, because: {}", failure.message);
        let event = NewEvent::new(EventType::StepRetried, message).in_step(step).because(failure);
        self.tell(vec![event], Some(failure.clone())).await
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

fn out_of_time(step: Step, last: Option<Failure>) -> Setback {
    let message = format!("The time for the operation was up while {}.", lower_first(step.describe()));
    Setback::Failed(match last {
        Some(last) => Failure { message: format!("{message} {}", last.message), ..last },
        None => Failure::new(Reason::DeadlineExceeded, message),
    })
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
