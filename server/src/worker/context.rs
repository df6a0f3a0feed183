//! The context of a step: its operation, and events, which are stored under the fence.

use std::time::Duration;

use storeplane_core::backup::Backup;
use storeplane_core::engine::Engine;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::Failure;
use storeplane_core::operation::{Operation, OperationKind, Step};
use storeplane_core::store::{Store, Versions};
use storeplane_core::transition::{Change, Decision, Snapshot, operation as transition};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::Tools;
use super::leases::LeaseGuard;
use super::outcome::StepError;
use super::release::ReportedRepairs;
use super::slots::Slot;
use crate::boottime::BootTime;
use crate::kube::NamespaceSpec;
use crate::postgres::{Claim, FenceError, Lease};

/// Why steps are skipped on simulated clusters.
pub(super) const SIMULATED: &str = "Skipped: the cluster is simulated, nothing runs in it";
/// Between attempts to write while Postgres is unavailable.
const WRITE_RETRY: Duration = Duration::from_millis(300);

/// A claimed operation and the dependencies of its steps.
pub(super) struct OperationContext {
    pub(super) tools: Tools,
    /// The store as of the last write.
    pub(super) store: Store,
    /// The operation as of the last write.
    pub(super) operation: Operation,
    /// The backup that it makes, as of the last write.
    pub(super) backup: Option<Backup>,
    pub(super) lease: Lease,
    /// Properties of the cluster.
    pub(super) simulated: bool,
    /// The time of the claim, by Postgres' clock and by one that cannot be set.
    claimed: (OffsetDateTime, BootTime),
    /// When the operation's time is up.
    until: Instant,
    /// Repairs of the release that were already reported.
    pub(super) reported_repairs: ReportedRepairs,
    /// The number of failed uninstalls.
    pub(super) failed_uninstalls: u32,
    /// How the shop was tested, if it was.
    pub(super) tested_via: Option<&'static str>,
    pub(super) guard: LeaseGuard,
    slot: Slot,
    /// The running step has to end before a cancellation takes effect.
    uncancellable: bool,
    /// An attempt at a step has failed since the claim.
    pub(super) attempt_failed: bool,
    /// What the next write stores first.
    unwritten: Vec<Box<Decision<'static>>>,
}

impl OperationContext {
    pub(super) fn new(tools: Tools, claim: Claim, guard: LeaseGuard, slot: Slot) -> Self {
        let simulated = claim.snapshot.store.simulated;
        let Claim { lease, snapshot, at, .. } = claim;
        Self {
            tools,
            store: snapshot.store,
            operation: snapshot.operation,
            backup: snapshot.backup,
            lease,
            simulated,
            claimed: (at, BootTime::now()),
            until: Instant::now(),
            reported_repairs: ReportedRepairs::default(),
            failed_uninstalls: 0,
            tested_via: None,
            guard,
            slot,
            uncancellable: false,
            attempt_failed: false,
            unwritten: Vec::new(),
        }
    }

