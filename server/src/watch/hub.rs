//! The hub: the only reader of new events in a process, and its subscribers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storeplane_core::error::PortError;
use storeplane_core::event::{Cursor, Event};
use storeplane_core::ids::StoreUid;
use storeplane_core::store::Store;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::measure::age;
use crate::metrics::metrics;
use crate::outage::OutageLog;
use crate::postgres::{EventLog, SettledEvents};
use crate::system::SystemClock;

/// Events that a watcher of all stores may lag behind before it reads from Postgres.
const ALL_BUFFER: usize = 4096;
/// The same for a watcher of one store.
const ONE_BUFFER: usize = 128;
/// Events read at once.
const BATCH: u32 = 500;
/// First and longest delay while an older transaction keeps events unsettled.
const SETTLE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(500));
/// From this delay on, watchers of single stores read from the table.
const LONG: Duration = Duration::from_millis(16);
/// Between attempts while Postgres is unavailable.
const RETRY: Duration = Duration::from_millis(500);

static OUTAGE: OutageLog = OutageLog::new("read new events");

/// A message to watchers.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// A settled event: no earlier one can appear any more. With a change of the store: the current store.
    Event(Arc<Event>, Option<Arc<Store>>),
    /// The table has events up to this sequence that were not distributed, or not yet: read it.
    ReadTable(i64),
}

type Sender = broadcast::Sender<News>;

/// The stores that these events changed.
pub(super) fn changed<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<StoreUid> {
    let mut uids: Vec<_> = events.filter(|event| event.changes_store()).map(|event| event.store).collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// Distributes new events to watchers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    all: Sender,
    one: Arc<Mutex<HashMap<StoreUid, Sender>>>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { all: broadcast::Sender::new(ALL_BUFFER), one: Arc::default() }
    }
}

impl Hub {
    /// Subscribes to new events of every store.
    pub(super) fn all(&self) -> broadcast::Receiver<News> {
        self.all.subscribe()
    }

    /// Subscribes to new events of one store.
    pub(super) fn one(&self, store: StoreUid) -> broadcast::Receiver<News> {
        self.lock().entry(store).or_insert_with(|| broadcast::Sender::new(ONE_BUFFER)).subscribe()
    }

    fn publish(&self, event: Event, store: Option<Arc<Store>>) {
        metrics().watch_publish_lag.observe([], age(&event, &SystemClock));
        let news = News::Event(Arc::new(event), store);
        if let News::Event(event, _) = &news {
            self.send(event.store, news.clone());
        }
        // It is no error if nobody subscribed.
        let _ = self.all.send(news);
    }

    fn is_watched(&self, store: StoreUid) -> bool {
        self.all.receiver_count() > 0 || self.lock().contains_key(&store)
    }

    fn send(&self, store: StoreUid, news: News) {
        let mut one = self.lock();
        if let Some(listeners) = one.get(&store)
            && listeners.send(news).is_err()
        {
            one.remove(&store);
        }
    }

    /// Tells all watchers to read from the table.
    fn send_all_to_table(&self) {
        let look = News::ReadTable(i64::MAX);
        for listeners in self.lock().values() {
            let _ = listeners.send(look.clone());
        }
        let _ = self.all.send(look);
    }

    /// Drops stores without watchers.
    fn sweep(&self) {
        self.lock().retain(|_, listeners| listeners.receiver_count() > 0);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreUid, Sender>> {
        self.one.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads and distributes new events, until `shutdown`.
    pub async fn run(self, log: EventLog, mut wakeups: watch::Receiver<()>, shutdown: CancellationToken) {
        let mut cursor = None;
        let reading = async {
            loop {
                wakeups.mark_unchanged();
                if let Err(error) = self.read(&log, &mut cursor).await {
                    OUTAGE.failed(&error);
                    if matches!(error, PortError::Refused(_)) {
                        // Later events were removed before they were read: start again, as every watcher must.
                        cursor = None;
                    }
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                OUTAGE.worked();
                self.sweep();
                if wakeups.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reading => {}
        }
    }

    /// Distributes all settled events, and waits for those that are committed but not settled. Watchers of one store
    /// do not wait for that: its events are in order as soon as they are committed.
    async fn read(&self, log: &EventLog, cursor: &mut Option<Cursor>) -> Result<(), PortError> {
        let mut at = self.begin(log, cursor).await?;
        let mut wait = SETTLE.0;
        loop {
            let SettledEvents { events, has_unsettled } = log.after_cursor(at, BATCH).await?;
            let are_more = events.len() == BATCH as usize;
            if let Some(last) = events.last() {
                at = last.cursor;
                wait = SETTLE.0;
                self.distribute(log, events).await?;
                *cursor = Some(at);
            }
            if are_more {
                continue;
            }
            if !has_unsettled {
                return Ok(());
            }
            if wait >= LONG {
                for (store, sequence) in log.unsettled(at).await? {
                    self.send(store, News::ReadTable(sequence));
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(SETTLE.1);
        }
    }

    /// Publishes settled events, with one read of their stores for all watchers.
    async fn distribute(&self, log: &EventLog, events: Vec<Event>) -> Result<(), PortError> {
        let watched = events.iter().filter(|event| self.is_watched(event.store));
        let stores = log.stores(&changed(watched)).await?;
        let stores: HashMap<_, _> = stores.into_iter().map(|(uid, store)| (uid, Arc::new(store))).collect();
        for event in events {
            let store = stores.get(&event.store).filter(|_| event.changes_store()).cloned();
            self.publish(event, store);
        }
        Ok(())
    }

    /// The position to continue from. Watchers that subscribed before the first position was known may have missed earlier events.
    async fn begin(&self, log: &EventLog, cursor: &mut Option<Cursor>) -> Result<Cursor, PortError> {
        if let Some(at) = *cursor {
            return Ok(at);
        }
        let head = log.head().await?;
        *cursor = Some(head);
        self.send_all_to_table();
        Ok(head)
    }
}
