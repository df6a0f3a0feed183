//! One comparison of all stores with what is seen of the cluster, and a fresh look at those that need one.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::error::PortError;
use storeplane_core::ids::StoreUid;
use storeplane_core::store::State;
use storeplane_core::transition::health::Health;
use tokio::time::Instant;

use super::Reconciler;
use super::orphans::{Orphan, Reports, find};
use super::pulse::Pulse;
use crate::kube::{Examined, Expected, Fleet, Sight};
use crate::postgres::{LiveStore, LiveStoreRepository};

/// Stores that are worked on at the same time.
const TOGETHER: usize = 16;
/// Stores looked at in one round, all in memory at once. The others' turn is the next one.
const MOST: usize = 512;
/// More than so many ...
const MANY: usize = 16;
/// ... and no fewer than one of so many stores are looked at all at once, by listings of the whole cluster: nine listings are a
/// look at one store, and a store's share of a listing costs about a tenth of a look at it alone.
const ONE_OF: usize = 8;
/// A workload that has only some of its pods, and nothing in their way, is starting for this long.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// What is remembered between two rounds, and what they are made with.
pub(super) struct Rounds<'a> {
    reconciler: &'a Reconciler,
    fleet: &'a Fleet,
    pulses: HashMap<StoreUid, Pulse>,
    reports: Reports,
}

/// A store that is looked at.
struct Patient {
    store: LiveStore,
    expected: Expected,
    ailing: Duration,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(reconciler: &'a Reconciler, fleet: &'a Fleet) -> Self {
        Self { reconciler, fleet, pulses: HashMap::new(), reports: Reports::default() }
    }

    /// Compares once.
    pub(super) async fn go(&mut self) {
        let live = match self.reconciler.live_stores.live().await {
            Ok(live) => live,
            Err(error) => return log(&error),
        };
        let now = Instant::now();
        let Some((patients, orphans)) = self.compare(&live, now) else {
            // Since when something has been wrong is not known any more.
            self.pulses.clear();
            return;
        };
        self.reports.tell(orphans, now);
        let reconciler = self.reconciler;
        let all_at_once = patients.len() > MANY && patients.len() * ONE_OF >= live.len();
        let Some(sights) = reconciler.sights(&patients, all_at_once).await else { return };
        let looks = patients.into_iter().zip(sights);
        let looks =
            looks.map(|(patient, sight)| async move { (patient.store.uid, reconciler.look(patient, sight).await) });
        let mut looks = futures::stream::iter(looks).buffer_unordered(TOGETHER);
        while let Some((uid, seen)) = looks.next().await {
            if !seen {
                // The next round tries again; by then the view may be gone as well.
                return;
            }
            if let Some(pulse) = self.pulses.get_mut(&uid) {
                pulse.looked(Instant::now());
            }
        }
    }

    /// Whom to look at, and what belongs to nobody. `None` while the cluster cannot be seen.
    fn compare(&mut self, live: &[LiveStore], now: Instant) -> Option<(Vec<Patient>, Vec<Orphan>)> {
        let settled = live.iter().filter(|store| matches!(store.state, State::Ready | State::Degraded));
        let expected: Vec<_> = settled.map(|store| (store.clone(), self.reconciler.expected(store))).collect();
        let seen = self.fleet.look(|view| {
            let signs: Vec<_> = expected.iter().map(|(_, expected)| view.troubles(expected)).collect();
            let orphans = find(view.namespaces(), |namespace| view.releases(namespace), live);
            (signs, orphans)
        });
        let (signs, orphans) = seen?;
        let mut before = std::mem::take(&mut self.pulses);
        let mut patients = Vec::new();
        for ((store, expected), signs) in expected.into_iter().zip(signs) {
            let pulse = match before.remove(&store.uid) {
                Some(mut pulse) => {
                    pulse.feel(store.operation, store.state, signs, now);
                    pulse
                }
                None => Pulse::new(store.operation, store.state, signs, now),
            };
            if pulse.is_due(now) {
                patients.push(Patient { ailing: pulse.ailing(now), expected, store: store.clone() });
            }
            self.pulses.insert(store.uid, pulse);
        }
        // Who is not what it seems to be comes first, then whose cause may be another now.
        patients.sort_by_key(|patient| (patient.store.state == State::Ready) != (patient.ailing > Duration::ZERO));
        patients.truncate(MOST);
        Some((patients, orphans))
    }
}

impl Reconciler {
    /// What should be there. A chart of another version than the store's may have other Secrets.
    fn expected(&self, store: &LiveStore) -> Expected {
        let engine = self.catalog.engine(&store.engine);
        let engine = engine.filter(|engine| engine.versions.chart == store.chart_version);
        let secrets = engine.map(|engine| engine.secrets.iter().map(|secret| secret.name.clone()).collect());
        Expected {
            namespace: store.namespace.clone(),
            store_uid: store.uid,
            release: store.release.clone(),
            secrets: secrets.unwrap_or_default(),
        }
    }

    /// What is seen of each, if all are looked at at once. `None` if the cluster cannot be seen.
    async fn sights(&self, patients: &[Patient], all_at_once: bool) -> Option<Vec<Option<Sight>>> {
        let each_alone = || Some(patients.iter().map(|_| None).collect());
        if !all_at_once {
            return each_alone();
        }
        let expected: Vec<_> = patients.iter().map(|patient| patient.expected.clone()).collect();
        match self.cluster.see_all(&expected).await {
            Ok(sights) => Some(sights.into_iter().map(Some).collect()),
            Err(error) => {
                tracing::debug!(%error, "stores cannot be looked at all at once");
                // Whom the API server refuses a listing of the whole cluster may still see single namespaces.
                if error.retryable() { None } else { each_alone() }
            }
        }
    }

    /// Looks at a store, unless it was seen already, and follows what is seen. False if it could not be seen.
    async fn look(&self, patient: Patient, sight: Option<Sight>) -> bool {
        let Patient { store, expected, ailing } = patient;
        let examined = match sight {
            Some(sight) => Ok(self.cluster.judge(&expected, sight).await),
            None => self.cluster.examine(&expected).await,
        };
        let health = match examined {
            Ok(Examined::Well) => Health::Well,
            Ok(Examined::Settling(_)) if store.state == State::Ready && ailing < STARTS_WITHIN => return true,
            Ok(Examined::Settling(failure) | Examined::Unwell(failure)) => Health::Unwell(failure),
            Err(error) => {
                tracing::debug!(store_id = store.store_id, %error, "a store cannot be looked at; its health is unknown");
                return !error.retryable();
            }
        };
        if store.state == State::Ready && health == Health::Well {
            return true;
        }
        let live_stores = self.live_stores.clone();
        // A task that panicked has said so.
        let _ = self.tasks.spawn(async move { follow(&live_stores, &store, &health).await }).await;
        true
    }
}

async fn follow(live_stores: &LiveStoreRepository, store: &LiveStore, health: &Health) {
    match live_stores.follow(store.uid, store.operation, health).await {
        Ok(Some(state)) => {
            let reason = if let Health::Unwell(failure) = health { failure.reason.as_str() } else { "" };
            let LiveStore { store_id, tenant, uid, .. } = store;
            let (store_uid, state) = (tracing::field::display(uid), state.as_str());
            tracing::info!(
                event = "STORE_DRIFTED",
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
