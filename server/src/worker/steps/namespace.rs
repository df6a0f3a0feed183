//! NAMESPACE: the store's namespace exists, is ours, and carries this claim's fence.

use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let cluster = context.tools.cluster.clone();
    let spec = context.namespace();
    context.unless_stopped(cluster.ensure_namespace(&spec)).await??;
    context.simulated = context.unless_stopped(cluster.check()).await??.simulated;
    Ok(())
}
