//! Backups of stores: what one is, and how it changes. [`command`]: requests for backups. [`schedule`]: scheduled backups, and which are kept.
//! [`restore_test`]: test restores. [`snapshot`]: snapshots of the volumes.
//!
//! An operation of kind BACKUP makes one backup; the row changes only together with that operation, in [`crate::transition`]. Once it is
//! complete, only its test restores and its snapshots change it until it is deleted.

pub mod command;
pub mod restore_test;
pub mod schedule;
pub mod snapshot;

use restore_test::RestoreTest;
use serde::{Deserialize, Serialize};
use snapshot::Snapshot;
use time::OffsetDateTime;

use crate::backup_storage::{ObjectKey, ObjectPrefix};
use crate::failure::Failure;
use crate::ids::{BackupId, IdError, OperationId, StoreId, StoreUid, Tenant};
use crate::store::{Store, Versions};
use crate::wire::wire_enum;

wire_enum! {
    /// The state of a backup.
    pub enum BackupState {
        /// Its operation has not ended.
        Creating = "CREATING",
        /// It was stored, read back and verified.
        Complete = "COMPLETE",
        /// It was not completed; what was stored of it is removed.
        Failed = "FAILED",
        /// It is being removed from the storage.
        Deleting = "DELETING",
        ;
        /// A row has a state that this server does not know; only reading creates it.
        Unreadable = "UNREADABLE",
    }
}

wire_enum! {
    /// Why a backup was made.
    pub enum BackupTrigger {
        /// A caller requested it.
        OnDemand = "ON_DEMAND",
        /// It was due.
        Scheduled = "SCHEDULED",
        /// A restore was about to replace the data.
        BeforeRestore = "BEFORE_RESTORE",
        /// An update was about to migrate the data.
        BeforeUpdate = "BEFORE_UPDATE",
        /// The store was copied as it was.
        Copy = "COPY",
        ;
        /// A row has a trigger that this server does not know; only reading creates it.
        Unreadable = "UNREADABLE",
    }
}

impl BackupTrigger {
    /// True if no caller asked for such a backup itself: it expires, and does not count towards the tenant's quota.
    pub fn is_automatic(self) -> bool {
        match self {
            Self::Scheduled | Self::BeforeRestore | Self::BeforeUpdate | Self::Copy => true,
            Self::OnDemand | Self::Unreadable => false,
        }
    }
}

/// A backup of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// UUID v7.
    pub id: BackupId,
    /// The store.
    pub store: StoreUid,
    /// The store's id.
    pub store_id: StoreId,
    /// The store's tenant.
    pub tenant: Tenant,
    /// The state.
    pub state: BackupState,
    /// Why it was made.
    pub trigger: BackupTrigger,
    /// The caller's note.
    pub description: String,
    /// The name of the caller that requested it.
    pub requested_by: String,
    /// The operation that makes it.
    pub operation: OperationId,
    /// The store's engine.
    pub engine: String,
    /// The store's versions when it was requested.
    pub versions: Versions,
    /// True if the cluster is simulated: there is nothing to back up, and it holds only the manifest.
    pub simulated: bool,
    /// How it is encrypted and uploaded; `None` before the first attempt.
    pub attempt: Option<Attempt>,
    /// What was uploaded; empty before that.
    pub parts: Vec<Part>,
    /// The snapshots of the store's volumes that were made with it, until they are deleted. They are never all of a backup.
    pub snapshots: Vec<Snapshot>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When it was verified.
    pub completed_at: Option<OffsetDateTime>,
    /// Its last test restore.
    pub restore_test: Option<RestoreTest>,
}

/// One run of the Job that makes a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// The key that decrypts the backup, encrypted for the operator.
    pub wrapped_key: String,
    /// The upload of each part, in the order of the engine's parts.
    pub uploads: Vec<PartUpload>,
    /// What was reported of it while it ran.
    #[serde(default)]
    pub progress: Progress,
}

/// How much of the uploads was reported. The number of reports is bounded, whatever the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Uploaded bytes, as last reported of this run.
    pub bytes: u64,
    /// How often it was reported, in all runs.
    pub reports: u32,
}

