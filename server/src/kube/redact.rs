//! Masks secrets in text from a store's namespace: log lines, probe responses, events.
//!
//! The values of the store's own Secrets are masked, and whatever `crate::redact` considers a secret.

use storeplane_core::failure::{DETAIL_LINE_MAX, Failure, truncate};

use super::cluster::Cluster;
use crate::redact::{Unmasked, redact};
use crate::secret::SecretText;

/// A shorter value would mask ordinary words ("shop", "admin").
const SHORTEST: usize = 8;
/// A line of a longer value, such as one URL of many, is masked as well. Configuration files have shorter lines that are not secret.
const SHORTEST_LINE: usize = 20;

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
        let Some(values) = self.values(cluster, namespace).await else {
            let why = "Details are omitted: the secrets to mask in them could not be read.";
            return failure.without_details(why).masked([]);
        };
        failure.masked(hidden(values))
    }

    /// Masks a text and truncates it to [`DETAIL_LINE_MAX`]; empty if the secrets cannot be read.
    pub(super) async fn text(&mut self, cluster: &Cluster, namespace: &str, text: &str) -> String {
        let values = self.values(cluster, namespace).await;
        values.map_or_else(String::new, |values| truncate(mask(text, values), DETAIL_LINE_MAX))
    }

    async fn values(&mut self, cluster: &Cluster, namespace: &str) -> Option<&[SecretText]> {
        if self.values.is_none() {
            self.values = cluster.secret_texts(namespace).await.ok();
        }
        self.values.as_deref()
    }
}

/// Masks a text: `values` are the secrets of the namespace that it comes from.
pub(super) fn mask(text: &str, values: &[SecretText]) -> String {
    redact(text, hidden(values))
}

fn hidden(values: &[SecretText]) -> impl Iterator<Item = &str> + Clone {
    let whole = values.iter().map(SecretText::expose).filter(|value| value.len() >= SHORTEST);
    let lines = values.iter().flat_map(|value| value.expose().lines()).filter(|line| line.len() >= SHORTEST_LINE);
    whole.chain(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_lines_of_a_value_are_masked() {
        let values = [
            SecretText::new("https://storage/a?signed=1\nhttps://storage/b?signed=2\n"),
            SecretText::new("[client]\nx=1\n"),
        ];
        assert_eq!(mask("PUT https://storage/b?signed=2: 403", &values), "PUT ***: 403");
        assert_eq!(mask("[client] x=1", &values), "[client] x=1");
    }
}
