//! One comparison of all stores with the cache, and examination of those that need it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::error::PortError;
use storeplane_core::ids::StoreUid;
use storeplane_core::store::State;
use storeplane_core::transition::health::Health;
use tokio::time::Instant;

use super::Reconciler;
use super::access::Access;
use super::health_tracker::HealthTracker;
use super::manifests::Manifests;
use super::orphans::{Orphan, Reports, find};
use crate::kube::{ClusterCache, ClusterSnapshot, Examined, Expected};
use crate::postgres::{LiveStore, LiveStoreRepository};

/// Maximum number of concurrent examinations.
const TOGETHER: usize = 16;
/// Maximum number of stores examined in one round, all in memory at once. The rest follows in the next round.
const MOST: usize = 512;
/// If more than this number ...
const MANY: usize = 16;
/// ... and at least one in this number of stores are due, they are observed together, by listings of the whole cluster: one store
/// takes nine requests, and its share of a listing costs about a tenth of that.
const ONE_OF: usize = 8;

/// The state between two rounds, and its inputs.
pub(super) struct Rounds<'a> {
    reconciler: &'a Reconciler,
    cache: &'a ClusterCache,
    trackers: HashMap<StoreUid, HealthTracker>,
    manifests: Manifests,
    access: Access,
    reports: Reports,
}

/// A store to examine.
struct ProbeTarget {
    store: LiveStore,
    expected: Expected,
    unhealthy_for: Duration,
    calm_for: Duration,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(reconciler: &'a Reconciler, cache: &'a ClusterCache) -> Self {
        Self {
            reconciler,
            cache,
            trackers: HashMap::new(),
            manifests: Manifests::default(),
            access: Access::default(),
            reports: Reports::default(),
        }
    }

    /// Runs one round. True if all stores were compared, and those that needed it examined.
    pub(super) async fn run(&mut self) -> bool {
        let live = match self.reconciler.live_stores.live().await {
            Ok(live) => live,
            Err(error) => {
                log(&error);
                return false;
            }
        };
        self.access.grant(&self.reconciler.cluster, self.cache, &live).await;
        self.read_manifests(&live).await;
        let now = Instant::now();
        let Some((targets, orphans, hidden)) = self.compare(&live, now) else {
            // The time at which symptoms began is no longer known.
            self.trackers.clear();
            return false;
        };
        self.reports.report(orphans, &hidden, now);
        let reconciler = self.reconciler;
        let all_at_once =
            reconciler.cluster.watches_all() && targets.len() > MANY && targets.len() * ONE_OF >= live.len();
        let Some(snapshots) = reconciler.snapshots(&targets, all_at_once).await else { return false };
        let looks = targets.into_iter().zip(snapshots);
        let looks =
            looks.map(|(target, snapshot)| async move { (target.store.uid, reconciler.probe(target, snapshot).await) });
        let mut looks = futures::stream::iter(looks).buffer_unordered(TOGETHER);
        while let Some((uid, seen)) = looks.next().await {
            if !seen {
                // The next round tries again; by then the cache may be gone as well.
                return false;
            }
            if let Some(tracker) = self.trackers.get_mut(&uid) {
                tracker.record_probe(Instant::now());
            }
        }
        true
    }

    /// The stores to examine, the orphans, and our namespaces whose releases are unknown. `None` while the cluster cannot be observed.
    fn compare(
        &mut self,
        live: &[LiveStore],
        now: Instant,
    ) -> Option<(Vec<ProbeTarget>, Vec<Orphan>, HashSet<String>)> {
        let followed = live.iter().filter(|store| is_followed(store));
        let expected: Vec<_> = followed.map(|store| (store.clone(), self.expected(store))).collect();
        let seen = self.cache.read(|view| {
            let symptoms: Vec<_> = expected.iter().map(|(_, expected)| view.symptoms(expected)).collect();
            let instance = self.reconciler.cluster.instance();
            let orphans = find(instance, view.namespaces(), |namespace| view.releases(namespace), live);
            let ours = view.namespaces().filter(|namespace| namespace.instance.as_deref() == Some(instance));
            let hidden = ours.filter(|namespace| !view.observes_releases_in(&namespace.name));
            let hidden: HashSet<_> = hidden.map(|namespace| namespace.name.clone()).collect();
            (symptoms, orphans, hidden)
        });
        let (symptoms, orphans, hidden) = seen?;
        let damping = self.reconciler.cluster.limits().health;
        let mut before = std::mem::take(&mut self.trackers);
        let mut targets = Vec::new();
        for ((store, expected), symptoms) in expected.into_iter().zip(symptoms) {
            // Not everything is observed: the time at which symptoms began is no longer known.
            let Some(symptoms) = symptoms else { continue };
            let tracker = match before.remove(&store.uid) {
                Some(mut tracker) => {
                    tracker.observe(store.operation, store.state, symptoms, now);
                    tracker
                }
                None => HealthTracker::new(damping, store.operation, store.state, symptoms, now),
            };
            if tracker.is_due(now) && !stays_failed(&store, tracker.unhealthy_for(now)) {
                let (unhealthy_for, calm_for) = (tracker.unhealthy_for(now), tracker.calm_for(now));
                targets.push(ProbeTarget { unhealthy_for, calm_for, expected, store: store.clone() });
            }
            self.trackers.insert(store.uid, tracker);
        }
        // Stores whose state seems wrong come first, then those whose cause may have changed.
        targets.sort_by_key(|target| (target.store.state == State::Ready) != (target.unhealthy_for > Duration::ZERO));
        targets.truncate(MOST);
        Some((targets, orphans, hidden))
    }

