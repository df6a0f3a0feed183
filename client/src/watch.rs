//! A watch that goes on: after a lost connection, a restart or a move to another server it begins again after the last
//! event that it told.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use storeplane_proto::v1;
use storeplane_proto::v1::watch_store_response::Update;
use tonic::Streaming;

use crate::client::{Client, jittered};
use crate::error::{Error, is_passing};

/// First wait before a watch begins again; it doubles up to [`WAIT_MAX`].
const WAIT: Duration = Duration::from_millis(100);
/// Longest wait before a watch begins again. It never gives up: who waits decides how long.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Three heartbeats: a stream that is silent for longer is dead, whatever the connection says.
const SILENCE: Duration = Duration::from_secs(45);

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The store as it is: first of all, and after each new beginning.
    Snapshot(Box<v1::Store>),
    /// Something happened. Each event comes once and in order.
    Event(Box<v1::StoreEvent>),
    /// Everything that had happened when the watch began was told. Comes once.
    CaughtUp,
}

/// What happens to one store. Ends with an error only where beginning again does not help.
pub struct Watch(BoxStream<'static, Result<Change, Error>>);

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Stream for Watch {
    type Item = Result<Change, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl Watch {
    pub(crate) fn new(client: Client, store_id: &str, after: i64, until: v1::WatchUntil) -> Self {
        let request = v1::WatchStoreRequest {
            store_id: store_id.to_owned(),
            after_sequence: after,
            until: until.into(),
            ..v1::WatchStoreRequest::default()
        };
        let state = State { client, request, stream: None, wait: WAIT, caught_up: false, ended: false };
        Self(unfold(state, |mut state| async { state.next().await.map(|change| (change, state)) }).boxed())
    }
}

struct State {
    client: Client,
    /// Always asks for what was not told yet.
    request: v1::WatchStoreRequest,
    stream: Option<Streaming<v1::WatchStoreResponse>>,
    wait: Duration,
    caught_up: bool,
    ended: bool,
}

impl State {
    async fn next(&mut self) -> Option<Result<Change, Error>> {
        while !self.ended {
            match self.step().await {
                Ok(Some(change)) => return Some(Ok(change)),
                Ok(None) => {}
                Err(error) if error.is_unavailable() => {
                    self.stream = None;
                    tokio::time::sleep(jittered(self.wait)).await;
                    self.wait = (self.wait * 2).min(WAIT_MAX);
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    async fn step(&mut self) -> Result<Option<Change>, Error> {
        let Some(stream) = &mut self.stream else {
            let answer = self.client.stores.clone().watch_store(self.request.clone()).await?;
            self.stream = Some(answer.into_inner());
            return Ok(None);
        };
        let message = match tokio::time::timeout(SILENCE, stream.message()).await {
            Ok(message) => message.map_err(lost)?,
            Err(_) => return Err(tonic::Status::unavailable("the stream is silent").into()),
        };
        let Some(message) = message else {
            self.ended = true;
            return Ok(None);
        };
        self.wait = WAIT;
        match message.update {
            Some(Update::Snapshot(store)) => {
                // From now on this very store, also when its id is used again.
                self.request.uid.clone_from(&store.uid);
                Ok(Some(Change::Snapshot(Box::new(store))))
            }
            Some(Update::Event(event)) if event.sequence > self.request.after_sequence => {
                self.request.after_sequence = event.sequence;
                Ok(Some(Change::Event(Box::new(event))))
            }
            Some(Update::CaughtUp(_)) if !self.caught_up => {
                self.caught_up = true;
                Ok(Some(Change::CaughtUp))
            }
            _ => Ok(None),
        }
    }
}

/// A connection that broke in the middle is reported in several ways; all mean that the watch can begin again.
fn lost(status: tonic::Status) -> Error {
    use std::error::Error as _;
    let broken = status.source().is_some() || is_passing(status.code());
    if broken { tonic::Status::unavailable(status.message()).into() } else { status.into() }
}
