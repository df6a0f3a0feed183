//! The watch of one store, by sequence.

use storeplane_proto::v1;
use storeplane_proto::v1::watch_store_response::Update;
use tonic::{Status, Streaming};

use super::{Attempt, Change, Step, Watch, next_message, resume};
use crate::client::Client;
use crate::error::Error;

/// Which store, from which position and until when.
pub(crate) struct Beginning<'a> {
    pub(crate) store_id: &'a str,
    /// Empty: the store that has the id when the watch begins.
    pub(crate) uid: &'a str,
    pub(crate) after: i64,
    pub(crate) until: v1::WatchUntil,
}

pub(crate) fn from_sequence(client: Client, beginning: &Beginning<'_>) -> Watch {
    let request = v1::WatchStoreRequest {
        store_id: beginning.store_id.to_owned(),
        uid: beginning.uid.to_owned(),
        after_sequence: beginning.after,
        until: beginning.until.into(),
    };
    resume(One { client, request, stream: None, caught_up: false })
}

struct One {
    client: Client,
    request: v1::WatchStoreRequest,
    stream: Option<Streaming<v1::WatchStoreResponse>>,
    caught_up: bool,
}

impl Attempt for One {
    type Item = Change;

    async fn step(&mut self) -> Result<Step<Change>, Error> {
        let Some(stream) = &mut self.stream else {
            let mut stores = self.client.stores.clone();
            let answer = next_message(stores.watch_store(self.request.clone())).await?;
            self.stream = Some(answer.into_inner());
            return Ok(Step::Opened);
        };
        let Some(message) = next_message(stream.message()).await? else {
            if self.request.until() == v1::WatchUntil::Never {
                return Err(Status::unavailable("the stream ended").into());
            }
            return Ok(Step::Ended);
        };
        Ok(match message.update {
            Some(Update::Snapshot(store)) => {
                // From now on this very store, even if its id is reused.
                self.request.uid.clone_from(&store.uid);
                Step::Item(Change::Snapshot(Box::new(store)))
            }
            Some(Update::Event(event)) if event.sequence > self.request.after_sequence => {
                self.request.after_sequence = event.sequence;
                Step::Item(Change::Event(Box::new(event), message.store.map(Box::new)))
            }
            Some(Update::CaughtUp(_)) if !self.caught_up => {
                self.caught_up = true;
                Step::Item(Change::CaughtUp)
            }
            _ => Step::Heard,
        })
    }

    fn lost(&mut self) {
        self.stream = None;
    }
}
