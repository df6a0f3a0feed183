//! How a backup changes: with its operation, in one transaction.

use semver::Version;
use time::OffsetDateTime;

use super::{Change, Snapshot};
use crate::audit::SCHEDULER;
use crate::backup::snapshot::Snapshot as VolumeSnapshot;
use crate::backup::{Attempt, Backup, BackupState, Part, Progress, schedule};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::Failure;
use crate::ids::{BackupId, StoreId, StoreUid};
use crate::operation::Step;
use crate::store::{State, Store, Versions};

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

/// Snapshots with these names are about to be made. They are recorded before, so that none is forgotten.
pub fn snapshots_begun(snapshot: Snapshot, snapshots: &[VolumeSnapshot]) -> Change {
    let mut change = Change::of(snapshot);
    if let Some(backup) = &mut change.backup {
        backup.snapshots = snapshots.to_vec();
    }
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
    let Some(id) = source_of(&change) else { return change };
    if let Some(source) = change.store.source.as_mut().filter(|source| source.backup == id) {
        source.restored = true;
    }
    let message = format!("The data of {} is that of backup {id}", change.store.id);
    let event = NewEvent::new(EventType::Restored, message).in_step(Step::Restore);
    change.events.push(event.with("backup_id", id.to_string()));
    change
}

/// The backup that the operation restores now.
pub(super) fn source_of(change: &Change) -> Option<BackupId> {
    let Change { operation, backup, .. } = change;
    if operation.undo_restores() {
        return backup.as_ref().map(|own| own.id);
    }
    operation.restore.map(|restore| restore.backup)
}

/// Only a complete backup of that very store is restored in place.
pub(super) fn check_usable(backup: &Backup, store: &Store) -> Result<(), DomainError> {
    check_of(backup, store.uid, &store.id, &store.spec.engine)?;
    if backup.simulated == store.simulated {
        return Ok(());
    }
    Err(DomainError::BackupNotUsable { backup: backup.id, name: store.id.to_string(), why: "one of them is simulated" })
}

/// A version migrates data of an older schema, and never reads that of a newer one.
pub(super) fn check_readable(backup: &Backup, store: &Store) -> Result<(), DomainError> {
    let version = |versions: &Versions| Version::parse(&versions.chart).ok();
    let is_newer = version(&backup.versions).zip(version(&store.versions)).is_some_and(|(data, shop)| data > shop);
    if !is_newer || backup.versions.schema == store.versions.schema {
        return Ok(());
    }
    let why = "its data is of a newer version with another schema; RollbackStore returns to a revision of that version with it";
    Err(DomainError::BackupNotUsable { backup: backup.id, name: store.id.to_string(), why })
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
mod tests;
