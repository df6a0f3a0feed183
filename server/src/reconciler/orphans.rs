//! Orphans: objects in the cluster that belong to no store. They are reported, never removed: one may be all that is left of a shop whose
//! row was lost, which only a person can decide.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use storeplane_core::ids::StoreUid;
use tokio::time::Instant;

use crate::kube::{ListedRelease, OwnedNamespace};
use crate::postgres::LiveStore;
use crate::releases::owner::{NamespaceOwner, Owners};

/// Orphans that disappear within this time are not reported: the cache may lag behind the rows.
const HOLD: Duration = Duration::from_secs(10);

/// One of our namespaces, or a release in one, that belongs to no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The namespace.
    pub namespace: String,
    /// The release, if only the release is an orphan.
    pub release: Option<String>,
    /// All releases in the namespace.
    pub releases: Vec<String>,
    /// The store's id, from the namespace's label.
    pub store_id: String,
    /// The tenant, from the namespace's label.
    pub tenant: String,
    /// The store's uid, from the namespace or from a release in it.
    pub store_uid: Option<StoreUid>,
}

/// The orphans among all namespaces of the cluster, given the `live` stores. Our namespaces are labelled; one that
/// lost its labels may still have a store's release. One that is being deleted is ignored.
pub fn find<'a>(
    instance: &str,
    namespaces: impl Iterator<Item = &'a OwnedNamespace>,
    releases: impl Fn(&str) -> Vec<ListedRelease>,
    live: &[LiveStore],
) -> Vec<Orphan> {
    let owners = Owners::new(instance, live);
    let mut orphans = Vec::new();
    for namespace in namespaces.filter(|namespace| !namespace.terminating) {
        let found = releases(&namespace.name);
        let owner = owners.of(namespace, found.iter().filter_map(|release| release.observation.store_uid));
        let recorded = owner.store();
        let all: Vec<_> = found.into_iter().map(|release| release.name).collect();
        let orphan = |release: Option<String>| Orphan {
            namespace: namespace.name.clone(),
            release,
            releases: all.clone(),
            store_id: recorded.id.to_owned(),
            tenant: recorded.tenant.to_owned(),
            store_uid: recorded.uid,
        };
        match owner {
            NamespaceOwner::Foreign => {}
            NamespaceOwner::Orphan { .. } => orphans.push(orphan(None)),
            NamespaceOwner::Store(store) => {
                let strange = all.iter().filter(|release| **release != store.release);
                orphans.extend(strange.map(|release| orphan(Some(release.clone()))));
            }
        }
    }
    orphans
}

/// The orphans reported so far.
#[derive(Debug, Default)]
pub(super) struct Reports {
    seen: HashMap<(String, Option<String>), Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    reported: bool,
}

impl Reports {
    /// Reports each orphan once, after it has lasted for a while, and once more when it is gone. Releases in `hidden` namespaces are unknown.
    pub(super) fn report(&mut self, orphans: Vec<Orphan>, hidden: &HashSet<String>, now: Instant) {
        let mut before = std::mem::take(&mut self.seen);
        for orphan in orphans {
            let key = (orphan.namespace.clone(), orphan.release.clone());
            let mut seen = before.remove(&key).unwrap_or(Seen { since: now, reported: false });
            if !seen.reported && now - seen.since >= HOLD {
                seen.reported = true;
                warn(&orphan);
            }
            self.seen.insert(key, seen);
        }
        for ((namespace, release), seen) in before {
            if release.is_some() && hidden.contains(&namespace) {
                self.seen.insert((namespace, release), seen);
                continue;
            }
            if !seen.reported {
                continue;
            }
            tracing::info!(
                event = "ORPHAN_GONE",
                namespace,
                release,
                "an orphan was removed, or belongs to a store again"
            );
        }
    }
}

fn warn(orphan: &Orphan) {
    let Orphan { namespace, release, releases, store_id, tenant, store_uid } = orphan;
    let (releases, store_uid) = (releases.join(","), store_uid.map(tracing::field::display));
    let what = if release.is_some() { "a release in a store's namespace" } else { "a namespace created for a store" };
    tracing::warn!(
        event = "ORPHAN_FOUND",
        namespace,
        release,
        releases,
        store_id,
        tenant,
        store_uid,
        "{what} belongs to no store and is not removed automatically: see `storeplane-server orphans`"
    );
}

#[cfg(test)]
mod tests {
    use storeplane_core::ids::OperationId;
    use storeplane_core::store::State;
    use uuid::Uuid;

    use super::*;
    use crate::kube::{ReleaseObservation, ReleaseStatus};

    fn namespace(name: &str, uid: Uuid, terminating: bool) -> OwnedNamespace {
        OwnedNamespace {
            name: name.into(),
            instance: Some("prod".into()),
            labelled: true,
            store_id: Some("tea".into()),
            store_uid: Some(StoreUid(uid)),
            tenant: Some("default".into()),
            fence: 1,
            terminating,
        }
    }

