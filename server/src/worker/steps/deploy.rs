//! Deploys a store's release, whatever helm left of it, and records with what.

use semver::Version;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{OperationKind, Step};
use storeplane_core::revision::{DeployedWith, Revision};
use storeplane_core::store::{Settings, Versions};
use storeplane_core::transition::revision as transition;

use super::chart::{self, Mode};
use super::repair::{Known, Repair, repair};
use super::upgrade;
use super::volumes::restored as volumes;
use crate::helm::{Chart, HelmErrorKind};
use crate::kube::{ReleaseObservation, ReleaseStatus};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};
use crate::worker::release::Stopped;

/// Deploys the chart, also if the release is deployed with `apply_again`, and records with what it is deployed then: with these settings.
pub(super) async fn run(
    context: &mut OperationContext,
    (chart, settings): (&Chart, Settings),
    step: Step,
    apply_again: bool,
) -> Result<(), StepError> {
    // The number of the revision depends on it.
    context.flush().await?;
    match deploy(context, chart, step, apply_again).await? {
        Some(deployed) => record(context, deployed, settings).await,
        // Whoever removed helm's record since made it impossible to tell.
        None => Ok(()),
    }
}

/// Returns with what the release is deployed, according to helm's record; `None` if somebody has removed that.
async fn deploy(
    context: &mut OperationContext,
    chart: &Chart,
    step: Step,
    apply_again: bool,
) -> Result<Option<DeployedWith>, StepError> {
    let found = context.observe_release().await?;
    let known = Known {
        is_ours: found.as_ref().is_some_and(|release| release.store_uid == Some(context.store.uid)),
        was_ready: context.store.ready_at.is_some(),
        apply_again,
    };
    let found = found.as_ref();
    match (repair(found, known), found) {
        (Repair::Adopt, Some(deployed)) => return read_record(context, deployed.revision).await,
        (Repair::LeaveAlone, _) => return Err(StepError::Failed(not_ours(context))),
        (Repair::Install | Repair::Adopt, _) => context.helm_install(chart).await?,
        (Repair::Upgrade, _) => upgrade_or_reinstall(context, found, chart, step).await?,
        (Repair::Reinstall, _) => {
            context.note_repair(step, found, "removed, then installed again").await?;
            reinstall(context, chart).await?;
        }
        (Repair::RollBack(revision), _) => {
            // The revision before is online: helm would start it on data that is being migrated or restored.
            if context.operation.migrates_data() || context.operation.kind == OperationKind::Restore {
                context.note_repair(step, found, "upgraded from the revision before").await?;
                forget_after(context, revision).await?;
            } else {
                let how = format!("rolled back to revision {revision}, then upgraded");
                context.note_repair(step, found, &how).await?;
                roll_back(context, found, revision, step).await?;
            }
            upgrade_or_reinstall(context, found, chart, step).await?;
        }
        (Repair::Forget, _) => {
            let how = "installed again over the existing objects; nothing is removed";
            context.note_repair(step, found, how).await?;
            forget(context).await?;
            context.helm_install(chart).await?;
        }
    }
    // The exit code proves nothing; the release's own record does.
    let next = found.map_or(1, |found| found.revision + 1);
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    let reading = cluster.deployed_revision(&release.namespace, &release.name, next);
    if let Some(deployed) = context.unless_stopped(reading).await?? {
        return Ok(Some(deployed));
    }
    // A repair leaves other numbers.
    match context.observe_release().await? {
        Some(deployed) if deployed.status == ReleaseStatus::Deployed => read_record(context, deployed.revision).await,
        other => {
            let status = other.map_or("missing", |release| release.status.as_str());
            let message = format!("Release {} is {status} after helm ended.", context.store.placement.release);
            let failure = Failure::new(Reason::ReleaseConflict, message);
            Err(StepError::Retry { failure, tries: RetryLimit::Bounded, after: None })
        }
    }
}

/// With what helm's newest record says that the release is deployed; `None` if there is no record.
pub(super) async fn deployed_with(context: &OperationContext) -> Result<Option<DeployedWith>, StepError> {
    let Some(found) = context.observe_release().await? else { return Ok(None) };
    read_record(context, found.revision).await
}

async fn read_record(context: &OperationContext, revision: u32) -> Result<Option<DeployedWith>, StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    let reading = cluster.deployed_with(&release.namespace, &release.name, revision);
    Ok(context.unless_stopped(reading).await??)
}

/// Returns an error if the shop must not be started, because its data is missing or of another version: only another restore helps. Otherwise,
/// returns with what the release of a store that was READY once is deployed.
pub(super) async fn check_data(context: &OperationContext) -> Result<Option<DeployedWith>, StepError> {
    volumes::check_data(context).await?;
    if context.store.ready_at.is_none() {
        return Ok(None);
    }
    let deployed = deployed_with(context).await?;
    if deployed.as_ref().map(chart::mode) != Some(Mode::Offline) {
        return Ok(deployed);
    }
    let message = "The undo of an update could not restore the shop's data. Restore the backup that the update made, with skip_backup: \
        the present data may be unreadable.";
    Err(StepError::Failed(Failure::new(Reason::RestoreFailed, message)))
}

