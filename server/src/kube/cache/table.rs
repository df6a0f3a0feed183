//! Objects of one kind, by namespace and name, from one watch of all namespaces or from one watch per namespace.

use std::collections::BTreeMap;

use ::kube::ResourceExt;
use ::kube::runtime::watcher::Event as Change;

/// Cluster-scoped objects have an empty namespace.
type Objects<T> = BTreeMap<(String, String), T>;

#[derive(Debug)]
pub(super) struct Table<T> {
    live: Objects<T>,
    /// Unfinished listings, by the watch's namespace.
    listings: BTreeMap<Option<String>, Objects<T>>,
}

/// What is dropped with a watch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped {
    /// Its unfinished listing.
    Listing,
    /// All objects that it covers as well.
    Objects,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), listings: BTreeMap::new() }
    }
}

impl<T> Table<T> {
    /// Applies a change seen by the watch of this namespace, or of all.
    pub(super) fn apply<K: ResourceExt>(
        &mut self,
        watched: Option<&String>,
        change: Change<K>,
        keep: impl FnOnce(&K) -> T,
    ) {
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match change {
            Change::Init => drop(self.listings.insert(watched.cloned(), Objects::new())),
            Change::InitApply(object) => {
                let listing = self.listings.entry(watched.cloned()).or_default();
                listing.insert(key(&object), keep(&object));
            }
            Change::InitDone => {
                let listed = self.listings.remove(&watched.cloned()).unwrap_or_default();
                self.remove(watched);
                self.live.extend(listed);
            }
            Change::Apply(object) => drop(self.live.insert(key(&object), keep(&object))),
            Change::Delete(object) => drop(self.live.remove(&key(&object))),
        }
    }

    /// The watch of this namespace, or of all, has ended.
    pub(super) fn end(&mut self, watched: Option<&String>, dropped: Dropped) {
        match dropped {
            Dropped::Listing => drop(self.listings.remove(&watched.cloned())),
            Dropped::Objects => self.remove(watched),
        }
    }

    /// Removes the objects of one namespace, or all, and what is listed of them.
    fn remove(&mut self, namespace: Option<&String>) {
        match namespace {
            None => {
                self.live.clear();
                self.listings.clear();
            }
            Some(namespace) => {
                self.listings.remove(&Some(namespace.clone()));
                let names: Vec<_> = self.within(namespace).map(|(name, _)| name.to_owned()).collect();
                for name in names {
                    self.live.remove(&(namespace.clone(), name));
                }
            }
        }
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.live.get(&(namespace.to_owned(), name.to_owned()))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.live.values()
    }

    pub(super) fn within<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a T)> {
        let from = self.live.range((namespace.to_owned(), String::new())..);
        let inside = from.take_while(move |((of, _), _)| of == namespace);
        inside.map(|((_, name), kept)| (name.as_str(), kept))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn map(namespace: &str, name: &str) -> ConfigMap {
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}})).expect("a map")
    }

    fn names(table: &Table<()>, namespace: &str) -> Vec<String> {
        table.within(namespace).map(|(name, ())| name.to_owned()).collect()
    }

    #[test]
    fn listing_replaces_only_what_its_watch_covers() {
        let (mut table, a, b) = (Table::default(), Some("a".to_owned()), Some("b".to_owned()));
        for (watched, objects) in [(&a, ["1", "2"]), (&b, ["1", "3"])] {
            table.apply(watched.as_ref(), Change::<ConfigMap>::Init, |_| ());
            for name in objects {
                table.apply(watched.as_ref(), Change::InitApply(map(watched.as_deref().unwrap(), name)), |_| ());
            }
            assert!(names(&table, watched.as_deref().unwrap()).is_empty(), "an unfinished listing shows nothing");
            table.apply(watched.as_ref(), Change::<ConfigMap>::InitDone, |_| ());
        }
        table.apply(a.as_ref(), Change::<ConfigMap>::Init, |_| ());
        table.apply(a.as_ref(), Change::InitApply(map("a", "2")), |_| ());
        table.apply(a.as_ref(), Change::<ConfigMap>::InitDone, |_| ());
        table.apply(b.as_ref(), Change::Apply(map("b", "4")), |_| ());
        table.apply(b.as_ref(), Change::Delete(map("b", "1")), |_| ());
        assert_eq!((names(&table, "a"), names(&table, "b")), (vec!["2".to_owned()], vec!["3".into(), "4".into()]));
        table.remove(a.as_ref());
        assert!(names(&table, "a").is_empty() && names(&table, "b").len() == 2);
        table.apply(None, Change::<ConfigMap>::Init, |_| ());
        table.apply(None, Change::<ConfigMap>::InitDone, |_| ());
        assert_eq!(table.values().count(), 0, "a watch of all namespaces covers all");
        table.apply(b.as_ref(), Change::<ConfigMap>::Init, |_| ());
        table.end(b.as_ref(), Dropped::Listing);
        assert!(table.listings.is_empty(), "an unfinished listing ends with its watch");
    }
}
