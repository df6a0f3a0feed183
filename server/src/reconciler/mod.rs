//! The reconciler: compares all stores with the cluster, updates their state, and reports orphans.
//!
//! - This file: [`Reconciler`], which runs in one server at a time, the holder of the `LeaderLock`.
//! - `round`: one comparison of all stores. `health_tracker`: when a store is examined, and how flapping is damped.
//!   `access`: the account's permissions in existing namespaces. `manifests`: which workloads each release should have.
//!   `reachability`: whether customers can reach its shop. `drift`: whether its configuration is the recorded one. `measure`: metrics.
//! - [`orphans`]: namespaces and releases that belong to no store.
//!
//! The cache's watches, which every server has, show which stores may have a problem; a fresh examination decides. Missing data
//! is not evidence. Nothing is retried here: the next round does it.

mod access;
mod drift;
mod health_tracker;
mod manifests;
mod measure;
pub mod orphans;
mod reachability;
mod round;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::engine::Catalog;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::SecretUrl;
use crate::domains::Checks;
use crate::kube::{Cluster, ClusterCache};
use crate::postgres::{LeaderLock, Leadership, LiveStoreRepository};
use crate::sales_test::SalesTest;
use crate::verify::Verifier;
use round::Rounds;

/// Interval between rounds.
const ROUND: Duration = Duration::from_secs(2);

/// Compares stores with the cluster.
#[derive(Debug)]
pub struct Reconciler {
    /// All stores.
    pub live_stores: LiveStoreRepository,
    /// The cluster.
    pub cluster: Cluster,
    /// What is known of it.
    pub cache: Arc<ClusterCache>,
    /// Which Secrets a store has, and how its shop is tested.
    pub catalog: Arc<Catalog>,
    /// Whether shops can be reached.
    pub verifier: Verifier,
    /// The DNS checks of custom domains.
    pub domain_checks: Checks,
    /// Whether stores that look healthy also sell.
    pub sales_test: SalesTest,
    /// The database for the leader lock: a session of its own.
    pub url: SecretUrl,
    /// Runs a round's writes to completion, even if the round is cancelled.
    pub tasks: TaskTracker,
}

impl Reconciler {
    /// Waits for the leader lock, reconciles while it holds it, and waits again; until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(Box::pin(self.take_turns())).await;
    }

    async fn take_turns(&self) {
        loop {
            let mut lock = LeaderLock::wait(self.url.expose(), Leadership::Reconciler).await;
            tracing::info!("this server reconciles stores with the cluster");
            let _leads = measure::Leads::begin();
            tokio::select! {
                () = lock.lost() => tracing::info!("another server may reconcile now"),
                () = self.reconcile() => {}
            }
        }
    }

    async fn reconcile(&self) {
        let rounds = async {
            let mut rounds = Rounds::new(self, &self.cache);
            let mut tick = tokio::time::interval(ROUND);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let began = Instant::now();
                if rounds.run().await {
                    measure::round(began.elapsed());
                }
            }
        };
        tokio::select! {
            () = Box::pin(rounds) => {}
            () = Box::pin(self.follow_reachability()) => {}
            () = Box::pin(self.follow_drift()) => {}
        }
    }
}
