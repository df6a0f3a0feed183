//! RESTORE: a Job downloads a backup, decrypts it and reads it into the shop's database and volume, which are exchanged at the end. It can
//! run again: until then nothing of the shop's data is changed. In a copy, the shop waits for that data before it starts. Where the backup has
//! snapshots of the volumes, a restore in place makes the volumes from them instead (`volumes`).

use std::time::Duration;

use storeplane_core::backup::{Backup, BackupState};
use storeplane_core::engine::EngineBackup;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::ids::StoreId;
use storeplane_core::operation::{OperationKind, Step};
use storeplane_core::transition::backup as changes;

use super::backup_job::{self, ENDS_WITHIN, RETRIES, files, restore_id};
use super::volumes::emptied::empty_database;
use super::volumes::restored as volumes;
use super::{deploy, maintenance, rollout, upgrade};
use crate::backoff::Backoff;
use crate::backups::Backups;
use crate::kube::JobSpec;
use crate::secret::SecretText;
use crate::worker::backup_errors::{key_failure, name_failure, storage_error};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

/// Interval between checks whether the backup of a copy is complete: at first, ...
const FIRST_CHECK: Duration = Duration::from_millis(250);
/// ... and at most.
const LONGEST_CHECK: Duration = Duration::from_secs(2);

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    // After a restart: it was done, and the shop may have sold since. The undo of a rollback restores another backup.
    if context.operation.is_behind(Step::Restore) && !context.operation.undo_restores() {
        return Ok(());
    }
    let is_copy = context.operation.kind == OperationKind::Copy;
    if is_copy && context.store.source.as_ref().is_some_and(|source| source.restored) {
        return end(context).await;
    }
    let source = if is_copy { awaited_source(context).await? } else { source(context).await? };
    if context.simulated {
        return context.emit_simulated(Step::Restore).await;
    }
    let name = job_name(context);
    let is_started = context.unless_stopped(backup_job::is_started(context, &name)).await??;
    if !is_copy && !is_started {
        context.only_waits();
        let mut other_series = context.operation.update.as_ref().is_some_and(|update| update.replaces_database);
        if context.operation.kind == OperationKind::Restore {
            other_series = Box::pin(upgrade::prepare_for_restore(context)).await?;
        }
        if volumes::restore(context, &source).await? {
            return context.write(&|snapshot| Ok(changes::restored(snapshot))).await;
        }
        if other_series {
            Box::pin(empty_database(context)).await?;
        }
    }
    let storage = context.backups()?;
    let engine = context.engine_backup().await?;
    if !is_started {
        if is_copy && context.operation.is_retry() {
            rollout::remove_leftovers(context, Step::Restore).await?;
        }
        Box::pin(start(context, &storage, &engine, &source, &name)).await?;
    }
    context.only_waits();
    let restored = backup_job::follow(context, &name, (Step::Restore, "restore"), None).await;
    if restored.is_ok() {
        if !is_copy {
            volumes::imported(context).await?;
        }
        context.write(&|snapshot| Ok(changes::restored(snapshot))).await?;
        // In place, END_MAINTENANCE deletes the Job.
        return if is_copy { backup_job::delete(context, &name, None).await } else { Ok(()) };
    }
    if backup_job::is_over(&restored) {
        end(context).await?;
    }
    restored.map(drop)
}

/// Ends a restore of volumes that was interrupted when the present data was gone: the shop must not come back without any. If the operation
/// that is undone replaced no data, returns an error if the data must not be used, as an earlier operation left it.
pub(super) async fn finish(context: &mut OperationContext) -> Result<(), StepError> {
    let operation = &context.operation;
    let replaced_nothing = match operation.kind {
        OperationKind::Restore => !operation.is_behind(Step::Restore),
        _ => operation.precedes_upgrade(),
    };
    if operation.undoing && volumes::is_unfinished(context).await? {
        Box::pin(run(context)).await?;
    } else if operation.undoing && replaced_nothing {
        deploy::check_data(context).await?;
    }
    volumes::end(context).await
}

/// Returns an error if the backup cannot be restored now: it, or a part of it, is gone, or no key opens it.
pub(super) async fn check(context: &OperationContext) -> Result<(), StepError> {
    let (source, storage) = (source(context).await?, context.backups()?);
    open(context, &storage, &source).await?;
    for part in &source.parts {
        let object = source.object(&part.name).map_err(|rule| name_failure(&rule))?;
        let found = context.unless_stopped(storage.storage.read(&object)).await?;
        found.map_err(|error| storage_error(&error))?;
    }
    Ok(())
}

/// The identity that decrypts a backup.
async fn open(context: &OperationContext, storage: &Backups, source: &Backup) -> Result<SecretText, StepError> {
    let wrapped = source.attempt.as_ref().map(|attempt| attempt.wrapped_key.as_str()).unwrap_or_default();
    let opened = context.unless_stopped(storage.keys.open(wrapped)).await?;
    opened.map_err(|error| key_failure(&error))
}

