//! How a backup changes: with its operation, in one transaction.

use time::OffsetDateTime;

use super::{Change, Snapshot};
use crate::audit::SCHEDULER;
use crate::backup::{Attempt, Backup, BackupState, Part, Progress, schedule};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::Failure;
use crate::ids::{StoreId, StoreUid};
use crate::operation::Step;
use crate::store::{State, Store};

/// Another run of the Job begins; what an earlier one uploaded is not used.
pub fn attempt_started(snapshot: Snapshot, attempt: &Attempt) -> Change {
    let mut change = Change::of(snapshot);
    if let Some(backup) = &mut change.backup {
        backup.attempt = Some(attempt.clone());
    }
    change
}

/// So many bytes of each part are uploaded while the Job runs.
pub fn progressed(snapshot: Snapshot, parts: &[(String, u64)]) -> Change {
    let mut change = Change::of(snapshot);
    let Some(backup) = &mut change.backup else { return change };
    let (id, bytes) = (backup.id, parts.iter().map(|(_, bytes)| bytes).sum());
    let Some(attempt) = &mut backup.attempt else { return change };
    attempt.progress = Progress { bytes, reports: attempt.progress.reports + 1 };
    let message = format!("Uploaded so far: {bytes} bytes");
    let mut event = NewEvent::new(EventType::BackupProgress, message).in_step(Step::BackUp);
    event = event.with("backup_id", id.to_string()).with("bytes", bytes.to_string());
    for (name, bytes) in parts {
        event = event.with(&format!("{name}_bytes"), bytes.to_string());
    }
    change.events.push(event);
    change
}

/// All parts are uploaded.
pub fn uploaded(snapshot: Snapshot, parts: &[Part]) -> Change {
    let mut change = Change::of(snapshot);
    let Some(backup) = &mut change.backup else { return change };
    backup.parts = parts.to_vec();
    let each = parts.iter().map(|part| format!("{} {} bytes", part.name, part.bytes));
    let message = format!("Uploaded: {}", each.collect::<Vec<_>>().join(", "));
    let mut event = NewEvent::new(EventType::BackupUploaded, message).in_step(Step::BackUp);
    event = event.with("backup_id", backup.id.to_string());
    for part in parts {
        event = event.with(&format!("{}_bytes", part.name), part.bytes.to_string());
    }
    change.events.push(event);
    change
}

/// Fails a backup that its operation will not complete.
pub(super) fn fail(change: &mut Change, failure: &Failure) {
    let Some(backup) = change.backup.as_mut().filter(|backup| backup.state == BackupState::Creating) else { return };
    backup.state = BackupState::Failed;
    backup.failure = Some(failure.clone());
    let message = format!("The backup was not completed: {}", failure.message);
    let event = NewEvent::new(EventType::BackupFailed, message).because(failure);
    change.events.push(event.with("backup_id", backup.id.to_string()));
}

/// Everything was stored and verified.
pub(super) fn complete(change: &mut Change, now: OffsetDateTime) {
    let Some(backup) = change.backup.as_mut().filter(|backup| backup.state == BackupState::Creating) else { return };
    backup.state = BackupState::Complete;
    backup.failure = None;
    backup.completed_at = Some(now);
    let (id, bytes) = (backup.id, backup.bytes());
    let message = if backup.simulated {
        "The backup is complete (simulated: it holds only the manifest)".to_owned()
    } else {
        format!("The backup is complete and verified: {bytes} bytes")
    };
    let event = NewEvent::new(EventType::BackupCompleted, message).with("backup_id", id.to_string());
    change.events.push(event.with("bytes", bytes.to_string()));
    change.observe(schedule::condition(Some(id), false, now));
}

/// Ends a BACKUP: the store's state is what it was.
pub(super) fn leave_store(change: &mut Change) {
    change.store.step = None;
}

/// The store's data is that of the backup that the operation restores.
pub fn restored(snapshot: Snapshot) -> Change {
    let mut change = Change::of(snapshot);
    let Some(id) = change.operation.restore.map(|restore| restore.backup) else { return change };
    if let Some(source) = change.store.source.as_mut().filter(|source| source.backup == id) {
        source.restored = true;
    }
    let message = format!("The data of {} is that of backup {id}", change.store.id);
    let event = NewEvent::new(EventType::Restored, message).in_step(Step::Restore);
    change.events.push(event.with("backup_id", id.to_string()));
    change
}

