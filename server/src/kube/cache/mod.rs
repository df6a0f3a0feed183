//! A cache of all stores' objects, maintained by watches: of all namespaces at once, or inside each of our namespaces where the account
//! may not watch all. It shows which stores may have a problem; [`Cluster::examine`] then determines the cause.
//!
//! - This file: [`ClusterCache`], which opens and closes the watches. `plan`: which should be open. `follower` keeps one open, `watches`
//!   says what it shows. [`ClusterCacheView`]: what is kept, in a `table` for each kind; `parts`: which of it is known. `reports` logs what is not.
//!
//! What cannot be watched is unknown, so that missing data is not mistaken for missing objects: everything while the namespaces or a
//! watch of all namespaces are, otherwise only the namespace in question.

mod follower;
mod parts;
mod plan;
mod reports;
mod table;
mod view;
mod watches;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{AbortHandle, BoxStream, SelectAll, abortable};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

pub use view::ClusterCacheView;

use self::follower::{Update, follow};
use self::reports::Reports;
use self::watches::{Kind, Part};
use super::cluster::Cluster;

/// Maximum number of changes processed together.
const TOGETHER: usize = 512;
/// Maximum number of concurrent listings.
const LISTINGS: usize = 32;
/// How often watches are opened and closed.
const TICK: Duration = Duration::from_millis(250);

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
        let mut watches = Watches::new(self.cluster.clone());
        let mut reports = Reports::default();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changed = true;
        loop {
            let batch = tokio::select! {
                batch = watches.next() => batch,
                _ = tick.tick() => {
                    let mut view = self.lock();
                    if std::mem::take(&mut changed) {
                        watches.adjust(&mut view);
                    }
                    view.parts.settle();
                    reports.report(&view);
                    continue;
                }
            };
            let mut view = self.lock();
            for Update { part, seen } in batch {
                // It was closed while this update was on its way.
                if !watches.open.contains_key(&part) {
                    continue;
                }
                match seen {
                    Ok(seen) => {
                        let listed = seen.is_listed();
                        changed |= part.kind == Kind::Namespaces || listed;
                        view.apply(&part, seen);
                        if listed && part.namespace.is_none() {
                            // At once: watches that it replaces must not be believed when it is interrupted.
                            watches.adjust(&mut view);
                        }
                    }
                    Err(error) => {
                        changed = true;
                        view.lose(&part, error);
                    }
                }
            }
        }
    }
}

/// The open watches.
struct Watches {
    cluster: Cluster,
    streams: SelectAll<BoxStream<'static, Update>>,
    open: BTreeMap<Part, AbortHandle>,
    listings: Arc<Semaphore>,
}

impl Watches {
    fn new(cluster: Cluster) -> Self {
        let listings = Arc::new(Semaphore::new(LISTINGS));
        Self { cluster, streams: SelectAll::new(), open: BTreeMap::new(), listings }
    }

    /// All changes that are available at once.
    async fn next(&mut self) -> Vec<Update> {
        if self.streams.is_empty() {
            std::future::pending::<()>().await;
        }
        let mut batch = Vec::from_iter(self.streams.next().await);
        while batch.len() < TOGETHER
            && let Some(Some(update)) = self.streams.next().now_or_never()
        {
            batch.push(update);
        }
        batch
    }

    /// Opens and closes watches.
    fn adjust(&mut self, view: &mut ClusterCacheView) {
        let wanted = plan::wanted(self.cluster.config().scope, self.cluster.instance(), &view.parts, view.namespaces());
        // While the namespaces are unknown, what is watched inside them stays.
        if view.knows_namespaces() {
            self.open.retain(|part, stream| {
                let stays = wanted.contains(part);
                if !stays {
                    stream.abort();
                    view.close(part);
                }
                stays
            });
        }
        for part in wanted {
            if self.open.contains_key(&part) {
                continue;
            }
            let updates = follow(self.cluster.clone(), part.clone(), Arc::clone(&self.listings));
            let (updates, stream) = abortable(updates);
            self.streams.push(updates.boxed());
            view.parts.open(&part);
            self.open.insert(part, stream);
        }
    }
}
