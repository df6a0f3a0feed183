//! Volumes that are made from the snapshots of a backup: what uses them is stopped, their claims are replaced, and what uses them starts again.
//!
//! Each phase can be repeated. The phase, and the claims to create, are stored in the cluster before anything depends on them
//! ([`VolumeRecord`]). From [`VolumePhase::FromSnapshots`] on, the present data is gone: the operation can no longer be cancelled until the shop
//! has the data of the backup, be it imported into empty volumes.

use std::time::Duration;

use storeplane_core::backup::Backup;
use storeplane_core::engine::{DataVolume, VolumeUser};
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use tokio::time::Instant;

use super::super::backup_job::{self, ENDS_WITHIN, id_end, restore_id};
use super::claims::{Problem, backoff, mount, mount_name, mounted, replace};
use crate::kube::{ClaimSource, VolumePhase, VolumeRecord, as_new, is_bound, is_replaceable};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

/// How long snapshots of the present data may take until the volumes can be deleted.
const REPLACEABLE_WITHIN: Duration = Duration::from_mins(1);
/// How long pods may take to end.
const PODS_END_WITHIN: Duration = Duration::from_mins(5);
/// Begins the names of records.
const RECORD: &str = "store-volumes-";

/// Gives the shop's volumes the data of this backup. False if it has to be imported: there are no snapshots, or they cannot be used.
pub(in super::super) async fn restore(context: &mut OperationContext, source: &Backup) -> Result<bool, StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let volumes = context.engine_backup().await?.volumes;
    let mut record = match context.unless_stopped(cluster.volume_record(&namespace, &record_name(context))).await?? {
        Some(record) => record,
        None => match begin(context, &volumes, source).await {
            Ok(Some(record)) => record,
            // An import needs what an earlier restore may have stopped and not started again.
            Ok(None) => {
                start(context, &volumes).await?;
                return Ok(false);
            }
            Err(problem) => {
                let unused = unused(context, problem, source).await?;
                start(context, &volumes).await?;
                return Ok(unused);
            }
        },
    };
    loop {
        if record.phase.has_no_data() {
            context.cannot_be_cancelled();
        }
        let next = match record.phase {
            VolumePhase::Done => return Ok(true),
            VolumePhase::Import => return Ok(false),
            VolumePhase::Stop => match stop(context, &volumes).await {
                Ok(()) => VolumePhase::FromSnapshots,
                Err(problem) => {
                    let unused = unused(context, problem, source).await?;
                    start(context, &volumes).await?;
                    context.unless_stopped(cluster.delete_volume_records(&namespace, &record_name(context))).await??;
                    return Ok(unused);
                }
            },
            VolumePhase::FromSnapshots => match from_snapshots(context, &volumes, &record).await {
                Ok(()) => VolumePhase::Done,
                Err(problem) => {
                    unused(context, problem, source).await?;
                    VolumePhase::Empty
                }
            },
            VolumePhase::Empty => {
                empty(context, &volumes, &record).await?;
                VolumePhase::Import
            }
        };
        record.phase = next;
        store(context, &record).await?;
        if next == VolumePhase::Done {
            let message = format!("The volumes are those of the snapshots of backup {}", source.id);
            let event = NewEvent::new(EventType::ResourceChanged, message).in_step(Step::Restore);
            context.emit(vec![event.with("backup_id", source.id.to_string())], None).await?;
        }
    }
}

/// True if the present data is gone, and the data of the backup is not there yet.
pub(in super::super) async fn is_unfinished(context: &OperationContext) -> Result<bool, StepError> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let record = context.unless_stopped(cluster.volume_record(namespace, &record_name(context))).await??;
    Ok(record.is_some_and(|record| record.phase.has_no_data()))
}

/// Returns an error if a restore has replaced the volumes and could not give them data: the shop would start empty.
pub(in super::super) async fn check_data(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    if context.store.ready_at.is_none() {
        return Ok(());
    }
    let unfinished = context.unless_stopped(cluster.unfinished_volume_records(namespace, RECORD)).await??;
    // Also that of a rollback which is undone.
    let own = format!("{RECORD}{}", id_end(context.operation.id.0));
    match unfinished.iter().find(|name| **name != own && **name != record_name(context)) {
        None => Ok(()),
        Some(name) => {
            let message =
                "A restore has replaced the shop's volumes and could not read the backup into them. Restore a backup.";
            let failure = Failure::new(Reason::RestoreFailed, message);
            Err(StepError::Failed(failure.with_details([format!("ConfigMap {name} records it")])))
        }
    }
}

