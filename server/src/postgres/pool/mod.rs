//! Connection pools: one each for workers, watches and API calls, so that none of them exhausts another's connections.
//!
//! - This file: [`Pools`], and [`Pool`], which runs single statements and begins transactions.
//! - [`connect`]: how connections are made and discarded. [`transaction`]: [`Transaction`].
//! - [`connection`]: one borrowed connection, and the time limit of every statement. [`statement`]: bound parameters.
//! - [`wait`]: metrics of the wait for a connection.
//!
//! Every statement has a limit in Postgres and a longer one here, because a broken network is silent. A connection
//! whose statement did not finish is closed and never returns to its pool. sea-orm's own pool offers
//! neither, hence this one below its [`ConnectionTrait`].

mod connect;
mod connection;
mod statement;
mod transaction;
mod wait;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use sqlx::PgPool;

use super::notifier::Notifier;
use crate::circuit::{Call, Circuit, CircuitOpen};

use connect::Discarded;
pub use connect::{ConnectError, PoolOptions, WhileOpen, connect, unverified};
pub(super) use connection::READ_ONLY;
use connection::{Borrowed, InUse, db_error};
pub(super) use transaction::{End, Transaction};
use wait::WaitMetrics;

use crate::metrics::{Metrics, number};

/// How much longer the client waits for a statement than Postgres.
const NETWORK: Duration = Duration::from_secs(2);
/// Time limit of statements of workers, the reconciler and watches. With [`NETWORK`] it is shorter than a lease.
const WORK_STATEMENT: Duration = Duration::from_secs(8);
/// Time limit of an API call's statement; the slowest of ours take milliseconds.
const API_STATEMENT: Duration = Duration::from_secs(5);

/// Failed attempts in a row to get a connection after which Postgres counts as unreachable. Most of them take seconds: the pool
/// tries to connect until its time limit.
const FAILURES: u32 = 2;
/// Why a connection could not be made, for people. The log has the cause, which may contain host names.
const NO_CONNECTION: &str = "no connection to Postgres can be made";

/// Independent pools.
#[derive(Debug, Clone)]
pub struct Pools {
    /// For workers, the reconciler, retention and health probes.
    pub work: Pool,
    /// For watches: events, snapshots, tokens of watchers.
    pub watch: Pool,
    /// For API calls.
    pub api: Pool,
    /// Their circuit breaker.
    pub circuit: Circuit,
}

/// What all pools of one Postgres share.
#[derive(Debug, Clone)]
struct Shared {
    discarded: Arc<Discarded>,
    circuit: Circuit,
    notifier: Notifier,
}

impl Default for Shared {
    fn default() -> Self {
        Self { discarded: Arc::default(), circuit: Circuit::new("postgres", FAILURES), notifier: Notifier::default() }
    }
}

/// Maximum number of connections of each pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolSizes {
    /// Of [`Pools::work`].
    pub work: u32,
    /// Of [`Pools::watch`].
    pub watch: u32,
    /// Of [`Pools::api`].
    pub api: u32,
}

impl Pools {
    /// Pools that connect on first use. `pooler` is true if `url` leads to a pooler in transaction mode.
    pub fn new(url: &str, sizes: PoolSizes, pooler: bool) -> Result<Self, ConnectError> {
        let shared = Shared::default();
        let options = PoolOptions { pooler, ..PoolOptions::default() };
        let pool = |options: PoolOptions| options.connect_with(url, shared.clone());
        Ok(Self {
            circuit: shared.circuit.clone(),
            work: pool(PoolOptions { name: "work", connections: sizes.work, ..options })?,
            watch: pool(PoolOptions { name: "watch", connections: sizes.watch, ..options })?,
            api: pool(PoolOptions {
                name: "api",
                connections: sizes.api,
                statement_timeout: API_STATEMENT,
                while_open: WhileOpen::Fail,
                ..options
            })?,
        })
    }

    /// Reads the number of connections.
    pub fn measure(&self, metrics: &Metrics) {
        for (name, pool) in [("work", &self.work), ("watch", &self.watch), ("api", &self.api)] {
            let open = usize::try_from(pool.connections.size()).unwrap_or_default();
            let idle = pool.connections.num_idle().min(open);
            metrics.database_connections.with([name, "idle"]).set(number(idle));
            metrics.database_connections.with([name, "used"]).set(number(open - idle));
            metrics.database_connections_max.with([name]).set(pool.connections.options().get_max_connections().into());
        }
    }
}

