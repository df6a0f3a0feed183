//! The watch of all stores, by cursor.

use storeplane_proto::v1;
use storeplane_proto::v1::watch_stores_response::Update;
use tonic::{Status, Streaming};

use super::{Attempt, Change, CursorChange, Step, Watch, next_message, resume};
use crate::client::Client;
use crate::error::Error;

pub(crate) fn from_cursor(client: Client, filter: &str, cursor: &str) -> Watch<CursorChange> {
    let request = v1::WatchStoresRequest { filter: filter.to_owned(), cursor: cursor.to_owned(), from_now: false };
    resume(All { client, request, stream: None, caught_up: false })
}

struct All {
    client: Client,
    request: v1::WatchStoresRequest,
    stream: Option<Streaming<v1::WatchStoresResponse>>,
    caught_up: bool,
}

impl Attempt for All {
    type Item = CursorChange;

    async fn step(&mut self) -> Result<Step<CursorChange>, Error> {
        let Some(stream) = &mut self.stream else {
            let mut stores = self.client.stores.clone();
            let answer = next_message(stores.watch_stores(self.request.clone())).await?;
            self.stream = Some(answer.into_inner());
            return Ok(Step::Opened);
        };
        let message = next_message(stream.message()).await?.ok_or_else(|| Status::unavailable("the stream ended"))?;
        let change = match message.update {
            Some(Update::Snapshot(store)) => Some(Change::Snapshot(Box::new(store))),
            // The server continues exactly after a cursor, so nothing is repeated.
            Some(Update::Event(event)) => Some(Change::Event(Box::new(event), message.store.map(Box::new))),
            Some(Update::CaughtUp(_)) if !self.caught_up => {
                self.caught_up = true;
                Some(Change::CaughtUp)
            }
            _ => None,
        };
        self.request.cursor.clone_from(&message.cursor);
        Ok(change.map_or(Step::Heard, |change| Step::Item(CursorChange { change, cursor: message.cursor })))
    }

    fn lost(&mut self) {
        self.stream = None;
    }
}
