//! UNINSTALL: the release is gone, according to its record, not to an exit code.

use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;

use crate::kube::Holding;
use crate::worker::context::OperationContext;
use crate::worker::outcome::{FEW, RetryLimit, StepError};

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let cluster = context.tools.cluster.clone();
    let spec = context.namespace();
    match context.unless_stopped(cluster.hold_namespace(&spec)).await?? {
        // Nothing of ours exists (NAMESPACE_GONE verifies that), or everything is being deleted.
        Holding::Absent | Holding::Foreign | Holding::Unmarked | Holding::Terminating => return Ok(()),
        Holding::Ours => {}
    }
    match context.observe_release().await? {
        None => return Ok(()),
        // A foreign release: helm does not touch it. It is in the store's namespace, and is deleted with that.
        Some(release) if release.store_uid != Some(context.store.uid) => return Ok(()),
        Some(_) => {}
    }
    let ended = uninstall(context).await;
    let failure = match ended {
        Err(StepError::Retry { failure, .. }) if is_helms_own(&failure) => failure,
        other => return other,
    };
    context.failed_uninstalls += 1;
    if context.failed_uninstalls < FEW {
        return Err(StepError::Retry { failure, tries: RetryLimit::UntilDeadline, after: None });
    }
    // For example a record that helm cannot read: everything in the release is in the namespace, and is deleted with that.
    let message = format!("Helm cannot uninstall the release; it is removed with its namespace. {}", failure.message);
    let event = NewEvent::new(EventType::StepSkipped, message).in_step(Step::Uninstall).because(&failure);
    context.emit(vec![event], None).await
}

async fn uninstall(context: &OperationContext) -> Result<(), StepError> {
    context.helm_uninstall().await?;
    if context.observe_release().await?.is_none() {
        return Ok(());
    }
    let message = format!("Release {} still exists after helm ended.", context.store.placement.release);
    let failure = Failure::new(Reason::ReleaseConflict, message);
    Err(StepError::Retry { failure, tries: RetryLimit::Bounded, after: None })
}

/// Problems with the cluster or with permissions are not skipped: they are retried, or reported to the operator.
fn is_helms_own(failure: &Failure) -> bool {
    matches!(failure.reason, Reason::HelmFailed | Reason::HelmTimeout | Reason::ReleaseConflict)
}