/// The data of the backup was imported: nothing is left to do, also after a restart.
pub(in super::super) async fn imported(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let record = context.unless_stopped(cluster.volume_record(namespace, &record_name(context))).await??;
    match record {
        Some(record) => store(context, &VolumeRecord { phase: VolumePhase::Done, ..record }).await,
        None => Ok(()),
    }
}

/// Starts what was stopped, and deletes what the restore had to remember.
pub(in super::super) async fn end(context: &mut OperationContext) -> Result<(), StepError> {
    let volumes = context.engine_backup().await?.volumes;
    if volumes.is_empty() {
        return Ok(());
    }
    start(context, &volumes).await?;
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    for (at, _) in mounted(&volumes) {
        backup_job::delete(context, &mount_name(context, at), None).await?;
    }
    // Also those of earlier operations, which could not end.
    Ok(context.unless_stopped(cluster.delete_volume_records(namespace, RECORD)).await??)
}

/// What is needed before anything is stopped. `None` if the backup has no snapshots, or if they are not wanted.
async fn begin(
    context: &OperationContext,
    volumes: &[DataVolume],
    source: &Backup,
) -> Result<Option<VolumeRecord>, Problem> {
    let settings = context.backups()?.snapshots;
    let covers = |volume: &DataVolume| source.snapshots.iter().any(|snapshot| snapshot.claim == volume.claim);
    if !settings.makes_snapshots() || volumes.is_empty() || !source.has_ready_snapshots() {
        return Ok(None);
    }
    let problem = |why: String| Err(Problem::Snapshots(why));
    if let Some(volume) = volumes.iter().find(|volume| !covers(volume)) {
        return problem(format!("there is none of the volume {}", volume.claim));
    }
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let found = context.unless_stopped(cluster.snapshots_of(namespace)).await??;
    let mut claims = Vec::new();
    for volume in volumes {
        if let VolumeUser::Mount(template) = &volume.user
            && !context.unless_stopped(cluster.has_pod_template(namespace, template)).await??
        {
            return problem(format!("the release has no PodTemplate {template}"));
        }
        let usable = found.iter().find(|it| it.backup == source.id && it.snapshot.claim == volume.claim);
        let Some(usable) = usable.filter(|usable| usable.snapshot.ready) else {
            return problem(format!("that of the volume {} is missing or not ready", volume.claim));
        };
        let claim = replaceable(context, &volume.claim).await?;
        claims.push((as_new(&claim, usable.restore_size.as_deref()), usable.snapshot.name.clone()));
    }
    let record = VolumeRecord { phase: VolumePhase::Stop, claims };
    store(context, &record).await?;
    Ok(Some(record))
}

/// The claim, once it can be deleted.
async fn replaceable(
    context: &OperationContext,
    name: &str,
) -> Result<k8s_openapi::api::core::v1::PersistentVolumeClaim, Problem> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let (until, mut backoff) = (Instant::now() + REPLACEABLE_WITHIN, backoff());
    loop {
        match context.unless_stopped(cluster.claim(namespace, name)).await?? {
            Some(claim) if is_replaceable(&claim) => return Ok(claim),
            Some(_) if Instant::now() < until => context.unless_stopped(tokio::time::sleep(backoff.next())).await?,
            Some(_) => {
                return Err(Problem::Snapshots(format!("the volume {name} is in use by a snapshot or not bound")));
            }
            None => return Err(Problem::Snapshots(format!("the claim {name} does not exist"))),
        }
    }
}

/// Nothing uses the volumes afterwards.
async fn stop(context: &mut OperationContext, volumes: &[DataVolume]) -> Result<(), Problem> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    for set in stateful_sets(volumes) {
        if let Some(before) = context.unless_stopped(cluster.stop_stateful_set(&namespace, set)).await?? {
            changed(context, format!("StatefulSet {set} is scaled from {before} to 0 replicas")).await?;
        }
    }
    let claims: Vec<_> = volumes.iter().map(|volume| volume.claim.as_str()).collect();
    let (until, mut backoff) = (Instant::now() + PODS_END_WITHIN, backoff());
    loop {
        let left = context.unless_stopped(cluster.pods_with_claims(&namespace, &claims)).await??;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(Problem::Snapshots(format!("pods that use the volumes do not end: {}", left.join(", "))));
        }
        context.unless_stopped(tokio::time::sleep(backoff.next())).await?;
    }
}

/// What [`stop`] stopped runs again.
async fn start(context: &mut OperationContext, volumes: &[DataVolume]) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    for set in stateful_sets(volumes) {
        if let Some(replicas) = context.unless_stopped(cluster.start_stateful_set(&namespace, set)).await?? {
            changed(context, format!("StatefulSet {set} is scaled back to {replicas} replicas")).await?;
        }
    }
    Ok(())
}

