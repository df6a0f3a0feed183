//! Watches: past and future events, each once and in order, or an error with the position to resume from.
//!
//! One task per process, the [`hub`], reads new events in their global order and distributes them to watchers. A watcher
//! that falls behind is not buffered for: it reads from Postgres, at its own pace, from its own cursor. So what a
//! watcher receives never depends on a notification, a buffer or the server it is connected to.

mod all;
mod hub;
mod measure;
mod one;
mod operation;
mod rollout;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::{Cursor, Event};
use storeplane_core::identity::Caller;
use storeplane_core::ports::{Clock, Rollouts, Stores};
use storeplane_core::store::Store;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::authentication::Authenticator;
use crate::postgres::{EventLog, Notifier, TenantStates, Verified};

pub use all::Start;
pub use hub::Hub;
pub use rollout::RolloutUpdate;

/// Between two checks of the watcher's token. With the time that a token is cached, a revoked one keeps watching for at most 10 s.
const LOOK: Duration = Duration::from_secs(5);
/// Token checks per heartbeat: one heartbeat every 15 s.
const LOOKS_A_BEAT: u32 = 3;
/// Events that a watcher reads at once: its memory while its client is slow.
const BATCH: u32 = 64;
/// Between attempts to read while Postgres is unavailable.
const RETRY: Duration = Duration::from_secs(1);
/// Attempts before the stream ends with UNAVAILABLE.
const RETRIES: u32 = 30;

/// An update of a watch.
#[derive(Debug, Clone)]
pub enum Update {
    /// A store at the beginning of the watch.
    Snapshot(Box<Store>),
    /// An event. With a change of the store: the store, at least as new as the event.
    Event(Arc<Event>, Option<Arc<Store>>),
    /// All events from before the watch began have been sent.
    CaughtUp,
    /// Keeps the stream alive.
    Heartbeat(OffsetDateTime),
}

/// An update of one store, and the position after it.
#[derive(Debug, Clone)]
pub struct StoreUpdate {
    /// The update.
    pub update: Update,
    /// `after_sequence` with which a watch resumes from here.
    pub sequence: i64,
}

/// An update of any store, and the position after it.
#[derive(Debug, Clone)]
pub struct StoresUpdate {
    /// The update.
    pub update: Update,
    /// Cursor with which a watch resumes from here; none within the first snapshot, where a watch must start again.
    pub cursor: Option<Cursor>,
}

/// When a watch of one store ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Until {
    /// Never.
    #[default]
    Never,
    /// When no operation is active.
    Settled,
    /// When the store is gone.
    Deleted,
}

/// Why a watch ended early. The client resumes from its last cursor.
#[derive(Debug, thiserror::Error)]
pub enum WatchEnd {
    /// This server stops; the client resumes elsewhere, or here after a restart.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The watcher's token was revoked, or its role, tenant or stores changed.
    #[error("the token was revoked or changed")]
    Revoked,
    /// The watcher's token has expired.
    #[error("the token has expired")]
    Expired,
    /// Postgres is unavailable, or the cursor has expired.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Starts watches.
#[derive(Clone)]
pub struct Watches {
    stores: Arc<dyn Stores>,
    rollouts: Arc<dyn Rollouts>,
    log: EventLog,
    authenticator: Authenticator,
    tenants: TenantStates,
    hub: Hub,
    notifier: Notifier,
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
        (stores, rollouts): (Arc<dyn Stores>, Arc<dyn Rollouts>),
        log: EventLog,
        (authenticator, tenants): (Authenticator, TenantStates),
        (hub, notifier): (Hub, Notifier),
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { stores, rollouts, log, authenticator, tenants, hub, notifier, clock, shutdown }
    }

    /// Checks the watcher's credential and its tenant, and returns a heartbeat when one is due. While Postgres is unavailable
    /// the watch continues.
    async fn check_access(&self, caller: &Caller, heartbeat: &mut HeartbeatTimer) -> Result<Option<Update>, WatchEnd> {
        let valid = tokio::select! {
            () = self.shutdown.cancelled() => return Err(WatchEnd::ShuttingDown),
            valid = self.recheck(caller) => valid,
        };
        match valid {
            Ok(Verified::Unknown) => Err(WatchEnd::Revoked),
            Ok(Verified::Expired) => Err(WatchEnd::Expired),
            Ok(Verified::Caller(_)) | Err(PortError::Unavailable(_)) => {
                Ok(heartbeat.beat().then(|| Update::Heartbeat(self.clock.now())))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn recheck(&self, caller: &Caller) -> Result<Verified, PortError> {
        let valid = self.authenticator.recheck(caller).await?;
        if matches!(valid, Verified::Caller(_)) {
            self.tenants.admit(caller).await?;
        }
        Ok(valid)
    }

    /// Counts a failed read and waits before the next one; gives up after some attempts.
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

/// When to check the watcher's token and when to send a heartbeat. It depends on time alone: a busy
/// stream is checked as often as an idle one, and a client that was stalled is checked before it receives anything more.
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

    /// Counts a check, and returns whether a heartbeat is due.
    fn beat(&mut self) -> bool {
        self.next = Instant::now() + LOOK;
        self.looks += 1;
        self.looks.is_multiple_of(LOOKS_A_BEAT)
    }
}

fn not_found(name: &str) -> PortError {
    DomainError::NotFound { kind: "store", name: name.to_owned() }.into()
}
