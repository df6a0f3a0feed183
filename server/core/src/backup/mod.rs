//! Backups of stores: what one is, and how it changes. [`command`]: requests for backups. [`schedule`]: scheduled backups, and which are kept.
//!
//! An operation of kind BACKUP makes one backup; the row changes only together with that operation, in [`crate::transition`]. Once it is
//! complete, it is immutable until it is deleted.

pub mod command;
pub mod schedule;

use serde::{Deserialize, Serialize};
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
        ;
        /// A row has a trigger that this server does not know; only reading creates it.
        Unreadable = "UNREADABLE",
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
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When it was verified.
    pub completed_at: Option<OffsetDateTime>,
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
            failure: None,
            created_at: now,
            completed_at: None,
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
