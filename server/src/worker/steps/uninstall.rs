//! UNINSTALL: helm's release is gone. Proved by its record, not by an exit code.

use storeplane_core::failure::{Failure, Reason};

use crate::helm::HelmErrorKind;
use crate::kube::{Holding, ReleaseObservation};
use crate::worker::outcome::{Setback, Tries};
use crate::worker::work::Work;

pub(super) async fn run(work: &mut Work) -> Result<(), Setback> {
    let cluster = work.tools.cluster.clone();
    let spec = work.namespace();
    match work.unless_stopped(cluster.hold_namespace(&spec)).await?? {
        // Nothing of ours is there; in a namespace that is going, everything goes by itself.
        Holding::Absent | Holding::Foreign | Holding::Terminating => return Ok(()),
        Holding::Ours => {}
    }
    match observe(work).await? {
        None => return Ok(()),
        // Helm does not touch what others made. It is in the store's namespace, and goes with that.
        Some(release) if release.store_uid != Some(work.store.uid) => return Ok(()),
        Some(_) => {}
    }
    let (helm, release) = (work.tools.helm.clone(), work.release_name());
    work.helm(async |run| match helm.uninstall(&run, &release).await {
        Err(error) if error.kind() == HelmErrorKind::ReleaseNotFound => Ok(()),
        other => other,
    })
    .await?;
    if observe(work).await?.is_none() {
        return Ok(());
    }
    let message = format!("Release {} is still there after helm ended.", work.store.placement.release);
    let failure = Failure::new(Reason::ReleaseConflict, message);
    Err(Setback::Again { failure, tries: Tries::Few, after: None })
}

async fn observe(work: &Work) -> Result<Option<ReleaseObservation>, Setback> {
    let (cluster, release) = (work.tools.cluster.clone(), work.release_name());
    Ok(work.unless_stopped(cluster.release(&release.namespace, &release.name)).await??)
}
