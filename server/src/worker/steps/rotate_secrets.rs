//! `ROTATE_SECRETS`: the generated passwords and salts of the engine's Secrets are replaced. ROLLOUT restarts the pods that read them.

use storeplane_core::engine::{SecretEntry, SecretTemplate};

use super::secrets::generate;
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let engine = context.engine().await?;
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    // The step can run again: a Secret that this operation has rotated is kept.
    let rotation = context.operation.id.to_string();
    for template in &engine.secrets {
        let changing = SecretTemplate { name: template.name.clone(), entries: passwords(template) };
        if !changing.entries.is_empty() {
            let spec = generate(context, &changing);
            context.unless_stopped(cluster.rotate_secret(&namespace, spec, &rotation)).await??;
        }
    }
    Ok(())
}

/// The entries that are secret. User names are kept: they are names in the shop's database.
fn passwords(template: &SecretTemplate) -> Vec<(String, SecretEntry)> {
    template.entries.iter().filter(|(_, entry)| matches!(entry, SecretEntry::Random(_))).cloned().collect()
}
