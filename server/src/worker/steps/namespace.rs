//! NAMESPACE: the store's namespace is there, is ours, and carries this claim's fence.

use crate::worker::outcome::Setback;
use crate::worker::work::Work;

pub(super) async fn run(work: &mut Work) -> Result<(), Setback> {
    let cluster = work.tools.cluster.clone();
    let spec = work.namespace();
    work.unless_stopped(cluster.ensure_namespace(&spec)).await??;
    work.simulated = work.unless_stopped(cluster.check()).await??.simulated;
    Ok(())
}
