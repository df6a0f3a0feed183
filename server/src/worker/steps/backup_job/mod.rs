//! What the Jobs of backups and restores have in common: names, how they are followed, `files` that they get, how they `ended`; and how much of
//! their `uploads` has arrived.

pub(super) mod ended;
pub(super) mod files;
pub(super) mod uploads;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{Operation, OperationKind, Step};
use storeplane_core::transition::{backup as changes, operation as transition};
use uuid::Uuid;

use self::uploads::Uploads;
use crate::kube::{ClusterError, ClusterErrorKind, JobUpdate};
use crate::secret::SecretText;
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

/// Kubernetes does not replace a failed pod: an upload cannot be used twice, and the control plane says why it failed.
pub(super) const RETRIES: u16 = 0;
/// How long the pods of a deleted Job may take to end, before that is reported: longer than their grace period.
pub(super) const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// The end of an id, for names of Jobs. An id begins with its time, so its end tells ids apart.
pub(super) fn id_end(id: Uuid) -> String {
    let id = id.simple().to_string();
    id.get(id.len().saturating_sub(12)..).unwrap_or_default().to_owned()
}

/// Names the restore of an operation. A rollback restores one backup, and its undo another: neither takes the other's Jobs and records for its own.
pub(super) fn restore_id(operation: &Operation) -> String {
    let id = id_end(operation.id.0);
    let is_undo = operation.kind == OperationKind::Rollback && operation.undoing;
    if is_undo { format!("{id}-undo") } else { id }
}

/// What happens to a Job.
enum Next {
    Update(Option<Result<JobUpdate, ClusterError>>),
    Uploaded(Vec<(String, u64)>),
}

/// True if this operation has a Job of that name that was started. One whose creation was interrupted runs only if it is created again.
pub(super) async fn is_started(context: &OperationContext, name: &str) -> Result<bool, ClusterError> {
    let jobs = context.tools.cluster.jobs_of(&context.store.placement.namespace).await?;
    Ok(jobs.iter().any(|job| job.name == name && job.operation == context.operation.id && job.started))
}

/// Follows a Job until it has succeeded, and returns the termination messages of its containers. `what` it makes: "backup". Reports how much of
/// its uploads has arrived.
pub(super) async fn follow(
    context: &mut OperationContext,
    name: &str,
    (step, what): (Step, &str),
    mut uploads: Option<&mut Uploads>,
) -> Result<BTreeMap<String, SecretText>, StepError> {
    let mut updates = context.tools.cluster.watch_job(&context.store.placement.namespace, name);
    loop {
        let next = async {
            tokio::select! {
                update = updates.next() => Next::Update(update),
                arrived = uploads::grown(uploads.as_deref_mut()) => Next::Uploaded(arrived),
            }
        };
        let update = match context.unless_stopped(next).await? {
            Next::Update(update) => update,
            Next::Uploaded(arrived) => {
                context.write(&|snapshot| Ok(changes::progressed(snapshot, &arrived))).await?;
                continue;
            }
        };
        match update {
            Some(Ok(JobUpdate::Waiting(failure))) => {
                let event = NewEvent::new(EventType::Waiting, failure.message.clone()).in_step(step);
                context.emit(vec![event.because(&failure)], Some(failure)).await?;
            }
            Some(Ok(JobUpdate::Running)) => {
                if context.waiting().is_some() {
                    context.write(&|snapshot| Ok(transition::resumed(snapshot, Vec::new()))).await?;
                }
            }
            Some(Ok(JobUpdate::Succeeded(messages))) => return Ok(messages),
            Some(Ok(JobUpdate::Failed(failure))) => return Err(ended::failed(&failure, what)),
            Some(Ok(JobUpdate::Blocked(failure))) => return Err(StepError::Failed(failure)),
            Some(Ok(JobUpdate::Gone)) | None => {
                let failure =
                    Failure::new(Reason::BackupJobFailed, format!("The Job {name} was deleted while it ran."));
                return Err(StepError::Retry { failure, tries: RetryLimit::Bounded, after: None });
            }
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

/// Deletes a Job with its Secret; with a time limit, waits until its pods are gone.
pub(super) async fn delete(context: &OperationContext, name: &str, within: Option<Duration>) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    match context.unless_stopped(cluster.delete_job(&namespace, name, within)).await? {
        Err(error) if error.kind() == ClusterErrorKind::Stuck => {
            let failure =
                Failure::new(Reason::BackupJobFailed, format!("The pods of Job {name} are still terminating."));
            Err(StepError::Retry {
                failure: failure.with_details([error.to_string()]),
                tries: RetryLimit::UntilDeadline,
                after: None,
            })
        }
        deleted => Ok(deleted?),
    }
}

/// True if the Job ended, or another one is needed: not if the worker just stops.
pub(super) fn is_over<T>(result: &Result<T, StepError>) -> bool {
    !matches!(result, Err(StepError::Stopped | StepError::OutOfTime | StepError::Lost))
}
