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
use tokio::time::{Instant, MissedTickBehavior};

use super::Reconciler;
use crate::kube::ClusterError;
use crate::postgres::LiveStore;

/// Interval between rounds.
const ROUND: Duration = Duration::from_secs(3);
/// Maximum number of stores compared in one round, least recently compared first; the rest follows in the next round.
const MOST: usize = 128;
/// Maximum number of stores compared concurrently.
const TOGETHER: usize = 8;

/// Pause between the first two comparisons of a store that something other than an operation keeps changing, such as another controller. It doubles
/// with each comparison.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Maximum of that pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Time without a change after which the pause is reset.
const RESET_AFTER: Duration = Duration::from_mins(5);

/// What a comparison depends on: the release and its workloads, the revision, and the operation that may have changed either.
type Mark = (u64, u32, OperationId);

/// The last comparison of a store.
#[derive(Debug, Clone, Copy)]
struct Compared {
    mark: Mark,
    at: Instant,
    /// How long a change that no operation made waits for the next comparison.
    pause: Duration,
}

impl Compared {
    fn is_due(self, mark: Mark, now: Instant) -> bool {
        self.mark != mark && (self.mark.2 != mark.2 || now >= self.at + self.pause)
    }

    /// A comparison at `now`, after the last one.
    fn after(last: Option<Self>, mark: Mark, now: Instant) -> Self {
        let pause = match last {
            Some(last) if last.mark.2 == mark.2 && now < last.at + RESET_AFTER => {
                (last.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
            }
            _ => Duration::ZERO,
        };
        Self { mark, at: now, pause }
    }
}

impl Reconciler {
    /// Compares stores for as long as it is polled.
    pub(super) async fn follow_drift(&self) {
        let mut compared: HashMap<StoreUid, Compared> = HashMap::new();
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

    async fn compare_changed(&self, live: Vec<LiveStore>, compared: &mut HashMap<StoreUid, Compared>) {
        let now = Instant::now();
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
            let due = mark.filter(|mark| known.is_none_or(|known| known.is_due(*mark, now)));
            changed.extend(due.map(|mark| (store, mark)));
        }
        changed.sort_by_key(|(store, _)| before.get(&store.uid).map(|known| known.at));
        changed.truncate(MOST);
        let comparing =
            changed.into_iter().map(|(store, mark)| async move { (store.uid, mark, self.compare_one(store).await) });
        let mut comparing = futures::stream::iter(comparing).buffer_unordered(TOGETHER);
        while let Some((uid, mark, is_compared)) = comparing.next().await {
            if is_compared {
                compared.insert(uid, Compared::after(before.get(&uid).copied(), mark, now));
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn store_that_changes_again_and_again_is_compared_less_often() {
        let (operation, now) = (OperationId(Uuid::nil()), Instant::now());
        let mark = |number| (number, 1, operation);
        let mut last = Compared::after(None, mark(0), now);
        let mut waits = Vec::new();
        for number in 1..9 {
            assert!(!last.is_due(last.mark, now + RESET_AFTER), "it did not change");
            assert!(last.is_due(mark(number), last.at + last.pause));
            last = Compared::after(Some(last), mark(number), last.at + last.pause);
            waits.push(last.pause.as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!last.is_due(mark(9), last.at + Duration::from_secs(59)));
        let other = (9, 1, OperationId(Uuid::max()));
        assert!(last.is_due(other, last.at), "what an operation changed is compared at once");
        assert_eq!(Compared::after(Some(last), mark(9), last.at + RESET_AFTER).pause, Duration::ZERO);
    }
}
