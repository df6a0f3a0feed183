//! `BACK_UP`: a Job reads the shop's data, encrypts it and uploads it.
//!
//! Each run of the Job has a key and uploads of its own, stored before it starts: after a restart, a Job that runs is followed. If there
//! is none, another run begins, because the URLs of the first one are stored nowhere.

use storeplane_core::backup::{Attempt, Backup, PartUpload, Progress};
use storeplane_core::engine::EngineBackup;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use storeplane_core::transition::backup as changes;

use super::backup_job::uploads::Uploads;
use super::backup_job::{self, RETRIES, ended, files, id_end};
use super::volumes;
use crate::backups::Backups;
use crate::kube::JobSpec;
use crate::worker::backup_errors::{key_failure, name_failure, storage_error};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// Maximum number of pieces of a part. The URLs of two parts, of up to 600 bytes each, are in one Secret, which Kubernetes limits to 1 MiB.
const PIECES_MAX: u16 = 800;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    if context.operation.is_behind(Step::BackUp) {
        return Ok(());
    }
    let Some(backup) = context.backup.clone() else {
        return Err(StepError::Failed(Failure::new(Reason::Internal, "The operation has no backup.")));
    };
    if context.simulated {
        if backup.attempt.is_none() {
            // As of any backup: with an attempt, what is stored is removed unless the backup is completed.
            let key = context.unless_stopped(context.backups()?.keys.make()).await?;
            let wrapped_key = key.map_err(|error| key_failure(&error))?.wrapped;
            let attempt = Attempt { number: 1, wrapped_key, uploads: Vec::new(), progress: Progress::default() };
            context.write(&|snapshot| Ok(changes::attempt_started(snapshot, &attempt))).await?;
        }
        return context.emit_simulated(Step::BackUp).await;
    }
    if !backup.parts.is_empty() {
        return Ok(());
    }
    let storage = context.backups()?;
    let engine = context.engine_backup().await?;
    let name = match backup.attempt.as_ref().map(|attempt| job_name(&backup, attempt.number)) {
        Some(name) if context.unless_stopped(backup_job::is_started(context, &name)).await?? => name,
        _ => Box::pin(start(context, &storage, &engine, &backup)).await?,
    };
    context.only_waits();
    let mut uploads = Uploads::of(context, &storage);
    let messages = backup_job::follow(context, &name, (Step::BackUp, "backup"), Some(&mut uploads)).await;
    // Also after a failure: its Secret has URLs, and another run needs its place in the quota.
    if backup_job::is_over(&messages) {
        backup_job::delete(context, &name, None).await?;
    }
    let parts = ended::parts(&engine.parts, &messages?)?;
    context.write(&|snapshot| Ok(changes::uploaded(snapshot, &parts))).await
}

/// The name of a run of the Job.
pub(in crate::worker) fn job_name(backup: &Backup, attempt: u32) -> String {
    format!("store-backup-{}-{attempt}", id_end(backup.id.0))
}

/// Begins another run: what an earlier one uploaded is removed.
async fn start(
    context: &mut OperationContext,
    storage: &Backups,
    engine: &EngineBackup,
    backup: &Backup,
) -> Result<String, StepError> {
    let number = backup.attempt.as_ref().map_or(1, |attempt| attempt.number + 1);
    if let Some(earlier) = &backup.attempt {
        backup_job::delete(context, &job_name(backup, earlier.number), None).await?;
    }
    context
        .unless_stopped(storage.storage.delete_prefix(&backup.prefix()))
        .await?
        .map_err(|error| storage_error(&error))?;
    let key = context.unless_stopped(storage.keys.make()).await?.map_err(|error| key_failure(&error))?;
    let mut transfer = files::of_backup(&key, storage);
    let mut uploads = Vec::new();
    for part in &engine.parts {
        let object = backup.object(part).map_err(|rule| name_failure(&rule))?;
        let begun = storage.storage.begin_upload(&object, PIECES_MAX, storage.url_validity);
        let upload = context.unless_stopped(begun).await?.map_err(|error| storage_error(&error))?;
        files::add_urls(&mut transfer, part, &upload.urls);
        uploads.push(PartUpload { part: part.clone(), upload: upload.id });
    }
    let progress = backup.attempt.as_ref().map(|earlier| earlier.progress.of_next_run()).unwrap_or_default();
    let attempt = Attempt { number, wrapped_key: key.wrapped, uploads, progress };
    context.write(&|snapshot| Ok(changes::attempt_started(snapshot, &attempt))).await?;
    volumes::take(context, backup).await?;
    let spec = JobSpec {
        name: job_name(backup, number),
        template: engine.create.clone(),
        store_uid: context.store.uid,
        operation: context.operation.id,
        fence: context.lease.fence,
        deadline: storage.url_validity,
        retries: RETRIES,
        files: transfer,
    };
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    Box::pin(context.unless_stopped(cluster.ensure_job(&namespace, &spec))).await??;
    Ok(spec.name)
}
