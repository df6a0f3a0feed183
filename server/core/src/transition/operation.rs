//! Applies a worker's progress. Each change is stored under the operation's fence, or not at all.
//!
//! `undo` has what follows a failure or a cancellation.

mod undo;

use std::time::Duration;

use time::OffsetDateTime;
use undo::{return_to_settings_before, undo_started};
pub use undo::{undo_failed, undone};

use super::health::Health;
use super::{Change, Snapshot, backup};
use crate::audit::AuditRecord;
use crate::condition::{Condition, ConditionStatus};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::{Failure, Reason};
use crate::operation::{Operation, OperationKind, OperationState, Step};
use crate::store::{CleanupPolicy, State};

/// A worker claimed the operation.
pub fn claim(snapshot: Snapshot, now: OffsetDateTime) -> Change {
    let mut change = Change::of(snapshot);
    let operation = &mut change.operation;
    if operation.claims > 0 {
        let message = format!(
            "Resumed where the last worker stopped ({})",
            operation.step.map_or("at the beginning", Step::as_str)
        );
        change.events.push(NewEvent::new(EventType::OperationResumed, message));
    }
    operation.claims += 1;
    operation.state = OperationState::Running;
    operation.started_at.get_or_insert(now);
    change
}

/// A step is about to act. This clears what an earlier step waited for. An update that migrated data cannot be undone once the shop may be
/// online again: if its cancellation was accepted before, it is rolled back instead.
pub fn step_started(snapshot: Snapshot, step: Step) -> Change {
    let Operation { cancel_requested, undoing, .. } = snapshot.operation;
    if step == Step::EndMaintenance && cancel_requested && !undoing && snapshot.operation.migrates_data() {
        return undo_started(snapshot, cancelled());
    }
    let mut change = Change::of(snapshot);
    change.wait_for(None);
    change.operation.step = Some(step);
    if !change.operation.undoing {
        change.operation.reached = Some(step);
    }
    change.store.step = Some(step);
    change.events.push(NewEvent::new(EventType::StepStarted, step.describe()).in_step(step));
    change
}

/// A step succeeded, in `took`. `simulated` is a property of the cluster.
pub fn step_succeeded(snapshot: Snapshot, step: Step, took: Duration, simulated: bool, now: OffsetDateTime) -> Change {
    let mut change = Change::of(snapshot);
    change.wait_for(None);
    change.store.simulated = simulated;
    let seconds = format!("{:.3}", took.as_secs_f64());
    let message = format!("{}: done", step.describe());
    change.events.push(NewEvent::new(EventType::StepSucceeded, message).in_step(step).with("seconds", seconds));
    match step {
        Step::VerifyBackup => backup::complete(&mut change, now),
        Step::Revert => return_to_settings_before(&mut change),
        _ => {}
    }
    change
}

/// A step emits an event; with `waiting`, that is what it waits for from now on.
pub fn progress(snapshot: Snapshot, events: Vec<NewEvent>, waiting: Option<Failure>) -> Change {
    let mut change = Change::of(snapshot);
    if waiting.is_some() {
        change.wait_for(waiting);
    }
    change.events = events;
    change
}

/// A step emits an event, and has observed a condition of the store. An UNKNOWN replaces nothing, and has no event: it says nothing new.
pub fn observed(snapshot: Snapshot, event: NewEvent, condition: Condition) -> Change {
    let mut change = Change::of(snapshot);
    change.events.push(event);
    let is_known = change.store.conditions.iter().any(|known| known.kind == condition.kind);
    match condition.status {
        ConditionStatus::Unknown if is_known => {}
        ConditionStatus::Unknown => change.store.set_condition(condition),
        ConditionStatus::True | ConditionStatus::False => change.observe(condition),
    }
    change
}

/// What a step waited for is resolved.
pub fn resumed(snapshot: Snapshot, events: Vec<NewEvent>) -> Change {
    let mut change = Change::of(snapshot);
    change.wait_for(None);
    change.events = events;
    change
}

/// A release that an interrupted helm left behind is about to be repaired, which is audited.
pub fn repaired(snapshot: Snapshot, step: Step, what: &str, audit: AuditRecord) -> Change {
    let mut change = Change::of(snapshot);
    change.events.push(NewEvent::new(EventType::ReleaseRepaired, what).in_step(step));
    let (store, operation) = (Some(change.store.uid), Some(change.operation.id));
    change.audit = Some(AuditRecord { store, operation, ..audit });
    change
}

