//! `VERIFY_BACKUP`: the uploads are completed, and each object is read back and decrypted to its end. Then the manifest is stored.

use storeplane_core::backup::{Attempt, Backup, BackupState, Part};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;

use crate::backups::{Backups, VerifyError, verify};
use crate::secret::SecretText;
use crate::worker::backup_errors::{key_failure, manifest, name_failure, storage_error};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    if context.operation.is_behind(Step::VerifyBackup) {
        return Ok(());
    }
    let Some(backup) = context.backup.clone() else {
        return Err(StepError::Failed(Failure::new(Reason::Internal, "The operation has no backup.")));
    };
    if backup.state == BackupState::Complete {
        return Ok(());
    }
    let tools = context.backups()?;
    context.only_waits();
    if let Some(attempt) = &backup.attempt {
        let opened = context.unless_stopped(tools.keys.open(&attempt.wrapped_key)).await?;
        let identity = opened.map_err(|error| key_failure(&error))?;
        for part in &backup.parts {
            context.unless_stopped(check(&tools, &backup, attempt, part, &identity)).await??;
        }
    }
    let manifest = manifest(&backup, context.now());
    let object = backup.manifest_object().map_err(|rule| name_failure(&rule))?;
    context.unless_stopped(tools.storage.put(&object, manifest)).await?.map_err(|error| storage_error(&error))
}

async fn check(
    tools: &Backups,
    backup: &Backup,
    attempt: &Attempt,
    part: &Part,
    identity: &SecretText,
) -> Result<(), StepError> {
    let object = backup.object(&part.name).map_err(|rule| name_failure(&rule))?;
    if let Some(upload) = attempt.uploads.iter().find(|upload| upload.part == part.name) {
        tools.storage.complete_upload(&object, &upload.upload).await.map_err(|error| storage_error(&error))?;
    }
    let reader = tools.storage.read(&object).await.map_err(|error| storage_error(&error))?;
    let damaged = |why: String| {
        let message = format!("Part {} of the backup is not what was sent: {why}.", part.name);
        StepError::Failed(Failure::new(Reason::BackupCorrupted, message))
    };
    let read = match verify(reader, identity).await {
        Ok(read) => read,
        Err(VerifyError::Storage(error)) => return Err(storage_error(&error)),
        Err(error @ (VerifyError::WrongKey | VerifyError::Damaged(_))) => return Err(damaged(error.to_string())),
    };
    if read.bytes != part.bytes {
        return Err(damaged(format!("it has {} bytes instead of {}", read.bytes, part.bytes)));
    }
    if read.sha256 != part.sha256 {
        return Err(damaged("its checksum differs".to_owned()));
    }
    Ok(())
}
