//! The leader lock: an advisory lock on a dedicated connection, for work that only one server should do at a time. Postgres
//! releases it when the connection closes, so a server that has died, or has been silent for 15 s,
//! loses it to the next one that tries.
//!
//! It avoids duplicate work but is no fence: a paused server may briefly believe that it still holds the lock. Work
//! under the lock must be harmless if two servers do it.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::outage::OutageLog;

/// Interval between attempts to acquire it.
const ASK: Duration = Duration::from_secs(2);
/// Interval between pings of the holder.
const PULSE: Duration = Duration::from_secs(3);
/// Time limit of one request.
const ANSWER: Duration = Duration::from_secs(5);
/// After 15 s without one, Postgres (14 or newer) ends the connection.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET idle_session_timeout = '15s'";

static RECONCILER: OutageLog = OutageLog::new("take the reconciler's lock");
static ROLLOUTS: OutageLog = OutageLog::new("take the lock of rollouts");
static BACKUP_SCHEDULER: OutageLog = OutageLog::new("take the lock of scheduled backups");

const TAKE: &str = "SELECT pg_try_advisory_lock(hashtext($1))";

/// The work that a lock is for: its name, which is also that of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    /// Comparing stores with the cluster.
    Reconciler,
    /// Starting scheduled backups, and removing those that are not kept.
    BackupScheduler,
    /// Starting the stores of rollouts.
    Rollouts,
}

impl Leadership {
    fn name(self) -> &'static str {
        match self {
            Self::Reconciler => "storeplane-reconciler",
            Self::BackupScheduler => "storeplane-backup-scheduler",
            Self::Rollouts => "storeplane-rollouts",
        }
    }

    fn outage(self) -> &'static OutageLog {
        match self {
            Self::Reconciler => &RECONCILER,
            Self::BackupScheduler => &BACKUP_SCHEDULER,
            Self::Rollouts => &ROLLOUTS,
        }
    }
}

/// The lock, held as long as the connection lives. Dropping it releases it.
#[derive(Debug)]
pub struct LeaderLock {
    connection: PgConnection,
}

impl LeaderLock {
    /// Waits until the lock is acquired. `url` must lead to a session of its own, as for LISTEN.
    pub async fn wait(url: &str, of: Leadership) -> Self {
        loop {
            match Self::acquire(url, of).await {
                Ok(lock) => return lock,
                Err(error) => of.outage().failed(&error),
            }
            tokio::time::sleep(ASK).await;
        }
    }

    async fn acquire(url: &str, of: Leadership) -> Result<Self, sqlx::Error> {
        let options = url.parse::<PgConnectOptions>()?.application_name(of.name());
        let mut connection = in_time(options.disable_statement_logging().connect()).await?;
        in_time(connection.execute(SETTINGS)).await?;
        of.outage().worked();
        while !in_time(sqlx::query_scalar::<_, bool>(TAKE).bind(of.name()).fetch_one(&mut connection)).await? {
            tokio::time::sleep(ASK).await;
        }
        Ok(Self { connection })
    }

    /// Pings, and returns when it is no longer certain that the lock is held.
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