/// All steps are done. A first installation or an update whose cancellation was accepted meanwhile is rolled back nevertheless. `via`
/// is how the shop was tested (`url` or `proxy`), if it was.
pub fn succeeded(snapshot: Snapshot, via: Option<&str>, now: OffsetDateTime) -> Result<Change, DomainError> {
    let is_update = snapshot.operation.kind.applies_settings();
    let can_be_undone = snapshot.store.ready_at.is_none() || (is_update && !snapshot.operation.undo_steps().is_empty());
    if snapshot.operation.cancel_requested && can_be_undone {
        return Ok(undo_started(snapshot, cancelled()));
    }
    let mut change = Change::of(snapshot);
    end(&mut change, OperationState::Succeeded, None, now);
    let id = change.store.id.clone();
    match change.operation.kind {
        OperationKind::Create
        | OperationKind::Retry
        | OperationKind::RotateCredentials
        | OperationKind::Restore
        | OperationKind::Copy
        | OperationKind::Update
        | OperationKind::Rollback => {
            let note = match via {
                Some("url") => " (tested through its URL)",
                Some(_) => " (tested through the API server's service proxy)",
                None if change.store.simulated => " (simulated: no pods run)",
                None => "",
            };
            change.enter(State::Ready, now, format!("Store {id} is ready{note}"))?;
            if let (Some(via), Some(event)) = (via, change.events.last_mut()) {
                event.details.insert("via".to_owned(), via.to_owned());
            }
        }
        OperationKind::Delete => change.enter(State::Deleted, now, format!("Store {id} is deleted"))?,
        OperationKind::Backup => backup::leave_store(&mut change),
        // No worker runs one.
        OperationKind::Unreadable => {}
    }
    Ok(change)
}

/// A step failed for good, or the operation was cancelled. `seen` is the store's health in the cluster, if it was observed.
///
/// - An accepted cancellation takes effect even if a step failed at the same moment.
/// - A store that was READY once is kept: its health decides whether it is READY or DEGRADED.
/// - A first installation is rolled back if it was cancelled, or if its cleanup policy requires it; otherwise it is FAILED.
pub fn gave_up(
    snapshot: Snapshot,
    failure: Failure,
    seen: Option<Health>,
    now: OffsetDateTime,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    if failure.reason != Reason::Cancelled {
        push_failed(&mut change, &failure);
    }
    let operation = &change.operation;
    let is_deletion = operation.kind == OperationKind::Delete;
    let leaves_store = !operation.kind.changes_store();
    let cause = if operation.cancel_requested && !is_deletion { cancelled() } else { failure };
    if is_deletion {
        return change.then(|snapshot| end_deletion(snapshot, cause, now));
    }
    if leaves_store {
        return Ok(backup_not_completed(change, cause, now));
    }
    backup::fail(&mut change, &cause);
    let Change { store, operation, .. } = &change;
    // The shop is put back online first.
    if operation.kind == OperationKind::Restore && operation.is_offline() {
        return change.then(|snapshot| Ok(undo_started(snapshot, cause)));
    }
    if operation.kind.applies_settings() {
        // Its first step found that the shop must not be started, or not with the store's version, and did nothing.
        let first = operation.steps().first().copied();
        let is_refused = matches!(cause.reason, Reason::RestoreFailed | Reason::NewerSchemaDeployed);
        if is_refused && operation.reached == first {
            return_to_settings_before(&mut change);
            // A shop without its data is offline, whatever its pods say.
            let seen = seen.filter(|_| cause.reason != Reason::RestoreFailed);
            return change.then(|snapshot| left_as_it_is(snapshot, cause, seen, now));
        }
        if !operation.undo_steps().is_empty() {
            return change.then(|snapshot| Ok(undo_started(snapshot, cause)));
        }
        if operation.reached.is_none() {
            return_to_settings_before(&mut change);
        } else {
            // Its page may still answer, whatever its pods say.
            return change.then(|snapshot| left_as_it_is(snapshot, cause, None, now));
        }
        return change.then(|snapshot| left_as_it_is(snapshot, cause, seen, now));
    }
    if store.ready_at.is_some() {
        return change.then(|snapshot| left_as_it_is(snapshot, cause, seen, now));
    }
    let clean_up = store.spec.cleanup_policy == CleanupPolicy::DeleteResources && !operation.undo_steps().is_empty();
    if cause.reason == Reason::Cancelled || clean_up {
        return change.then(|snapshot| Ok(undo_started(snapshot, cause)));
    }
    change.then(|snapshot| end_failed(snapshot, cause, now))
}