/// Deletes the operation's Job, and waits until its pods have ended: afterwards nothing can replace the shop's data.
pub(super) async fn end(context: &OperationContext) -> Result<(), StepError> {
    backup_job::delete(context, &job_name(context), Some(ENDS_WITHIN)).await
}

/// Deletes the Jobs of a rollback that is undone, and waits until their pods have ended: from then on, only its undo changes the data.
pub(super) async fn stop(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let jobs = context.unless_stopped(cluster.jobs_of(&namespace)).await??;
    let own = jobs.iter().filter(|job| job.operation == context.operation.id && !maintenance::is_page(&job.name));
    for job in own {
        backup_job::delete(context, &job.name, Some(ENDS_WITHIN)).await?;
    }
    Ok(())
}

/// The name of the Job.
pub(in crate::worker) fn job_name(context: &OperationContext) -> String {
    format!("store-restore-{}", restore_id(&context.operation))
}

/// The backup that is read, which cannot be deleted meanwhile; that of a copy may not be complete yet. The undo of an update or a rollback reads the
/// one that it made itself.
async fn source(context: &OperationContext) -> Result<Backup, StepError> {
    if context.operation.undo_restores() {
        let made = context.backup.clone().filter(|backup| backup.state == BackupState::Complete);
        let missing = || Failure::new(Reason::Internal, "The operation has no complete backup.");
        return made.ok_or_else(|| StepError::Failed(missing()));
    }
    let Some(id) = context.operation.restore.map(|restore| restore.backup) else {
        return Err(StepError::Failed(Failure::new(Reason::Internal, "The operation names no backup.")));
    };
    let found = context.unless_stopped(context.tools.queue.backup(id)).await?;
    let found = found.map_err(|error| {
        let failure = Failure::new(Reason::Internal, format!("Backup {id} could not be read: {error}."));
        StepError::Retry { failure, tries: RetryLimit::UntilDeadline, after: None }
    })?;
    match found {
        Some(backup) if backup.state == BackupState::Complete => Ok(backup),
        Some(backup) if backup.state == BackupState::Creating && context.operation.kind == OperationKind::Copy => {
            Ok(backup)
        }
        Some(Backup { state: BackupState::Failed, failure, store_id, .. }) => {
            Err(StepError::Failed(backup_failed(&store_id, failure)))
        }
        _ => {
            let message = format!("Backup {id} no longer exists.");
            Err(StepError::Failed(Failure::new(Reason::RestoreFailed, message)))
        }
    }
}

/// The cause is that of the backup, unless somebody cancelled that: then nobody cancelled the copy.
fn backup_failed(store: &StoreId, cause: Option<Failure>) -> Failure {
    let cause = cause.unwrap_or_else(|| Failure::new(Reason::RestoreFailed, "its cause is not recorded"));
    let reason = if cause.reason == Reason::Cancelled { Reason::RestoreFailed } else { cause.reason };
    let message = format!("The backup of store {store} for this copy was not completed: {}", cause.message);
    Failure::new(reason, message).with_details(cause.details)
}

/// The backup that a copy gets: a live one is made meanwhile, by an operation on the store that is copied.
async fn awaited_source(context: &mut OperationContext) -> Result<Backup, StepError> {
    context.only_waits();
    let mut backoff = Backoff::new(FIRST_CHECK, LONGEST_CHECK);
    let mut announced = false;
    loop {
        let backup = source(context).await?;
        if backup.state == BackupState::Complete {
            return Ok(backup);
        }
        if !announced {
            let message = format!("Waiting until backup {} of {} is complete", backup.id, backup.store_id);
            let event = NewEvent::new(EventType::Waiting, message).in_step(Step::Restore);
            context.emit(vec![event.with("backup_id", backup.id.to_string())], None).await?;
            announced = true;
        }
        context.unless_stopped(tokio::time::sleep(backoff.next())).await?;
    }
}

async fn start(
    context: &OperationContext,
    storage: &Backups,
    engine: &EngineBackup,
    source: &Backup,
    name: &str,
) -> Result<(), StepError> {
    let identity = open(context, storage, source).await?;
    let mut transfer = files::of_restore(identity, storage);
    for part in &engine.parts {
        let Some(stored) = source.parts.iter().find(|stored| stored.name == *part) else {
            let message = format!("Backup {} has no part {part}, which the engine's chart needs.", source.id);
            return Err(StepError::Failed(Failure::new(Reason::RestoreFailed, message)));
        };
        let object = source.object(part).map_err(|rule| name_failure(&rule))?;
        let url = context.unless_stopped(storage.storage.download_url(&object, storage.url_validity)).await?;
        files::add_download(&mut transfer, stored, url.map_err(|error| storage_error(&error))?);
    }
    let spec = JobSpec {
        name: name.to_owned(),
        template: engine.restore.clone(),
        store_uid: context.store.uid,
        operation: context.operation.id,
        fence: context.lease.fence,
        deadline: storage.url_validity,
        retries: RETRIES,
        files: transfer,
    };
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    Box::pin(context.unless_stopped(cluster.ensure_job(&namespace, &spec))).await??;
    Ok(())
}
