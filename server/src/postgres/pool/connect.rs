//! How connections are made, and when idle ones are discarded.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use super::wait::WaitMetrics;
use super::{Pool, Shared, WORK_STATEMENT};
use crate::outage::OutageLog;

/// How long a caller waits for a free connection before it gets UNAVAILABLE.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection used within this time is reused without a test: a test doubles the round trips of a short request.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Time limit of a test.
const TEST: Duration = Duration::from_secs(1);
/// An idle connection is closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Postgres ends a transaction that is idle for this long.
pub(super) const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the pool could not be created.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL is not a Postgres URL that can be used: {0}")]
pub struct ConnectError(#[source] sqlx::Error);

/// The options of a pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// Maximum number of connections.
    pub connections: u32,
    /// Time limit of a statement.
    pub statement_timeout: Duration,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// True if the URL leads to a pooler in transaction mode.
    pub pooler: bool,
    /// What its callers do while Postgres does not answer.
    pub while_open: WhileOpen,
    /// The pool's name in the metrics.
    pub name: &'static str,
    /// The connections' name in `pg_stat_activity`.
    pub application_name: &'static str,
}

/// What a pool's callers do while its circuit breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhileOpen {
    /// They wait, as for a free connection, and make the trials: background work, such as the renewal of leases, loses no time.
    Wait,
    /// They fail at once: their clients retry.
    Fail,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            connections: 2,
            statement_timeout: WORK_STATEMENT,
            acquire_timeout: ACQUIRE_TIMEOUT,
            pooler: false,
            while_open: WhileOpen::Wait,
            name: "other",
            application_name: "storeplane",
        }
    }
}

impl PoolOptions {
    /// A pool that connects on first use, so that the server starts while Postgres is unavailable.
    pub fn connect(self, url: &str) -> Result<Pool, ConnectError> {
        self.connect_with(url, Shared::default())
    }

    pub(super) fn connect_with(self, url: &str, shared: Shared) -> Result<Pool, ConnectError> {
        let options: PgConnectOptions = url.parse().map_err(ConnectError)?;
        // No start-up parameter that a pooler may reject; no floats are read here.
        let options =
            options.application_name(self.application_name).extra_float_digits(None).disable_statement_logging();
        let mut pool = PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.acquire_timeout)
            .idle_timeout(IDLE_TIMEOUT)
            // The test below has a time limit; sqlx's has none.
            .test_before_acquire(false);
        let known = Arc::clone(&shared.discarded);
        pool = pool.before_acquire(move |connection, meta| {
            let discarded = known.contains(meta.age);
            Box::pin(async move { Ok(!discarded && (meta.idle_for < TRUSTED_IDLE || answers(connection).await)) })
        });
        if !self.pooler {
            // By SET, because some proxies reject start-up `options`.
            let settings = settings("SET", self.statement_timeout);
            let log = Arc::new(OutageLog::new("set the limits of a new database connection"));
            pool = pool.after_connect(move |connection, _| {
                let (settings, log) = (settings.clone(), Arc::clone(&log));
                Box::pin(async move { prepare(connection, settings, &log).await })
            });
        }
        let Self { statement_timeout, pooler, while_open, name, .. } = self;
        let connections = pool.connect_lazy_with(options);
        let (in_use, wait) = (Arc::default(), WaitMetrics::of(name));
        Ok(Pool { connections, statement_timeout, pooler, while_open, in_use, shared, wait })
    }
}

/// A pool for a command, or for tests.
pub fn connect(url: &str, connections: u32) -> Result<Pool, ConnectError> {
    PoolOptions { connections, ..PoolOptions::default() }.connect(url)
}

/// Why a URL's connection to another machine is not safe from being read or changed on its way; `None` if it is.
pub fn unverified(url: &str) -> Option<String> {
    let options: PgConnectOptions = url.parse().ok()?;
    let host = options.get_host().trim_matches(['[', ']']);
    let local = options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback());
    let mode = match options.get_ssl_mode() {
        PgSslMode::VerifyFull => return None,
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::Require => "require",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Allow => "allow",
        PgSslMode::Disable => "disable",
    };
    (!local).then(|| {
        format!(
            "the connection to Postgres at {host} is not verified (sslmode={mode}): use sslmode=verify-full, and \
             sslrootcert for an authority of your own"
        )
    })
}

/// Statements that set the time limits; `set` is `SET` or `SET LOCAL`. A lock that somebody holds for too long has an error
/// of its own: the statement itself was not too expensive.
pub(super) fn settings(set: &str, statement_timeout: Duration) -> String {
    let (statement, idle) = (statement_timeout.as_millis(), IDLE_IN_TRANSACTION_TIMEOUT.as_millis());
    let lock = statement * 4 / 5;
    format!(
        "{set} statement_timeout = {statement}; {set} lock_timeout = {lock}; \
         {set} idle_in_transaction_session_timeout = {idle}"
    )
}

/// Sets the limits of a new connection. If this fails, sqlx closes the connection and makes another one until the caller's
/// time limit; the caller then gets only a timeout, so the cause is logged here.
async fn prepare(connection: &mut PgConnection, settings: String, log: &OutageLog) -> Result<(), sqlx::Error> {
    let prepared = connection.execute(sqlx::AssertSqlSafe(settings)).await;
    match &prepared {
        Ok(_) => log.worked(),
        Err(error) => log.failed(error),
    }
    prepared.map(drop)
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(TEST, connection.ping()).await, Ok(Ok(())))
}

/// Connections to a Postgres that must no longer be used, such as a primary that became a standby: all that
/// were made before it was noticed, in every pool.
#[derive(Debug, Default)]
pub(super) struct Discarded {
    before: Mutex<Option<Instant>>,
}

impl Discarded {
    /// Discards every connection that exists now.
    pub(super) fn all_until_now(&self) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn contains(&self, age: Duration) -> bool {
        let before = *self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.is_some_and(|before| age >= before.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_other_machines_must_be_verified() {
        for (url, mode) in [
            ("postgres://u:hunter2@db.test/a", Some("prefer")),
            ("postgres://db.test/a?sslmode=disable", Some("disable")),
            ("postgres://db.test/a?sslmode=require", Some("require")),
            ("postgres://db.test/a?sslmode=verify-ca", Some("verify-ca")),
            ("postgres://db.test/a?sslmode=verify-full", None),
            ("postgres://10.0.0.1/a", Some("prefer")),
            ("postgres://127.0.0.1/a", None),
            ("postgres://[::1]/a", None),
            ("postgres://localhost/a?sslmode=disable", None),
            ("postgres:///a?host=/run/postgresql", None),
            ("nonsense", None),
        ] {
            let why = unverified(url);
            assert_eq!(why.is_some(), mode.is_some(), "{url}: {why:?}");
            if let (Some(why), Some(mode)) = (why, mode) {
                assert!(why.contains(&format!("sslmode={mode})")) && !why.contains("hunter2"), "{why}");
            }
        }
    }
}
