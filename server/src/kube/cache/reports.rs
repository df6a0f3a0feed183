//! Logs what is unknown, once when it begins and once when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::view::ClusterCacheView;
use super::watches::Kind;
use crate::kube::error::{ClusterError, ClusterErrorKind};

/// Permissions of a new namespace take a moment to apply, and interrupted watches are opened again.
const HOLD: Duration = Duration::from_secs(10);
/// Maximum number of namespaces that one message names.
const NAMED: usize = 3;

/// What was reported.
#[derive(Debug, Default)]
pub(super) struct Reports {
    outage: bool,
    /// The kinds that may not be watched in all namespaces.
    refused: BTreeSet<Kind>,
    /// The namespaces that cannot be watched.
    namespaces: BTreeSet<String>,
}

impl Reports {
    /// Reports changes.
    pub(super) fn report(&mut self, view: &ClusterCacheView) {
        let complete = view.is_complete();
        let interrupted = view.parts.unknown(Duration::ZERO).find(|(part, error)| {
            let may_be_replaced = part.kind != Kind::Namespaces && error.kind() == ClusterErrorKind::Forbidden;
            part.namespace.is_none() && !may_be_replaced
        });
        if let Some((_, error)) = interrupted.filter(|_| !complete && !self.outage) {
            self.outage = true;
            tracing::warn!(event = "HEALTH_UNKNOWN", %error, "the cluster cannot be watched; stores keep their last known state");
        }
        if !complete {
            return;
        }
        if std::mem::take(&mut self.outage) {
            tracing::info!(event = "HEALTH_KNOWN", "the cluster is watched again");
        }
        self.report_refused(view);
        self.report_namespaces(view);
    }

    fn report_refused(&mut self, view: &ClusterCacheView) {
        let mut before = std::mem::take(&mut self.refused);
        for (part, error) in view.parts.unknown(HOLD).filter(|(part, _)| part.namespace.is_none()) {
            self.refused.insert(part.kind);
            if !before.remove(&part.kind) {
                tracing::warn!(
                    event = "WATCH_REFUSED",
                    watch = %part,
                    %error,
                    "the account may not watch these; the server watches each store's namespace instead, which takes a stream per store"
                );
            }
        }
        for kind in before {
            tracing::info!(event = "WATCH_GRANTED", watch = %kind, "these are watched in all namespaces at once again");
        }
    }

    fn report_namespaces(&mut self, view: &ClusterCacheView) {
        let mut unknown = BTreeMap::<String, &ClusterError>::new();
        for (part, error) in view.parts.unknown(HOLD) {
            if let Some(namespace) = &part.namespace {
                unknown.entry(namespace.clone()).or_insert(error);
            }
        }
        let is_new = |(namespace, _): &(&String, &&ClusterError)| !self.namespaces.contains(*namespace);
        if let Some((_, error)) = unknown.iter().find(is_new) {
            let namespaces = name(unknown.iter().filter(is_new).map(|(namespace, _)| namespace));
            tracing::warn!(
                event = "HEALTH_UNKNOWN",
                namespaces,
                %error,
                "namespaces of stores cannot be watched; these stores keep their last known state"
            );
        }
        let ended: Vec<_> = self.namespaces.iter().filter(|namespace| !unknown.contains_key(*namespace)).collect();
        if !ended.is_empty() {
            let namespaces = name(ended.into_iter());
            tracing::info!(event = "HEALTH_KNOWN", namespaces, "namespaces of stores are watched again, or gone");
        }
        self.namespaces = unknown.into_keys().collect();
    }
}

/// The first few, and how many more there are.
fn name<'a>(mut namespaces: impl Iterator<Item = &'a String>) -> String {
    let named: Vec<_> = namespaces.by_ref().take(NAMED).map(String::as_str).collect();
    match namespaces.count() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn message_names_a_few_namespaces() {
        let all: Vec<_> = (1..=5).map(|number| format!("store-{number}")).collect();
        assert_eq!(super::name(all.iter().take(1)), "store-1");
        assert_eq!(super::name(all.iter()), "store-1, store-2, store-3 and 2 more");
    }
}
