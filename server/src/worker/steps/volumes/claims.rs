//! The claims of a shop's volumes are replaced, and the new ones are made for a Job that mounts them.

use std::time::Duration;

use storeplane_core::engine::{DataVolume, VolumeUser};
use storeplane_core::operation::OperationKind;
use tokio::time::Instant;

use super::super::backup_job::{self, restore_id};
use crate::backoff::Backoff;
use crate::kube::{ClaimReplaced, ClaimSource, ClusterError, ClusterErrorKind, JobSpec, JobUpdate, VolumeRecord};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// Replacements of failed pods of a Job that mounts a volume.
const RETRIES: u16 = 1;

/// Why a phase did not succeed.
pub(super) enum Problem {
    /// The step ends.
    Step(StepError),
    /// The snapshots are not used: why.
    Snapshots(String),
}

impl From<StepError> for Problem {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<ClusterError> for Problem {
    /// While the API server is away, nothing else works either.
    fn from(error: ClusterError) -> Self {
        if error.is_outage() || error.kind() == ClusterErrorKind::Fenced {
            return Self::Step(error.into());
        }
        Self::Snapshots(error.to_string())
    }
}

/// Replaces each claim, unless that was done.
pub(super) async fn replace(
    context: &mut OperationContext,
    record: &VolumeRecord,
    source: ClaimSource,
    until: Option<Instant>,
) -> Result<(), Problem> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let how = if source == ClaimSource::Snapshot { "snapshot" } else { "empty" };
    let is_undo = context.operation.kind == OperationKind::Rollback && context.operation.undoing;
    let mark = format!("{}-{how}{}", context.operation.id, if is_undo { "-undo" } else { "" });
    for (claim, snapshot) in &record.claims {
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let mut backoff = backoff();
        loop {
            let by = (mark.as_str(), context.lease.fence);
            let replaced = cluster.replace_claim(&namespace, (claim, snapshot), source, by);
            let why = match Box::pin(context.unless_stopped(replaced)).await? {
                Ok(ClaimReplaced::Done) => break,
                Ok(ClaimReplaced::Waiting) => "it is still being deleted".to_owned(),
                // The quota counts the old claim a moment longer.
                Err(error) if error.kind() == ClusterErrorKind::Denied || error.retryable() => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(Problem::Snapshots(format!("the claim {name} was not replaced: {why}")));
            }
            context.unless_stopped(tokio::time::sleep(backoff.next())).await?;
        }
    }
    Ok(())
}

/// A Job that mounts a volume has succeeded: volumes that are made for their first pod are made now, and can be read.
pub(super) async fn mount(
    context: &mut OperationContext,
    at: usize,
    template: &str,
    (within, until): (Duration, Instant),
) -> Result<(), Problem> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let spec = JobSpec {
        name: mount_name(context, at),
        template: template.to_owned(),
        store_uid: context.store.uid,
        operation: context.operation.id,
        fence: context.lease.fence,
        deadline: within,
        retries: RETRIES,
        files: std::collections::BTreeMap::new(),
    };
    Box::pin(context.unless_stopped(cluster.ensure_job(&namespace, &spec))).await??;
    let mut updates = cluster.watch_job(&namespace, &spec.name);
    let mut waits = String::new();
    let why = loop {
        let next = tokio::time::timeout_at(until, futures::StreamExt::next(&mut updates));
        match context.unless_stopped(next).await? {
            Ok(Some(Ok(JobUpdate::Succeeded(_)))) => {
                return Ok(backup_job::delete(context, &spec.name, None).await?);
            }
            Ok(Some(Ok(JobUpdate::Waiting(failure)))) => waits = failure.message,
            Ok(Some(Ok(JobUpdate::Running))) => {}
            Ok(Some(Ok(JobUpdate::Blocked(failure)))) => break failure.message,
            Ok(Some(Ok(JobUpdate::Failed(failure)))) => break failure.message,
            Ok(Some(Err(error))) => return Err(error.into()),
            Ok(Some(Ok(JobUpdate::Gone)) | None) => break "it was deleted".to_owned(),
            Err(_) => break format!("it has not ended after {} s. {waits}", within.as_secs()),
        }
    };
    Err(Problem::Snapshots(format!("the Job {}, which mounts a volume, did not succeed: {why}", spec.name)))
}

/// Volumes that a Job mounts: their positions and the `PodTemplate`s.
pub(super) fn mounted(volumes: &[DataVolume]) -> impl Iterator<Item = (usize, &str)> {
    volumes.iter().enumerate().filter_map(|(at, volume)| match &volume.user {
        VolumeUser::Mount(template) => Some((at, template.as_str())),
        VolumeUser::StatefulSet(_) => None,
    })
}

pub(super) fn mount_name(context: &OperationContext, at: usize) -> String {
    format!("store-mount-{}-{at}", restore_id(&context.operation))
}

pub(super) fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(2))
}
