//! ROLLOUT: everything in the release is ready. Reports changes of resources, and what blocks them.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{OperationKind, Step};
use storeplane_core::transition::{operation as transition, revision as recorded};

use tokio::time::Instant;

use super::{backup_job, maintenance};
use crate::kube::{ClusterError, ResourceStatus, RolloutUpdate, WorkloadPods};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// Maximum number of simultaneous changes reported in one write.
const TOGETHER: usize = 32;
/// How long the test of a changed shop waits for its former pods to end.
const REPLACED_WITHIN: Duration = Duration::from_mins(1);
/// Interval between looks at them.
const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    context.only_waits();
    if context.operation.kind.restarts_pods() {
        restart(context).await?;
    }
    if context.operation.is_retry() {
        remove_leftovers(context, Step::Rollout).await?;
    }
    let release = context.release_name();
    let updates = context.tools.cluster.rollout(&release.namespace, &release.name);
    let mut updates = updates.ready_chunks(TOGETHER);
    let mut reported = ReportedStates::default();
    loop {
        let Some(batch) = context.unless_stopped(updates.next()).await? else {
            let failure = Failure::new(Reason::Internal, "The watch of the release ended without a result.");
            return Err(StepError::Failed(failure));
        };
        if let Some(end) = emit(context, &mut reported, batch).await? {
            end?;
            return record_images(context).await;
        }
    }
}

/// Records which images the pods run: a tag may name another image tomorrow. After an update, once the former pods have ended: they answer until
/// then, and the test that follows is to reach the new ones.
async fn record_images(context: &mut OperationContext) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let until = Instant::now() + REPLACED_WITHIN;
    let images = loop {
        let WorkloadPods { images, are_ending } = context.unless_stopped(cluster.workload_pods(&namespace)).await??;
        if !are_ending || !context.operation.kind.applies_settings() || Instant::now() >= until {
            break images;
        }
        context.unless_stopped(tokio::time::sleep(LOOK)).await?;
    };
    if images.is_empty() {
        return Ok(());
    }
    context.write_with_next(move |snapshot| Ok(recorded::running(snapshot, &images)));
    Ok(())
}

/// Pods that are older than their Secrets have old values: lost ones that were generated again, or rotated ones.
async fn restart(context: &mut OperationContext) -> Result<(), StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    let rotated = context.operation.kind == OperationKind::RotateCredentials;
    let restarting = cluster.restart_older_than_secrets(&release.namespace, &release.name, rotated);
    let restarted = context.unless_stopped(restarting).await??;
    let reported = restarted.iter().map(|workload| {
        let message = format!("{workload} is restarted: its pods are older than their Secrets");
        NewEvent::new(EventType::ResourceChanged, message).in_step(Step::Rollout)
    });
    let reported: Vec<_> = reported.collect();
    if reported.is_empty() { Ok(()) } else { context.emit(reported, None).await }
}

/// Removes what earlier operations left, and what would block this one.
pub(super) async fn remove_leftovers(context: &mut OperationContext, step: Step) -> Result<(), StepError> {
    Box::pin(remove_left_jobs(context, step)).await?;
    Box::pin(replace_outdated(context, step)).await
}

/// A restore whose end failed may have left the shop offline. Jobs that could still exchange its data end before it is online again.
async fn remove_left_jobs(context: &mut OperationContext, step: Step) -> Result<(), StepError> {
    let maintenance = context.engine().await?.backup.and_then(|backup| backup.maintenance);
    let Some(maintenance) = maintenance.filter(|_| !context.simulated) else { return Ok(()) };
    let (cluster, namespace, current) =
        (context.tools.cluster.clone(), context.store.placement.namespace.clone(), context.operation.id);
    let jobs = context.unless_stopped(cluster.jobs_of(&namespace)).await??;
    for job in jobs.into_iter().filter(|job| job.operation != current && !maintenance::is_page(&job.name)) {
        backup_job::delete(context, &job.name, Some(backup_job::ENDS_WITHIN)).await?;
        let message = format!("Job {} is deleted: an earlier operation left it", job.name);
        let event = NewEvent::new(EventType::ResourceChanged, message).in_step(step);
        context.emit(vec![event], None).await?;
    }
    let ended = maintenance::end_of(context, &maintenance, current, step).await;
    maintenance::remove_pages(context, step).await?;
    ended
}

/// A StatefulSet never replaces a pod of an older revision that did not become ready, which blocks the corrected one.
async fn replace_outdated(context: &mut OperationContext, step: Step) -> Result<(), StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    let deleting = cluster.delete_outdated_pods(&release.namespace, &release.name);
    let deleted = Box::pin(context.unless_stopped(deleting)).await??;
    let reported = deleted.iter().map(|pod| {
        let message = format!("Pod {pod} is deleted: it was not ready, and is of an older revision of its StatefulSet");
        NewEvent::new(EventType::ResourceChanged, message).in_step(step)
    });
    let reported: Vec<_> = reported.collect();
    if reported.is_empty() { Ok(()) } else { context.emit(reported, None).await }
}

/// The last reported state of each resource.
#[derive(Default)]
struct ReportedStates(HashMap<String, String>);

async fn emit(
    context: &mut OperationContext,
    reported: &mut ReportedStates,
    batch: Vec<Result<RolloutUpdate, ClusterError>>,
) -> Result<Option<Result<(), StepError>>, StepError> {
    let (mut events, mut waiting, mut resumed, mut end) = (Vec::new(), None, false, None);
    for update in batch {
        match update {
            Ok(RolloutUpdate::Resource(status)) => events.push(reported.changed(&status)),
            Ok(RolloutUpdate::Waiting(failure)) => {
                let event = NewEvent::new(EventType::Waiting, failure.message.clone());
                events.push(event.in_step(Step::Rollout).because(&failure));
                waiting = Some(failure);
            }
            Ok(RolloutUpdate::Resumed) => (waiting, resumed) = (None, true),
            Ok(RolloutUpdate::Ready) => end = Some(Ok(())),
            Ok(RolloutUpdate::Failed(failure)) => end = Some(Err(StepError::Failed(failure))),
            Err(error) => end = Some(Err(error.into())),
        }
    }
    if resumed {
        context.write(&|snapshot| Ok(transition::resumed(snapshot, events.clone()))).await?;
        if let Some(waiting) = waiting {
            context.emit(Vec::new(), Some(waiting)).await?;
        }
    } else if matches!(end, Some(Ok(()))) {
        context.write_with_next(move |snapshot| Ok(transition::progress(snapshot, events.clone(), waiting.clone())));
    } else if !events.is_empty() {
        context.emit(events, waiting).await?;
    }
    Ok(end)
}

impl ReportedStates {
    fn changed(&mut self, status: &ResourceStatus) -> NewEvent {
        let key = format!("{} {}", status.kind, status.name);
        let before = self.0.insert(key.clone(), status.phase.clone());
        let message = match &before {
            Some(before) => format!("{key} {before} → {}", status.phase),
            None => format!("{key} {}", status.phase),
        };
        NewEvent::new(EventType::ResourceChanged, message)
            .in_step(Step::Rollout)
            .with("kind", status.kind.to_string())
            .with("name", status.name.clone())
            .with("phase", status.phase.clone())
            .with("ready", status.ready.to_string())
            .with("desired", status.desired.to_string())
    }
}
