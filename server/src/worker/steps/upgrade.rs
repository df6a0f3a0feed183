//! UPGRADE: the release is deployed with new settings, or with the chart and the values of an earlier revision. REVERT, its undo, returns to the
//! revision before.
//!
//! If the shop's data is migrated, a page answers customers meanwhile: the chart renders that, because helm would undo patches. A rollback that
//! replaces the data deploys the revision without pods of the shop, and START starts them once the data is restored.

use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{OperationKind, Step, Update};
use storeplane_core::revision::{DeployedWith, Revision};
use storeplane_core::store::{Settings, Versions};

use super::chart::{self, Mode};
use super::volumes::restored as volumes;
use super::{deploy, maintenance, restore, smtp, verify};
use crate::helm::Chart;
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

/// Returns an error if the charts of both versions do not support that the shop's data changes with its version.
pub(super) async fn check(context: &OperationContext, deployed: Option<&DeployedWith>) -> Result<(), StepError> {
    let Update { before, replaces_database, .. } = update(context)?;
    // Its undo restores the data that it finds. Only a rollback replaces them.
    let reads = if context.operation.restore.is_some() { &before.versions } else { &context.store.versions };
    deploy::check_schema(deployed, reads)?;
    for versions in [&before.versions, &context.store.versions] {
        let engine = context.engine_as_recorded(versions).await?;
        if let Some(lacks) = engine.lacks_for_migration(replaces_database) {
            let message = format!("The chart of version {} has no {lacks}.", engine.versions.chart);
            return Err(StepError::Failed(Failure::new(Reason::ChartRejected, message)));
        }
    }
    Ok(())
}

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    if context.operation.kind == OperationKind::Rollback {
        return Box::pin(run_offline(context)).await;
    }
    let deployed = deploy::check_data(context).await?;
    let mode = if context.operation.migrates_data() { Mode::Page } else { Mode::Online };
    smtp::ensure_login(context, Step::Upgrade).await?;
    let (chart, settings) = new(context).await?;
    if !context.operation.is_behind(Step::Upgrade) {
        deploy::check_schema(deployed.as_ref(), &settings.versions)?;
    }
    verify::before_update(context).await?;
    let apply_again = !context.operation.is_behind(Step::Upgrade);
    deploy::run(context, (&chart.in_mode(mode), settings), Step::Upgrade, apply_again).await?;
    smtp::forget_unused(context).await
}

/// Deploys the revision of a rollback for the restore of its data: no pod of the shop runs, and its database is that of the revision.
async fn run_offline(context: &mut OperationContext) -> Result<(), StepError> {
    // After a restart: its pods may run already.
    if context.operation.is_behind(Step::Upgrade) {
        return Ok(());
    }
    volumes::check_data(context).await?;
    smtp::ensure_login(context, Step::Upgrade).await?;
    let (chart, settings) = new(context).await?;
    deploy::run(context, (&chart.in_mode(Mode::Offline), settings), Step::Upgrade, true).await?;
    maintenance::take_offline(context, Step::Upgrade).await
}

/// START: the shop's pods start with the restored data, and the page still answers customers.
pub(super) async fn start(context: &mut OperationContext) -> Result<(), StepError> {
    if context.operation.is_behind(Step::Start) {
        return Ok(());
    }
    volumes::check_data(context).await?;
    let (chart, settings) = new(context).await?;
    deploy::run(context, (&chart.in_mode(Mode::Page), settings), Step::Start, true).await
}

pub(super) async fn revert(context: &mut OperationContext) -> Result<(), StepError> {
    if context.operation.kind == OperationKind::Rollback {
        restore::stop(context).await?;
    }
    let migrates_data = context.operation.migrates_data();
    let deployed = if migrates_data {
        volumes::check_data(context).await?;
        None
    } else {
        // An update of a shop that is offline without its data was cancelled before it found that.
        deploy::check_data(context).await?
    };
    let mode = if migrates_data { Mode::Offline } else { Mode::Online };
    let (chart, settings) = former(context).await?;
    deploy::check_schema(deployed.as_ref(), &settings.versions)?;
    deploy::run(context, (&chart.in_mode(mode), settings), Step::Revert, true).await?;
    // Nothing writes any more when the data is restored.
    if migrates_data { maintenance::take_offline(context, Step::Revert).await } else { Ok(()) }
}

