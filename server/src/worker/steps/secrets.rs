//! SECRETS: the engine's Secrets exist. Their values are generated here and stored only in the cluster.

use storeplane_core::engine::{Engine, LostSecrets, SecretEntry, SecretTemplate};
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;

use super::smtp;
use crate::kube::SecretSpec;
use crate::secret::SecretText;
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// Random characters of a user name.
const UNIQUE: usize = 8;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let engine = context.engine().await?;
    // Before the first INSTALL no data can depend on lost ones.
    if context.operation.is_retry() || context.operation.is_behind(Step::Secrets) {
        check_lost_secrets(context, &engine).await?;
    }
    let secrets = engine.secrets.iter().map(|secret| generate(context, secret)).collect();
    let cluster = context.tools.cluster.clone();
    let namespace = context.store.placement.namespace.clone();
    context.unless_stopped(cluster.ensure_secrets(&namespace, secrets)).await??;
    context.unless_stopped(cluster.copy_secrets(&namespace)).await??;
    smtp::ensure_login(context, Step::Secrets).await
}

/// The Secret with new values.
pub(super) fn generate(context: &OperationContext, secret: &SecretTemplate) -> SecretSpec {
    let ids = &context.tools.ids;
    let text = |entry: &SecretEntry| match entry {
        SecretEntry::Fixed(text) => SecretText::new(text.clone()),
        SecretEntry::Random(length) => SecretText::new(ids.random_text(*length)),
        SecretEntry::Unique(prefix) => SecretText::new(format!("{prefix}-{}", ids.random_text(UNIQUE))),
    };
    let entries = secret.entries.iter().map(|(key, entry)| (key.clone(), text(entry)));
    SecretSpec { name: secret.name.clone(), entries: entries.collect() }
}

/// Secrets that are missing although a volume exists: its data may depend on their values, which nobody has any more.
/// Only the chart knows whether new ones work.
async fn check_lost_secrets(context: &mut OperationContext, engine: &Engine) -> Result<(), StepError> {
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    let is_random = |secret: &&SecretTemplate| {
        secret.entries.iter().any(|(_, it)| matches!(it, SecretEntry::Random(_) | SecretEntry::Unique(_)))
    };
    let names: Vec<_> = engine.secrets.iter().filter(is_random).map(|secret| secret.name.clone()).collect();
    let lost = context.unless_stopped(cluster.missing_secrets(&namespace, &names)).await??;
    if lost.is_empty() || !context.unless_stopped(cluster.has_claims(&namespace)).await?? {
        return Ok(());
    }
    let lost = lost.join(", ");
    match engine.lost_secrets {
        LostSecrets::Renew => {
            let message = format!(
                "Secrets are missing ({lost}): new ones are generated, and pods with the old ones are restarted"
            );
            let event = NewEvent::new(EventType::SecretsRenewed, message).in_step(Step::Secrets).with("names", lost);
            context.emit(vec![event], None).await
        }
        LostSecrets::Refuse => {
            let message =
                format!("Secrets are missing ({lost}), and the volumes in {namespace} may depend on their values");
            let why = format!("The chart of engine {} does not allow generating new ones (lost_secrets).", engine.name);
            Err(StepError::Failed(Failure::new(Reason::SecretMissing, message).with_details([why])))
        }
    }
}
