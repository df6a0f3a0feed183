//! Snapshots of a shop's volumes: made with a backup here, and `restored` in place of an import. They make restores faster and are never needed:
//! whatever goes wrong with them becomes an event and a log line, and the backup itself is used.

mod claims;
pub(super) mod emptied;
pub(super) mod restored;

use std::sync::Once;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use storeplane_core::backup::Backup;
use storeplane_core::backup::snapshot::Snapshot;
use storeplane_core::engine::DataVolume;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::operation::Step;
use storeplane_core::transition::backup as changes;

use super::backup_job::id_end;
use crate::kube::{ClusterError, ClusterErrorKind, SnapshotSpec, is_bound};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// Makes snapshots of all of the shop's volumes, if the cluster can. Does not wait until they are ready.
pub(super) async fn take(context: &mut OperationContext, backup: &Backup) -> Result<(), StepError> {
    let (settings, volumes) = (context.backups()?.snapshots, context.engine_backup().await?.volumes);
    if !settings.makes_snapshots() || volumes.is_empty() {
        return Ok(());
    }
    let class = context.unless_stopped(class(context, &volumes, settings.class.as_deref())).await?;
    let class = match class {
        Ok(Some(class)) => class,
        Ok(None) => return Ok(()),
        Err(error) => return not_made(context, &error.to_string()).await,
    };
    let named: Vec<_> = volumes.iter().map(|volume| snapshot(backup, &volume.claim)).collect();
    context.write(&|change| Ok(changes::snapshots_begun(change, &named))).await?;
    let Err(error) = context.unless_stopped(create(context, backup, &class, &named)).await? else {
        let claims: Vec<_> = named.iter().map(|snapshot| snapshot.claim.as_str()).collect();
        let message = format!("Snapshots of the volumes of {} are being made", claims.join(" and "));
        let event = NewEvent::new(EventType::ResourceChanged, message).in_step(Step::BackUp);
        return context.emit(vec![event.with("backup_id", backup.id.to_string())], None).await;
    };
    // What was made of them is useless alone.
    for made in &named {
        let namespace = &context.store.placement.namespace;
        let deleted = context.unless_stopped(context.tools.cluster.delete_snapshot(namespace, &made.name)).await?;
        if let Err(error) = deleted {
            tracing::warn!(%error, "a snapshot that is not used was not deleted; the next backup removes it");
        }
    }
    context.write(&|change| Ok(changes::snapshots_begun(change, &[]))).await?;
    if error.kind() == ClusterErrorKind::Forbidden {
        log_once(&error.to_string());
        return Ok(());
    }
    not_made(context, &error.to_string()).await
}

/// What is recorded of a snapshot before it exists.
fn snapshot(backup: &Backup, claim: &str) -> Snapshot {
    Snapshot { claim: claim.to_owned(), name: format!("{claim}-{}", id_end(backup.id.0)), ready: false, taken_at: None }
}

/// The class of the snapshots; `None` if there are none: a volume is elsewhere, as with an external database, or the cluster makes none.
async fn class(
    context: &OperationContext,
    volumes: &[DataVolume],
    wanted: Option<&str>,
) -> Result<Option<String>, ClusterError> {
    let Some(claims) = bound_claims(context, volumes).await? else { return Ok(None) };
    Ok(match context.tools.cluster.snapshot_class(&claims, wanted).await? {
        Ok(class) => Some(class),
        Err(why) => {
            log_once(&why);
            None
        }
    })
}

/// The claims of these volumes, unless one is missing or not bound.
async fn bound_claims(
    context: &OperationContext,
    volumes: &[DataVolume],
) -> Result<Option<Vec<PersistentVolumeClaim>>, ClusterError> {
    let (cluster, namespace) = (&context.tools.cluster, &context.store.placement.namespace);
    let found = volumes.iter().map(|volume| cluster.claim(namespace, &volume.claim));
    let found = futures::future::try_join_all(found).await?;
    Ok(found.into_iter().map(|claim| claim.filter(is_bound)).collect())
}

async fn create(
    context: &OperationContext,
    backup: &Backup,
    class: &str,
    named: &[Snapshot],
) -> Result<(), ClusterError> {
    for Snapshot { claim, name, .. } in named {
        let spec = SnapshotSpec {
            name: name.clone(),
            claim: claim.clone(),
            store_uid: context.store.uid,
            backup: backup.id,
            operation: context.operation.id,
            fence: context.lease.fence,
        };
        context.tools.cluster.ensure_snapshot(&context.store.placement.namespace, class, &spec).await?;
    }
    Ok(())
}

async fn not_made(context: &mut OperationContext, why: &str) -> Result<(), StepError> {
    tracing::warn!(why, "no snapshots of a store's volumes are made");
    let message = format!("No snapshots of the volumes are made, the backup goes on without them: {why}");
    context.emit(vec![NewEvent::new(EventType::Waiting, message).in_step(Step::BackUp)], None).await
}

/// That a cluster makes no snapshots is no news for each backup.
fn log_once(why: &str) {
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| tracing::info!(why, "backups make no snapshots of volumes"));
}
