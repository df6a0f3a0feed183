//! Notifier that there is something new to read: from this process after a commit, from others by NOTIFY, and from time
//! to time without a reason, in case one was lost. A hint carries nothing; whoever hears it reads the tables.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Said in each transaction that stores an event.
pub(super) const NOTIFY_EVENTS: &str = "NOTIFY storeplane_events";
/// Said in each transaction that begins an operation or asks for its end.
pub(super) const NOTIFY_OPERATIONS: &str = "NOTIFY storeplane_operations";

/// How often everybody looks without a hint.
const TICK: Duration = Duration::from_secs(2);
/// Between attempts to listen again.
const RECONNECT: Duration = Duration::from_secs(1);

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
                tracing::debug!(%error, "cannot listen to Postgres; polling until it is back");
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
    let mut listener = PgListener::connect(url).await?;
    listener.listen_all(["storeplane_events", "storeplane_operations"]).await?;
    loop {
        // Whatever was said before or between is in the tables.
        notifier.notify_operations();
        while let Some(said) = listener.try_recv().await? {
            match said.channel() {
                "storeplane_events" => notifier.notify_events(),
                _ => notifier.notify_operations(),
            }
        }
    }
}
