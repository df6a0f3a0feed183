//! The watch of all stores that the caller may see, in their global order.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use storeplane_core::command::StoreRef;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::{Cursor, Event};
use storeplane_core::filter::StoreFilter;
use storeplane_core::identity::Caller;
use storeplane_core::ids::StoreUid;
use storeplane_core::query::{PageStart, Paged as _, StoreQuery};
use storeplane_core::store::{State, Store};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::hub::{News, changed};
use super::measure::Watcher;
use super::{BATCH, HeartbeatTimer, StoresUpdate, Update, WatchEnd, Watches};

/// Stores per page of the snapshot.
const SNAPSHOT_PAGE: i32 = 200;

/// Where a watch of all stores begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With a snapshot of each store.
    Snapshot,
    /// At the present, without a snapshot.
    Now,
    /// After this event.
    After(Cursor),
}

impl Watches {
    /// Watches all stores that the caller may see and that match.
    pub async fn stores(
        &self,
        caller: Caller,
        filter: StoreFilter,
        start: Start,
    ) -> Result<impl Stream<Item = Result<StoresUpdate, WatchEnd>> + Send + 'static, PortError> {
        if filter.names_changing_fields() {
            return Err(DomainError::field(
                "filter",
                "must not name state, reason, backup_overdue, drifted or update_time: they change",
            )
            .into());
        }
        // Subscribe first, read second, so that nothing is missed in between.
        let live = self.hub.all();
        let (sent, snapshot) = match start {
            Start::After(cursor) => {
                if cursor > self.log.head().await? {
                    let rule = "must be the cursor of a message that was received";
                    return Err(DomainError::field("cursor", rule).into());
                }
                // An expired cursor is an error response, not the end of a stream.
                self.log.after_cursor_of(&caller.access, cursor, 0).await?;
                (cursor, None)
            }
            Start::Now => (self.log.head_of(&caller.access).await?, None),
            Start::Snapshot => {
                let query = StoreQuery::check(&caller.access, "", "create_time", SNAPSHOT_PAGE, PageStart::First)?;
                (self.log.head_of(&caller.access).await?, Some(query))
            }
        };
        let watch = Watch {
            watches: self.clone(),
            caller,
            filter,
            sent,
            snapshot,
            ready: VecDeque::new(),
            live,
            replaying: true,
            caught_up: false,
            failures: 0,
            heartbeat: HeartbeatTimer::new(),
            matches: HashMap::new(),
            ended: false,
            watcher: Watcher::new("stores"),
        };
        Ok(unfold(watch, |mut watch| async move { watch.next().await.map(|item| (item, watch)) }))
    }
}

struct Watch {
    watches: Watches,
    caller: Caller,
    filter: StoreFilter,
    /// Cursor of the last event that was sent or skipped.
    sent: Cursor,
    /// The next page of the snapshot.
    snapshot: Option<StoreQuery>,
    ready: VecDeque<StoresUpdate>,
    live: Receiver<News>,
    replaying: bool,
    caught_up: bool,
    failures: u32,
    heartbeat: HeartbeatTimer,
    /// The stores that match the filter, if there is one; at most one entry for each store that the caller may see and that is not deleted.
    matches: HashMap<StoreUid, bool>,
    ended: bool,
    watcher: Watcher,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<StoresUpdate, WatchEnd>> {
        loop {
            if self.ended {
                return None;
            }
            let step = if self.heartbeat.is_due() {
                self.check_access().await
            } else if let Some(update) = self.ready.pop_front() {
                return Some(Ok(update));
            } else if self.snapshot.is_none() && !self.replaying {
                self.listen().await
            } else {
                self.read().await
            };
            if let Err(end) = step {
                self.ended = true;
                return Some(Err(end));
            }
        }
    }