/// A BACKUP failed or was cancelled: the store is as it was.
fn backup_not_completed(mut change: Change, cause: Failure, now: OffsetDateTime) -> Change {
    let state = if cause.reason == Reason::Cancelled { OperationState::Cancelled } else { OperationState::Failed };
    backup::fail(&mut change, &cause);
    end(&mut change, state, Some(cause), now);
    backup::leave_store(&mut change);
    change
}

fn end_failed(snapshot: Snapshot, cause: Failure, now: OffsetDateTime) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    end(&mut change, OperationState::Failed, Some(cause.clone()), now);
    change.store.failure = Some(cause.clone());
    change.enter(State::Failed, now, cause.message)?;
    Ok(change)
}

/// A failed deletion leaves a FAILED store, unless it is forced: then the store is dropped.
fn end_deletion(snapshot: Snapshot, cause: Failure, now: OffsetDateTime) -> Result<Change, DomainError> {
    if !snapshot.operation.force {
        return end_failed(snapshot, cause, now);
    }
    let mut change = Change::of(snapshot);
    let placement = change.store.placement.clone();
    let message = format!(
        "Store {} is deleted by force. The namespace {} may be left, with everything in it: release, workloads, volumes \
         and Secrets. Remove it with: kubectl delete namespace {}",
        change.store.id, placement.namespace, placement.namespace
    );
    let left = NewEvent::new(EventType::ResourcesLeft, message).because(&cause);
    change.events.push(left.with("namespace", placement.namespace).with("release", placement.release));
    end(&mut change, OperationState::Succeeded, Some(cause), now);
    let message = format!("Store {} is deleted", change.store.id);
    change.enter(State::Deleted, now, message)?;
    Ok(change)
}

/// A shop that was READY once keeps everything, whatever the operation's outcome.
fn left_as_it_is(
    snapshot: Snapshot,
    cause: Failure,
    seen: Option<Health>,
    now: OffsetDateTime,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    let (state, how) = match cause.reason {
        Reason::Cancelled => (OperationState::Cancelled, "was cancelled"),
        _ => (OperationState::Failed, "failed"),
    };
    end(&mut change, state, Some(cause.clone()), now);
    let id = change.store.id.clone();
    let (state, failure, health) = match seen {
        Some(Health::Healthy) => (State::Ready, None, "its workloads are ready".to_owned()),
        Some(Health::Unhealthy(failure)) => {
            let message = format!("it is degraded: {}", failure.message);
            (State::Degraded, Some(failure), message)
        }
        None => (State::Degraded, Some(cause), "its health is not known".to_owned()),
    };
    change.store.failure = failure;
    let restored = change.operation.undo_restores() || change.operation.is_behind(Step::Restore);
    let data = match backup::source_of(&change).filter(|_| restored) {
        Some(backup) => format!("its data is that of backup {backup}"),
        None => "nothing was removed".to_owned(),
    };
    change.enter(state, now, format!("The operation on store {id} {how}; {data}, and {health}"))?;
    Ok(change)
}

/// The failure of a cancelled operation.
pub fn cancelled() -> Failure {
    Failure::new(Reason::Cancelled, "The operation was cancelled.")
}

/// Ends an operation that changed nothing, or was rolled back: the store gets its previous state.
pub(super) fn end_cancelled(snapshot: Snapshot, now: OffsetDateTime) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    if !change.operation.kind.changes_store() {
        return Ok(backup_not_completed(change, cancelled(), now));
    }
    backup::fail(&mut change, &cancelled());
    end(&mut change, OperationState::Cancelled, Some(cancelled()), now);
    let untouched = change.operation.prior.clone().filter(|_| change.operation.started_at.is_none());
    if let Some(prior) = untouched {
        return_to_settings_before(&mut change);
        change.store.failure = prior.failure;
        let message = format!("The operation was cancelled before it started; store {} is as before", change.store.id);
        change.enter(prior.state, now, message)?;
    } else {
        change.store.failure = Some(cancelled());
        change.enter(State::Failed, now, "The operation was cancelled")?;
    }
    Ok(change)
}

fn end(change: &mut Change, state: OperationState, failure: Option<Failure>, now: OffsetDateTime) {
    change.operation.state = state;
    change.operation.failure = failure;
    change.operation.ended_at = Some(now);
}

fn push_failed(change: &mut Change, failure: &Failure) {
    let mut event = NewEvent::new(EventType::StepFailed, failure.message.clone()).because(failure);
    event.step = change.operation.step;
    change.events.push(event);
}
