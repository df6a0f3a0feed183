//! Wakes up readers: after a commit of this process, after a NOTIFY of another one, and periodically,
//! in case one was lost. A notification carries no data except who sent it; whoever receives it reads the tables.

use std::io;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::outage::OutageLog;

/// The channel of [`Changed::events`].
const EVENTS: &str = "storeplane_events";
/// The channel of [`Changed::operations`].
const OPERATIONS: &str = "storeplane_operations";

/// Interval at which readers poll without a notification.
const TICK: Duration = Duration::from_secs(2);
/// Delay between attempts to reconnect.
const RECONNECT: Duration = Duration::from_secs(1);
/// Without notifications for this time, the connection is tested.
const SILENCE: Duration = Duration::from_secs(15);
/// Time limit of a test, and of connecting.
const ANSWER: Duration = Duration::from_secs(5);

static LISTEN: OutageLog = OutageLog::new("listen to Postgres (polling meanwhile)");

/// What a transaction changes that others wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::postgres) struct Changed {
    /// It stores events.
    pub(in crate::postgres) events: bool,
    /// It begins or ends an operation, requests the end of one, or changes a rollout.
    pub(in crate::postgres) operations: bool,
}

impl Changed {
    const ALL: Self = Self { events: true, operations: true };
}

/// Sends notifications, and receives them within the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifier {
    /// Sent to other processes, so that this one ignores its own.
    process: Uuid,
    events: watch::Sender<()>,
    operations: watch::Sender<()>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self { process: Uuid::new_v4(), events: watch::Sender::new(()), operations: watch::Sender::new(()) }
    }
}

impl Notifier {
    /// Changes when there may be new events.
    pub fn events(&self) -> watch::Receiver<()> {
        self.events.subscribe()
    }

    /// Changes when there may be an operation to claim or to stop, or a rollout to continue.
    pub fn operations(&self) -> watch::Receiver<()> {
        self.operations.subscribe()
    }

    /// The statements that tell other processes, each with a semicolon.
    pub(super) fn statements(&self, changed: Changed) -> String {
        let statement = |is_changed: bool, channel: &str| {
            if is_changed { format!("NOTIFY {channel}, '{}'; ", self.process) } else { String::new() }
        };
        statement(changed.events, EVENTS) + &statement(changed.operations, OPERATIONS)
    }

    /// Wakes up the readers of this process.
    pub(super) fn wake(&self, changed: Changed) {
        if changed.events {
            self.events.send_replace(());
        }
        if changed.operations {
            self.operations.send_replace(());
        }
    }

    /// A NOTIFY arrived. Those of this process have woken up its readers already.
    fn received(&self, channel: &str, sender: &str) {
        if sender != self.process.to_string() {
            self.wake(Changed { events: channel == EVENTS, operations: channel == OPERATIONS });
        }
    }
}

/// Receives other processes' notifications until `shutdown`, on a dedicated connection. `url` must lead to a session of its own:
/// a pooler in transaction mode breaks LISTEN.
pub async fn listen(url: String, notifier: Notifier, shutdown: CancellationToken) {
    let hearing = async {
        loop {
            if let Err(error) = receive(&url, &notifier).await {
                LISTEN.failed(&error);
            }
            tokio::time::sleep(RECONNECT).await;
        }
    };
    let ticking = async {
        loop {
            tokio::time::sleep(TICK).await;
            notifier.wake(Changed::ALL);
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = hearing => {}
        () = ticking => {}
    }
}

async fn receive(url: &str, notifier: &Notifier) -> Result<(), sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("storeplane-listen");
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER).connect_lazy_with(options);
    let mut listener = in_time(PgListener::connect_with(&pool)).await?;
    in_time(listener.listen_all([EVENTS, OPERATIONS])).await?;
    LISTEN.worked();
    loop {
        // Changes from before the connection, or from between two, are in the tables.
        notifier.wake(Changed::ALL);
        while let Some(notification) = next(&mut listener).await? {
            notifier.received(notification.channel(), notification.payload());
        }
    }
}

/// The next notification; `None` if the connection was lost and re-established. A broken network is silent, so the
/// connection is tested when nothing arrived for a while.
async fn next(listener: &mut PgListener) -> Result<Option<PgNotification>, sqlx::Error> {
    loop {
        if let Ok(notification) = tokio::time::timeout(SILENCE, listener.try_recv()).await {
            return notification;
        }
        in_time(listener.execute("SELECT 1")).await?;
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let timed_out = || Err(io::Error::new(io::ErrorKind::TimedOut, "no answer from Postgres").into());
    tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| timed_out())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_notifications_of_others_wake_up_readers() {
        let (ours, theirs) = (Notifier::default(), Notifier::default());
        let (mut events, mut operations) = (ours.events(), ours.operations());
        let mut woken = |sender: String| {
            ours.received(EVENTS, &sender);
            let woken = (events.has_changed().expect("a sender"), operations.has_changed().expect("a sender"));
            events.mark_unchanged();
            operations.mark_unchanged();
            woken
        };
        assert_eq!(woken(ours.process.to_string()), (false, false));
        assert_eq!(woken(theirs.process.to_string()), (true, false));
        assert_eq!(woken(String::new()), (true, false), "an older server");
    }

    #[test]
    fn commit_notifies_of_what_it_changes() {
        let notifier = Notifier::default();
        assert_eq!(notifier.statements(Changed::default()), "");
        let process = notifier.process;
        let both = format!("NOTIFY storeplane_events, '{process}'; NOTIFY storeplane_operations, '{process}'; ");
        assert_eq!(notifier.statements(Changed::ALL), both);
    }
}