    async fn check_access(&mut self) -> Result<(), WatchEnd> {
        if let Some(beat) = self.watches.check_access(&self.caller, &mut self.heartbeat).await? {
            self.push(beat);
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), WatchEnd> {
        let stop = self.watches.shutdown.clone();
        let read = async {
            match self.snapshot.clone() {
                Some(page) => self.page(page).await,
                None => self.replay().await,
            }
        };
        let read = tokio::select! {
            () = stop.cancelled() => return Err(WatchEnd::ShuttingDown),
            read = read => read,
        };
        match read {
            Ok(()) => self.failures = 0,
            Err(error) => self.watches.retry_after_error(error, &mut self.failures).await?,
        }
        Ok(())
    }

    async fn page(&mut self, query: StoreQuery) -> Result<(), PortError> {
        let page = self.watches.stores.list(&query).await?;
        let next = query.next(&page);
        for store in page.items {
            let matches = self.filter.matches(&store);
            if self.filter != StoreFilter::All {
                self.matches.insert(store.uid, matches);
            }
            if matches {
                self.push(Update::Snapshot(Box::new(store)));
            }
        }
        self.snapshot = next.map(|token| query.page(token));
        Ok(())
    }

    async fn replay(&mut self) -> Result<(), PortError> {
        let events = self.watches.log.after_cursor_of(&self.caller.access, self.sent, BATCH).await?;
        if events.is_empty() {
            self.replaying = false;
            if !self.caught_up {
                self.caught_up = true;
                self.push(Update::CaughtUp);
            }
        }
        let stores = self.watches.log.stores(&changed(events.iter())).await?;
        let stores: HashMap<_, _> = stores.into_iter().map(|(uid, store)| (uid, Arc::new(store))).collect();
        for event in events {
            let store = stores.get(&event.store).filter(|_| event.changes_store()).cloned();
            self.emit(Arc::new(event), store).await?;
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), WatchEnd> {
        tokio::select! {
            biased;
            () = self.watches.shutdown.cancelled() => return Err(WatchEnd::ShuttingDown),
            () = self.heartbeat.due() => {}
            news = self.live.recv() => match news {
                Ok(News::Event(event, _)) if !self.caller.access.sees(&event.tenant, &event.store_id) || event.cursor <= self.sent => {}
                Ok(News::Event(event, store)) => {
                    if let Err(error) = self.emit(event, store).await {
                        self.replaying = true;
                        self.watches.retry_after_error(error, &mut self.failures).await?;
                    }
                }
                Ok(News::ReadTable(_)) | Err(RecvError::Lagged(_)) => self.replaying = true,
                Err(RecvError::Closed) => return Err(WatchEnd::ShuttingDown),
            },
        }
        Ok(())
    }

    /// Sends an event, or skips one that does not match. The cursor moves only then, and never because of
    /// events of stores that the caller may not see.
    async fn emit(&mut self, event: Arc<Event>, store: Option<Arc<Store>>) -> Result<(), PortError> {
        let wanted = self.is_wanted(&event).await?;
        self.sent = event.cursor;
        if event.new_state() == Some(State::Deleted) {
            self.matches.remove(&event.store);
        }
        if wanted {
            if self.caught_up {
                self.watcher.delivered(&event, &*self.watches.clock);
            }
            self.push(Update::Event(event, store));
        }
        Ok(())
    }

    async fn is_wanted(&mut self, event: &Event) -> Result<bool, PortError> {
        if self.filter == StoreFilter::All {
            return Ok(true);
        }
        if let Some(known) = self.matches.get(&event.store) {
            return Ok(*known);
        }
        let this_one = StoreRef { id: event.store_id.clone(), uid: Some(event.store) };
        let store = self.watches.stores.find(&self.caller.access, &this_one).await?;
        let matches = store.is_some_and(|store| self.filter.matches(&store));
        self.matches.insert(event.store, matches);
        Ok(matches)
    }

    fn push(&mut self, update: Update) {
        // A partial snapshot has no cursor to resume from.
        let cursor = self.snapshot.is_none().then_some(self.sent);
        self.ready.push_back(StoresUpdate { update, cursor });
    }
}
