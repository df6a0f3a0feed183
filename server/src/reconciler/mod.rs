//! The reconciler: compares all stores with the cluster, follows what it finds, and reports what belongs to no store.
//!
//! - This file: [`Reconciler`], which does it in one server at a time, the one that holds the `LeaderLock`.
//! - `round`: one comparison of all stores. `health_tracker`: when a store is examined, and how flapping is damped.
//!   `manifests`: which workloads each release should have. `sells`: whether a store that looks healthy also sells.
//!   `reachability`: whether customers get to its shop.
//! - [`orphans`]: namespaces and releases that belong to no store.
//!
//! The cache's watches say which stores may be in trouble; a fresh look at such a store decides. What cannot be seen is
//! not known, and nothing follows from it. Nobody retries here: the next round does.

mod health_tracker;
mod manifests;
pub mod orphans;
mod reachability;
mod round;
mod sells;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::engine::Catalog;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::SecretUrl;
use crate::kube::{Cluster, ClusterCache};
use crate::postgres::{LeaderLock, LiveStoreRepository};
use crate::verify::Verifier;
use round::Rounds;

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(2);

/// Compares stores with the cluster.
#[derive(Debug)]
pub struct Reconciler {
    /// All stores.
    pub live_stores: LiveStoreRepository,
    /// The cluster.
    pub cluster: Cluster,
    /// Which Secrets a store has, and how its shop is tested.
    pub catalog: Arc<Catalog>,
    /// Tests shops.
    pub verifier: Verifier,
    /// Where the turn is taken: a session of its own.
    pub url: SecretUrl,
    /// What a round stores is stored to its end, even if the round is not gone on with.
    pub tasks: TaskTracker,
}

impl Reconciler {
    /// Waits for its turn, reconciles as long as it lasts, and waits again; until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(Box::pin(self.take_turns())).await;
    }

    async fn take_turns(&self) {
        loop {
            let mut lock = LeaderLock::wait(self.url.expose()).await;
            tracing::info!("this server reconciles stores with the cluster");
            tokio::select! {
                () = lock.lost() => tracing::info!("another server may reconcile now"),
                () = self.reconcile() => {}
            }
        }
    }

    async fn reconcile(&self) {
        let cache = ClusterCache::new(self.cluster.clone());
        let rounds = async {
            let mut rounds = Rounds::new(self, &cache);
            let mut tick = tokio::time::interval(ROUND);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                rounds.run().await;
            }
        };
        tokio::select! {
            () = cache.run() => {}
            () = Box::pin(rounds) => {}
            () = Box::pin(self.follow_reachability()) => {}
        }
    }
}
