//! `NAMESPACE_GONE`: the namespace and everything in it is deleted. Reports what blocks the deletion.

use std::time::Duration;

use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use tokio::sync::watch;

use crate::kube::{ClusterErrorKind, Holding, labels};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// A blocker is reported after this time; most content is deleted sooner.
const QUIET: Duration = Duration::from_secs(3);
/// Longer than any operation's budget: the operation's own deadline ends the wait.
const WITHIN: Duration = Duration::from_hours(1);

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let cluster = context.tools.cluster.clone();
    let name = context.store.placement.namespace.clone();
    report_retained(context, &name).await?;
    match context.unless_stopped(cluster.delete_namespace(&name, context.store.uid)).await? {
        // Ours does not exist: the name belongs to a foreign namespace. Or it lost its labels, and is not deleted at all.
        Err(error) if error.kind() == ClusterErrorKind::NotOurs => return check_unmarked(context).await,
        deleted => deleted?,
    }
    context.only_waits();
    let (sender, mut blocked) = watch::channel(Vec::new());
    let gone = cluster.wait_namespace_gone(&name, WITHIN, move |by: &[String]| {
        sender.send_replace(by.to_vec());
    });
    tokio::pin!(gone);
    let mut reported = Vec::new();
    let mut quiet = std::pin::pin!(tokio::time::sleep(QUIET));
    let mut patient = true;
    loop {
        tokio::select! {
            gone = &mut gone => return gone.map_err(StepError::from),
            () = context.stopped() => return Err(context.stop_reason()),
            () = &mut quiet, if patient => patient = false,
            Ok(()) = blocked.changed(), if !patient => {}
        }
        let by = blocked.borrow_and_update().clone();
        if !patient && !by.is_empty() && by != reported {
            emit(context, &name, &by).await?;
            reported = by;
        }
    }
}

/// Volumes that will be retained are named before the claims that refer to them are deleted.
async fn report_retained(context: &mut OperationContext, name: &str) -> Result<(), StepError> {
    let cluster = context.tools.cluster.clone();
    if !context.unless_stopped(cluster.is_store_namespace(name, context.store.uid)).await?? {
        return Ok(());
    }
    let retained = context.unless_stopped(cluster.retained_volumes(name)).await??.join(", ");
    if retained.is_empty() {
        return Ok(());
    }
    let message = format!("Volumes whose reclaim policy is Retain stay in the cluster with their data: {retained}");
    let event = NewEvent::new(EventType::VolumesRetained, message).in_step(Step::NamespaceGone);
    context.emit(vec![event.with("volumes", retained)], None).await
}

/// A namespace with the store's name and without an owner belongs to the store if the store worked in it.
async fn check_unmarked(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, spec) = (context.tools.cluster.clone(), context.namespace());
    if context.unless_stopped(cluster.hold_namespace(&spec)).await?? != Holding::Unmarked {
        return Ok(());
    }
    if context.store.ready_at.is_none() {
        let checking = cluster.has_release_of(&spec.name, context.store.uid);
        if !context.unless_stopped(checking).await?? {
            return Ok(());
        }
    }
    let message = format!("The namespace {} exists, but lost the labels that identify its owner.", spec.name);
    let remedy = format!(
        "If it is this store's: kubectl label namespace {} {}={} {}={} (then retry the store); else delete the store with force.",
        spec.name,
        labels::STORE_UID,
        spec.store_uid,
        labels::INSTANCE,
        cluster.instance()
    );
    Err(StepError::Failed(Failure::new(Reason::NotOurs, message).with_details([remedy])))
}

async fn emit(context: &mut OperationContext, name: &str, by: &[String]) -> Result<(), StepError> {
    let message = format!("Waiting for namespace cleanup: {name} still has content.");
    let failure = Failure::new(Reason::NamespaceStuck, message).with_details(by.iter().cloned());
    let event =
        NewEvent::new(EventType::Waiting, failure.message.clone()).in_step(Step::NamespaceGone).because(&failure);
    context.emit(vec![event], Some(failure)).await
}
