//! INSTALL: the release is deployed. A release that helm left incomplete is repaired first; a deployed one is adopted.

use storeplane_core::operation::Step;
use storeplane_core::store::Settings;

use super::{chart, deploy};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    // What it installs in itself is behind it after a restart.
    let deployed = if context.operation.is_behind(Step::Install) { None } else { deploy::check_data(context).await? };
    let engine = context.engine().await?;
    deploy::check_schema(deployed.as_ref(), &engine.versions)?;
    let settings = Settings { versions: engine.versions.clone(), ..context.store.settings() };
    let chart = chart::of(context, &engine, &settings)?;
    let apply_again = context.operation.is_retry() && !context.operation.is_behind(Step::Install);
    deploy::run(context, (&chart, settings), Step::Install, apply_again).await
}
