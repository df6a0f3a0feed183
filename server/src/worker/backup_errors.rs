//! Backups for steps: the storage and the engine's way, the manifest, and the meaning of errors.

use serde_json::json;
use storeplane_core::backup::Backup;
use storeplane_core::backup_storage::StorageError;
use storeplane_core::engine::EngineBackup;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::ids::IdError;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::context::OperationContext;
use super::outcome::{RetryLimit, StepError};
use crate::backups::{Backups, KeyError};

/// Version of the manifest's format.
const MANIFEST_VERSION: u32 = 1;

impl OperationContext {
    /// The storage, which may have been removed from the configuration.
    pub(super) fn backups(&self) -> Result<Backups, StepError> {
        self.tools.backups.clone().ok_or_else(|| {
            let message = "This server has no storage for backups: backups.storage is none.";
            StepError::Failed(Failure::new(Reason::BackupStorageDenied, message))
        })
    }

    /// How the store's engine is backed up in the version that is deployed, which may have been removed from its chart.
    pub(super) async fn engine_backup(&self) -> Result<EngineBackup, StepError> {
        let engine = match &self.operation.update {
            Some(update) if self.operation.precedes_upgrade() => self.engine_at(&update.before.versions).await?,
            _ => self.engine().await?,
        };
        engine.backup.ok_or_else(|| {
            let message = format!("The chart of engine {} no longer supports backups.", engine.name);
            StepError::Failed(Failure::new(Reason::ChartRejected, message))
        })
    }
}

/// The manifest of a backup: JSON that describes it, with the encrypted key, so that it can be used without the database.
pub(super) fn manifest(backup: &Backup, now: OffsetDateTime) -> Vec<u8> {
    let time = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
    let content = json!({
        "version": MANIFEST_VERSION,
        "backup_id": backup.id,
        "store_id": backup.store_id,
        "store_uid": backup.store,
        "tenant": backup.tenant,
        "engine": backup.engine,
        "chart_version": backup.versions.chart,
        "app_version": backup.versions.app,
        "trigger": backup.trigger.as_str(),
        "description": backup.description,
        "requested_by": backup.requested_by,
        "simulated": backup.simulated,
        "create_time": time(backup.created_at),
        "verify_time": time(now),
        "parts": backup.parts,
        "wrapped_key": backup.attempt.as_ref().map(|attempt| &attempt.wrapped_key),
    });
    format!("{content:#}\n").into_bytes()
}

/// The meaning of a part whose name cannot be that of an object.
pub(super) fn name_failure(rule: &IdError) -> StepError {
    StepError::Failed(Failure::new(Reason::ChartRejected, format!("The name of a part of the chart's backups {rule}.")))
}

/// The meaning of an error of the storage for a step. Its text is for the operator: it names hosts and paths.
pub(super) fn storage_error(error: &StorageError) -> StepError {
    tracing::warn!(%error, "the storage of backups reports an error");
    let (reason, message) = match error {
        StorageError::Unavailable(_) => (Reason::BackupStorageUnavailable, "The storage of backups does not answer."),
        StorageError::Full(_) => (Reason::BackupStorageFull, "The storage of backups has no space left."),
        StorageError::Denied(_) => {
            (Reason::BackupStorageDenied, "The storage of backups refuses the server's credentials.")
        }
        StorageError::NotFound(_) => (Reason::BackupCorrupted, "A part of the backup is missing in the storage."),
        StorageError::Invalid(_) => (Reason::BackupCorrupted, "The storage cannot complete what was uploaded."),
    };
    let failure = Failure::new(reason, message);
    if error.is_retryable() {
        return StepError::Retry { failure, tries: RetryLimit::UntilDeadline, after: None };
    }
    StepError::Failed(failure)
}

/// The meaning of a missing or unusable key for a step. Its text is for the operator, as above.
pub(super) fn key_failure(error: &KeyError) -> StepError {
    tracing::error!(%error, "the keys of backups cannot be used");
    let failure = match error {
        KeyError::NoMatch { .. } => {
            Failure::new(Reason::BackupKeyMissing, "None of the control plane's keys opens this backup.")
        }
        KeyError::Damaged(_) => Failure::new(Reason::BackupCorrupted, "The key of this backup is damaged."),
        _ => Failure::new(
            Reason::BackupKeyMissing,
            "The control plane's keys of backups cannot be read; its log says why.",
        ),
    };
    StepError::Failed(failure)
}
