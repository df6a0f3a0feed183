//! UPGRADE: the release is deployed with new settings, or with the chart and the values of an earlier revision. REVERT, its undo, returns to the
//! revision before.

use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::{Step, Update};
use storeplane_core::revision::Revision;

use super::{chart, deploy};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let (update, settings) = (update(context)?, context.store.settings());
    let chart = match update.to_revision {
        None => chart::of(context, &settings)?,
        Some(number) => match revision(context, number).await? {
            Some(revision) => chart::of_revision(context, &revision)?,
            None => {
                let message = format!("Revision {number} is not kept any more.");
                return Err(StepError::Failed(Failure::new(Reason::ChartRejected, message)));
            }
        },
    };
    let apply_again = !context.operation.is_behind(Step::Upgrade);
    let deployed = deploy::run(context, &chart, Step::Upgrade, apply_again).await?;
    deploy::record(context, &deployed, settings).await
}

pub(super) async fn revert(context: &mut OperationContext) -> Result<(), StepError> {
    let Update { before, from_revision, .. } = update(context)?;
    let chart = match revision(context, from_revision).await? {
        Some(revision) => chart::of_revision(context, &revision)?,
        // It was installed by a release of this server that recorded none.
        None => chart::of(context, &before)?,
    };
    let deployed = deploy::run(context, &chart, Step::Revert, true).await?;
    deploy::record(context, &deployed, before).await
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
