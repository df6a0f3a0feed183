//! Watching: what happened, then what happens, each event once and in order, or a word why not and from where to go on.
//!
//! One task a process, the [`hub`], reads new events in their one order and hands them to whoever watches. A watcher
//! that falls behind is not buffered for: it reads from Postgres again, at its own pace, from its own cursor. So what a
//! watcher sees never depends on a hint, on a buffer or on which server it asks.

mod all;
mod hub;
mod one;
mod operation;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::{Cursor, Event};
use storeplane_core::identity::Caller;
use storeplane_core::ports::{Clock, Stores};
use storeplane_core::store::Store;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::postgres::{EventLog, Tokens};

pub use all::Start;
pub use hub::Hub;

/// Between two looks at the watcher's token. With the time that a token is trusted for, a revoked one watches 10 s at most.
const LOOK: Duration = Duration::from_secs(5);
/// Looks for each heartbeat: one every 15 s.
const LOOKS_A_BEAT: u32 = 3;
/// Events that a watcher reads at once: what it keeps in memory while its client is slow.
const BATCH: u32 = 64;
/// Between attempts to read while Postgres is away.
const RETRY: Duration = Duration::from_secs(1);
/// Attempts before the stream ends with UNAVAILABLE.
const RETRIES: u32 = 30;

/// What a watch tells.
#[derive(Debug, Clone)]
pub enum Update {
    /// A store as it is when the watch begins.
    Snapshot(Box<Store>),
    /// Something happened. Beside a change of state: the store, at least as new as the event.
    Event(Arc<Event>, Option<Arc<Store>>),
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
    /// Cursor of the watch that goes on from here; none within the first snapshot, where it would begin anew.
    pub cursor: Option<Cursor>,
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

    /// Looks whether the watcher may still watch, and gives a heartbeat when it is time for one. While Postgres is away
    /// nobody is turned out.
    async fn check_token(&self, caller: &Caller, heartbeat: &mut HeartbeatTimer) -> Result<Option<Update>, WatchEnd> {
        let valid = tokio::select! {
            () = self.shutdown.cancelled() => return Err(WatchEnd::ShuttingDown),
            valid = self.tokens.is_valid(caller) => valid,
        };
        match valid {
            Ok(false) => Err(WatchEnd::Revoked),
            Ok(true) | Err(PortError::Unavailable(_)) => {
                Ok(heartbeat.beat().then(|| Update::Heartbeat(self.clock.now())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Counts a failed read, and waits a little before the next; gives up after a while.
    async fn retry_after_error(&self, error: PortError, failures: &mut u32) -> Result<(), WatchEnd> {
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

/// When to look at the watcher's token, and when to say that the stream lives. Goes by time, not by what happens: a busy
/// stream is looked at as often as an idle one, and one whose client slept before it is told anything more.
struct HeartbeatTimer {
    next: Instant,
    looks: u32,
}

impl HeartbeatTimer {
    fn new() -> Self {
        Self { next: Instant::now() + LOOK, looks: 0 }
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    async fn due(&self) {
        tokio::time::sleep_until(self.next).await;
    }

    /// Counts a look, and says whether it is a heartbeat.
    fn beat(&mut self) -> bool {
        self.next = Instant::now() + LOOK;
        self.looks += 1;
        self.looks.is_multiple_of(LOOKS_A_BEAT)
    }
}

fn not_found(name: &str) -> PortError {
    DomainError::NotFound { kind: "store", name: name.to_owned() }.into()
}
