//! Notifier that there is something new to read: from this process after a commit, from others by NOTIFY, and from time
//! to time without a reason, in case one was lost. A hint carries nothing; whoever hears it reads the tables.

use std::io;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outage::OutageLog;

/// Said in each transaction that stores an event.
pub(super) const NOTIFY_EVENTS: &str = "NOTIFY storeplane_events";
/// Said in each transaction that begins an operation or asks for its end.
pub(super) const NOTIFY_OPERATIONS: &str = "NOTIFY storeplane_operations";

/// How often everybody looks without a hint.
const TICK: Duration = Duration::from_secs(2);
/// Between attempts to listen again.
const RECONNECT: Duration = Duration::from_secs(1);
/// After this time without a notification the connection is tested.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a test, or the way to listening, may take.
const ANSWER: Duration = Duration::from_secs(5);

static LISTEN: OutageLog = OutageLog::new("listen to Postgres (polling meanwhile)");

/// Where hints are heard and given. Cheap to clone.
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

    /// Changes when there may be an operation to take up or to stop.
    pub fn operations(&self) -> watch::Receiver<()> {
        self.operations.subscribe()
    }

    /// This process committed something.
    pub(super) fn notify_operations(&self) {
        self.events.send_replace(());
        self.operations.send_replace(());
    }

    /// This process committed an event.
    pub(super) fn notify_events(&self) {
        self.events.send_replace(());
    }
}

/// Hears other processes' hints until `shutdown`, on a connection of its own. `url` must lead to a session of its own:
/// a pooler in transaction mode breaks LISTEN.
pub async fn listen(url: String, notifier: Notifier, shutdown: CancellationToken) {
    let hearing = async {
        loop {
            if let Err(error) = hear(&url, &notifier).await {
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

async fn hear(url: &str, notifier: &Notifier) -> Result<(), sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("storeplane-listen");
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER).connect_lazy_with(options);
    let mut listener = in_time(PgListener::connect_with(&pool)).await?;
    in_time(listener.listen_all(["storeplane_events", "storeplane_operations"])).await?;
    LISTEN.worked();
    loop {
        // Whatever was said before or between is in the tables.
        notifier.notify_operations();
        while let Some(said) = next(&mut listener).await? {
            match said.channel() {
                "storeplane_events" => notifier.notify_events(),
                _ => notifier.notify_operations(),
            }
        }
    }
}

/// The next notification; `None` once the connection was lost and made anew. A silent network tells nothing, so the
/// connection is tested when nothing came for a while.
async fn next(listener: &mut PgListener) -> Result<Option<PgNotification>, sqlx::Error> {
    loop {
        if let Ok(said) = tokio::time::timeout(SILENCE, listener.try_recv()).await {
            return said;
        }
        in_time(listener.execute("SELECT 1")).await?;
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let timed_out = || Err(io::Error::new(io::ErrorKind::TimedOut, "no answer from Postgres").into());
    tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| timed_out())
}