async fn from_snapshots(
    context: &mut OperationContext,
    volumes: &[DataVolume],
    record: &VolumeRecord,
) -> Result<(), Problem> {
    let within = context.backups()?.snapshots.timeout;
    let until = Instant::now() + within;
    replace(context, record, ClaimSource::Snapshot, Some(until)).await?;
    start(context, volumes).await?;
    for (at, template) in mounted(volumes) {
        mount(context, at, template, (within, until)).await?;
    }
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let mut backoff = backoff();
    loop {
        let Some(waits) = unready(context, volumes).await? else { return Ok(()) };
        if Instant::now() < until {
            context.unless_stopped(tokio::time::sleep(backoff.next())).await?;
            continue;
        }
        let why = match waits {
            Unready::Claim(claim) => {
                let warning = context.unless_stopped(cluster.claim_warning(&namespace, claim)).await??;
                format!("the claim {claim} is not bound: {}", warning.as_deref().unwrap_or("no event says why"))
            }
            Unready::StatefulSet(set) => format!("the StatefulSet {set} is not ready"),
        };
        return Err(Problem::Snapshots(format!("after {} s, {why}", within.as_secs())));
    }
}

/// Empty volumes, whatever state they are in.
pub(super) async fn empty(
    context: &mut OperationContext,
    volumes: &[DataVolume],
    record: &VolumeRecord,
) -> Result<(), StepError> {
    for (at, _) in mounted(volumes) {
        backup_job::delete(context, &mount_name(context, at), Some(ENDS_WITHIN)).await?;
    }
    let emptied = async {
        stop(context, volumes).await?;
        replace(context, record, ClaimSource::Nothing, None).await
    };
    match emptied.await {
        Ok(()) => start(context, volumes).await,
        Err(Problem::Step(error)) => Err(error),
        Err(Problem::Snapshots(why)) => Err(refused(&why)),
    }
}

/// What is not ready yet.
enum Unready<'a> {
    Claim(&'a str),
    StatefulSet(&'a str),
}

async fn unready<'a>(context: &OperationContext, volumes: &'a [DataVolume]) -> Result<Option<Unready<'a>>, Problem> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    for DataVolume { claim, .. } in volumes {
        let found = context.unless_stopped(cluster.claim(namespace, claim)).await??;
        if !found.as_ref().is_some_and(is_bound) {
            return Ok(Some(Unready::Claim(claim)));
        }
    }
    for set in stateful_sets(volumes) {
        if !context.unless_stopped(cluster.is_stateful_set_ready(namespace, set)).await?? {
            return Ok(Some(Unready::StatefulSet(set)));
        }
    }
    Ok(None)
}

/// Reports that the snapshots are not used. False, for the caller to return.
async fn unused(context: &mut OperationContext, problem: Problem, source: &Backup) -> Result<bool, StepError> {
    let why = match problem {
        Problem::Step(error) => return Err(error),
        Problem::Snapshots(why) => why,
    };
    tracing::warn!(why, backup_id = %source.id, "a store is not restored from snapshots");
    let message = format!("The snapshots of backup {} are not used, it is imported instead: {why}", source.id);
    let event = NewEvent::new(EventType::Waiting, message).in_step(Step::Restore);
    context.emit(vec![event.with("backup_id", source.id.to_string())], None).await?;
    Ok(false)
}

pub(super) async fn changed(context: &mut OperationContext, message: String) -> Result<(), StepError> {
    context.emit(vec![NewEvent::new(EventType::ResourceChanged, message).in_step(Step::Restore)], None).await
}

pub(super) async fn store(context: &OperationContext, record: &VolumeRecord) -> Result<(), StepError> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let (name, by) = (record_name(context), (context.store.uid, context.operation.id, context.lease.fence));
    Ok(context.unless_stopped(cluster.store_volume_record(namespace, &name, by, record)).await??)
}

fn refused(why: &str) -> StepError {
    let failure = Failure::new(Reason::RestoreFailed, format!("The volumes could not be emptied: {why}."));
    StepError::Retry { failure, tries: RetryLimit::UntilDeadline, after: None }
}

fn stateful_sets(volumes: &[DataVolume]) -> impl Iterator<Item = &str> {
    volumes.iter().filter_map(|volume| match &volume.user {
        VolumeUser::StatefulSet(name) => Some(name.as_str()),
        VolumeUser::Mount(_) => None,
    })
}

pub(super) fn record_name(context: &OperationContext) -> String {
    format!("{RECORD}{}", restore_id(&context.operation))
}