impl Progress {
    /// Maximum number of reports of one backup.
    const REPORTS_MAX: u32 = 60;

    /// True if that many uploaded bytes are worth a report: 10 % more than the last one, and at least a piece of this size.
    pub fn is_due(&self, bytes: u64, piece: u64) -> bool {
        let grown = bytes.saturating_sub(self.bytes);
        self.reports < Self::REPORTS_MAX && grown > 0 && grown >= piece && grown >= self.bytes / 10
    }

    /// That of the next run.
    #[must_use]
    pub fn of_next_run(self) -> Self {
        Self { bytes: 0, ..self }
    }
}

/// The upload of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartUpload {
    /// The part's name.
    pub part: String,
    /// The storage's id of the upload.
    pub upload: String,
}

/// A part of a backup: one encrypted object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, from the engine.
    pub name: String,
    /// Size of the object, in bytes.
    pub bytes: u64,
    /// Size before compression and encryption, in bytes.
    pub source_bytes: u64,
    /// SHA-256 of the object, in hexadecimal digits.
    pub sha256: String,
}

impl Backup {
    /// A new backup of this store.
    pub fn of(store: &Store, new: NewBackup, now: OffsetDateTime) -> Self {
        Self {
            id: new.id,
            store: store.uid,
            store_id: store.id.clone(),
            tenant: store.tenant.clone(),
            state: BackupState::Creating,
            trigger: new.trigger,
            description: new.description,
            requested_by: new.requested_by,
            operation: new.operation,
            engine: store.spec.engine.clone(),
            versions: store.versions.clone(),
            simulated: store.simulated,
            attempt: None,
            parts: Vec::new(),
            snapshots: Vec::new(),
            failure: None,
            created_at: now,
            completed_at: None,
            restore_test: None,
        }
    }

    /// Total size of the stored parts, in bytes.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Everything that is stored of it has a name that starts with this.
    pub fn prefix(&self) -> ObjectPrefix {
        ObjectPrefix::of_backup(&self.tenant, self.store, self.id.0)
    }

    /// The object of a part. An error if the part's name is unsuitable, which the engine's chart decides.
    pub fn object(&self, part: &str) -> Result<ObjectKey, IdError> {
        self.prefix().object(&format!("{part}.zst.age"))
    }

    /// The object with the description of the backup.
    pub fn manifest_object(&self) -> Result<ObjectKey, IdError> {
        self.prefix().object("manifest.json")
    }
}

/// What is needed for a new backup, apart from its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBackup {
    /// Its id.
    pub id: BackupId,
    /// Why it is made.
    pub trigger: BackupTrigger,
    /// The caller's note.
    pub description: String,
    /// The caller's name.
    pub requested_by: String,
    /// The operation that makes it.
    pub operation: OperationId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_progress_are_bounded_whatever_the_size() {
        let piece = 64;
        let (mut progress, mut seen) = (Progress::default(), Vec::new());
        assert!(!progress.is_due(0, piece) && !progress.is_due(63, piece) && progress.is_due(64, piece));
        for bytes in (0..1_000_000).step_by(7) {
            if progress.is_due(bytes, piece) {
                progress = Progress { bytes, reports: progress.reports + 1 };
                seen.push(bytes);
            }
        }
        assert!((40..=60).contains(&seen.len()), "{seen:?}");
        assert!(
            seen.windows(2).all(|pair| pair[1] - pair[0] >= piece && pair[1] - pair[0] >= pair[0] / 10),
            "{seen:?}"
        );
        let next_run = |reports| Progress { bytes: 640, reports }.of_next_run();
        assert!(next_run(59).is_due(piece, piece), "another run begins at 0");
        assert!(!next_run(60).is_due(u64::MAX, piece), "all runs share the bound");
        let stored: Attempt =
            serde_json::from_str(r#"{"number":1,"wrapped_key":"k","uploads":[]}"#).expect("of an earlier server");
        assert_eq!(stored.progress, Progress::default());
    }
}
