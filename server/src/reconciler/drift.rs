//! Maintains the condition `ConfigurationDrifted` of READY and DEGRADED stores.
//!
//! The cache shows when a release or the spec of a workload may have changed, and the rows when an operation has ended; only then is a store
//! compared, with fresh requests. In the steady state there are none.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::drift::{Comparison, of_release};
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::store::State;
use tokio::time::MissedTickBehavior;

use super::Reconciler;
use crate::kube::ClusterError;
use crate::postgres::LiveStore;

/// Interval between rounds.
const ROUND: Duration = Duration::from_secs(3);
/// Maximum number of stores compared in one round; the rest follows in the next round.
const MOST: usize = 128;
/// Maximum number of stores compared concurrently.
const TOGETHER: usize = 8;

/// What a comparison depends on: the release and its workloads, the revision, and the operation that may have changed either.
type Mark = (u64, u32, OperationId);

impl Reconciler {
    /// Compares stores for as long as it is polled.
    pub(super) async fn follow_drift(&self) {
        let mut compared: HashMap<StoreUid, Mark> = HashMap::new();
        let mut tick = tokio::time::interval(ROUND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // The rounds log database problems.
            let Ok(live) = self.live_stores.live().await else { continue };
            let settled = |store: &LiveStore| matches!(store.state, State::Ready | State::Degraded) && !store.active;
            let live: Vec<_> = live.into_iter().filter(settled).collect();
            self.compare_changed(live, &mut compared).await;
        }
    }

    async fn compare_changed(&self, live: Vec<LiveStore>, compared: &mut HashMap<StoreUid, Mark>) {
        let marks = self.cache.read(|view| {
            let mark = |store: &LiveStore| view.configuration_mark(&store.namespace, &store.release);
            live.iter().map(mark).collect::<Vec<_>>()
        });
        let Some(marks) = marks else { return };
        let before = std::mem::take(compared);
        let mut changed = Vec::new();
        for (store, mark) in live.into_iter().zip(marks) {
            let known = before.get(&store.uid).copied();
            compared.extend(known.map(|known| (store.uid, known)));
            let mark = mark.map(|mark| (mark, store.revision, store.operation));
            changed.extend(mark.filter(|mark| known != Some(*mark)).map(|mark| (store, mark)));
        }
        changed.truncate(MOST);
        let comparing =
            changed.into_iter().map(|(store, mark)| async move { (store.uid, mark, self.compare_one(store).await) });
        let mut comparing = futures::stream::iter(comparing).buffer_unordered(TOGETHER);
        while let Some((uid, mark, is_compared)) = comparing.next().await {
            if is_compared {
                compared.insert(uid, mark);
            }
        }
    }

    /// False if another attempt may succeed.
    async fn compare_one(&self, store: LiveStore) -> bool {
        let seen = match self.seen(&store).await {
            Ok(Some(seen)) => seen,
            Ok(None) => return false,
            Err(error) if error.retryable() => {
                tracing::debug!(store_id = store.store_id, %error, "a store's configuration cannot be compared; trying again");
                return false;
            }
            Err(error) => {
                tracing::warn!(store_id = store.store_id, %error, "drift of a store's configuration will not be noticed");
                return true;
            }
        };
        let live_stores = self.live_stores.clone();
        // A transaction that is dropped half-way would stay open.
        let stored = self.tasks.spawn(async move { live_stores.apply_drift(store.uid, store.operation, &seen).await });
        matches!(stored.await, Ok(Ok(())))
    }

    /// `None` while the database does not answer.
    async fn seen(&self, store: &LiveStore) -> Result<Option<Comparison>, ClusterError> {
        let Ok(recorded) = self.live_stores.revision(store.uid, store.revision).await else { return Ok(None) };
        let Some(recorded) = recorded else { return Ok(Some(Comparison::NoRevision)) };
        let deployed = self.cluster.deployed_configuration(&store.namespace, &store.release).await?;
        Ok(Some(deployed.map_or(Comparison::NotDeployed, |deployed| Comparison::Compared {
            revision: recorded.number,
            release: of_release(&recorded, &deployed.with),
            workloads: deployed.workloads,
        })))
    }
}