    fn store(namespace: &str, uid: Uuid) -> LiveStore {
        LiveStore {
            uid: StoreUid(uid),
            store_id: "tea".into(),
            tenant: "default".into(),
            namespace: namespace.into(),
            release: "store-tea".into(),
            engine: "woocommerce".into(),
            chart_version: "1".into(),
            state: State::Ready,
            operation: OperationId(Uuid::nil()),
            revision: 1,
            active: false,
            deleting: false,
            was_ready: true,
            shop_url: "http://store-tea.localhost/".into(),
            has_domain: false,
            host: String::new(),
        }
    }

    fn release(name: &str, store_uid: Option<Uuid>) -> ListedRelease {
        let observation = ReleaseObservation {
            status: ReleaseStatus::Deployed,
            revision: 1,
            last_deployed: Some(1),
            updated: None,
            store_uid: store_uid.map(StoreUid),
        };
        ListedRelease { namespace: String::new(), name: name.into(), observation }
    }

    /// Namespace and release of each.
    fn found(namespaces: &[OwnedNamespace], releases: impl Fn(&str) -> Vec<ListedRelease>) -> Vec<(String, String)> {
        let live = [store("store-tea", Uuid::from_u128(1))];
        let orphans = find("prod", namespaces.iter(), releases, &live);
        orphans.into_iter().map(|it| (it.namespace, it.release.unwrap_or_default())).collect()
    }

    fn names(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(namespace, release)| ((*namespace).to_owned(), (*release).to_owned())).collect()
    }

    #[test]
    fn objects_without_live_store_are_found() {
        let (live, dead) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of_another = OwnedNamespace { instance: Some("staging".into()), ..namespace("store-theirs", dead, false) };
        let namespaces = [
            namespace("store-tea", live, false),
            namespace("store-old", dead, false),
            namespace("store-going", dead, true),
            namespace("store-copy", live, false),
            of_another,
        ];
        let releases = |name: &str| match name {
            "store-tea" => vec![release("store-tea", Some(live)), release("extra", None)],
            _ => vec![release("store-tea", Some(dead))],
        };
        let expected = [("store-tea", "extra"), ("store-old", ""), ("store-copy", "")];
        assert_eq!(found(&namespaces, releases), names(&expected));
    }

    #[test]
    fn unlabelled_namespace_is_identified_by_its_release() {
        let (live, dead) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let stripped = |name: &str| OwnedNamespace {
            instance: None,
            store_id: None,
            store_uid: None,
            tenant: None,
            labelled: false,
            ..namespace(name, dead, false)
        };
        let namespaces = [stripped("store-tea"), stripped("store-old"), stripped("kube-system")];
        let releases = |name: &str| match name {
            "store-tea" => vec![release("store-tea", Some(live))],
            "store-old" => vec![release("store-old", Some(dead))],
            _ => vec![release("somebody", None)],
        };
        assert_eq!(found(&namespaces, releases), names(&[("store-old", "")]), "a live store's is none");
    }

    #[test]
    fn lasting_orphan_is_reported_once() {
        let orphans = || find("prod", [namespace("store-old", Uuid::nil(), false)].iter(), |_| Vec::new(), &[]);
        let (mut reports, start, hidden) = (Reports::default(), Instant::now(), HashSet::new());
        let reported = |reports: &Reports| reports.seen.values().filter(|seen| seen.reported).count();
        reports.report(orphans(), &hidden, start);
        assert_eq!(reported(&reports), 0, "it may go by itself");
        for second in [10, 11, 60] {
            reports.report(orphans(), &hidden, start + Duration::from_secs(second));
            assert_eq!((reported(&reports), reports.seen.len()), (1, 1));
        }
        reports.report(Vec::new(), &hidden, start + Duration::from_secs(61));
        assert!(reports.seen.is_empty());
    }

    #[test]
    fn orphaned_release_that_is_no_longer_observed_is_not_gone() {
        let (mut reports, start) = (Reports::default(), Instant::now());
        let (nothing, hidden) = (HashSet::new(), HashSet::from(["store-tea".to_owned()]));
        let extra = |_: &str| vec![release("extra", None)];
        let live = [store("store-tea", Uuid::from_u128(1))];
        let orphans = find("prod", [namespace("store-tea", Uuid::from_u128(1), false)].iter(), extra, &live);
        assert_eq!(orphans.len(), 1);
        reports.report(orphans, &nothing, start);
        reports.report(Vec::new(), &hidden, start);
        assert_eq!(reports.seen.len(), 1);
        reports.report(Vec::new(), &nothing, start);
        assert!(reports.seen.is_empty());
    }
}
