//! A client that disconnects, stalls and reconnects, resumes by its cursor and records what it receives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use storeplane_proto::v1::{
    StoreEvent, WatchStoreRequest, WatchStoresRequest, watch_store_response, watch_stores_response,
};
use tonic::Status;

use super::case::{Client, Cut, How, Wants};
use crate::harness::Api;

/// Delay before a failed connection is retried.
const AGAIN: Duration = Duration::from_millis(40);

/// What a client received on all its connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Store and sequence of each event.
    pub(super) events: Vec<(String, i64)>,
    /// Of a watch over all stores: each store's last sequence in the snapshot.
    pub(super) began_with: HashMap<String, i64>,
    /// Why it gave up.
    pub(super) refused: Option<Status>,
}

pub(super) struct Viewer {
    pub(super) client: Client,
    pub(super) servers: [SocketAddr; 2],
    pub(super) token: String,
    pub(super) stores: Vec<String>,
    pub(super) seen: Arc<Mutex<Seen>>,
}

/// Where the next connection resumes.
#[derive(Default)]
struct Place {
    sequence: i64,
    cursor: String,
}

enum Message {
    Snapshot(String, i64),
    Event(StoreEvent),
    Other,
}

impl Viewer {
    /// Watches until it is dropped or gets a permanent error.
    pub(super) async fn watch(self) {
        tokio::time::sleep(self.client.begins).await;
        let (mut place, mut server, mut cuts) = (Place::default(), self.client.server, self.client.cuts.iter());
        loop {
            let cut = cuts.next();
            match self.connection(self.servers[server % 2], &mut place, cut).await {
                Ok(()) => {}
                Err(status) if is_passing(&status) => tokio::time::sleep(AGAIN).await,
                Err(status) => {
                    self.seen.lock().unwrap().refused = Some(status);
                    return;
                }
            }
            server += usize::from(cut.is_some_and(|cut| matches!(cut.how, How::Moved)));
        }
    }

    /// One connection, up to its end.
    async fn connection(&self, server: SocketAddr, place: &mut Place, cut: Option<&Cut>) -> Result<(), Status> {
        let mut stores = Api::connect(server, &self.token).stores;
        match self.client.wants {
            Wants::One(number) => {
                let request = WatchStoreRequest {
                    store_id: self.store(number).to_owned(),
                    after_sequence: place.sequence,
                    ..WatchStoreRequest::default()
                };
                let mut stream = stores.watch_store(request).await?.into_inner();
                for count in 0.. {
                    if pause(cut, count).await {
                        return Ok(());
                    }
                    let message = stream.message().await?.ok_or_else(ended)?;
                    place.sequence = message.sequence;
                    self.note(match message.update {
                        Some(watch_store_response::Update::Event(event)) => Message::Event(event),
                        _ => Message::Other,
                    });
                }
            }
            Wants::All | Wants::Filtered(_) => {
                let filter = match self.client.wants {
                    Wants::Filtered(number) => format!("store_id = {}", self.store(number)),
                    _ => String::new(),
                };
                if place.cursor.is_empty() {
                    self.seen.lock().unwrap().began_with.clear();
                }
                let request = WatchStoresRequest { filter, cursor: place.cursor.clone(), from_now: false };
                let mut stream = stores.watch_stores(request).await?.into_inner();
                for count in 0.. {
                    if pause(cut, count).await {
                        return Ok(());
                    }
                    let message = stream.message().await?.ok_or_else(ended)?;
                    place.cursor = message.cursor;
                    self.note(match message.update {
                        Some(watch_stores_response::Update::Snapshot(store)) => {
                            Message::Snapshot(store.store_id, store.last_sequence)
                        }
                        Some(watch_stores_response::Update::Event(event)) => Message::Event(event),
                        _ => Message::Other,
                    });
                }
            }
        }
        Ok(())
    }

    fn store(&self, number: usize) -> &str {
        &self.stores[number % self.stores.len()]
    }

    fn note(&self, message: Message) {
        let mut seen = self.seen.lock().unwrap();
        match message {
            Message::Snapshot(store, last) => {
                seen.began_with.insert(store, last);
            }
            Message::Event(event) => seen.events.push((event.store_id, event.sequence)),
            Message::Other => {}
        }
    }
}

/// Does what is planned after this number of messages; true if the connection is over.
async fn pause(cut: Option<&Cut>, count: usize) -> bool {
    let Some(Cut { how, .. }) = cut.filter(|cut| cut.after == count) else { return false };
    match how {
        How::Dropped | How::Moved => true,
        How::Stalled(time) => {
            tokio::time::sleep(*time).await;
            false
        }
        How::StalledAndDropped(time) => {
            tokio::time::sleep(*time).await;
            true
        }
    }
}

fn ended() -> Status {
    Status::unavailable("the stream ended")
}

/// As in the client crate: the server is unavailable, or the error is not the server's.
fn is_passing(status: &Status) -> bool {
    let cut_short = status.code() == tonic::Code::Unknown && status.details().is_empty();
    status.code() == tonic::Code::Unavailable || std::error::Error::source(status).is_some() || cut_short
}
