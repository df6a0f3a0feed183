//! What each step does. Each looks at the cluster first and does what is missing, so that it can be run again.

mod install;
mod namespace;
mod namespace_gone;
mod rollout;
mod secrets;
mod uninstall;
mod verify;

use storeplane_core::operation::Step;

use super::outcome::Setback;
use super::work::Work;

/// Runs a step once.
pub(super) async fn run(step: Step, work: &mut Work) -> Result<(), Setback> {
    match step {
        Step::Namespace => Box::pin(namespace::run(work)).await,
        Step::Secrets => Box::pin(secrets::run(work)).await,
        Step::Install => Box::pin(install::run(work)).await,
        Step::Rollout => Box::pin(rollout::run(work)).await,
        Step::Verify => Box::pin(verify::run(work)).await,
        Step::Uninstall => Box::pin(uninstall::run(work)).await,
        Step::NamespaceGone => Box::pin(namespace_gone::run(work)).await,
    }
}
