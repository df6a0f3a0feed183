//! The watch of all of a tenant's stores, in the one order of their events.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use storeplane_core::command::StoreRef;
use storeplane_core::error::{PortError, Refusal};
use storeplane_core::event::{Cursor, Event};
use storeplane_core::filter::StoreFilter;
use storeplane_core::identity::Caller;
use storeplane_core::ids::StoreUid;
use storeplane_core::query::{PageStart, StoreQuery};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Interval;

use super::{StoresUpdate, Update, WatchEnd, Watches, heartbeats};

/// Stores read at once for the snapshot.
const SNAPSHOT_PAGE: i32 = 200;

/// Where a watch of all stores begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With a snapshot of each store.
    Snapshot,
    /// With what happens from now on.
    Now,
    /// After this event.
    After(Cursor),
}

impl Watches {
    /// Watches all stores of the caller's tenant that match.
    pub async fn stores(
        &self,
        caller: Caller,
        filter: StoreFilter,
        start: Start,
    ) -> Result<impl Stream<Item = Result<StoresUpdate, WatchEnd>> + Send + 'static, PortError> {
        if filter.names_states() {
            return Err(Refusal::field("filter", "must not name states: they change while one watches").into());
        }
        // Listen first, look second: nothing falls between.
        let live = self.hub.all();
        let head = self.log.head().await?;
        let (told, snapshot) = match start {
            Start::After(cursor) if cursor > head => {
                return Err(Refusal::field("cursor", "must be the cursor of a message that was received").into());
            }
            Start::After(cursor) => (cursor, None),
            Start::Now => (head, None),
            Start::Snapshot => {
                let query = StoreQuery::check(&caller.tenant, "", "create_time", SNAPSHOT_PAGE, PageStart::First)?;
                (head, Some(query))
            }
        };
        let watch = Watch {
            watches: self.clone(),
            caller,
            filter,
            told,
            snapshot,
            ready: VecDeque::new(),
            live,
            replaying: true,
            caught_up: false,
            failures: 0,
            beats: heartbeats(),
            matches: HashMap::new(),
            ended: false,
        };
        Ok(unfold(watch, |mut watch| async move { watch.next().await.map(|item| (item, watch)) }))
    }
}

struct Watch {
    watches: Watches,
    caller: Caller,
    filter: StoreFilter,
    /// Cursor of the last event that was told or passed over.
    told: Cursor,
    /// The page of the snapshot that comes next.
    snapshot: Option<StoreQuery>,
    ready: VecDeque<StoresUpdate>,
    live: Receiver<Arc<Event>>,
    replaying: bool,
    caught_up: bool,
    failures: u32,
    beats: Interval,
    /// Which stores match the filter; at most one entry for each store of the tenant.
    matches: HashMap<StoreUid, bool>,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<StoresUpdate, WatchEnd>> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Some(Ok(update));
            }
            if self.ended {
                return None;
            }
            if let Err(end) = self.step().await {
                self.ended = true;
                return Some(Err(end));
            }
        }
    }

    async fn step(&mut self) -> Result<(), WatchEnd> {
        let stop = self.watches.shutdown.clone();
        if self.snapshot.is_none() && !self.replaying {
            return self.listen().await;
        }
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
            Err(error) => self.watches.bear(error, &mut self.failures).await?,
        }
        Ok(())
    }

    async fn page(&mut self, query: StoreQuery) -> Result<(), PortError> {
        let page = self.watches.stores.list(&query).await?;
        for store in page.items {
            let matches = self.filter.matches(&store);
            self.matches.insert(store.uid, matches);
            if matches {
                self.push(Update::Snapshot(Box::new(store)));
            }
        }
        self.snapshot = page.next.map(|token| query.page(token));
        Ok(())
    }

    async fn replay(&mut self) -> Result<(), PortError> {
        let events = self.watches.log.after_cursor(self.told).await?;
        if events.is_empty() {
            self.replaying = false;
            if !self.caught_up {
                self.caught_up = true;
                self.push(Update::CaughtUp);
            }
        }
        for event in events {
            self.tell(Arc::new(event)).await?;
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), WatchEnd> {
        tokio::select! {
            biased;
            () = self.watches.shutdown.cancelled() => Err(WatchEnd::ShuttingDown),
            event = self.live.recv() => {
                match event {
                    Ok(event) if event.cursor <= self.told => {}
                    Ok(event) => {
                        if let Err(error) = self.tell(event).await {
                            self.replaying = true;
                            self.watches.bear(error, &mut self.failures).await?;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.replaying = true,
                    Err(RecvError::Closed) => return Err(WatchEnd::ShuttingDown),
                }
                Ok(())
            }
            _ = self.beats.tick() => {
                let beat = self.watches.heartbeat(&self.caller).await?;
                self.push(beat);
                Ok(())
            }
        }
    }

    /// Tells an event, or passes over one that is not the watcher's. The cursor moves only when that is decided.
    async fn tell(&mut self, event: Arc<Event>) -> Result<(), PortError> {
        let wanted = event.tenant == self.caller.tenant && self.is_wanted(&event).await?;
        self.told = event.cursor;
        if wanted {
            self.push(Update::Event(event));
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
        let store = self.watches.stores.find(&self.caller.tenant, &this_one).await?;
        let matches = store.is_some_and(|store| self.filter.matches(&store));
        self.matches.insert(event.store, matches);
        Ok(matches)
    }

    fn push(&mut self, update: Update) {
        self.ready.push_back(StoresUpdate { update, cursor: self.told });
    }
}