/// Before a restore: if the release cannot take the data, because the undo of an earlier operation left it without pods, or because somebody
/// deployed a version with another series of the database, deploys the store's own version without pods of the shop. Then, true if the files of the
/// database may be of another series.
pub(super) async fn prepare_for_restore(context: &mut OperationContext) -> Result<bool, StepError> {
    let engine = context.engine().await?;
    let deployed = deploy::deployed_with(context).await?;
    let is_left = deployed.as_ref().map(chart::mode) == Some(Mode::Offline);
    let newer = deployed.filter(|deployed| deploy::has_newer_schema(deployed, &engine.versions));
    let is_of_other_series = newer.and_then(|with| with.schema).is_some_and(|schema| {
        let deployed = Versions { schema, ..Versions::default() };
        deployed.database() != engine.versions.database()
    });
    if !is_left && !is_of_other_series {
        return Ok(false);
    }
    context.works();
    let settings = Settings { versions: engine.versions.clone(), ..context.store.settings() };
    let chart = chart::of(context, &engine, &settings)?;
    deploy::run(context, (&chart.in_mode(Mode::Offline), settings), Step::Restore, true).await?;
    context.only_waits();
    Ok(is_of_other_series || !engine.versions.database().is_empty())
}

/// After a restore: deploys the shop as it is when it is online, if the undo of an earlier update left it offline, or if somebody deployed a
/// version that would migrate the restored data.
pub(super) async fn end_left_mode(context: &mut OperationContext) -> Result<(), StepError> {
    let engine = context.engine().await?;
    let is_as_recorded = deploy::deployed_with(context).await?.is_none_or(|deployed| {
        chart::mode(&deployed) == Mode::Online && !deploy::has_newer_schema(&deployed, &engine.versions)
    });
    if is_as_recorded {
        return Ok(());
    }
    context.works();
    let settings = Settings { versions: engine.versions.clone(), ..context.store.settings() };
    let chart = chart::of(context, &engine, &settings)?;
    deploy::run(context, (&chart, settings), Step::EndMaintenance, true).await
}

/// Deploys the shop as it is when it is online, unless no version was deployed during the maintenance.
pub(super) async fn end_maintenance(context: &mut OperationContext) -> Result<(), StepError> {
    if context.operation.precedes_upgrade() {
        return Ok(());
    }
    let (chart, settings) = if context.operation.undoing { former(context).await? } else { new(context).await? };
    deploy::run(context, (&chart, settings), Step::EndMaintenance, true).await
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
    let mut found = revision(context, number).await?;
    if found.is_none() {
        // The oldest one was removed when its repetition was recorded.
        let newest = revision(context, context.store.revision).await?;
        found = newest.filter(|newest| newest.operation == context.operation.id);
    }
    let gone = || Failure::new(Reason::ChartRejected, format!("Revision {number} is not kept any more."));
    let found = found.ok_or_else(|| StepError::Failed(gone()))?;
    Ok((chart::of_revision(context, &engine, &found, &settings.domains), settings))
}

/// To what its undo returns.
async fn former(context: &OperationContext) -> Result<(Chart, Settings), StepError> {
    let Update { before, from_revision, .. } = update(context)?;
    let engine = context.engine_as_recorded(&before.versions).await?;
    let settings = Settings { versions: engine.versions.clone(), ..before };
    let chart = match revision(context, from_revision).await? {
        Some(revision) => chart::of_revision(context, &engine, &revision, &settings.domains),
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
