//! The watch of one store.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use storeplane_core::command::StoreRef;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::Event;
use storeplane_core::identity::Caller;
use storeplane_core::ids::StoreUid;
use storeplane_core::store::{State, Store};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::hub::{News, changed};
use super::measure::Watcher;
use super::{BATCH, HeartbeatTimer, StoreUpdate, Until, Update, WatchEnd, Watches, not_found};

impl Watches {
    /// Watches one store: a snapshot, the events after `after`, a marker, then live events. Sequences belong to one store:
    /// if several have had the id, `wanted` must name the uid.
    pub async fn store(
        &self,
        caller: Caller,
        wanted: StoreRef,
        after: i64,
        until: Until,
    ) -> Result<impl Stream<Item = Result<StoreUpdate, WatchEnd>> + Send + 'static, PortError> {
        let find = || async {
            let found = self.stores.find(&caller.access, &wanted).await?;
            found.ok_or_else(|| not_found(wanted.id.as_str()))
        };
        let uid = find().await?.uid;
        if after > 0 && wanted.uid.is_none() && self.stores.is_reused(&caller.access, &wanted.id).await? {
            let rule = "must be sent with after_sequence: several stores have had this id, each with its own sequences";
            return Err(DomainError::field("uid", rule).into());
        }
        // Subscribe first, read second, so that nothing is missed in between.
        let live = self.hub.one(uid);
        let this_one = StoreRef { uid: Some(uid), ..wanted.clone() };
        let store = self.stores.find(&caller.access, &this_one).await?.ok_or_else(|| not_found(wanted.id.as_str()))?;
        if after < 0 || after > store.last_sequence {
            let rule = format!("must be between 0 and {}, the store's last sequence", store.last_sequence);
            return Err(DomainError::field("after_sequence", rule).into());
        }
        let mut watch = Watch {
            watches: self.clone(),
            caller,
            uid,
            state: store.state,
            sent: after,
            seen: store.last_sequence,
            until,
            ready: VecDeque::from([StoreUpdate { sequence: after, update: Update::Snapshot(Box::new(store)) }]),
            live,
            replaying: true,
            caught_up: false,
            failures: 0,
            heartbeat: HeartbeatTimer::new(),
            ended: false,
            watcher: Watcher::new("store"),
        };
        // An expired cursor is an error response, not the end of a stream.
        watch.read().await?;
        Ok(unfold(watch, |mut watch| async move { watch.next().await.map(|item| (item, watch)) }))
    }
}

struct Watch {
    watches: Watches,
    caller: Caller,
    uid: StoreUid,
    /// The store's state after the last event that was sent.
    state: State,
    /// Sequence of the last event that was sent.
    sent: i64,
    /// Sequence of the last event in the snapshot.
    seen: i64,
    until: Until,
    ready: VecDeque<StoreUpdate>,
    live: Receiver<News>,
    replaying: bool,
    caught_up: bool,
    failures: u32,
    heartbeat: HeartbeatTimer,
    ended: bool,
    watcher: Watcher,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<StoreUpdate, WatchEnd>> {
        loop {
            if self.ended {
                return None;
            }
            let step = if self.heartbeat.is_due() {
                self.check_access().await
            } else if let Some(update) = self.ready.pop_front() {
                return Some(Ok(update));
            } else if self.is_over() {
                return None;
            } else if self.replaying {
                self.replay().await
            } else {
                self.listen().await
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

    fn is_over(&self) -> bool {
        self.caught_up
            && match self.until {
                Until::Never => false,
                Until::Settled => self.state.is_settled(),
                Until::Deleted => self.state == State::Deleted,
            }
    }

    async fn replay(&mut self) -> Result<(), WatchEnd> {
        let stop = self.watches.shutdown.clone();
        let read = tokio::select! {
            () = stop.cancelled() => return Err(WatchEnd::ShuttingDown),
            read = self.read() => read,
        };
        match read {
            Ok(()) => self.failures = 0,
            Err(error) => self.watches.retry_after_error(error, &mut self.failures).await?,
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<(), PortError> {
        let kept = self.watches.log.after(self.uid, self.sent, BATCH).await?;
        self.sent = kept.after;
        if kept.events.is_empty() {
            self.replaying = false;
            if !self.caught_up {
                self.caught_up = true;
                self.push(Update::CaughtUp);
            }
        }
        let stores = self.watches.log.stores(&changed(kept.events.iter())).await?;
        let store = stores.into_values().next().map(Arc::new);
        for event in kept.events {
            let store = store.clone().filter(|_| event.changes_store());
            self.emit(Arc::new(event), store);
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), WatchEnd> {
        tokio::select! {
            biased;
            () = self.watches.shutdown.cancelled() => return Err(WatchEnd::ShuttingDown),
            () = self.heartbeat.due() => {}
            news = self.live.recv() => match news {
                Ok(News::Event(event, store)) if event.sequence == self.sent + 1 => self.emit(event, store),
                Ok(News::Event(event, _)) => self.replaying = event.sequence > self.sent,
                Ok(News::ReadTable(sequence)) => self.replaying = sequence > self.sent,
                Err(RecvError::Lagged(_)) => self.replaying = true,
                Err(RecvError::Closed) => {
                    self.live = self.watches.hub.one(self.uid);
                    self.replaying = true;
                }
            },
        }
        Ok(())
    }

    fn emit(&mut self, event: Arc<Event>, store: Option<Arc<Store>>) {
        self.sent = event.sequence;
        if !self.caller.access.sees(&event.tenant, &event.store_id) {
            return;
        }
        if let Some(state) = event.new_state().filter(|_| event.sequence > self.seen) {
            self.state = state;
        }
        if self.caught_up {
            self.watcher.delivered(&event, &*self.watches.clock);
        }
        self.push(Update::Event(event, store));
    }

    fn push(&mut self, update: Update) {
        self.ready.push_back(StoreUpdate { update, sequence: self.sent });
    }
}
