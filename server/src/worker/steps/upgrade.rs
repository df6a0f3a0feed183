//! UPGRADE: the release is deployed with new settings, or with the chart and the values of an earlier revision. REVERT, its undo, returns to the
//! revision before.
//!
//! If the shop's data is migrated, a page answers customers meanwhile: the chart renders that, because helm would undo patches.

use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{Step, Update};
use storeplane_core::revision::Revision;
use storeplane_core::store::Settings;

use super::chart::{self, Mode};
use super::volumes::restored as volumes;
use super::{deploy, maintenance, smtp, verify};
use crate::helm::Chart;
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    deploy::check_data(context).await?;
    let mode = if context.operation.migrates_data() { Mode::Page } else { Mode::Online };
    let (chart, settings) = new(context).await?;
    verify::before_update(context).await?;
    let apply_again = !context.operation.is_behind(Step::Upgrade);
    let deployed = deploy::run(context, &chart.in_mode(mode), Step::Upgrade, apply_again).await?;
    deploy::record(context, &deployed, settings).await?;
    smtp::forget_unused(context).await
}

pub(super) async fn revert(context: &mut OperationContext) -> Result<(), StepError> {
    volumes::check_data(context).await?;
    let migrates_data = context.operation.migrates_data();
    let mode = if migrates_data { Mode::Offline } else { Mode::Online };
    let (chart, settings) = former(context).await?;
    let deployed = deploy::run(context, &chart.in_mode(mode), Step::Revert, true).await?;
    deploy::record(context, &deployed, settings).await?;
    // Nothing writes any more when the data is restored.
    if migrates_data { maintenance::take_offline(context, Step::Revert).await } else { Ok(()) }
}

/// After a restore: deploys the shop as it is when it is online, if the undo of an earlier update left it offline.
pub(super) async fn end_left_mode(context: &mut OperationContext) -> Result<(), StepError> {
    if matches!(chart::mode_of(context).await?, None | Some(Mode::Online)) {
        return Ok(());
    }
    context.works();
    let engine = context.engine().await?;
    let settings = Settings { versions: engine.versions.clone(), ..context.store.settings() };
    let chart = chart::of(context, &engine, &settings)?;
    let deployed = deploy::run(context, &chart, Step::EndMaintenance, true).await?;
    deploy::record(context, &deployed, settings).await
}

/// Deploys the shop as it is when it is online, unless no version was deployed during the maintenance.
pub(super) async fn end_maintenance(context: &mut OperationContext) -> Result<(), StepError> {
    if matches!(context.operation.reached, Some(Step::Maintenance | Step::BackUp | Step::VerifyBackup)) {
        return Ok(());
    }
    let (chart, settings) = if context.operation.undoing { former(context).await? } else { new(context).await? };
    let deployed = deploy::run(context, &chart, Step::EndMaintenance, true).await?;
    deploy::record(context, &deployed, settings).await
}

/// What the operation applies.
async fn new(context: &OperationContext) -> Result<(Chart, Settings), StepError> {
    let Some(number) = update(context)?.to_revision else {
        let engine = context.engine().await?;
        let settings = Settings { versions: engine.versions.clone(), ..context.store.settings() };
        return Ok((chart::of(context, &engine, &settings)?, settings));
    };
    let engine = context.engine_as_recorded(&context.store.versions).await?;
    let settings = Settings { versions: engine.versions.clone(), ..context.store.settings() };
    let gone = || Failure::new(Reason::ChartRejected, format!("Revision {number} is not kept any more."));
    let revision = revision(context, number).await?.ok_or_else(|| StepError::Failed(gone()))?;
    Ok((chart::of_revision(context, &engine, &revision), settings))
}

/// To what its undo returns.
async fn former(context: &OperationContext) -> Result<(Chart, Settings), StepError> {
    let Update { before, from_revision, .. } = update(context)?;
    let engine = context.engine_as_recorded(&before.versions).await?;
    let settings = Settings { versions: engine.versions.clone(), ..before };
    let chart = match revision(context, from_revision).await? {
        Some(revision) => chart::of_revision(context, &engine, &revision),
        // It was installed by a release of this server that recorded none.
        None => chart::of(context, &engine, &settings)?,
    };
    Ok((chart, settings))
}

fn update(context: &OperationContext) -> Result<Update, StepError> {
    let missing = || Failure::new(Reason::Internal, "The operation does not say what it applies.");
    context.operation.update.clone().ok_or_else(|| StepError::Failed(missing()))
}

/// A revision of the store; `None` if it is not recorded.
pub(super) async fn revision(context: &OperationContext, number: u32) -> Result<Option<Revision>, StepError> {
    let found = context.unless_stopped(context.tools.queue.revision(context.store.uid, number)).await?;
    found.map_err(|error| {
        let failure = Failure::new(Reason::Internal, format!("Revision {number} could not be read: {error}."));
        StepError::Retry { failure, tries: RetryLimit::UntilDeadline, after: None }
    })
}
