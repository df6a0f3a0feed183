//! Resuming watches: after a lost connection, a restart or a move to another server they continue after the last
//! event that they returned.

mod all;
mod one;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use storeplane_proto::v1;
use tonic::Status;

use crate::client::jittered;
use crate::error::Error;

pub(crate) use self::all::from_cursor;
pub(crate) use self::one::{Beginning, from_sequence};

/// First delay before a watch reconnects; it doubles up to [`WAIT_MAX`].
const WAIT: Duration = Duration::from_millis(100);
/// Longest delay before a watch reconnects. It never gives up: the caller decides how long to wait.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Three heartbeat intervals: a stream that is silent for longer is considered dead.
const SILENCE: Duration = Duration::from_secs(45);

/// An item of a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The current store: at the beginning, and after each reconnect without a position.
    Snapshot(Box<v1::Store>),
    /// An event. Each one is returned once and in order. An event that changes the store's state comes with the store as it
    /// was when the event was read, which may be newer than the event.
    Event(Box<v1::StoreEvent>, Option<Box<v1::Store>>),
    /// All events from before the watch began have been returned. Occurs once.
    CaughtUp,
}

/// An item of a watch of all stores, and the position after it.
#[derive(Debug, Clone, PartialEq)]
pub struct CursorChange {
    /// The item.
    pub change: Change,
    /// The cursor for [`Client::watch_all`](crate::Client::watch_all), for example after this program's own restart.
    /// Empty within the first snapshots: a watch that breaks there must start again.
    pub cursor: String,
}

/// A stream that outlives its connections. It ends with an error only if reconnecting does not help.
pub struct Watch<T = Change>(BoxStream<'static, Result<T, Error>>);

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl<T> Stream for Watch<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

/// The result of one poll of the stream.
enum Step<T> {
    /// The stream is open; there is no item yet.
    Opened,
    /// An item.
    Item(T),
    /// A message without an item.
    Heard,
    /// The stream ended as requested.
    Ended,
}

/// A kind of watch: always requests what was not returned yet.
trait Attempt: Send + 'static {
    type Item: Send;

    /// Opens the stream or reads from it.
    fn step(&mut self) -> impl Future<Output = Result<Step<Self::Item>, Error>> + Send;

    /// The connection is lost: the next step opens another one.
    fn lost(&mut self);
}

/// Reconnects as long as that may help.
fn resume<A: Attempt>(attempt: A) -> Watch<A::Item> {
    let state = Some((attempt, WAIT));
    Watch(
        unfold(state, |state| async {
            let (mut attempt, mut wait) = state?;
            loop {
                match attempt.step().await {
                    Ok(Step::Item(item)) => return Some((Ok(item), Some((attempt, WAIT)))),
                    Ok(Step::Heard) => wait = WAIT,
                    Ok(Step::Opened) => {}
                    Ok(Step::Ended) => return None,
                    Err(error) if error.is_unavailable() || error.pause().is_some() => {
                        attempt.lost();
                        tokio::time::sleep(error.pause().unwrap_or_default() + jittered(wait)).await;
                        wait = (wait * 2).min(WAIT_MAX);
                    }
                    Err(error) => return Some((Err(error), None)),
                }
            }
        })
        .boxed(),
    )
}

/// The next message, unless the server is silent for too long.
async fn next_message<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(SILENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::unavailable("the server is silent")),
    }
}
