//! The implementation of each step. Each reads the cluster first and does what is missing, so that it can run again.

pub(super) mod back_up;
mod backup_job;
mod chart;
mod deploy;
mod install;
mod maintenance;
mod namespace;
mod namespace_gone;
mod repair;
pub(super) mod restore;
mod rollout;
mod rotate_secrets;
mod secrets;
mod smtp;
mod uninstall;
mod upgrade;
mod verify;
mod verify_backup;
mod volumes;

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
        Step::BackUp => Box::pin(back_up::run(context)).await,
        Step::Maintenance => Box::pin(maintenance::begin(context)).await,
        Step::Start => Box::pin(upgrade::start(context)).await,
        Step::Restore => Box::pin(restore::run(context)).await,
        Step::EndMaintenance => Box::pin(maintenance::end(context)).await,
        Step::VerifyBackup => Box::pin(verify_backup::run(context)).await,
        Step::Upgrade => Box::pin(upgrade::run(context)).await,
        Step::Revert => Box::pin(upgrade::revert(context)).await,
        Step::Uninstall => Box::pin(uninstall::run(context)).await,
        Step::NamespaceGone => Box::pin(namespace_gone::run(context)).await,
    }
}
