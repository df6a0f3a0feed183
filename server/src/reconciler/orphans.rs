//! What is in the cluster and belongs to no store: reported, never removed. It may be all that is left of a shop whose
//! row was lost; only a person can know.

use std::collections::HashMap;
use std::time::Duration;

use storeplane_core::ids::StoreUid;
use tokio::time::Instant;

use crate::kube::OwnedNamespace;
use crate::postgres::LiveStore;

/// What goes away by itself within this time is not reported: a view may lag behind the rows.
const HOLD: Duration = Duration::from_secs(10);

/// A namespace, or a release in one, that is labelled as ours and belongs to no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The namespace.
    pub namespace: String,
    /// The release, if only that belongs to no store.
    pub release: Option<String>,
    /// All releases in the namespace.
    pub releases: Vec<String>,
    /// The store's id, as the namespace's label has it.
    pub store_id: String,
    /// The tenant, as the namespace's label has it.
    pub tenant: String,
    /// The store's uid, as the namespace's label has it.
    pub store_uid: Option<StoreUid>,
}

/// What belongs to none of the `live` stores. A namespace that is going is not an orphan: it needs nobody.
pub fn find<'a>(
    namespaces: impl Iterator<Item = &'a OwnedNamespace>,
    releases: impl Fn(&str) -> Vec<String>,
    live: &[LiveStore],
) -> Vec<Orphan> {
    let owners: HashMap<_, _> = live.iter().map(|store| ((store.uid, store.namespace.as_str()), store)).collect();
    let mut orphans = Vec::new();
    for namespace in namespaces.filter(|namespace| !namespace.terminating) {
        let all = releases(&namespace.name);
        let orphan = |release: Option<String>| Orphan {
            namespace: namespace.name.clone(),
            release,
            releases: all.clone(),
            store_id: namespace.store_id.clone().unwrap_or_default(),
            tenant: namespace.tenant.clone().unwrap_or_default(),
            store_uid: namespace.store_uid,
        };
        let owner = namespace.store_uid.and_then(|uid| owners.get(&(uid, namespace.name.as_str())));
        match owner {
            None => orphans.push(orphan(None)),
            Some(store) => {
                let strange = all.iter().filter(|release| **release != store.release);
                orphans.extend(strange.map(|release| orphan(Some(release.clone()))));
            }
        }
    }
    orphans
}

/// What was reported, so that it is not reported again.
#[derive(Debug, Default)]
pub(super) struct Reports {
    seen: HashMap<(String, Option<String>), Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    told: bool,
}

impl Reports {
    /// Tells of each orphan once, when it has been one for a while, and once more when it is none any longer.
    pub(super) fn report(&mut self, orphans: Vec<Orphan>, now: Instant) {
        let mut before = std::mem::take(&mut self.seen);
        for orphan in orphans {
            let key = (orphan.namespace.clone(), orphan.release.clone());
            let mut seen = before.remove(&key).unwrap_or(Seen { since: now, told: false });
            if !seen.told && now - seen.since >= HOLD {
                seen.told = true;
                warn(&orphan);
            }
            self.seen.insert(key, seen);
        }
        for ((namespace, release), _) in before.into_iter().filter(|(_, seen)| seen.told) {
            tracing::info!(event = "ORPHAN_GONE", namespace, release, "what belonged to no store is gone, or has one");
        }
    }
}

fn warn(orphan: &Orphan) {
    let Orphan { namespace, release, releases, store_id, tenant, store_uid } = orphan;
    let (releases, store_uid) = (releases.join(","), store_uid.map(tracing::field::display));
    let what =
        if release.is_some() { "a release in a store's namespace" } else { "a namespace that is labelled as ours" };
    tracing::warn!(
        event = "ORPHAN_FOUND",
        namespace,
        release,
        releases,
        store_id,
        tenant,
        store_uid,
        "{what} belongs to no store; nothing removes it: see `storeplane-server orphans`"
    );
}

#[cfg(test)]
mod tests {
    use storeplane_core::ids::OperationId;
    use storeplane_core::store::State;
    use uuid::Uuid;

    use super::*;

    fn namespace(name: &str, uid: Uuid, terminating: bool) -> OwnedNamespace {
        OwnedNamespace {
            name: name.into(),
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
        }
    }

    #[test]
    fn what_belongs_to_no_live_store_is_found() {
        let (live, dead) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let namespaces = [
            namespace("store-tea", live, false),
            namespace("store-old", dead, false),
            namespace("store-going", dead, true),
            namespace("store-copy", live, false),
        ];
        let releases = |name: &str| match name {
            "store-tea" => vec!["store-tea".to_owned(), "extra".to_owned()],
            _ => vec!["store-tea".to_owned()],
        };
        let found = find(namespaces.iter(), releases, &[store("store-tea", live)]);
        let names: Vec<_> = found.iter().map(|it| (it.namespace.as_str(), it.release.as_deref())).collect();
        assert_eq!(names, [("store-tea", Some("extra")), ("store-old", None), ("store-copy", None)]);
        assert_eq!(found[1].releases, ["store-tea"]);
    }

    #[test]
    fn each_is_told_once_when_it_stays() {
        let orphans = || find([namespace("store-old", Uuid::nil(), false)].iter(), |_| Vec::new(), &[]);
        let (mut reports, start) = (Reports::default(), Instant::now());
        let told = |reports: &Reports| reports.seen.values().filter(|seen| seen.told).count();
        reports.report(orphans(), start);
        assert_eq!(told(&reports), 0, "it may go by itself");
        for second in [10, 11, 60] {
            reports.report(orphans(), start + Duration::from_secs(second));
            assert_eq!((told(&reports), reports.seen.len()), (1, 1));
        }
        reports.report(Vec::new(), start + Duration::from_secs(61));
        assert!(reports.seen.is_empty());
    }
}