/// Only a complete backup of that very store is restored in place.
pub(super) fn check_usable(backup: &Backup, store: &Store) -> Result<(), DomainError> {
    check_of(backup, store.uid, &store.id, &store.spec.engine)?;
    if backup.simulated == store.simulated {
        return Ok(());
    }
    Err(DomainError::BackupNotUsable { backup: backup.id, name: store.id.to_string(), why: "one of them is simulated" })
}

/// Only a complete backup of that very store, and of that engine, is read.
pub(super) fn check_of(backup: &Backup, store: StoreUid, id: &StoreId, engine: &str) -> Result<(), DomainError> {
    let why = if backup.state != BackupState::Complete {
        "it is not COMPLETE"
    } else if backup.store != store {
        "it is of another store"
    } else if backup.engine != engine {
        "it is of another engine"
    } else {
        return Ok(());
    };
    Err(DomainError::BackupNotUsable { backup: backup.id, name: id.to_string(), why })
}

/// Marks a backup that no operation makes or reads as being removed. One that is already being removed is unchanged.
pub fn delete(backup: Backup) -> Result<Backup, DomainError> {
    match backup.state {
        BackupState::Creating => Err(DomainError::BackupInProgress { backup: backup.id, operation: backup.operation }),
        BackupState::Deleting => Ok(backup),
        BackupState::Complete | BackupState::Failed | BackupState::Unreadable => {
            Ok(Backup { state: BackupState::Deleting, ..backup })
        }
    }
}

