//! INSTALL: the release is deployed. What helm left half done is repaired first; what is deployed is adopted.

use serde_json::json;
use storeplane_core::audit::{Action, AuditRecord, Outcome};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{OperationKind, Step};
use storeplane_core::transition::operation as transition;

use crate::helm::{Chart, HelmErrorKind};
use crate::kube::{ReleaseObservation, ReleaseStatus, labels};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

/// What to do about a release as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// It is as it should be.
    Adopt,
    /// It is not there.
    Install,
    /// It is there; chart and values are applied again.
    Upgrade,
    /// A killed helm left it half installed, and it never worked: away with it, then install.
    Remove,
    /// A killed helm left it half changed: back to what worked.
    RollBack,
    /// It once worked and is half removed: nothing here may touch it.
    Refuse,
    /// Somebody else made it.
    LeaveAlone,
}

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let found = observe(context).await?;
    match next(context, found.as_ref()) {
        Move::Adopt => return Ok(()),
        Move::Install => install(context).await?,
        Move::Upgrade => upgrade(context).await?,
        Move::Remove => remove(context, found.as_ref()).await?,
        Move::RollBack => roll_back(context, found.as_ref()).await?,
        Move::LeaveAlone => return Err(StepError::Failed(not_ours(context))),
        Move::Refuse => return Err(StepError::Failed(refusal(context, found.as_ref()))),
    }
    // An exit code proves nothing: the release's own record does.
    match observe(context).await? {
        Some(ReleaseObservation { status: ReleaseStatus::Deployed, .. }) => Ok(()),
        other => {
            let status = other.map_or("missing", |release| release.status.as_str());
            let message = format!("Release {} is {status} after helm ended.", context.store.placement.release);
            let failure = Failure::new(Reason::ReleaseConflict, message);
            Err(StepError::Retry { failure, tries: RetryLimit::Bounded, after: None })
        }
    }
}

async fn observe(context: &OperationContext) -> Result<Option<ReleaseObservation>, StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    Ok(context.unless_stopped(cluster.release(&release.namespace, &release.name)).await??)
}

fn next(context: &OperationContext, found: Option<&ReleaseObservation>) -> Move {
    let Some(found) = found else { return Move::Install };
    if found.store_uid != Some(context.store.uid) {
        return Move::LeaveAlone;
    }
    let worked = context.store.ready_at.is_some() || found.ever_deployed;
    match found.status {
        ReleaseStatus::Deployed
            if context.operation.kind == OperationKind::Retry && !context.operation.is_behind(Step::Install) =>
        {
            Move::Upgrade
        }
        ReleaseStatus::Deployed => Move::Adopt,
        ReleaseStatus::PendingUpgrade | ReleaseStatus::PendingRollback => Move::RollBack,
        ReleaseStatus::Failed | ReleaseStatus::Superseded if worked => Move::Upgrade,
        _ if context.store.ready_at.is_none() => Move::Remove,
        _ => Move::Refuse,
    }
}

fn chart(context: &OperationContext) -> Result<Chart, StepError> {
    let engine = context.engine()?;
    let store = &context.store;
    let plan = engine.plan(&store.spec.plan).ok_or_else(|| {
        let message = format!("Plan {} of engine {} is no longer on offer.", store.spec.plan, engine.name);
        StepError::Failed(Failure::new(Reason::ChartRejected, message))
    })?;
    let values = json!({
        "store": {
            "id": store.id,
            "uid": store.uid,
            "tenant": store.tenant,
            "displayName": store.spec.display_name,
            "adminEmail": store.spec.admin_email,
        },
        "ingress": { "host": store.placement.host },
    });
    let values_files = engine.values.iter().chain([&plan.values]).cloned().collect();
    let labels = vec![(labels::STORE_UID.to_owned(), store.uid.to_string())];
    Ok(Chart { dir: engine.chart.clone(), values_files, values, labels })
}

async fn install(context: &OperationContext) -> Result<(), StepError> {
    let (helm, release, chart) = (context.tools.helm.clone(), context.release_name(), chart(context)?);
    context
        .helm(async |run| match helm.install(&run, &release, &chart).await {
            // Somebody was quicker, or an earlier try got further than it seemed: the next look tells.
            Err(error) if error.kind() == HelmErrorKind::NameInUse => Ok(()),
            other => other,
        })
        .await
}

async fn upgrade(context: &OperationContext) -> Result<(), StepError> {
    let (helm, release, chart) = (context.tools.helm.clone(), context.release_name(), chart(context)?);
    context.helm(async |run| helm.upgrade(&run, &release, &chart).await).await
}

async fn remove(context: &mut OperationContext, found: Option<&ReleaseObservation>) -> Result<(), StepError> {
    repair(context, found, "removed, then installed again").await?;
    let (helm, release) = (context.tools.helm.clone(), context.release_name());
    context
        .helm(async |run| match helm.uninstall(&run, &release).await {
            Err(error) if error.kind() == HelmErrorKind::ReleaseNotFound => Ok(()),
            other => other,
        })
        .await?;
    install(context).await
}

async fn roll_back(context: &mut OperationContext, found: Option<&ReleaseObservation>) -> Result<(), StepError> {
    repair(context, found, "rolled back, then applied again").await?;
    let (helm, release) = (context.tools.helm.clone(), context.release_name());
    // Revision 0 is helm's word for the one before.
    context.helm(async |run| helm.rollback(&run, &release, 0).await).await?;
    upgrade(context).await
}

/// Says and records what is repaired, before it is. The lease proves that no helm of ours is at work any more.
async fn repair(
    context: &mut OperationContext,
    found: Option<&ReleaseObservation>,
    how: &str,
) -> Result<(), StepError> {
    let status = found.map_or("missing", |release| release.status.as_str());
    let what = format!("Release {} was left {status}; it is {how}", context.store.placement.release);
    let record = AuditRecord {
        id: context.tools.ids.uuid(),
        at: context.now(),
        tenant: context.store.tenant.clone(),
        actor: "worker".into(),
        token: None,
        action: Action::RepairRelease,
        target: context.store.id.to_string(),
        store: None,
        operation: None,
        outcome: Outcome::Accepted,
        reason: String::new(),
    };
    context.write(&|snapshot| Ok(transition::repaired(snapshot, Step::Install, &what, record.clone()))).await
}

fn refusal(context: &OperationContext, found: Option<&ReleaseObservation>) -> Failure {
    let status = found.map_or("missing", |release| release.status.as_str());
    let message = format!("Release {} is {status}, though the store was ready once.", context.store.placement.release);
    Failure::new(Reason::ReleaseConflict, message)
}

fn not_ours(context: &OperationContext) -> Failure {
    let placement = &context.store.placement;
    let message = format!(
        "A release {} that this control plane did not make is in the namespace {}.",
        placement.release, placement.namespace
    );
    let remedy =
        format!("Whoever made it can remove it: helm uninstall {} -n {}", placement.release, placement.namespace);
    Failure::new(Reason::NotOurs, message).with_details([remedy])
}
