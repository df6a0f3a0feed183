//! What a worker's findings change. Each is stored under the operation's fence, or not at all.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Change, Snapshot};
use crate::audit::AuditRecord;
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::{Failure, Reason};
use crate::operation::{OperationKind, OperationState, Step};
use crate::store::State;

/// A worker took the operation up.
pub fn claim(snapshot: Snapshot, now: OffsetDateTime) -> Change {
    let mut change = Change::of(snapshot);
    let operation = &mut change.operation;
    if operation.claims > 0 {
        let message =
            format!("Going on where the last worker stopped ({})", operation.step.map_or("begin", Step::as_str));
        change.events.push(NewEvent::new(EventType::OperationResumed, message));
    }
    operation.claims += 1;
    operation.state = OperationState::Running;
    operation.started_at.get_or_insert(now);
    change
}

/// A step is about to act.
pub fn step_started(snapshot: Snapshot, step: Step) -> Change {
    let mut change = Change::of(snapshot);
    change.operation.step = Some(step);
    if !change.operation.undoing {
        change.operation.reached = Some(step);
    }
    change.store.step = Some(step);
    change.events.push(NewEvent::new(EventType::StepStarted, step.describe()).in_step(step));
    change
}

/// A step did what it should, in `took`. `simulated` is what the cluster said about itself.
pub fn step_succeeded(snapshot: Snapshot, step: Step, took: Duration, simulated: bool) -> Change {
    let mut change = Change::of(snapshot);
    change.store.failure = change.operation.failure.clone();
    change.store.simulated = simulated;
    let seconds = format!("{:.3}", took.as_secs_f64());
    let message = format!("{}: done", step.describe());
    change.events.push(NewEvent::new(EventType::StepSucceeded, message).in_step(step).with("seconds", seconds));
    change
}

/// A step found something worth telling; `waiting` becomes the store's current reason.
pub fn progress(snapshot: Snapshot, events: Vec<NewEvent>, waiting: Option<Failure>) -> Change {
    let mut change = Change::of(snapshot);
    if waiting.is_some() {
        change.store.failure = waiting;
    }
    change.events = events;
    change
}

/// What a step waited for is over.
pub fn resumed(snapshot: Snapshot) -> Change {
    let mut change = Change::of(snapshot);
    change.store.failure = change.operation.failure.clone();
    change
}

/// Records in the audit log that a pending release of a killed helm was repaired.
pub fn repaired(snapshot: Snapshot, step: Step, what: &str, audit: AuditRecord) -> Change {
    let mut change = Change::of(snapshot);
    change.events.push(NewEvent::new(EventType::ReleaseRepaired, what).in_step(step));
    let (store, operation) = (Some(change.store.uid), Some(change.operation.id));
    change.audit = Some(AuditRecord { store, operation, ..audit });
    change
}

/// All steps are done. A creation whose end somebody asked for meanwhile is undone all the same: they were told so.
pub fn succeeded(snapshot: Snapshot, now: OffsetDateTime) -> Result<Change, DomainError> {
    if snapshot.operation.cancel_requested && snapshot.store.ready_at.is_none() {
        return Ok(undo_started(snapshot, cancelled()));
    }
    let mut change = Change::of(snapshot);
    end(&mut change, OperationState::Succeeded, now);
    let id = change.store.id.clone();
    match change.operation.kind {
        OperationKind::Create | OperationKind::Retry => {
            let note = if change.store.simulated { " (simulated: nothing runs in it)" } else { "" };
            change.enter(State::Ready, now, format!("Store {id} is ready{note}"))?;
        }
        OperationKind::Delete => change.enter(State::Deleted, now, format!("Store {id} is gone"))?,
        // No worker runs one.
        OperationKind::Unreadable => {}
    }
    Ok(change)
}

/// A step failed for good and the resources stay; or the undo itself failed.
pub fn failed(snapshot: Snapshot, failure: Failure, now: OffsetDateTime) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    push_failed(&mut change, &failure);
    // An undo that fails does not hide why there was one.
    let cause = match change.operation.failure.take() {
        Some(first) => {
            first.with_details([format!("then undoing failed: {}", failure.message)]).with_details(failure.details)
        }
        None => failure,
    };
    end(&mut change, OperationState::Failed, now);
    change.operation.failure = Some(cause.clone());
    change.store.failure = Some(cause.clone());
    change.enter(State::Failed, now, cause.message)?;
    Ok(change)
}

/// What was made is taken back now: after a failure with DELETE_RESOURCES, or because somebody cancelled.
pub fn undo_started(snapshot: Snapshot, cause: Failure) -> Change {
    let mut change = Change::of(snapshot);
    if cause.reason != Reason::Cancelled {
        push_failed(&mut change, &cause);
    }
    let message = format!("Rolling back: {}", cause.message);
    change.events.push(NewEvent::new(EventType::UndoStarted, message).because(&cause));
    change.operation.undoing = true;
    change.operation.failure = Some(cause.clone());
    change.store.failure = Some(cause);
    change
}

/// Everything is taken back. The store is failed, with the cause of the undo.
pub fn undone(snapshot: Snapshot, now: OffsetDateTime) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    change.events.push(NewEvent::new(EventType::UndoSucceeded, "Everything that was made is removed"));
    let cancelled = change.operation.failure.as_ref().is_none_or(|cause| cause.reason == Reason::Cancelled);
    if cancelled {
        end_cancelled(&mut change, now)?;
    } else {
        end(&mut change, OperationState::Failed, now);
        let cause = change.operation.failure.clone();
        let message = cause.as_ref().map_or_else(String::new, |cause| cause.message.clone());
        change.store.failure = cause;
        change.enter(State::Failed, now, message)?;
    }
    Ok(change)
}

/// The failure of an operation that somebody cancelled.
pub fn cancelled() -> Failure {
    Failure::new(Reason::Cancelled, "The operation was cancelled.")
}

pub(super) fn end_cancelled(change: &mut Change, now: OffsetDateTime) -> Result<(), DomainError> {
    end(change, OperationState::Cancelled, now);
    change.operation.failure = Some(cancelled());
    change.store.failure = Some(cancelled());
    change.enter(State::Failed, now, "The operation was cancelled")
}

fn end(change: &mut Change, state: OperationState, now: OffsetDateTime) {
    change.operation.state = state;
    change.operation.ended_at = Some(now);
}

fn push_failed(change: &mut Change, failure: &Failure) {
    let mut event = NewEvent::new(EventType::StepFailed, failure.message.clone()).because(failure);
    event.step = change.operation.step;
    change.events.push(event);
}