    /// Stores a change. While Postgres is unavailable it waits, as long as the lease may still be held.
    pub(super) async fn write(&mut self, transition: &Decision<'_>) -> Result<(), StepError> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let all = |snapshot| {
            let before = unwritten.iter().try_fold(Change::of(snapshot), Change::then);
            before?.then(transition)
        };
        loop {
            match Box::pin(self.tools.queue.write(&mut self.lease, &all)).await {
                Ok(applied) => {
                    (self.store, self.operation, self.backup) = (applied.store, applied.operation, applied.backup);
                    return Ok(());
                }
                Err(FenceError::Port(PortError::Unavailable(_))) if !self.guard.is_lost() => {
                    tokio::time::sleep(WRITE_RETRY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stores a change together with the next one: what a step does last, with its end. If nothing else is written, because the operation is handed
    /// on, the step is done again.
    pub(super) fn write_with_next(
        &mut self,
        transition: impl Fn(Snapshot) -> Result<Change, DomainError> + Send + Sync + 'static,
    ) {
        self.unwritten.push(Box::new(transition));
    }

    /// Stores what waits for the next write, if there is something.
    pub(super) async fn flush(&mut self) -> Result<(), StepError> {
        if self.unwritten.is_empty() { Ok(()) } else { self.write(&|snapshot| Ok(Change::of(snapshot))).await }
    }

    /// Emits an event of a step; `waiting` becomes the store's current reason.
    pub(super) async fn emit(&mut self, events: Vec<NewEvent>, waiting: Option<Failure>) -> Result<(), StepError> {
        self.write(&|snapshot| Ok(transition::progress(snapshot, events.clone(), waiting.clone()))).await
    }

    /// Emits that a step has nothing to do, because pods of a simulated cluster do not run.
    pub(super) async fn emit_simulated(&mut self, step: Step) -> Result<(), StepError> {
        let event = NewEvent::new(EventType::StepSkipped, SIMULATED).in_step(step);
        self.emit(vec![event], None).await
    }

    /// What the running step waits for, as last emitted.
    pub(super) fn waiting(&self) -> Option<Failure> {
        let snapshot = Snapshot { store: self.store.clone(), operation: self.operation.clone(), backup: None };
        snapshot.waiting().cloned()
    }

    /// From now on the operation only waits, and releases its slot.
    pub(super) fn only_waits(&mut self) {
        self.slot.wait();
    }

    /// What the running step has begun has to end: until then, a cancellation does not stop it.
    pub(super) fn cannot_be_cancelled(&mut self) {
        self.uncancellable = true;
    }

    /// Another step begins.
    pub(super) fn can_be_cancelled(&mut self) {
        self.uncancellable = false;
    }

    fn is_uncancellable(&self) -> bool {
        self.uncancellable || self.is_applying_chart()
    }

    /// A retry of a store that was READY once has no undo: a cancellation does not stop helm, which would leave the release failed, and what
    /// a killed helm left is repaired first. After a failed attempt it takes effect at once.
    fn is_applying_chart(&self) -> bool {
        let Operation { kind, reached, .. } = &self.operation;
        let installs = (*kind, *reached) == (OperationKind::Retry, Some(Step::Install));
        installs && self.store.ready_at.is_some() && !self.attempt_failed
    }

    /// The operation is working again.
    pub(super) fn works(&mut self) {
        self.slot.work();
    }

    /// The time by Postgres' clock, independent of this machine's.
    pub(super) fn now(&self) -> OffsetDateTime {
        let (at, claimed) = self.claimed;
        at + claimed.elapsed()
    }

    /// Reads the operation's deadline; from now on, steps stop when it has passed.
    pub(super) fn keep_time(&mut self) -> Result<(), StepError> {
        let left = self.operation.deadline().map(|deadline| deadline - self.now());
        let left: Duration = left.and_then(|left| left.try_into().ok()).unwrap_or_default();
        self.until = Instant::now() + left;
        if left.is_zero() { Err(StepError::OutOfTime) } else { Ok(()) }
    }

    /// True if cancellation was requested, unless the step must stop for a more urgent reason.
    pub(super) fn is_cancelled(&self) -> bool {
        let (cancelled, halted) = (self.guard.cancel.is_cancelled(), self.guard.halt.is_cancelled());
        cancelled && !self.is_uncancellable() && !halted && !self.guard.is_lost()
    }

    /// Resolves when the step must stop. An undo is not stopped by the cancellation that caused it.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let (halt, lost, cancel) = (self.guard.halt.clone(), self.guard.lost.clone(), self.guard.cancel.clone());
        let (unstoppable, until) = (self.operation.undoing || self.is_uncancellable(), self.until);
        async move {
            tokio::select! {
                () = halt.cancelled() => {}
                () = lost.cancelled() => {}
                () = cancel.cancelled(), if !unstoppable => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Waits this long, or, while the cluster does not answer, until it does; at least as long as the API server requested. Ends when
    /// the step must stop.
    pub(super) async fn pause(&self, wait: Duration, requested: Option<Duration>) -> Result<(), StepError> {
        let cluster = self.tools.cluster.clone();
        self.unless_stopped(async move { cluster.pause(wait, requested).await }).await
    }

    /// Why the step was stopped.
    pub(super) fn stop_reason(&self) -> StepError {
        let cancelled = self.guard.cancel.is_cancelled() && !self.operation.undoing && !self.is_uncancellable();
        let told_to = self.guard.halt.is_cancelled() || cancelled;
        match self.guard.is_lost() {
            true => StepError::Lost,
            false if !told_to && Instant::now() >= self.until => StepError::OutOfTime,
            false => StepError::Stopped,
        }
    }

    /// Runs something that can be dropped half-way, unless the step must stop.
    pub(super) async fn unless_stopped<T>(&self, doing: impl Future<Output = T>) -> Result<T, StepError> {
        tokio::select! {
            biased;
            () = self.stopped() => Err(self.stop_reason()),
            done = doing => Ok(done),
        }
    }

    /// The store's namespace under this claim's fence.
    pub(super) fn namespace(&self) -> NamespaceSpec {
        NamespaceSpec {
            name: self.store.placement.namespace.clone(),
            store_id: self.store.id.clone(),
            store_uid: self.store.uid,
            tenant: self.store.tenant.clone(),
            fence: self.lease.fence,
        }
    }

    /// The store's engine at the version that the store has. The engine may have been removed from the configuration.
    pub(super) async fn engine(&self) -> Result<Engine, StepError> {
        self.engine_at(&self.store.versions).await
    }

    /// The store's engine at these versions.
    pub(super) async fn engine_at(&self, versions: &Versions) -> Result<Engine, StepError> {
        Ok(self.unless_stopped(self.tools.charts.engine(&self.store.spec.engine, versions)).await??)
    }

    /// The store's engine with the very chart that was recorded, as long as it is kept.
    pub(super) async fn engine_as_recorded(&self, versions: &Versions) -> Result<Engine, StepError> {
        let charts = self.tools.charts.clone();
        Ok(self.unless_stopped(charts.engine_as_recorded(&self.store.spec.engine, versions)).await??)
    }
}