/// Runs statements on pooled connections. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: PgPool,
    /// The limit in Postgres; the client waits [`NETWORK`] longer.
    statement_timeout: Duration,
    /// The URL leads to a pooler: only transactions, not sessions, stay on one connection.
    pooler: bool,
    while_open: WhileOpen,
    /// Number of borrowed connections.
    in_use: Arc<AtomicU32>,
    shared: Shared,
    wait: WaitMetrics,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.connections.size())
            .field("pooler", &self.pooler)
            .finish_non_exhaustive()
    }
}

/// Wraps an existing pool.
impl From<PgPool> for Pool {
    fn from(pool: PgPool) -> Self {
        Self {
            connections: pool,
            statement_timeout: WORK_STATEMENT,
            pooler: false,
            while_open: WhileOpen::Wait,
            in_use: Arc::default(),
            shared: Shared::default(),
            wait: WaitMetrics::of("other"),
        }
    }
}

impl Pool {
    /// Starts a transaction. It is rolled back if it is dropped before [`Transaction::commit`].
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        let local = self.pooler.then_some(self.statement_timeout);
        Transaction::begin(self.borrow().await?, local, self.shared.notifier.clone()).await
    }

    /// Wakes up those who wait for what is committed through this pool and those created with it.
    pub fn notifier(&self) -> &Notifier {
        &self.shared.notifier
    }

    /// Discards all current connections of this pool and of those created with it.
    pub(super) fn discard_connections(&self) {
        self.shared.discarded.all_until_now();
    }

    async fn borrow(&self) -> Result<Borrowed, DbErr> {
        let waiting = self.wait.begin();
        let refused = |open| db_error(io::Error::new(io::ErrorKind::NotConnected, open).into());
        let call = self.admit().await.map_err(refused)?;
        let acquired = self.connections.acquire().await;
        waiting.end(&acquired);
        match acquired {
            Ok(connection) => {
                call.answered();
                let limit = self.statement_timeout + NETWORK;
                let (persistent, discarded) = (!self.pooler, Arc::clone(&self.shared.discarded));
                Ok(Borrowed::new(connection, limit, persistent, discarded, InUse::new(&self.in_use)))
            }
            Err(error) => {
                match self.reachability(&error) {
                    Some(true) => call.answered(),
                    Some(false) => call.failed(NO_CONNECTION),
                    None => drop(call),
                }
                Err(db_error(error))
            }
        }
    }

    /// Passes the circuit breaker, or makes its trial.
    async fn admit(&self) -> Result<Call, CircuitOpen> {
        let circuit = &self.shared.circuit;
        let refused = match circuit.call() {
            Ok(call) => return Ok(call),
            Err(open) => open,
        };
        if self.while_open == WhileOpen::Fail {
            return Err(refused);
        }
        match tokio::time::timeout(self.connections.options().get_acquire_timeout(), circuit.next_trial()).await {
            Ok(Some(trial)) => Ok(trial),
            Ok(None) => circuit.call(),
            Err(_) => Err(refused),
        }
    }

    /// Whether Postgres answered, if this error says so. One that refuses a connection answers; while all of a pool's
    /// connections are in use, no attempt was made.
    fn reachability(&self, error: &sqlx::Error) -> Option<bool> {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                // Starting, stopping, or a pooler that has lost it.
                let unavailable = code.starts_with("57P") || code.starts_with("08");
                Some(!unavailable)
            }
            sqlx::Error::PoolTimedOut => {
                let exhausted = self.in_use.load(Ordering::Relaxed) >= self.connections.options().get_max_connections();
                (!exhausted).then_some(false)
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Some(false),
            _ => None,
        }
    }
}

/// Single statements, each on any connection. Behind a pooler each one is a transaction, because only within one
/// do prepare, bind and execute use the same connection to Postgres.
#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        if self.pooler {
            let transaction = self.begin().await?;
            let done = transaction.execute_raw(statement).await?;
            return transaction.commit().await.map(|()| done);
        }
        self.borrow().await?.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.borrow().await?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if self.pooler {
            let transaction = self.begin().await?;
            let row = transaction.query_one_raw(statement).await?;
            return transaction.commit().await.map(|()| row);
        }
        self.borrow().await?.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if self.pooler {
            let transaction = self.begin().await?;
            let rows = transaction.query_all_raw(statement).await?;
            return transaction.commit().await.map(|()| rows);
        }
        self.borrow().await?.query_all(&statement).await
    }
}
