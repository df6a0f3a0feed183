//! Rollouts that have not ended: starts their stores, and tests the shops of the waves that were observed.
//!
//! One server at a time does it, the holder of a leader lock. Nothing is remembered: each step is decided from Postgres, in one transaction.

use std::collections::HashMap;
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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::SecretUrl;
use crate::outage::OutageLog;
use crate::postgres::{Advanced, LeaderLock, Leadership, LiveStoreRepository, Notifier, RolloutEngine};
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
/// How long a shop is asked again. After a minute [`SalesTest`] takes passing errors as an answer, so then the cluster does not answer.
const TEST_WITHIN: Duration = Duration::from_secs(75);
const TEST_PAUSE: Duration = Duration::from_secs(2);

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
        let mut changes = self.notifier.operations();
        let (mut tasks, mut followed) = (JoinSet::new(), HashMap::new());
        loop {
            while let Some(ended) = tasks.try_join_next_with_id() {
                let task = match ended {
                    Ok((task, ())) => task,
                    Err(error) => {
                        tracing::error!(%error, "a rollout's task failed");
                        error.id()
                    }
                };
                followed.retain(|_, follower| *follower != task);
            }
            match self.engine.open().await {
                Ok(open) => {
                    STEPS.worked();
                    for id in open {
                        let follow = || {
                            let rollouts = self.clone();
                            tasks.spawn(async move { rollouts.follow(id).await }).id()
                        };
                        followed.entry(id).or_insert_with(follow);
                    }
                }
                Err(error) => STEPS.failed(&error),
            }
            changed(&mut changes, LOOK, GATHER_NEW).await;
        }
    }

    /// Continues one rollout until nothing is left to do.
    async fn follow(&self, id: RolloutId) {
        let mut changes = self.notifier.operations();
        loop {
            changes.mark_unchanged();
            let waited = match self.step(id).await {
                Ok(Advanced::Over) => return,
                Ok(Advanced::Wait(version, left)) => self.wait(id, version, left, &mut changes).await,
                Ok(Advanced::Again | Advanced::Test(_)) => Ok(()),
                Err(error) => Err(error),
            };
            match waited {
                Ok(()) => STEPS.worked(),
                Err(error) => {
                    STEPS.failed(&error);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Waits until something has happened to the rollout, or for this time.
    async fn wait(
        &self,
        id: RolloutId,
        version: i64,
        left: Option<Duration>,
        changes: &mut watch::Receiver<()>,
    ) -> Result<(), PortError> {
        let until = left.map(|left| Instant::now() + left.max(GATHER));
        loop {
            let longest = until.map_or(LOOK, |until| LOOK.min(until.saturating_duration_since(Instant::now())));
            changed(changes, longest, GATHER).await;
            if until.is_some_and(|until| Instant::now() >= until) || self.engine.has_moved(id, version).await? {
                return Ok(());
            }
        }
    }

    async fn step(&self, id: RolloutId) -> Result<Advanced, PortError> {
        let advanced = self.engine.advance(id).await?;
        if let Advanced::Test(observation) = &advanced {
            let wave = observation.wave;
            let stores = observation.stores.clone().into_iter();
            let tests = stores.map(|store| async move { (store, self.observe(store).await) });
            let observed: Vec<_> = stream::iter(tests).buffer_unordered(TESTS).collect().await;
            if observed.iter().any(|(_, observed)| *observed == Observed::Unknown) {
                let message = "The shops of the wave cannot be tested: the cluster does not answer.";
                let cause = Cause::new("CLUSTER_UNREACHABLE", message);
                return self.engine.postpone(id, wave, cause).await.map(|()| Advanced::Again);
            }
            let failed = failures(observed, observation.untouched);
            tracing::info!(rollout_id = %id, wave, failed = failed.len(), "a wave was observed");
            self.engine.observed(id, wave, &failed).await?;
        }
        Ok(advanced)
    }

    /// How a changed store is now. A shop that does not answer is asked again for a minute.
    async fn observe(&self, uid: StoreUid) -> Observed {
        let began = Instant::now();
        loop {
            let Ok(found) = self.live_stores.of(&[uid]).await else { return Observed::Unknown };
            let Some(store) = found.first() else { return Observed::Works };
            let sells = match store.state {
                State::Degraded => {
                    return Observed::Degraded(Cause::new(
                        "STORE_DEGRADED",
                        "The store became DEGRADED after the change.",
                    ));
                }
                State::Ready => self.sales_test.sells(store, began.elapsed()).await,
                _ => return Observed::Works,
            };
            match sells {
                Some(Health::Unhealthy(failure)) => {
                    return Observed::Fails(Cause::new(failure.reason.as_str(), failure.message));
                }
                Some(_) => return Observed::Works,
                None if began.elapsed() > TEST_WITHIN => return Observed::Unknown,
                None => tokio::time::sleep(TEST_PAUSE).await,
            }
        }
    }
}

/// Waits for a notification, and for those that follow at once, or for this time.
async fn changed(changes: &mut watch::Receiver<()>, longest: Duration, gather: Duration) {
    if tokio::time::timeout(longest, changes.changed()).await.is_ok() {
        tokio::time::sleep(gather).await;
    }
}
