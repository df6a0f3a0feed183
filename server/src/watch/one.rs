//! The watch of one store.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use storeplane_core::command::StoreRef;
use storeplane_core::error::{PortError, Refusal};
use storeplane_core::event::Event;
use storeplane_core::identity::Caller;
use storeplane_core::store::{State, Store};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Interval;

use super::{StoreUpdate, Until, Update, WatchEnd, Watches, heartbeats, not_found};

impl Watches {
    /// Watches one store: a snapshot, the events after `after`, a marker, then what happens.
    pub async fn store(
        &self,
        caller: Caller,
        wanted: StoreRef,
        after: i64,
        until: Until,
    ) -> Result<impl Stream<Item = Result<StoreUpdate, WatchEnd>> + Send + 'static, PortError> {
        let find = || async {
            let found = self.stores.find(&caller.tenant, &wanted).await?;
            found.ok_or_else(|| not_found(wanted.id.as_str()))
        };
        let uid = find().await?.uid;
        // Listen first, look second: nothing falls between.
        let live = self.hub.one(uid);
        let this_one = StoreRef { uid: Some(uid), ..wanted.clone() };
        let store = self.stores.find(&caller.tenant, &this_one).await?.ok_or_else(|| not_found(wanted.id.as_str()))?;
        self.check_cursor(&store, after).await?;
        let watch = Watch {
            watches: self.clone(),
            caller,
            state: store.state,
            told: after,
            seen: store.last_sequence,
            until,
            ready: VecDeque::from([StoreUpdate { sequence: after, update: Update::Snapshot(Box::new(store.clone())) }]),
            store,
            live,
            replaying: true,
            caught_up: false,
            failures: 0,
            beats: heartbeats(),
            ended: false,
        };
        Ok(unfold(watch, |mut watch| async move { watch.next().await.map(|item| (item, watch)) }))
    }

    async fn check_cursor(&self, store: &Store, after: i64) -> Result<(), PortError> {
        if after < 0 || after > store.last_sequence {
            let rule = format!("must be between 0 and {}, the store's last sequence", store.last_sequence);
            return Err(Refusal::field("after_sequence", rule).into());
        }
        let oldest = if after == 0 { None } else { self.log.oldest(store.uid).await? };
        match oldest {
            Some(oldest) if oldest > after + 1 => {
                Err(Refusal::CursorExpired { oldest: (oldest - 1).to_string() }.into())
            }
            _ => Ok(()),
        }
    }
}

struct Watch {
    watches: Watches,
    caller: Caller,
    store: Store,
    /// The store's state after the last event that was told.
    state: State,
    /// Sequence of the last event that was told.
    told: i64,
    /// Sequence of the last event that the snapshot knew.
    seen: i64,
    until: Until,
    ready: VecDeque<StoreUpdate>,
    live: Receiver<Arc<Event>>,
    replaying: bool,
    caught_up: bool,
    failures: u32,
    beats: Interval,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<StoreUpdate, WatchEnd>> {
        loop {
            if let Some(update) = self.ready.pop_front() {
                return Some(Ok(update));
            }
            if self.ended || self.is_over() {
                return None;
            }
            let step = if self.replaying { self.replay().await } else { self.listen().await };
            if let Err(end) = step {
                self.ended = true;
                return Some(Err(end));
            }
        }
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
        let events = tokio::select! {
            () = self.watches.shutdown.cancelled() => return Err(WatchEnd::ShuttingDown),
            events = self.watches.log.after(self.store.uid, self.told) => events,
        };
        let events = match events {
            Ok(events) => events,
            Err(error) => return self.watches.bear(error, &mut self.failures).await,
        };
        self.failures = 0;
        if events.is_empty() {
            self.replaying = false;
            if !self.caught_up {
                self.caught_up = true;
                self.push(Update::CaughtUp);
            }
        }
        for event in events {
            self.tell(Arc::new(event));
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), WatchEnd> {
        tokio::select! {
            biased;
            () = self.watches.shutdown.cancelled() => Err(WatchEnd::ShuttingDown),
            event = self.live.recv() => {
                match event {
                    Ok(event) if event.sequence <= self.told => {}
                    Ok(event) if event.sequence == self.told + 1 => self.tell(event),
                    // Something is missing: the table has it.
                    Ok(_) | Err(RecvError::Lagged(_)) => self.replaying = true,
                    Err(RecvError::Closed) => {
                        self.live = self.watches.hub.one(self.store.uid);
                        self.replaying = true;
                    }
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

    fn tell(&mut self, event: Arc<Event>) {
        self.told = event.sequence;
        if let Some(state) = event.new_state().filter(|_| event.sequence > self.seen) {
            self.state = state;
        }
        self.push(Update::Event(event));
    }

    fn push(&mut self, update: Update) {
        self.ready.push_back(StoreUpdate { update, sequence: self.told });
    }
}
