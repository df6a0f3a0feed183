//! NAMESPACE: the store's namespace exists, is ours, and carries this claim's fence; the server's account has its permissions there.

use crate::kube::Ensured;
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let cluster = context.tools.cluster.clone();
    let spec = context.namespace();
    // Not dropped half-way: the API server could apply the request after a deletion has found no namespace.
    let ensured = cluster.ensure_namespace(&spec).await?;
    // A missing namespace has no fence, so a server that was paused can create it after its lease has expired, and after the
    // store was deleted. A fenced write shows whether the claim is still valid.
    if ensured == Ensured::Created
        && let Err(error) = context.emit(Vec::new(), None).await
    {
        if matches!(error, StepError::Lost)
            && let Err(error) = cluster.withdraw_namespace(&spec).await
        {
            tracing::warn!(namespace = spec.name, %error, "a namespace that was created too late could not be deleted");
        }
        return Err(error);
    }
    context.unless_stopped(cluster.ensure_access(&spec.name)).await??;
    context.simulated = context.unless_stopped(cluster.check()).await??.simulated;
    Ok(())
}
