//! Connection pools: one each for workers, watches and API calls, so that none of them waits for another's connections.
//!
//! - This file: [`Pools`], and [`Pool`], which runs single statements and begins transactions.
//! - [`connect`]: how connections are made and when one is thrown away. [`transaction`]: [`Transaction`].
//! - [`connection`]: one borrowed connection, and the time limit of every statement. [`statement`]: bound parameters.
//!
//! Every statement has a limit in Postgres and a longer one here, since a silent network never answers. A connection
//! whose statement did not end, in time or at all, is closed; it never goes back to its pool. sea-orm's own pool offers
//! neither, hence this one below its [`ConnectionTrait`].

mod connect;
mod connection;
mod statement;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use sqlx::PgPool;

use connect::Discarded;
pub use connect::{ConnectError, PoolOptions, connect};
pub(super) use connection::READ_ONLY;
use connection::{Borrowed, db_error};
pub(super) use transaction::Transaction;

/// How much longer this side waits for a statement than Postgres works on it.
const NETWORK: Duration = Duration::from_secs(2);
/// Longest statement of a worker, the reconciler or a watch. With [`NETWORK`] it stays within a lease.
const WORK_STATEMENT: Duration = Duration::from_secs(8);
/// Longest statement of an API call; the slowest of ours take milliseconds.
const API_STATEMENT: Duration = Duration::from_secs(5);

/// Pools that do not wait for each other.
#[derive(Debug, Clone)]
pub struct Pools {
    /// For workers, the reconciler, retention and health probes.
    pub work: Pool,
    /// For watches: events, snapshots, tokens of watchers.
    pub watch: Pool,
    /// For API calls.
    pub api: Pool,
}

/// Most connections of each pool.
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
    /// Pools that connect when they are first used. `pooler` is true if `url` leads to a pooler in transaction mode.
    pub fn new(url: &str, sizes: PoolSizes, pooler: bool) -> Result<Self, ConnectError> {
        let discarded = Arc::new(Discarded::default());
        let pool = |connections, statement_timeout| {
            let options = PoolOptions { connections, statement_timeout, pooler, ..PoolOptions::default() };
            options.connect_with(url, Arc::clone(&discarded))
        };
        Ok(Self {
            work: pool(sizes.work, WORK_STATEMENT)?,
            watch: pool(sizes.watch, WORK_STATEMENT)?,
            api: pool(sizes.api, API_STATEMENT)?,
        })
    }
}

/// Runs statements on pooled connections. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    connections: PgPool,
    /// Of Postgres; this side waits [`NETWORK`] longer.
    statement_timeout: Duration,
    /// Between this server and Postgres: sessions are not ours, transactions are.
    pooler: bool,
    discarded: Arc<Discarded>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("size", &self.connections.size())
            .field("pooler", &self.pooler)
            .finish_non_exhaustive()
    }
}

/// Over a pool that somebody else made.
impl From<PgPool> for Pool {
    fn from(pool: PgPool) -> Self {
        Self { connections: pool, statement_timeout: WORK_STATEMENT, pooler: false, discarded: Arc::default() }
    }
}

impl Pool {
    /// A transaction. Dropped before [`Transaction::commit`] it is rolled back.
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        Transaction::begin(self.borrow().await?, self.pooler.then_some(self.statement_timeout)).await
    }

    /// No connection that exists now is used again, in this pool and those made with it.
    pub(super) fn discard_connections(&self) {
        self.discarded.all_until_now();
    }

    async fn borrow(&self) -> Result<Borrowed, DbErr> {
        let connection = self.connections.acquire().await.map_err(db_error)?;
        let limit = self.statement_timeout + NETWORK;
        Ok(Borrowed::new(connection, limit, !self.pooler, Arc::clone(&self.discarded)))
    }
}

/// One statement after the other, each on any connection. Behind a pooler each is a transaction of its own: only within one
/// do prepare, bind and execute meet the same connection to Postgres.
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
