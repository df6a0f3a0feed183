//! UNINSTALL: helm's release is gone. Proved by its record, not by an exit code.

use storeplane_core::failure::{Failure, Reason};

use crate::helm::HelmErrorKind;
use crate::kube::{Holding, ReleaseObservation};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let cluster = context.tools.cluster.clone();
    let spec = context.namespace();
    match context.unless_stopped(cluster.hold_namespace(&spec)).await?? {
        // Nothing of ours is there; in a namespace that is going, everything goes by itself.
        Holding::Absent | Holding::Foreign | Holding::Terminating => return Ok(()),
        Holding::Ours => {}
    }
    match observe(context).await? {
        None => return Ok(()),
        // Helm does not touch what others made. It is in the store's namespace, and goes with that.
        Some(release) if release.store_uid != Some(context.store.uid) => return Ok(()),
        Some(_) => {}
    }
    let (helm, release) = (context.tools.helm.clone(), context.release_name());
    context
        .helm(async |run| match helm.uninstall(&run, &release).await {
            Err(error) if error.kind() == HelmErrorKind::ReleaseNotFound => Ok(()),
            other => other,
        })
        .await?;
    if observe(context).await?.is_none() {
        return Ok(());
    }
    let message = format!("Release {} is still there after helm ended.", context.store.placement.release);
    let failure = Failure::new(Reason::ReleaseConflict, message);
    Err(StepError::Retry { failure, tries: RetryLimit::Bounded, after: None })
}

async fn observe(context: &OperationContext) -> Result<Option<ReleaseObservation>, StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    Ok(context.unless_stopped(cluster.release(&release.namespace, &release.name)).await??)
}
