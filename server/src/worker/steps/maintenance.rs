//! MAINTENANCE takes the shop offline, `END_MAINTENANCE` puts it back. What has to be remembered is in the cluster's objects.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use storeplane_core::engine::Maintenance;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::ids::OperationId;
use storeplane_core::operation::{OperationKind, Step};
use tokio::time::Instant;

use super::backup_job::id_end;
use super::{deploy, restore, upgrade, verify};
use crate::kube::{ClusterError, JobSpec, MaintenanceUpdate};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// How often Kubernetes replaces a failed pod of the page.
const RETRIES: u16 = 5;
/// Begins the names of the Jobs that serve a page.
const PAGE: &str = "store-maintenance-";
/// How long a shop may take to become ready before its page is removed nevertheless.
const ONLINE_WITHIN: Duration = Duration::from_mins(10);

pub(super) async fn begin(context: &mut OperationContext) -> Result<(), StepError> {
    // The data is restored, or the new version is deployed, already: after a restart, the shop does not go offline again.
    if context.operation.is_behind(Step::Restore) || context.operation.is_behind(Step::Upgrade) {
        return Ok(());
    }
    // A shop that an earlier operation left without its data is not put back online by the undo of this one.
    let deployed = if context.operation.kind.applies_settings() { deploy::check_data(context).await? } else { None };
    // What makes the operation impossible is found while the shop still sells.
    if context.operation.restore.is_some() && !context.simulated {
        restore::check(context).await?;
    }
    if context.operation.kind.applies_settings() {
        upgrade::check(context, deployed.as_ref()).await?;
        verify::before_update(context).await?;
    }
    take_offline(context, Step::Maintenance).await
}

/// Starts the page, and waits until no pod of the shop is left. What is so already is not done again.
pub(super) async fn take_offline(context: &mut OperationContext, step: Step) -> Result<(), StepError> {
    let Some(maintenance) = of_engine(context, step).await? else { return Ok(()) };
    context.only_waits();
    let page = JobSpec {
        name: page_name(context.operation.id),
        template: maintenance.template.clone(),
        store_uid: context.store.uid,
        operation: context.operation.id,
        fence: context.lease.fence,
        deadline: OperationKind::Restore.budget().unsigned_abs(),
        retries: RETRIES,
        files: std::collections::BTreeMap::new(),
    };
    let namespace = context.store.placement.namespace.clone();
    let updates = context.tools.cluster.begin_maintenance(&namespace, &maintenance, page);
    follow(context, updates, step, None).await
}

pub(super) async fn end(context: &mut OperationContext) -> Result<(), StepError> {
    // The new version was tested. Half-way the page may answer beside the shop, or instead of it.
    if context.operation.migrates_data() {
        context.cannot_be_cancelled();
    }
    let maintenance = of_engine(context, Step::EndMaintenance).await?;
    if maintenance.is_some() {
        context.only_waits();
        // Before the shop sells again.
        restore::finish(context).await?;
        restore::end(context).await?;
    }
    if context.operation.migrates_data() {
        context.works();
        upgrade::end_maintenance(context).await?;
    } else if maintenance.is_some() && context.operation.is_behind(Step::Restore) {
        upgrade::end_left_mode(context).await?;
    }
    let Some(maintenance) = maintenance else { return Ok(()) };
    context.only_waits();
    end_of(context, &maintenance, context.operation.id, Step::EndMaintenance).await?;
    remove_pages(context, Step::EndMaintenance).await
}

/// Deletes the Jobs of all pages of the store, also those that earlier operations left: their pods would answer customers.
pub(super) async fn remove_pages(context: &mut OperationContext, step: Step) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let jobs = context.unless_stopped(cluster.jobs_of(&namespace)).await??;
    for page in jobs.into_iter().filter(|job| is_page(&job.name)) {
        context.unless_stopped(cluster.delete_job(&namespace, &page.name, None)).await??;
        let message = format!("Job {}, which served a maintenance page, is deleted", page.name);
        context.emit(vec![NewEvent::new(EventType::ResourceChanged, message).in_step(step)], None).await?;
    }
    Ok(())
}

/// Puts the shop back online that this operation, or an earlier one, took offline. One that does not become ready in time is left to the
/// steps that follow, and to its health, which say why.
pub(super) async fn end_of(
    context: &mut OperationContext,
    maintenance: &Maintenance,
    operation: OperationId,
    step: Step,
) -> Result<(), StepError> {
    let (release, page) = (context.release_name(), page_name(operation));
    let updates = context.tools.cluster.end_maintenance(&release.namespace, &release.name, maintenance, &page);
    follow(context, updates, step, Some(Instant::now() + ONLINE_WITHIN)).await
}

/// True for the name of a Job that serves a page.
pub(super) fn is_page(job: &str) -> bool {
    job.starts_with(PAGE)
}

/// The Job that serves the page during an operation.
fn page_name(operation: OperationId) -> String {
    format!("{PAGE}{}", id_end(operation.0))
}

/// How a shop of the engine is taken offline. `None` on simulated clusters, where no page would answer.
async fn of_engine(context: &mut OperationContext, step: Step) -> Result<Option<Maintenance>, StepError> {
    if context.simulated {
        context.emit_simulated(step).await?;
        return Ok(None);
    }
    let engine = context.engine_backup().await?;
    if engine.maintenance.is_some() {
        return Ok(engine.maintenance);
    }
    let message = "The engine's chart no longer says how a shop is taken offline (backup.maintenance).";
    Err(StepError::Failed(Failure::new(Reason::ChartRejected, message)))
}

async fn follow(
    context: &mut OperationContext,
    mut updates: BoxStream<'static, Result<MaintenanceUpdate, ClusterError>>,
    step: Step,
    until: Option<Instant>,
) -> Result<(), StepError> {
    loop {
        // Only the wait is limited: a write that is dropped half-way would count as stored.
        let next = async {
            match until {
                Some(until) => tokio::time::timeout_at(until, updates.next()).await.ok(),
                None => Some(updates.next().await),
            }
        };
        let Some(update) = context.unless_stopped(next).await? else {
            tracing::warn!("a shop is not ready after its maintenance");
            return Ok(());
        };
        match update {
            Some(Ok(MaintenanceUpdate::Changed(change))) => {
                let event = NewEvent::new(EventType::ResourceChanged, change.to_string()).in_step(step);
                context.emit(vec![event], None).await?;
            }
            Some(Ok(MaintenanceUpdate::Waiting(failure))) => {
                let event = NewEvent::new(EventType::Waiting, failure.message.clone()).in_step(step).because(&failure);
                context.emit(vec![event], Some(failure)).await?;
            }
            Some(Ok(MaintenanceUpdate::Done)) => return Ok(()),
            Some(Ok(MaintenanceUpdate::Failed(failure))) => return Err(StepError::Failed(failure)),
            Some(Err(error)) => return Err(error.into()),
            None => {
                let failure = Failure::new(Reason::Internal, "The maintenance ended without a result.");
                return Err(StepError::Failed(failure));
            }
        }
    }
}
