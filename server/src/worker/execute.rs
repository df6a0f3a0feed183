//! Executes an operation from its claim to its end: runs its steps, or its undo steps.

use std::time::{Duration, Instant};

use storeplane_core::error::PortError;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{OperationKind, Step};
use storeplane_core::transition::health::Health;
use storeplane_core::transition::operation as transition;
use tracing::Instrument;

use super::Tools;
use super::context::OperationContext;
use super::leases::LeaseGuard;
use super::measure;
use super::outcome::{FEW, RetryLimit, StepError};
use super::slots::Slot;
use super::steps;
use crate::backoff::Backoff;
use crate::failpoints::{Moment, Then, reached};
use crate::kube::{ClusterError, Examined, Expected, ReleaseStatus};
use crate::postgres::Claim;

/// First delay before a step is retried, ...
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// ... and the longest.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// The same after repeated helm failures: each attempt costs the API server some twenty requests.
const LONGEST_HELM_WAIT: Duration = Duration::from_mins(2);
/// How long observing a live store may take.
const EXAMINE_WITHIN: Duration = Duration::from_secs(20);

/// Executes an operation as far as possible, and releases it.
pub(super) async fn execute(tools: Tools, claim: Claim, guard: LeaseGuard, slot: Slot) {
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
    let mut context = OperationContext::new(tools, claim, guard, slot);
    async {
        match context.execute().await {
            Ok(()) => tracing::info!(state = context.operation.state.as_str(), "operation ended"),
            Err(StepError::Stopped | StepError::OutOfTime) => {
                tracing::info!(step = ?context.operation.step, "operation handed on");
            }
            Err(StepError::Lost) => {
                measure::lost(&context);
                tracing::warn!(step = ?context.operation.step, "the operation was claimed by another worker, or has ended");
            }
            Err(StepError::Retry { failure, .. } | StepError::Failed(failure)) => {
                tracing::error!(
                    reason = failure.reason.as_str(),
                    message = failure.message,
                    "the operation was released and will be claimed again"
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
                Ok(()) => {}
                Err(StepError::Stopped) if self.is_cancelled() => self.give_up(transition::cancelled()).await?,
                Err(StepError::Failed(failure)) => self.give_up(failure).await?,
                Err(other) => return Err(other),
            }
            if !self.operation.undoing {
                return Ok(());
            }
        }
        match self.compensate().await {
            Err(StepError::Failed(failure)) => {
                let (seen, now) = (self.live_health().await, self.now());
                self.write(&|snapshot| transition::undo_failed(snapshot, failure.clone(), seen.clone(), now)).await
            }
            other => other,
        }
    }

    /// Stores that the operation does not succeed. The domain decides the store's state.
    async fn give_up(&mut self, cause: Failure) -> Result<(), StepError> {
        if self.operation.kind == OperationKind::RotateCredentials && self.operation.reached.is_some() {
            self.restart_rotated().await;
        }
        if self.operation.makes_backup() || self.operation.restore.is_some() {
            self.delete_backup_jobs().await;
        }
        let (seen, now) = (self.live_health().await, self.now());
        self.write(&|snapshot| transition::gave_up(snapshot, cause.clone(), seen.clone(), now)).await
    }

    /// Restarts pods with values that their Secrets no longer have, so that they do not fail one by one later. If the cluster does not
    /// answer, that is left to RetryStore.
    async fn restart_rotated(&self) {
        let release = self.release_name();
        let restarting = self.tools.cluster.restart_older_than_secrets(&release.namespace, &release.name, true);
        let restarted = tokio::time::timeout(EXAMINE_WITHIN, restarting).await;
        let problem = match restarted {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::warn!(problem, "the pods of an unfinished rotation of credentials were not restarted");
    }

    /// Deletes the Jobs of a backup or restore that is not completed, and waits for the end of a restore's. If the cluster does not answer, a
    /// Job ends by its own time limit, and its uploads are refused once they are removed.
    async fn delete_backup_jobs(&self) {
        let attempt = self.backup.as_ref().and_then(|backup| Some((backup, backup.attempt.as_ref()?.number)));
        let backup = attempt.map(|(backup, number)| (steps::back_up::job_name(backup, number), None));
        let restore = self.operation.restore.map(|_| (steps::restore::job_name(self), Some(EXAMINE_WITHIN)));
        for (name, within) in backup.into_iter().chain(restore) {
            let (cluster, namespace) = (&self.tools.cluster, &self.store.placement.namespace);
            let deleting = cluster.delete_job(namespace, &name, within);
            let problem = match tokio::time::timeout(EXAMINE_WITHIN, deleting).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(elapsed) => elapsed.to_string(),
            };
            tracing::warn!(problem, job = name, "the job of an unfinished backup or restore was not deleted");
        }
    }

    /// The health of a store that was READY once. `None` for all others, and if the cluster does not answer.
    async fn live_health(&self) -> Option<Health> {
        let kind = self.operation.kind;
        if self.store.ready_at.is_none() || kind == OperationKind::Delete || !kind.changes_store() {
            return None;
        }
        let examined = tokio::time::timeout(EXAMINE_WITHIN, self.examine()).await;
        match examined.ok()?.ok()? {
            Examined::Healthy => Some(Health::Healthy),
            Examined::Settling(failure) | Examined::Unhealthy(failure) => Some(Health::Unhealthy(failure)),
        }
    }

    async fn examine(&self) -> Result<Examined, ClusterError> {
        let (placement, cluster) = (&self.store.placement, &self.tools.cluster);
        let deployed = cluster.release(&placement.namespace, &placement.release).await?;
        let workloads = match deployed.filter(|release| release.status == ReleaseStatus::Deployed) {
            Some(release) => {
                cluster.release_workloads(&placement.namespace, &placement.release, release.revision).await?
            }
            None => Vec::new(),
        };
        let engine = self.tools.catalog.installed_or_default(&self.store.spec.engine, &self.store.versions);
        let secrets = engine.map(|engine| engine.secrets.iter().map(|secret| secret.name.clone()).collect());
        let expected = Expected {
            namespace: placement.namespace.clone(),
            store_uid: self.store.uid,
            release: placement.release.clone(),
            secrets: secrets.unwrap_or_default(),
            workloads,
        };
        cluster.examine(&expected).await
    }

    async fn run_steps(&mut self) -> Result<(), StepError> {
        let mut done: Option<(Step, Duration)> = None;
        for step in self.operation.steps().iter().copied() {
            // Steps completed before a restart are only checked, without events.
            if !self.operation.is_behind(step) {
                self.started(done.take(), step).await?;
            }
            if self.operation.undoing {
                return Ok(());
            }
            let took = self.attempt(step).await?;
            done = Some((step, took));
        }
        let (simulated, via, now) = (self.simulated, self.tested_via, self.now());
        self.write(&|snapshot| match done {
            None => transition::succeeded(snapshot, via, now),
            Some((step, took)) => transition::step_succeeded(snapshot, step, took, simulated, now)
                .then(|snapshot| transition::succeeded(snapshot, via, now)),
        })
        .await
    }

    async fn compensate(&mut self) -> Result<(), StepError> {
        let mut done = None;
        let steps = self.operation.undo_steps();
        // After a restart: those before the one that was started last are done. What customers did since must not be undone.
        let begun = self.operation.step.and_then(|last| steps.iter().position(|step| *step == last));
        for step in steps.into_iter().skip(begun.unwrap_or_default()) {
            self.started(done.take(), step).await?;
            let took = self.attempt(step).await?;
            done = Some((step, took));
        }
        let kind = self.operation.kind;
        let keeps_shop = kind == OperationKind::Restore || kind.applies_settings();
        let seen = if keeps_shop { self.live_health().await } else { None };
        let (simulated, now) = (self.simulated, self.now());
        self.write(&|snapshot| match done {
            None => transition::undone(snapshot, seen.clone(), now),
            Some((step, took)) => transition::step_succeeded(snapshot, step, took, simulated, now)
                .then(|snapshot| transition::undone(snapshot, seen.clone(), now)),
        })
        .await
    }

    /// Stores that a step has started, and that the previous one is done, in one write.
    async fn started(&mut self, done: Option<(Step, Duration)>, step: Step) -> Result<(), StepError> {
        let (simulated, now) = (self.simulated, self.now());
        self.write(&|snapshot| match done {
            None => Ok(transition::step_started(snapshot, step)),
            Some((before, took)) => transition::step_succeeded(snapshot, before, took, simulated, now)
                .then(|snapshot| Ok(transition::step_started(snapshot, step))),
        })
        .await
    }

    /// Runs a step until it succeeds, fails for good, or the operation's time is up.
    async fn attempt(&mut self, step: Step) -> Result<Duration, StepError> {
        let measured = measure::Attempt::of(self, step);
        let ended = self.attempt_until_deadline(step).await;
        measured.end(&ended);
        ended
    }

    async fn attempt_until_deadline(&mut self, step: Step) -> Result<Duration, StepError> {
        let began = Instant::now();
        let span = tracing::info_span!("step", step = step.as_str(), undoing = self.operation.undoing);
        self.can_be_cancelled();
        if step.runs_helm() {
            self.works();
        }
        let longest = if step.runs_helm() { LONGEST_HELM_WAIT } else { LONGEST_WAIT };
        let mut backoff = Backoff::new(FIRST_WAIT, longest);
        let mut few = 0;
        let mut reported = Vec::new();
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
                Err(StepError::OutOfTime) => return Err(out_of_time(step, self.waiting())),
                // Permissions that were just granted reach each API server a moment later.
                Err(StepError::Failed(failure)) if self.is_refused_at_first(&failure) => {
                    (failure, RetryLimit::UntilDeadline, None)
                }
                Err(other) => return Err(other),
            };
            self.attempt_failed = true;
            // While the cluster does not answer, a failure says nothing about the step.
            few += u32::from(tries == RetryLimit::Bounded && !self.tools.cluster.circuit().is_open());
            if few >= FEW {
                return Err(StepError::Failed(failure));
            }
            measure::retried(self, step, &failure);
            tracing::debug!(parent: &span, reason = failure.reason.as_str(), message = failure.message, "step is tried again");
            // Each reason is reported once, however often it recurs.
            if !reported.contains(&failure.reason) {
                reported.push(failure.reason);
                self.emit_retry(step, &failure).await?;
            }
            match self.pause(backoff.next(), after).await {
                Err(StepError::OutOfTime) => return Err(out_of_time(step, self.waiting())),
                paused => paused?,
            }
        }
    }

    fn is_refused_at_first(&self, failure: &Failure) -> bool {
        let namespace = &self.store.placement.namespace;
        failure.reason == Reason::ClusterForbidden && self.tools.cluster.has_recent_access(namespace)
    }

    async fn emit_retry(&mut self, step: Step, failure: &Failure) -> Result<(), StepError> {
        let message = format!("Trying again: {}", failure.message);
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

fn out_of_time(step: Step, waiting: Option<Failure>) -> StepError {
    let message = format!("The operation ran out of time in step {}.", step.as_str());
    StepError::Failed(match waiting {
        Some(waiting) => Failure { message: format!("{message} {}", waiting.message), ..waiting },
        None => Failure::new(Reason::DeadlineExceeded, message),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_time_names_the_step_and_keeps_what_it_waited_for() {
        let waiting = Failure::new(Reason::ImagePullFailed, "No such image.").with_details(["observed"]);
        let StepError::Failed(failure) = out_of_time(Step::Rollout, Some(waiting)) else { panic!("failed") };
        assert_eq!((failure.reason, failure.details.len()), (Reason::ImagePullFailed, 1));
        assert_eq!(failure.message, "The operation ran out of time in step ROLLOUT. No such image.");
        let StepError::Failed(failure) = out_of_time(Step::Verify, None) else { panic!("failed") };
        assert_eq!(failure.reason, Reason::DeadlineExceeded);
    }
}
