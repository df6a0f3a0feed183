//! Undoes an operation that failed or was cancelled.

use time::OffsetDateTime;

use super::{cancelled, end, end_cancelled, end_failed, left_as_it_is, push_failed};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::{Failure, Reason};
use crate::operation::{OperationKind, OperationState, Step};
use crate::store::State;
use crate::transition::health::Health;
use crate::transition::{Change, Snapshot};

/// Starts the rollback: after a failure with DELETE_RESOURCES, or after a cancellation.
pub(super) fn undo_started(snapshot: Snapshot, cause: Failure) -> Change {
    let mut change = Change::of(snapshot);
    let message = format!("Rolling back: {}", cause.message);
    change.events.push(NewEvent::new(EventType::UndoStarted, message).because(&cause));
    // The undo removes the data of a copy, so that a retry restores it again.
    if let Some(source) = change.store.source.as_mut().filter(|_| change.store.ready_at.is_none()) {
        source.restored = false;
    }
    change.operation.undoing = true;
    // From now on, the undo step that was started last.
    change.operation.step = None;
    change.operation.failure = Some(cause.clone());
    change.store.failure = Some(cause);
    change
}

/// The rollback is complete. The store is FAILED, with the rollback's cause, unless it was READY once: then its health `seen` decides.
pub fn undone(snapshot: Snapshot, seen: Option<Health>, now: OffsetDateTime) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    let kept = match change.operation.kind {
        OperationKind::Restore => Some("The shop is online again"),
        OperationKind::Update | OperationKind::Rollback => Some("The shop has its previous chart and settings again"),
        _ => None,
    };
    return_to_settings_before(&mut change);
    if let Some(message) = kept {
        let cause = change.operation.failure.clone().unwrap_or_else(cancelled);
        change.events.push(NewEvent::new(EventType::UndoSucceeded, message));
        return change.then(|snapshot| left_as_it_is(snapshot, cause, seen, now));
    }
    change.events.push(NewEvent::new(EventType::UndoSucceeded, "Everything that was created is removed"));
    let cause = change.operation.failure.clone().unwrap_or_else(cancelled);
    if cause.reason == Reason::Cancelled {
        return change.then(|snapshot| end_cancelled(snapshot, now));
    }
    change.then(|snapshot| end_failed(snapshot, cause, now))
}

/// The rollback itself failed. This does not hide the rollback's cause. A shop that an update or a restore changed is kept: an updated one is as
/// its health `seen` says, unless it is offline.
pub fn undo_failed(
    snapshot: Snapshot,
    failure: Failure,
    seen: Option<Health>,
    now: OffsetDateTime,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    push_failed(&mut change, &failure);
    let lacks_data = failure.reason == Reason::RestoreFailed;
    let found_newer_schema = failure.reason == Reason::NewerSchemaDeployed;
    // The store shows why its shop is offline, and what helps; the operation shows its own cause.
    let (cause, shown) = match change.operation.failure.take() {
        Some(first) => {
            let shown = failure.clone().with_details([format!("found by the rollback after: {}", first.message)]);
            let both = first.with_details([format!("then the rollback failed: {}", failure.message)]);
            let both = both.with_details(failure.details);
            (both.clone(), if lacks_data { shown } else { both })
        }
        None => (failure.clone(), failure),
    };
    match change.operation.kind {
        OperationKind::Update | OperationKind::Rollback => {
            // The update was cancelled before it found the same, and changed nothing.
            let was_refused = lacks_data || (found_newer_schema && !has_deployed(&change));
            let is_untouched = was_refused && !change.operation.migrates_data();
            if change.operation.undo_steps().contains(&Step::Revert) && !is_untouched {
                keep_domains(&mut change);
            } else {
                return_to_settings_before(&mut change);
            }
            // A rollback may have begun to replace the data before it.
            let is_offline = match change.operation.step {
                Some(Step::Restore | Step::EndMaintenance) => true,
                Some(Step::Revert) => lacks_data || change.operation.kind == OperationKind::Rollback,
                _ => false,
            };
            if is_offline {
                return change.then(|snapshot| left_offline(snapshot, cause, shown, now));
            }
            change.then(|snapshot| left_as_it_is(snapshot, cause, seen, now))
        }
        // It may be offline, without its data: another restore helps.
        OperationKind::Restore => change.then(|snapshot| left_offline(snapshot, cause, shown, now)),
        _ => change.then(|snapshot| end_failed(snapshot, cause, now)),
    }
}

fn left_offline(
    snapshot: Snapshot,
    cause: Failure,
    shown: Failure,
    now: OffsetDateTime,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    end(&mut change, OperationState::Failed, Some(cause), now);
    change.store.failure = Some(shown);
    let message = format!("The shop of {} could not be put back online: restore a backup", change.store.id);
    change.enter(State::Degraded, now, message)?;
    Ok(change)
}

/// It is not known to which domains the shop answers: none of them becomes free for others, and the next update applies its domains again.
fn keep_domains(change: &mut Change) {
    let Some(update) = &change.operation.update else { return };
    let (former, domains) = (&update.before.domains, &mut change.store.spec.domains);
    domains.names.extend(former.names.iter().cloned());
    domains.names.sort();
    domains.names.dedup();
    domains.primary = domains.primary.take().or_else(|| former.primary.clone());
}

/// Whether an update has recorded a revision of its own.
fn has_deployed(change: &Change) -> bool {
    change.operation.update.as_ref().is_some_and(|update| change.store.revision != update.from_revision)
}

/// The store has the settings again that it had before an update.
pub(super) fn return_to_settings_before(change: &mut Change) {
    if let Some(update) = &change.operation.update {
        change.store.set_settings(update.before.clone());
    }
}
