//! The one reader of new events in a process, and those who listen to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storeplane_core::error::PortError;
use storeplane_core::event::{Cursor, Event};
use storeplane_core::ids::StoreUid;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::postgres::EventLog;

/// Events that a watcher of all stores may lag behind before it reads from Postgres.
const ALL_BUFFER: usize = 4096;
/// The same for a watcher of one store.
const ONE_BUFFER: usize = 128;
/// First and longest wait for an older transaction that keeps events from being settled.
const SETTLE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
/// Between attempts while Postgres is away.
const RETRY: Duration = Duration::from_millis(500);

type Sender = broadcast::Sender<Arc<Event>>;

/// Hands new events to watchers. Cheap to clone.
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
    /// New events of every store.
    pub(super) fn all(&self) -> broadcast::Receiver<Arc<Event>> {
        self.all.subscribe()
    }

    /// New events of one store.
    pub(super) fn one(&self, store: StoreUid) -> broadcast::Receiver<Arc<Event>> {
        self.lock().entry(store).or_insert_with(|| broadcast::Sender::new(ONE_BUFFER)).subscribe()
    }

    fn publish(&self, event: Event) {
        let event = Arc::new(event);
        let mut one = self.lock();
        if let Some(listeners) = one.get(&event.store)
            && listeners.send(Arc::clone(&event)).is_err()
        {
            one.remove(&event.store);
        }
        drop(one);
        // Nobody listening is no error.
        let _ = self.all.send(event);
    }

    /// Forgets stores that nobody watches any more.
    fn sweep(&self) {
        self.lock().retain(|_, listeners| listeners.receiver_count() > 0);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreUid, Sender>> {
        self.one.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads new events and hands them out, until `shutdown`.
    pub async fn run(self, log: EventLog, mut hints: watch::Receiver<()>, shutdown: CancellationToken) {
        let mut cursor = None;
        let reading = async {
            loop {
                hints.mark_unchanged();
                if let Err(error) = self.read(&log, &mut cursor).await {
                    tracing::debug!(%error, "cannot read new events; trying again");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                self.sweep();
                if hints.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reading => {}
        }
    }

    /// Hands out everything that is settled, and waits for what is committed but not settled yet.
    async fn read(&self, log: &EventLog, cursor: &mut Option<Cursor>) -> Result<(), PortError> {
        let mut wait = SETTLE.0;
        let mut at = match *cursor {
            Some(at) => at,
            None => log.head().await?,
        };
        *cursor = Some(at);
        loop {
            let events = log.after_cursor(at).await?;
            if events.is_empty() {
                if !log.unsettled(at).await? {
                    return Ok(());
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(SETTLE.1);
                continue;
            }
            wait = SETTLE.0;
            for event in events {
                at = event.cursor;
                *cursor = Some(at);
                self.publish(event);
            }
        }
    }
}
