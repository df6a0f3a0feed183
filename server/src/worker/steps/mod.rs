//! The implementation of each step. Each reads the cluster first and does what is missing, so that it can run again.

mod install;
mod namespace;
mod namespace_gone;
mod repair;
mod rollout;
mod rotate_secrets;
mod secrets;
mod uninstall;
mod verify;

use storeplane_core::operation::Step;

use super::context::OperationContext;
use super::outcome::StepError;

/// Runs a step once.
pub(super) async fn run(step: Step, context: &mut OperationContext) -> Result<(), StepError> {
    match step {
        Step::Namespace => Box::pin(namespace::run(context)).await,
        Step::Secrets => Box::pin(secrets::run(context)).await,
        Step::Install => Box::pin(install::run(context)).await,
        Step::Rollout => Box::pin(rollout::run(context)).await,
        Step::Verify => Box::pin(verify::run(context)).await,
        Step::RotateSecrets => Box::pin(rotate_secrets::run(context)).await,
        Step::Uninstall => Box::pin(uninstall::run(context)).await,
        Step::NamespaceGone => Box::pin(namespace_gone::run(context)).await,
    }
}
