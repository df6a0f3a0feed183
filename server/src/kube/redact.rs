//! Masks secrets in text from a store's namespace: log lines, probe responses, events.
//!
//! The values of the store's own Secrets are masked, and whatever `crate::redact` considers a secret.

use storeplane_core::failure::Failure;

use super::cluster::Cluster;
use crate::redact::{Unmasked, redact};
use crate::secret::SecretText;

/// A shorter value would mask ordinary words ("shop", "admin").
const SHORTEST: usize = 8;

impl Cluster {
    /// Masks a failure with the secrets of a namespace; drops its details if those cannot be read.
    pub(crate) async fn masked(&self, namespace: &str, failure: Unmasked) -> Failure {
        Masks::default().failure(self, namespace, failure).await
    }
}

/// The values to mask in one namespace. They are read once, when first needed.
#[derive(Debug, Default)]
pub(super) struct Masks {
    values: Option<Vec<SecretText>>,
}

impl Masks {
    /// Masks a failure; drops its details if the secrets cannot be read.
    pub(super) async fn failure(&mut self, cluster: &Cluster, namespace: &str, failure: Unmasked) -> Failure {
        if self.values.is_none() {
            self.values = cluster.secret_texts(namespace).await.ok();
        }
        let Some(values) = &self.values else {
            let why = "Details are omitted: the secrets to mask in them could not be read.";
            return failure.without_details(why).masked([]);
        };
        failure.masked(hidden(values))
    }
}

/// Masks a text: `values` are the secrets of the namespace that it comes from.
pub(super) fn mask(text: &str, values: &[SecretText]) -> String {
    redact(text, hidden(values))
}

fn hidden(values: &[SecretText]) -> impl Iterator<Item = &str> + Clone {
    values.iter().map(SecretText::expose).filter(|value| value.len() >= SHORTEST)
}
