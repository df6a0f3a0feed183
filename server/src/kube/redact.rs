//! Masking what may be secret in text that comes out of a store's namespace: log lines, probe answers, events.
//!
//! The values of the store's own Secrets are masked, and whatever `crate::redact` takes for a secret.

use storeplane_core::failure::Failure;

use super::cluster::Cluster;
use crate::redact::{Unmasked, redact};
use crate::secret::SecretText;

/// A shorter value would mask ordinary words ("shop", "admin").
const SHORTEST: usize = 8;

impl Cluster {
    /// The failure with the secrets of a namespace masked; without its details when those cannot be read.
    pub(crate) async fn masked(&self, namespace: &str, failure: Unmasked) -> Failure {
        Masks::default().failure(self, namespace, failure).await
    }
}

/// What to mask in one namespace. The values are read once, when there is something to mask.
#[derive(Debug, Default)]
pub(super) struct Masks {
    values: Option<Vec<SecretText>>,
}

impl Masks {
    /// The failure with secrets masked; without its details when the secrets cannot be read.
    pub(super) async fn failure(&mut self, cluster: &Cluster, namespace: &str, failure: Unmasked) -> Failure {
        if self.values.is_none() {
            self.values = cluster.secret_texts(namespace).await.ok();
        }
        let Some(values) = &self.values else {
            let why = "Details are left out: the secrets to mask in them could not be read.";
            return failure.without_details(why).masked([]);
        };
        failure.masked(hidden(values))
    }
}

/// A text with secrets masked: `values` are the secrets of the namespace from which it comes.
pub(super) fn mask(text: &str, values: &[SecretText]) -> String {
    redact(text, hidden(values))
}

fn hidden(values: &[SecretText]) -> impl Iterator<Item = &str> + Clone {
    values.iter().map(SecretText::expose).filter(|value| value.len() >= SHORTEST)
}
