//! A cache of all stores' objects, maintained by six watches over all namespaces, whatever the number of
//! stores. It shows which stores may have a problem; [`Cluster::examine`] then determines the cause.
//!
//! - This file: [`ClusterCache`], which maintains the watches. `watches`: what is watched. [`ClusterCacheView`]: what is kept of it.
//!
//! While the cluster cannot be observed there is no view, so that missing data is not mistaken for missing objects.

mod view;
mod watches;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::Instant;

pub use view::ClusterCacheView;

use self::watches::STREAMS;
use super::cluster::{self, Cluster};
use super::error::{ClusterError, ClusterErrorKind};
use crate::backoff::Backoff;

/// Time limit of the first listings.
const LISTED_WITHIN: Duration = Duration::from_mins(1);

/// The view, and its connection to the cluster.
#[derive(Debug)]
pub struct ClusterCache {
    cluster: Cluster,
    view: Mutex<ClusterCacheView>,
}

impl ClusterCache {
    /// An empty cache.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, view: Mutex::default() }
    }

    /// Reads the view; `None` while the cluster cannot be observed.
    pub fn read<T>(&self, read: impl FnOnce(&ClusterCacheView) -> T) -> Option<T> {
        let view = self.lock();
        view.is_complete().then(|| read(&view))
    }

    fn lock(&self) -> MutexGuard<'_, ClusterCacheView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the view up to date, for as long as it is polled.
    pub async fn run(&self) {
        let mut backoff = cluster::backoff();
        let mut seen = true;
        loop {
            let error = self.watch(&mut backoff, &mut seen).await;
            self.lock().expire();
            if std::mem::take(&mut seen) {
                tracing::warn!(event = "HEALTH_UNKNOWN", %error, "the cluster cannot be watched; stores keep their last known state");
            }
            self.cluster.pause(backoff.next(), None).await;
        }
    }

    /// Watches until an error, which it returns. `seen` becomes true with the first complete view.
    async fn watch(&self, backoff: &mut Backoff, seen: &mut bool) -> ClusterError {
        let connected = match self.cluster.connected().await {
            Ok(connected) => connected,
            Err(error) => return error,
        };
        let opening = connected.watch_client(STREAMS);
        let error = match tokio::time::timeout(self.cluster.config().request_timeout, opening).await {
            Err(_) => no_answer(),
            Ok(Err(error)) => ClusterError::from_client("watch the cluster", &error),
            Ok(Ok(watching)) => {
                let mut batches = watches::open(&watching.client);
                let listed_until = Instant::now() + LISTED_WITHIN;
                loop {
                    let complete = self.lock().is_complete();
                    let batch = if complete {
                        Ok(batches.next().await)
                    } else {
                        tokio::time::timeout_at(listed_until, batches.next()).await
                    };
                    let Ok(Some(batch)) = batch else { break no_answer() };
                    if let Err(error) = self.apply(batch) {
                        break error;
                    }
                    if !complete && self.lock().is_complete() {
                        backoff.reset();
                        if !std::mem::replace(seen, true) {
                            tracing::info!(event = "HEALTH_KNOWN", "the cluster is watched again");
                        }
                    }
                }
            }
        };
        self.cluster.note_failure(&connected, &error).await;
        error
    }

    fn apply(&self, batch: watches::Batch) -> Result<(), ClusterError> {
        let mut view = self.lock();
        batch.into_iter().try_for_each(|seen| seen.map(|seen| view.apply(seen)))
    }
}

fn no_answer() -> ClusterError {
    ClusterError::new(ClusterErrorKind::Unreachable, "could not watch the cluster: no answer from the API server")
}
