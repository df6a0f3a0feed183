//! INSTALL: the release is deployed. What helm left half done is repaired first; what is deployed is adopted.

use serde_json::json;
use storeplane_core::audit::{Action, AuditRecord, Outcome};
use storeplane_core::decide::work as decide;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{OperationKind, Step};

use crate::helm::{Chart, HelmErrorKind};
use crate::kube::{ReleaseObservation, ReleaseStatus, labels};
use crate::worker::outcome::{Setback, Tries};
use crate::worker::work::Work;

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

pub(super) async fn run(work: &mut Work) -> Result<(), Setback> {
    let found = observe(work).await?;
    match next(work, found.as_ref()) {
        Move::Adopt => return Ok(()),
        Move::Install => install(work).await?,
        Move::Upgrade => upgrade(work).await?,
        Move::Remove => remove(work, found.as_ref()).await?,
        Move::RollBack => roll_back(work, found.as_ref()).await?,
        Move::LeaveAlone => return Err(Setback::Failed(not_ours(work))),
        Move::Refuse => return Err(Setback::Failed(refusal(work, found.as_ref()))),
    }
    // An exit code proves nothing: the release's own record does.
    match observe(work).await? {
        Some(ReleaseObservation { status: ReleaseStatus::Deployed, .. }) => Ok(()),
        other => {
            let status = other.map_or("missing", |release| release.status.as_str());
            let message = format!("Release {} is {status} after helm ended.", work.store.placement.release);
            let failure = Failure::new(Reason::ReleaseConflict, message);
            Err(Setback::Again { failure, tries: Tries::Few, after: None })
        }
    }
}

async fn observe(work: &Work) -> Result<Option<ReleaseObservation>, Setback> {
    let (cluster, release) = (work.tools.cluster.clone(), work.release_name());
    Ok(work.unless_stopped(cluster.release(&release.namespace, &release.name)).await??)
}

fn next(work: &Work, found: Option<&ReleaseObservation>) -> Move {
    let Some(found) = found else { return Move::Install };
    if found.store_uid != Some(work.store.uid) {
        return Move::LeaveAlone;
    }
    let worked = work.store.ready_at.is_some() || found.ever_deployed;
    match found.status {
        ReleaseStatus::Deployed
            if work.operation.kind == OperationKind::Retry && !work.operation.is_behind(Step::Install) =>
        {
            Move::Upgrade
        }
        ReleaseStatus::Deployed => Move::Adopt,
        ReleaseStatus::PendingUpgrade | ReleaseStatus::PendingRollback => Move::RollBack,
        ReleaseStatus::Failed | ReleaseStatus::Superseded if worked => Move::Upgrade,
        _ if work.store.ready_at.is_none() => Move::Remove,
        _ => Move::Refuse,
    }
}

fn chart(work: &Work) -> Result<Chart, Setback> {
    let engine = work.engine()?;
    let store = &work.store;
    let plan = engine.plan(&store.spec.plan).ok_or_else(|| {
        let message = format!("Plan {} of engine {} is no longer on offer.", store.spec.plan, engine.name);
        Setback::Failed(Failure::new(Reason::ChartRejected, message))
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

async fn install(work: &Work) -> Result<(), Setback> {
    let (helm, release, chart) = (work.tools.helm.clone(), work.release_name(), chart(work)?);
    work.helm(async |run| match helm.install(&run, &release, &chart).await {
        // Somebody was quicker, or an earlier try got further than it seemed: the next look tells.
        Err(error) if error.kind() == HelmErrorKind::NameInUse => Ok(()),
        other => other,
    })
    .await
}

async fn upgrade(work: &Work) -> Result<(), Setback> {
    let (helm, release, chart) = (work.tools.helm.clone(), work.release_name(), chart(work)?);
    work.helm(async |run| helm.upgrade(&run, &release, &chart).await).await
}

async fn remove(work: &mut Work, found: Option<&ReleaseObservation>) -> Result<(), Setback> {
    repair(work, found, "removed, then installed again").await?;
    let (helm, release) = (work.tools.helm.clone(), work.release_name());
    work.helm(async |run| match helm.uninstall(&run, &release).await {
        Err(error) if error.kind() == HelmErrorKind::ReleaseNotFound => Ok(()),
        other => other,
    })
    .await?;
    install(work).await
}

async fn roll_back(work: &mut Work, found: Option<&ReleaseObservation>) -> Result<(), Setback> {
    repair(work, found, "rolled back, then applied again").await?;
    let (helm, release) = (work.tools.helm.clone(), work.release_name());
    // Revision 0 is helm's word for the one before.
    work.helm(async |run| helm.rollback(&run, &release, 0).await).await?;
    upgrade(work).await
}

/// Says and records what is repaired, before it is. The lease proves that no helm of ours is at work any more.
async fn repair(work: &mut Work, found: Option<&ReleaseObservation>, how: &str) -> Result<(), Setback> {
    let status = found.map_or("missing", |release| release.status.as_str());
    let what = format!("Release {} was left {status}; it is {how}", work.store.placement.release);
    let record = AuditRecord {
        id: work.tools.ids.uuid(),
        at: work.now(),
        tenant: work.store.tenant.clone(),
        actor: "worker".into(),
        token: None,
        action: Action::RepairRelease,
        target: work.store.id.to_string(),
        store: None,
        operation: None,
        outcome: Outcome::Accepted,
        reason: String::new(),
    };
    work.write(&|snapshot| Ok(decide::repaired(snapshot, Step::Install, &what, record.clone()))).await
}

fn refusal(work: &Work, found: Option<&ReleaseObservation>) -> Failure {
    let status = found.map_or("missing", |release| release.status.as_str());
    let message = format!("Release {} is {status}, though the store was ready once.", work.store.placement.release);
    Failure::new(Reason::ReleaseConflict, message)
}

fn not_ours(work: &Work) -> Failure {
    let placement = &work.store.placement;
    let message = format!(
        "A release {} that this control plane did not make is in the namespace {}.",
        placement.release, placement.namespace
    );
    let remedy =
        format!("Whoever made it can remove it: helm uninstall {} -n {}", placement.release, placement.namespace);
    Failure::new(Reason::NotOurs, message).with_details([remedy])
}
