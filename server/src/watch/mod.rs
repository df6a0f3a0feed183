//! Watching: what happened, then what happens, each event once and in order, or a word why not and from where to go on.
//!
//! One task a process, the [`hub`], reads new events in their one order and hands them to whoever watches. A watcher
//! that falls behind is not buffered for: it reads from Postgres again, at its own pace, from its own cursor. So what a
//! watcher sees never depends on a hint, on a buffer or on which server it asks.

mod all;
mod hub;
mod one;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::error::{PortError, Refusal};
use storeplane_core::event::{Cursor, Event};
use storeplane_core::identity::Caller;
use storeplane_core::ports::{Clock, Stores};
use storeplane_core::store::Store;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::postgres::{EventLog, Tokens};

pub use all::Start;
pub use hub::Hub;

/// Between two heartbeats, and between two looks at the watcher's token.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between attempts to read while Postgres is away.
const RETRY: Duration = Duration::from_secs(1);
/// Attempts before the stream ends with UNAVAILABLE.
const RETRIES: u32 = 30;

/// What a watch tells.
#[derive(Debug, Clone)]
pub enum Update {
    /// A store as it is when the watch begins.
    Snapshot(Box<Store>),
    /// Something happened.
    Event(Arc<Event>),
    /// Everything that had happened when the watch began was told.
    CaughtUp,
    /// The stream lives.
    Heartbeat(OffsetDateTime),
}

/// An update of one store, and where to go on after it.
#[derive(Debug, Clone)]
pub struct StoreUpdate {
    /// What there is to tell.
    pub update: Update,
    /// `after_sequence` of the watch that goes on from here.
    pub sequence: i64,
}

/// An update of any store, and where to go on after it.
#[derive(Debug, Clone)]
pub struct StoresUpdate {
    /// What there is to tell.
    pub update: Update,
    /// Cursor of the watch that goes on from here.
    pub cursor: Cursor,
}

/// When a watch of one store ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Until {
    /// Never.
    #[default]
    Never,
    /// When no operation is at work.
    Settled,
    /// When the store is gone.
    Deleted,
}

/// Why a watch ended that should have gone on. The client goes on from its last cursor.
#[derive(Debug, thiserror::Error)]
pub enum WatchEnd {
    /// This server stops; another one, or this one soon, goes on.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The watcher's token was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Postgres does not answer, or the cursor is too old.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Begins watches.
#[derive(Clone)]
pub struct Watches {
    stores: Arc<dyn Stores>,
    log: EventLog,
    tokens: Tokens,
    hub: Hub,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
}

impl std::fmt::Debug for Watches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watches").finish_non_exhaustive()
    }
}

impl Watches {
    /// Watches end when `shutdown` is cancelled.
    pub fn new(
        stores: Arc<dyn Stores>,
        log: EventLog,
        tokens: Tokens,
        hub: Hub,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { stores, log, tokens, hub, clock, shutdown }
    }

    /// A heartbeat, if the watcher may still watch. While Postgres is away nobody is turned out.
    async fn heartbeat(&self, caller: &Caller) -> Result<Update, WatchEnd> {
        match self.tokens.is_valid(caller).await {
            Ok(false) => Err(WatchEnd::Revoked),
            Ok(true) | Err(PortError::Unavailable(_)) => Ok(Update::Heartbeat(self.clock.now())),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts a failed read, and waits a little before the next; gives up after a while.
    async fn bear(&self, error: PortError, failures: &mut u32) -> Result<(), WatchEnd> {
        *failures += 1;
        if *failures >= RETRIES || !matches!(error, PortError::Unavailable(_)) {
            return Err(error.into());
        }
        tokio::select! {
            () = self.shutdown.cancelled() => Err(WatchEnd::ShuttingDown),
            () = tokio::time::sleep(RETRY) => Ok(()),
        }
    }
}

fn heartbeats() -> tokio::time::Interval {
    let mut beats = tokio::time::interval_at(tokio::time::Instant::now() + HEARTBEAT, HEARTBEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    beats
}

fn not_found(name: &str) -> PortError {
    Refusal::NotFound { kind: "store", name: name.to_owned() }.into()
}