    /// Reads the workloads of new release revisions.
    async fn read_manifests(&mut self, live: &[LiveStore]) {
        let followed: Vec<_> = live.iter().filter(|store| is_followed(store)).collect();
        let uids: HashSet<_> = followed.iter().map(|store| store.uid).collect();
        self.manifests.retain(|uid| uids.contains(uid));
        let expected: Vec<_> = followed.into_iter().map(|store| self.expected(store)).collect();
        let unread = self.cache.read(|view| {
            expected.iter().filter_map(|expected| self.manifests.unread(expected, view)).collect::<Vec<_>>()
        });
        self.manifests.read(&self.reconciler.cluster, unread.unwrap_or_default()).await;
    }

    /// What should exist. A chart version other than the store's may have different Secrets.
    fn expected(&self, store: &LiveStore) -> Expected {
        let engine = self.reconciler.catalog.engine_at(&store.engine, &store.chart_version);
        let secrets = engine.map(|engine| engine.secrets.iter().map(|secret| secret.name.clone()).collect());
        Expected {
            namespace: store.namespace.clone(),
            store_uid: store.uid,
            release: store.release.clone(),
            secrets: secrets.unwrap_or_default(),
            workloads: self.manifests.workloads(store.uid).to_vec(),
        }
    }
}

/// No operation is active, and the store is wanted. A failed deletion is continued by RetryStore only.
fn is_followed(store: &LiveStore) -> bool {
    matches!(store.state, State::Ready | State::Degraded) || (store.state == State::Failed && !store.deleting)
}

/// A store that never was READY stays FAILED while it has symptoms, so examining it is pointless.
fn stays_failed(store: &LiveStore, unhealthy_for: Duration) -> bool {
    store.state == State::Failed && !store.was_ready && unhealthy_for > Duration::ZERO
}

impl Reconciler {
    /// The observations of all targets, if they are observed together. `None` if the cluster cannot be observed.
    async fn snapshots(&self, targets: &[ProbeTarget], all_at_once: bool) -> Option<Vec<Option<ClusterSnapshot>>> {
        let each_alone = || Some(targets.iter().map(|_| None).collect());
        if !all_at_once {
            return each_alone();
        }
        let expected: Vec<_> = targets.iter().map(|target| target.expected.clone()).collect();
        match self.cluster.observe_all(&expected).await {
            Ok(snapshots) => Some(snapshots.into_iter().map(Some).collect()),
            Err(error) => {
                tracing::debug!(%error, "stores cannot be examined all at once");
                // An account without permission to list the whole cluster may still see single namespaces.
                if error.retryable() { None } else { each_alone() }
            }
        }
    }

    /// Examines a store, unless it was already observed, and applies the result. False if it could not be observed.
    async fn probe(&self, target: ProbeTarget, snapshot: Option<ClusterSnapshot>) -> bool {
        let ProbeTarget { store, expected, unhealthy_for, calm_for } = target;
        let examined = match snapshot {
            Some(snapshot) => Ok(self.cluster.interpret(&expected, snapshot).await),
            None => self.cluster.examine(&expected).await,
        };
        let health = match examined {
            Ok(Examined::Healthy) if store.state == State::Ready => return true,
            Ok(Examined::Healthy) => match self.sales_test.sells(&store, calm_for).await {
                Some(health) => health,
                None => return true,
            },
            Ok(Examined::Settling(_))
                if store.state != State::Degraded && unhealthy_for < self.cluster.limits().health.starting =>
            {
                return true;
            }
            Ok(Examined::Settling(failure) | Examined::Unhealthy(failure)) => Health::Unhealthy(failure),
            Err(error) => {
                tracing::debug!(store_id = store.store_id, %error, "a store cannot be examined; its health is unknown");
                return !error.retryable();
            }
        };
        let live_stores = self.live_stores.clone();
        // A task that panicked has logged it.
        let _ = self.tasks.spawn(async move { apply_health(&live_stores, &store, &health).await }).await;
        true
    }
}

async fn apply_health(live_stores: &LiveStoreRepository, store: &LiveStore, health: &Health) {
    match live_stores.apply_health(store.uid, store.operation, health).await {
        Ok(Some(state)) => {
            let reason = if let Health::Unhealthy(failure) = health { failure.reason.as_str() } else { "" };
            let LiveStore { store_id, tenant, uid, .. } = store;
            let (store_uid, state) = (tracing::field::display(uid), state.as_str());
            tracing::info!(
                event = "STORE_HEALTH_CHANGED",
                store_id,
                tenant,
                store_uid,
                state,
                reason,
                "a store follows the cluster"
            );
        }
        Ok(None) => {}
        Err(error) => log(&error),
    }
}

fn log(error: &PortError) {
    match error {
        PortError::Unavailable(_) => tracing::debug!(%error, "stores are not compared with the cluster; trying again"),
        other => tracing::error!(error = ?other, "a store cannot be compared with the cluster"),
    }
}