/// True if somebody else deployed a version that is newer than these and has another schema. It may have migrated the shop's data.
pub(super) fn has_newer_schema(deployed: &DeployedWith, versions: &Versions) -> bool {
    let version = |text: &str| Version::parse(text).ok();
    let both = version(&deployed.chart_version).zip(version(&versions.chart));
    both.is_some_and(|(its, ours)| its > ours)
        && deployed.schema.as_ref().is_some_and(|schema| *schema != versions.schema)
}

/// Returns an error if these versions must not be deployed over `deployed`, because they cannot read data that it may have migrated.
pub(super) fn check_schema(deployed: Option<&DeployedWith>, versions: &Versions) -> Result<(), StepError> {
    let Some(with) = deployed.filter(|deployed| has_newer_schema(deployed, versions)) else { return Ok(()) };
    let (theirs, ours) = (&with.chart_version, &versions.chart);
    let message = format!(
        "Somebody deployed version {theirs} of the chart, which has another schema, and version {ours} cannot read data that it has migrated. \
         UpdateStore with engine_version {theirs} keeps that version; RestoreStore of a backup from before returns to {ours}."
    );
    Err(StepError::Failed(Failure::new(Reason::NewerSchemaDeployed, message)))
}

/// Records with what the release is deployed, unless the store's newest revision says the same.
async fn record(context: &mut OperationContext, with: DeployedWith, settings: Settings) -> Result<(), StepError> {
    let revision = Revision {
        number: context.store.revision + 1,
        settings,
        values: chart::without_mode(with.values),
        images: with.images,
        chart_content: with.chart_content,
        image_digests: Vec::new(),
        operation: context.operation.id,
        created_at: context.now(),
    };
    let newest = upgrade::revision(context, context.store.revision).await?;
    if newest.is_some_and(|newest| newest.installs_the_same(&revision)) {
        return Ok(());
    }
    context.write_with_next(move |snapshot| Ok(transition::deployed(snapshot, &revision)));
    Ok(())
}

/// The rollback removes what an interrupted upgrade added. Helm cannot do it if that changed what cannot change back, such as the size of a
/// volume: then only the record of the interrupted upgrade is removed.
async fn roll_back(
    context: &mut OperationContext,
    found: Option<&ReleaseObservation>,
    revision: u32,
    step: Step,
) -> Result<(), StepError> {
    let rejected = match context.helm_rollback(revision).await {
        Err(Stopped::Helm(error)) if !error.kind().is_retryable() => error,
        other => return other.map_err(StepError::from),
    };
    tracing::warn!(error = %rejected, "helm cannot roll an interrupted upgrade back");
    context.note_repair(step, found, "upgraded from the revision before").await?;
    // The rollback left a record of its own.
    forget_after(context, revision).await
}

/// Removes helm's records of the revisions after this one.
async fn forget_after(context: &OperationContext, revision: u32) -> Result<(), StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    let Some(now) = context.observe_release().await? else { return Ok(()) };
    for pending in revision + 1..=now.revision {
        let forgetting = cluster.forget_revision(&release.namespace, &release.name, pending);
        context.unless_stopped(forgetting).await??;
    }
    Ok(())
}

/// A changed immutable field (a corrected storage class) can be applied by reinstalling, as long as the shop never worked. A refusal by the
/// namespace's quota may be out of date: the API server's cache may not have the larger quota yet that the same run has just stored.
async fn upgrade_or_reinstall(
    context: &mut OperationContext,
    found: Option<&ReleaseObservation>,
    chart: &Chart,
    step: Step,
) -> Result<(), StepError> {
    match context.helm_upgrade(chart).await {
        Err(Stopped::Helm(error)) if error.kind() == HelmErrorKind::Immutable && context.store.ready_at.is_none() => {
            let how =
                "removed with its unbound volume claims, then installed again: the chart changes immutable fields";
            context.note_repair(step, found, how).await?;
            reinstall(context, chart).await
        }
        Err(Stopped::Helm(error)) if error.kind() == HelmErrorKind::Quota => {
            Err(StepError::Retry { failure: error.failure(), tries: RetryLimit::Bounded, after: None })
        }
        other => other.map_err(StepError::from),
    }
}

/// For stores that were never READY only.
async fn reinstall(context: &OperationContext, chart: &Chart) -> Result<(), StepError> {
    context.helm_uninstall().await?;
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    context.unless_stopped(cluster.delete_unbound_claims(&namespace)).await??;
    context.helm_install(chart).await
}

async fn forget(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    Ok(context.unless_stopped(cluster.forget_release(&release.namespace, &release.name)).await??)
}

fn not_ours(context: &OperationContext) -> Failure {
    let placement = &context.store.placement;
    let message = format!(
        "A release {} that this control plane did not create is in the namespace {}.",
        placement.release, placement.namespace
    );
    let remedy = format!("Its owner can remove it: helm uninstall {} -n {}", placement.release, placement.namespace);
    Failure::new(Reason::NotOurs, message).with_details([remedy])
}
