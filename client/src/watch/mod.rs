//! Watches that go on: after a lost connection, a restart or a move to another server they begin again after the last
//! thing that they told.

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

/// First wait before a watch begins again; it doubles up to [`WAIT_MAX`].
const WAIT: Duration = Duration::from_millis(100);
/// Longest wait before a watch begins again. It never gives up: who waits decides how long.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Three heartbeats: a stream that is silent for longer is dead, whatever the connection says.
const SILENCE: Duration = Duration::from_secs(45);

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A store as it is: first of all, and after each new beginning.
    Snapshot(Box<v1::Store>),
    /// Something happened. Each event comes once and in order.
    Event(Box<v1::StoreEvent>),
    /// Everything that had happened when the watch began was told. Comes once.
    CaughtUp,
}

/// What a watch of all stores tells, and where another one would go on after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What there is to tell.
    pub change: Change,
    /// The cursor for [`Client::watch_all`](crate::Client::watch_all), for example after this program's own restart.
    /// Empty within the first snapshots: half of them are no place to go on from.
    pub cursor: String,
}

/// A stream that outlives its connections. Ends with an error only where beginning again does not help.
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

/// What came of one more look at the wire.
enum Step<T> {
    /// The stream is open; nothing is told yet.
    Opened,
    /// Something to tell.
    Told(T),
    /// A message of which there is nothing to tell.
    Heard,
    /// The stream ended as it was asked to.
    Ended,
}

/// A watch of some kind: always asks for what was not told yet.
trait Attempt: Send + 'static {
    type Told: Send;

    /// Opens the stream or reads from it.
    fn step(&mut self) -> impl Future<Output = Result<Step<Self::Told>, Error>> + Send;

    /// The connection is lost: the next step opens another.
    fn lost(&mut self);
}

/// Begins again for as long as that may help.
fn resume<A: Attempt>(attempt: A) -> Watch<A::Told> {
    let state = Some((attempt, WAIT));
    Watch(
        unfold(state, |state| async {
            let (mut attempt, mut wait) = state?;
            loop {
                match attempt.step().await {
                    Ok(Step::Told(told)) => return Some((Ok(told), Some((attempt, WAIT)))),
                    Ok(Step::Heard) => wait = WAIT,
                    Ok(Step::Opened) => {}
                    Ok(Step::Ended) => return None,
                    Err(error) if error.is_unavailable() => {
                        attempt.lost();
                        tokio::time::sleep(jittered(wait)).await;
                        wait = (wait * 2).min(WAIT_MAX);
                    }
                    Err(error) => return Some((Err(error), None)),
                }
            }
        })
        .boxed(),
    )
}

/// What the server says, unless it is silent for too long.
async fn spoken<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(SILENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::unavailable("the server is silent")),
    }
}
