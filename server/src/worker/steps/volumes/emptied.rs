//! An empty volume for the database, into which a backup is imported: a server cannot read the files of one of another series.

use storeplane_core::engine::{DataVolume, VolumeUser};

use super::restored::{changed, empty, record_name, store};
use crate::kube::{VolumePhase, VolumeRecord, as_new};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// Replaces the claims of the database by empty ones, unless that was done. The phases are those of a restore from snapshots whose volumes failed.
pub(in super::super) async fn empty_database(context: &mut OperationContext) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let mut volumes = context.engine_backup().await?.volumes;
    volumes.retain(|volume| matches!(volume.user, VolumeUser::StatefulSet(_)));
    let found = context.unless_stopped(cluster.volume_record(&namespace, &record_name(context))).await??;
    let record = match found {
        Some(record) => record,
        None => match begin(context, &volumes).await? {
            Some(record) => record,
            // An external database has its files elsewhere.
            None => return Ok(()),
        },
    };
    if record.phase != VolumePhase::Empty {
        return Ok(());
    }
    context.cannot_be_cancelled();
    empty(context, &volumes, &record).await?;
    store(context, &VolumeRecord { phase: VolumePhase::Import, ..record }).await?;
    let claims: Vec<_> = volumes.iter().map(|volume| volume.claim.as_str()).collect();
    changed(context, format!("The volumes of {} are empty, for the other series of the database", claims.join(" and ")))
        .await
}

async fn begin(context: &OperationContext, volumes: &[DataVolume]) -> Result<Option<VolumeRecord>, StepError> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let mut claims = Vec::new();
    for volume in volumes {
        let found = context.unless_stopped(cluster.claim(namespace, &volume.claim)).await??;
        claims.extend(found.map(|claim| (as_new(&claim, None), String::new())));
    }
    if claims.is_empty() {
        return Ok(None);
    }
    let record = VolumeRecord { phase: VolumePhase::Empty, claims };
    store(context, &record).await?;
    Ok(Some(record))
}
