//! SECRETS: the engine's Secrets are there. Their texts are made here and kept in the cluster alone.

use storeplane_core::engine::SecretEntry;

use crate::kube::SecretSpec;
use crate::secret::SecretText;
use crate::worker::outcome::Setback;
use crate::worker::work::Work;

pub(super) async fn run(work: &mut Work) -> Result<(), Setback> {
    let engine = work.engine()?;
    let ids = &work.tools.ids;
    let text = |entry: &SecretEntry| match entry {
        SecretEntry::Fixed(text) => SecretText::new(text.clone()),
        SecretEntry::Random(length) => SecretText::new(ids.word(*length)),
    };
    let entries =
        |entries: &[(String, SecretEntry)]| entries.iter().map(|(key, entry)| (key.clone(), text(entry))).collect();
    let secrets =
        engine.secrets.iter().map(|secret| SecretSpec { name: secret.name.clone(), entries: entries(&secret.entries) });
    let secrets = secrets.collect();
    let cluster = work.tools.cluster.clone();
    let namespace = work.store.placement.namespace.clone();
    work.unless_stopped(cluster.ensure_secrets(&namespace, secrets)).await??;
    Ok(())
}
