//! Rollouts that have not ended: starts their stores, and tests the shops of the waves that were observed.
//!
//! One server at a time does it, the holder of a leader lock. Nothing is remembered: each step is decided from Postgres, in one transaction.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use storeplane_core::error::PortError;
use storeplane_core::ids::{RolloutId, StoreUid};
use storeplane_core::rollout::Cause;
use storeplane_core::rollout::soak::{Observed, failures};
use storeplane_core::store::State;
use storeplane_core::transition::health::Health;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::SecretUrl;
use crate::outage::OutageLog;
use crate::postgres::{
    Advanced, LeaderLock, Leadership, LiveStore, LiveStoreRepository, Notifier, Observation, RolloutEngine,
};
use crate::sales_test::SalesTest;

/// Maximum time between two looks at what a rollout waits for; usually a notification comes first.
const LOOK: Duration = Duration::from_secs(2);
/// Notifications within this time are one, for a rollout whose operations may have ended.
const GATHER: Duration = Duration::from_millis(10);
/// The same for new rollouts.
const GATHER_NEW: Duration = Duration::from_millis(200);
/// After an error.
const RETRY: Duration = Duration::from_secs(1);
/// Shops that are tested at the same time.
const TESTS: usize = 8;
/// A shop that was observed has had its time to start: passing errors count, too.
const CALM: Duration = Duration::from_mins(5);

static STEPS: OutageLog = OutageLog::new("continue rollouts");

/// Continues rollouts.
#[derive(Debug, Clone)]
pub struct Rollouts {
    /// Their steps.
    pub engine: RolloutEngine,
    /// The stores that were changed.
    pub live_stores: LiveStoreRepository,
    /// Whether they sell.
    pub sales_test: SalesTest,
    /// Says when an operation may have ended.
    pub notifier: Notifier,
    /// The database for the leader lock: a session of its own.
    pub url: SecretUrl,
}

impl Rollouts {
    /// Waits for the leader lock, continues rollouts while it holds it, and waits again; until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(Box::pin(self.take_turns())).await;
    }

    async fn take_turns(&self) {
        loop {
            let mut lock = LeaderLock::wait(self.url.expose(), Leadership::Rollouts).await;
            tracing::info!("this server continues rollouts");
            tokio::select! {
                () = lock.lost() => tracing::info!("another server may continue rollouts now"),
                () = Box::pin(self.follow_all()) => {}
            }
        }
    }

    /// One task for each rollout, which ends with it; all end when this future is dropped.
    async fn follow_all(&self) {
        let mut changes = self.notifier.events();
        let (mut tasks, mut followed) = (JoinSet::new(), HashSet::new());
        loop {
            while let Some(ended) = tasks.try_join_next() {
                match ended {
                    Ok(id) => drop(followed.remove(&id)),
                    // Its rollout is not known: all are followed anew.
                    Err(error) => {
                        tracing::error!(%error, "a rollout's task failed");
                        tasks.abort_all();
                        followed.clear();
                    }
                }
            }
            match self.engine.open().await {
                Ok(open) => {
                    STEPS.worked();
                    for id in open.into_iter().filter(|id| followed.insert(*id)) {
                        let rollouts = self.clone();
                        tasks.spawn(async move {
                            rollouts.follow(id).await;
                            id
                        });
                    }
                }
                Err(error) => STEPS.failed(&error),
            }
            changed(&mut changes, LOOK, GATHER_NEW).await;
        }
    }

    /// Continues one rollout until nothing is left to do.
    async fn follow(&self, id: RolloutId) {
        let mut changes = self.notifier.events();
        loop {
            changes.mark_unchanged();
            let wait = match self.step(id).await {
                Ok(Advanced::Over) => return,
                Ok(Advanced::Wait(left)) => left.map_or(LOOK, |left| left.clamp(GATHER, LOOK)),
                Ok(Advanced::Again | Advanced::Test(_)) => continue,
                Err(error) => {
                    STEPS.failed(&error);
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            changed(&mut changes, wait, GATHER).await;
        }
    }

    async fn step(&self, id: RolloutId) -> Result<Advanced, PortError> {
        let advanced = self.engine.advance(id).await?;
        if let Advanced::Test(observation) = &advanced {
            let wave = observation.wave;
            let failed = self.test(observation).await?;
            tracing::info!(rollout_id = %id, wave, failed = failed.len(), "a wave was observed");
            self.engine.observed(id, wave, &failed).await?;
        }
        Ok(advanced)
    }

    /// The stores of a wave that did not keep working.
    async fn test(&self, observation: &Observation) -> Result<Vec<(StoreUid, Cause)>, PortError> {
        let stores = self.live_stores.of(&observation.stores).await?;
        let tests = stores.into_iter().map(|store| async move { (store.uid, self.observe(&store).await) });
        let wave = stream::iter(tests).buffer_unordered(TESTS).collect().await;
        Ok(failures(wave, observation.untouched))
    }

    async fn observe(&self, store: &LiveStore) -> Observed {
        match store.state {
            State::Degraded => {
                Observed::Degraded(Cause::new("STORE_DEGRADED", "The store became DEGRADED after the change."))
            }
            State::Ready => match self.sales_test.sells(store, CALM).await {
                Some(Health::Unhealthy(failure)) => {
                    Observed::Fails(Cause::new(failure.reason.as_str(), failure.message))
                }
                _ => Observed::Works,
            },
            _ => Observed::Works,
        }
    }
}

/// Waits for a notification, and for those that follow at once, or for this time.
async fn changed(changes: &mut watch::Receiver<()>, longest: Duration, gather: Duration) {
    if tokio::time::timeout(longest, changes.changed()).await.is_ok() {
        tokio::time::sleep(gather).await;
    }
}
