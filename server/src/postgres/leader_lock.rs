//! Whose turn it is to do what only one server should do at a time: who holds an advisory lock, on a connection of its
//! own, has it. The lock goes with the connection, so a server that dies, or that Postgres has not heard of for
//! 15 s, loses it to the next one that asks.
//!
//! It saves work, and is no fence: a paused server may believe for a moment that it still has its turn. Whatever is
//! done in one must be harmless when two do it.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::outage::OutageLog;

/// Between attempts to get it.
const ASK: Duration = Duration::from_secs(2);
/// Between signs of life from who has it.
const PULSE: Duration = Duration::from_secs(3);
/// How long one of them may take.
const ANSWER: Duration = Duration::from_secs(5);
/// After 15 s without one, Postgres (14 or newer) ends the connection.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET idle_session_timeout = '15s'";

static OUTAGE: OutageLog = OutageLog::new("take the reconciler's lock");

const TAKE: &str = "SELECT pg_try_advisory_lock(hashtext('storeplane-reconciler'))";

/// The turn, as long as the connection lives. Dropping it gives it up.
#[derive(Debug)]
pub struct LeaderLock {
    connection: PgConnection,
}

impl LeaderLock {
    /// Waits until it is ours. `url` must lead to a session of its own, as for LISTEN.
    pub async fn wait(url: &str) -> Self {
        loop {
            match Self::acquire(url).await {
                Ok(lock) => return lock,
                Err(error) => OUTAGE.failed(&error),
            }
            tokio::time::sleep(ASK).await;
        }
    }

    async fn acquire(url: &str) -> Result<Self, sqlx::Error> {
        let options = url.parse::<PgConnectOptions>()?.application_name("storeplane-reconciler");
        let mut connection = in_time(options.disable_statement_logging().connect()).await?;
        in_time(connection.execute(SETTINGS)).await?;
        OUTAGE.worked();
        while !in_time(sqlx::query_scalar::<_, bool>(TAKE).fetch_one(&mut connection)).await? {
            tokio::time::sleep(ASK).await;
        }
        Ok(Self { connection })
    }

    /// Gives signs of life, and returns when it is no longer certain that the turn is ours.
    pub async fn lost(&mut self) {
        loop {
            tokio::time::sleep(PULSE).await;
            if in_time(self.connection.ping()).await.is_err() {
                return;
            }
        }
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(ANSWER, asking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
