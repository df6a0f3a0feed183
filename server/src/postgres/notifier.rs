//! Wakes up readers: after a commit of this process, after a NOTIFY of another one, and periodically,
//! in case one was lost. A notification carries no data; whoever receives it reads the tables.

use std::io;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outage::OutageLog;

/// Sent in each transaction that stores an event.
pub(super) const NOTIFY_EVENTS: &str = "NOTIFY storeplane_events";
/// Sent in each transaction that starts an operation or requests its end.
pub(super) const NOTIFY_OPERATIONS: &str = "NOTIFY storeplane_operations";

/// Interval at which readers poll without a notification.
const TICK: Duration = Duration::from_secs(2);
/// Delay between attempts to reconnect.
const RECONNECT: Duration = Duration::from_secs(1);
/// Without notifications for this time, the connection is tested.
const SILENCE: Duration = Duration::from_secs(15);
/// Time limit of a test, and of connecting.
const ANSWER: Duration = Duration::from_secs(5);

static LISTEN: OutageLog = OutageLog::new("listen to Postgres (polling meanwhile)");

/// Sends and receives notifications within the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifier {
    events: watch::Sender<()>,
    operations: watch::Sender<()>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self { events: watch::Sender::new(()), operations: watch::Sender::new(()) }
    }
}

impl Notifier {
    /// Changes when there may be new events.
    pub fn events(&self) -> watch::Receiver<()> {
        self.events.subscribe()
    }

    /// Changes when there may be an operation to claim or to stop.
    pub fn operations(&self) -> watch::Receiver<()> {
        self.operations.subscribe()
    }

    /// This process committed an event and an operation.
    pub(super) fn notify_operations(&self) {
        self.events.send_replace(());
        self.operations.send_replace(());
    }

    /// This process committed an event.
    pub(super) fn notify_events(&self) {
        self.events.send_replace(());
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
            notifier.notify_operations();
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
    in_time(listener.listen_all(["storeplane_events", "storeplane_operations"])).await?;
    LISTEN.worked();
    loop {
        // Changes from before the connection, or from between two, are in the tables.
        notifier.notify_operations();
        while let Some(notification) = next(&mut listener).await? {
            match notification.channel() {
                "storeplane_events" => notifier.notify_events(),
                _ => notifier.notify_operations(),
            }
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