/// These backups of the store are being removed. A deleted store has no more events.
pub fn deleted(snapshot: Snapshot, backups: &[Backup], actor: &str) -> Change {
    let mut change = Change::of(snapshot);
    if change.store.state == State::Deleted {
        return change;
    }
    change.events.extend(backups.iter().map(|backup| {
        let message = match actor {
            SCHEDULER => format!("Backup {} is no longer kept", backup.id),
            actor => format!("{actor} deleted backup {}", backup.id),
        };
        let event = NewEvent::new(EventType::BackupDeleted, message).with("actor", actor);
        event.with("backup_id", backup.id.to_string())
    }));
    change
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use uuid::Uuid;

    use super::*;
    use crate::backup::{BackupTrigger, PartUpload};
    use crate::command::tests::catalog;
    use crate::engine::Catalog;
    use crate::failure::Reason;
    use crate::ids::BackupId;
    use crate::operation::{OperationKind, OperationState, Restore};
    use crate::transition::health::{Health, apply_health};
    use crate::transition::tests::{
        after, caller, complete_backup, crash_loop, request, running, settled, types, with_backups,
    };
    use crate::transition::{operation, request as requests};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn backing_up(was_ready: bool) -> Snapshot {
        running(OperationKind::Backup, was_ready, Step::BackUp)
    }

    fn part(name: &str, bytes: u64) -> Part {
        Part { name: name.into(), bytes, source_bytes: 3 * bytes, sha256: "ab".repeat(32) }
    }

    #[test]
    fn only_stores_whose_shop_runs_are_backed_up() {
        let caller = caller();
        let back_up = |snapshot, catalog: Catalog| {
            requests::back_up(
                snapshot,
                None,
                (BackupId(Uuid::max()), BackupTrigger::OnDemand, "before the sale"),
                &catalog,
                &request(&caller),
            )
        };
        for state in State::ALL {
            let change = back_up(settled(state, true), with_backups());
            if !matches!(state, State::Ready | State::Degraded) {
                assert_eq!(change, Err(DomainError::NotBackupable { state }));
                continue;
            }
            let change = change.expect("accepted");
            assert_eq!((change.store.state, change.operation.kind), (state, OperationKind::Backup));
            assert_eq!(types(&change), [EventType::BackupRequested], "the store's state does not change");
            let made = change.backup.expect("is created");
            assert_eq!((made.state, made.trigger), (BackupState::Creating, BackupTrigger::OnDemand));
            assert_eq!((made.operation, made.description.as_str()), (change.operation.id, "before the sale"));
        }
        let unsupported = back_up(settled(State::Ready, true), catalog());
        assert_eq!(unsupported, Err(DomainError::BackupUnsupported { engine: "woocommerce".into() }));
    }

    #[test]
    fn store_that_is_backed_up_refuses_everything_but_its_deletion() {
        let (caller, before) = (caller(), backing_up(true));
        let (name, operation, kind) = ("demo".to_owned(), before.operation.id, OperationKind::Backup);
        let refused = Err(DomainError::OperationInProgress { name, operation, kind });
        assert_eq!(requests::retry(before.clone(), None, &request(&caller)), refused);
        let again = (BackupId(Uuid::max()), BackupTrigger::OnDemand, "");
        assert_eq!(requests::back_up(before.clone(), None, again, &with_backups(), &request(&caller)), refused);
        let change = requests::delete(before, None, false, &request(&caller)).expect("accepted");
        assert_eq!(change.store.state, State::Deleting);
        let backup = change.backup.expect("is changed");
        assert_eq!(backup.state, BackupState::Failed);
        assert_eq!(backup.failure.expect("says why").reason, Reason::Cancelled);
    }

    #[test]
    fn deletion_after_a_backup_keeps_it() {
        let took = std::time::Duration::ZERO;
        let done = operation::step_succeeded(backing_up(true), Step::VerifyBackup, took, false, NOW);
        let done = done.then(|snapshot| operation::succeeded(snapshot, None, NOW)).expect("legal");
        let change = requests::delete(after(done), None, false, &request(&caller())).expect("accepted");
        assert_eq!(change.backup, None, "a complete backup does not change");
    }

    #[test]
    fn store_keeps_state_and_cause_while_it_is_backed_up() {
        let degraded = backing_up(false);
        assert_eq!(degraded.store.failure.as_ref(), Some(&crash_loop()));
        let waiting = Failure::new(Reason::BackupStorageUnavailable, "The storage does not answer.");
        let change = operation::progress(degraded, vec![], Some(waiting.clone()));
        assert_eq!((&change.store.failure, &change.operation.failure), (&Some(crash_loop()), &Some(waiting.clone())));
        let snapshot = after(change);
        assert_eq!(snapshot.waiting(), Some(&waiting));
        let change = apply_health(snapshot.clone(), snapshot.operation.id, &Health::Healthy, NOW).expect("legal");
        assert_eq!(change.store.state, State::Ready, "its health is followed meanwhile");
        let change = operation::gave_up(snapshot, waiting, None, NOW).expect("legal");
        assert_eq!((change.store.state, &change.store.failure), (State::Degraded, &Some(crash_loop())));
        assert_eq!((change.operation.state, change.store.step), (OperationState::Failed, None));
        assert_eq!(types(&change), [EventType::StepFailed, EventType::BackupFailed]);
    }

    #[test]
    fn backup_is_complete_only_at_the_end() {
        let uploads = vec![PartUpload { part: "database".into(), upload: "u1".into() }];
        let attempt = Attempt { number: 1, wrapped_key: "key".into(), uploads, progress: Progress::default() };
        let snapshot = after(attempt_started(backing_up(true), &attempt));
        assert_eq!(snapshot.backup.as_ref().and_then(|backup| backup.attempt.as_ref()), Some(&attempt));
        let change = progressed(snapshot, &[("database".into(), 6), ("uploads".into(), 5)]);
        let [event] = &change.events[..] else { panic!("{:?}", change.events) };
        let sizes = ["database_bytes", "uploads_bytes", "bytes"].map(|key| event.details[key].as_str());
        assert_eq!((event.kind, sizes), (EventType::BackupProgress, ["6", "5", "11"]));
        let snapshot = after(change);
        let reported =
            snapshot.backup.as_ref().and_then(|backup| backup.attempt.as_ref()).map(|attempt| attempt.progress);
        assert_eq!(reported, Some(Progress { bytes: 11, reports: 1 }));
        let change = uploaded(snapshot, &[part("database", 7), part("uploads", 5)]);
        assert_eq!(types(&change), [EventType::BackupUploaded]);
        assert_eq!(change.backup.as_ref().map(|backup| backup.state), Some(BackupState::Creating));
        let now = NOW + Duration::seconds(9);
        let took = std::time::Duration::ZERO;
        let verified = operation::step_succeeded(after(change), Step::VerifyBackup, took, false, now);
        let change = verified.then(|snapshot| operation::succeeded(snapshot, None, now)).expect("legal");
        let backup = change.backup.as_ref().expect("a backup");
        assert_eq!((backup.state, backup.bytes(), backup.completed_at), (BackupState::Complete, 12, Some(now)));
        assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Succeeded));
        let expected = [EventType::StepSucceeded, EventType::BackupCompleted, EventType::ConditionChanged];
        assert_eq!(types(&change), expected);
        let objects = [backup.object("database"), backup.manifest_object()].map(|object| object.expect("a name"));
        assert!(objects.iter().all(|object| object.as_str().starts_with(backup.prefix().as_str())), "{objects:?}");
    }

    #[test]
    fn deleted_backups_are_reported_until_the_store_is_deleted() {
        let two = [complete_backup(), complete_backup()];
        let messages = |state, actor| {
            let change = deleted(settled(state, true), &two, actor);
            change.events.into_iter().map(|event| (event.kind, event.message)).collect::<Vec<_>>()
        };
        let id = two[0].id;
        let by_caller = (EventType::BackupDeleted, format!("ann deleted backup {id}"));
        assert_eq!(messages(State::Ready, "ann"), [by_caller.clone(), by_caller]);
        assert_eq!(messages(State::Failed, SCHEDULER)[0].1, format!("Backup {id} is no longer kept"));
        assert_eq!(messages(State::Deleted, "ann"), []);
    }

    #[test]
    fn cancelled_backup_leaves_the_store_as_it_is() {
        let caller = caller();
        let pending = (BackupId(Uuid::max()), BackupTrigger::OnDemand, "");
        let before = settled(State::Ready, true);
        let pending = requests::back_up(before, None, pending, &with_backups(), &request(&caller)).expect("legal");
        let unclaimed = requests::cancel(after(pending), None, None, &request(&caller)).expect("legal");
        let requested = requests::cancel(backing_up(true), None, None, &request(&caller)).expect("legal");
        let claimed = operation::gave_up(after(requested), operation::cancelled(), None, NOW).expect("legal");
        for change in [unclaimed, claimed] {
            assert_eq!((change.store.state, &change.store.failure), (State::Ready, &None));
            assert_eq!(change.operation.state, OperationState::Cancelled);
            assert_eq!(change.backup.map(|backup| backup.state), Some(BackupState::Failed));
        }
    }

    #[test]
    fn only_a_complete_backup_of_that_very_store_is_restored() {
        let caller = caller();
        let restore = |source: &Backup, state| {
            let ids = (source, Some(BackupId(Uuid::max())));
            requests::restore(settled(state, true), None, ids, &with_backups(), &request(&caller))
        };
        for state in State::ALL {
            let change = restore(&complete_backup(), state);
            if !matches!(state, State::Ready | State::Degraded) {
                assert_eq!(change, Err(DomainError::NotRestorable { state }));
                continue;
            }
            let change = change.expect("accepted");
            let wanted = Restore { backup: complete_backup().id, skips_backup: false };
            assert_eq!((change.store.state, change.operation.restore), (State::Updating, Some(wanted)));
            let before = change.backup.expect("the present data is backed up");
            assert_eq!((before.trigger, before.state), (BackupTrigger::BeforeRestore, BackupState::Creating));
            assert_eq!(before.operation, change.operation.id);
        }
        let complete = complete_backup;
        for (unusable, why) in [
            (Backup { state: BackupState::Deleting, ..complete() }, "it is not COMPLETE"),
            (Backup { store: StoreUid(Uuid::max()), ..complete() }, "it is of another store"),
            (Backup { engine: "medusa".into(), ..complete() }, "it is of another engine"),
            (Backup { simulated: true, ..complete() }, "one of them is simulated"),
        ] {
            let (backup, name) = (unusable.id, "demo".to_owned());
            let refused = Err(DomainError::BackupNotUsable { backup, name, why });
            assert_eq!(restore(&unusable, State::Ready), refused);
        }
    }

    #[test]
    fn restore_backs_up_the_present_data_unless_told_otherwise() {
        let caller = caller();
        let steps = |backup| {
            let source = complete_backup();
            let ids = (&source, backup);
            let change = requests::restore(settled(State::Ready, true), None, ids, &with_backups(), &request(&caller));
            change.expect("accepted").operation.steps().to_vec()
        };
        let (with, without) = (steps(Some(BackupId(Uuid::max()))), steps(None));
        assert_eq!(with[..3], [Step::Maintenance, Step::BackUp, Step::VerifyBackup]);
        assert_eq!(without[..2], [Step::Maintenance, Step::Restore]);
        assert_eq!(with[3..], without[1..], "the rest is the same");
    }

    #[test]
    fn failed_restore_puts_the_shop_back_online() {
        let verified = running(OperationKind::Restore, true, Step::VerifyBackup);
        let took = std::time::Duration::ZERO;
        let verified = after(operation::step_succeeded(verified, Step::VerifyBackup, took, false, NOW));
        assert_eq!(verified.backup.as_ref().map(|backup| backup.state), Some(BackupState::Complete));
        let reading = after(operation::step_started(verified, Step::Restore));
        let failure = Failure::new(Reason::RestoreFailed, "The import failed.");
        let change = operation::gave_up(reading, failure.clone(), None, NOW).expect("legal");
        assert_eq!(change.operation.undo_steps(), [Step::EndMaintenance]);
        assert_eq!((change.store.state, change.operation.undoing), (State::Updating, true));
        assert_eq!(change.backup.as_ref().map(|it| it.state), Some(BackupState::Complete), "it was verified");
        let change = operation::undone(after(change), Some(Health::Healthy), NOW).expect("legal");
        assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Failed));
        assert_eq!(change.operation.failure, Some(failure.clone()));
        let online = running(OperationKind::Restore, true, Step::Verify);
        let change = operation::gave_up(online, failure.clone(), Some(Health::Unhealthy(failure)), NOW).expect("legal");
        assert_eq!((change.store.state, change.operation.undoing), (State::Degraded, false), "it is online already");
    }

    #[test]
    fn restore_that_is_cancelled_before_it_starts_leaves_no_backup_in_creation() {
        let (caller, source) = (caller(), complete_backup());
        let ids = (&source, Some(BackupId(Uuid::max())));
        let pending = requests::restore(settled(State::Ready, true), None, ids, &with_backups(), &request(&caller));
        let change = requests::cancel(after(pending.expect("legal")), None, None, &request(&caller)).expect("legal");
        assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Cancelled));
        assert_eq!(change.backup.map(|backup| backup.state), Some(BackupState::Failed));
    }

    /// An older server, which does not know the steps, writes none when it stores a cancellation.
    #[test]
    fn restore_whose_step_is_unknown_puts_the_shop_back_online() {
        let mut erased = running(OperationKind::Restore, true, Step::Restore);
        (erased.operation.step, erased.operation.reached) = (None, None);
        let change = operation::gave_up(erased, operation::cancelled(), None, NOW).expect("legal");
        assert_eq!(change.operation.undo_steps(), [Step::EndMaintenance]);
        assert!(change.operation.undoing);
    }

    #[test]
    fn only_a_backup_that_is_not_in_use_is_deleted() {
        let making = backing_up(true).backup.expect("a backup");
        let (backup, operation) = (making.id, making.operation);
        assert_eq!(delete(making.clone()), Err(DomainError::BackupInProgress { backup, operation }));
        for state in [BackupState::Complete, BackupState::Failed, BackupState::Deleting, BackupState::Unreadable] {
            let deleted = delete(Backup { state, ..making.clone() }).expect("accepted");
            assert_eq!(deleted.state, BackupState::Deleting, "{state:?}");
        }
    }
}
