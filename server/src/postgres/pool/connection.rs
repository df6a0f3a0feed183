//! A borrowed connection: each statement has a time limit, and only a connection whose last statement finished returns to
//! its pool.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::pool::PoolConnection;
use sqlx::{Executor as _, PgConnection, Postgres};
use tokio::runtime::Handle;

use super::connect::Discarded;
use super::statement::query;

/// Time limit of a rollback and the return to the pool in the background.
const RETURN: Duration = Duration::from_secs(3);

/// SQLSTATE of a read-only database.
pub(in crate::postgres) const READ_ONLY: &str = "25006";

/// A connection. Dropping it returns it to the pool, or closes it.
pub(super) struct Borrowed {
    /// `None` once it was returned.
    connection: Option<PoolConnection<Postgres>>,
    limit: Duration,
    /// Whether prepared statements are kept.
    persistent: bool,
    /// A statement has started but not finished, or the connection is broken.
    unusable: bool,
    /// A transaction is open.
    pub(super) in_transaction: bool,
    discarded: Arc<Discarded>,
    in_use: Option<InUse>,
}

/// Counts a borrowed connection.
pub(super) struct InUse(Arc<AtomicU32>);

impl InUse {
    pub(super) fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Borrowed {
    pub(super) fn new(
        connection: PoolConnection<Postgres>,
        limit: Duration,
        persistent: bool,
        discarded: Arc<Discarded>,
        in_use: InUse,
    ) -> Self {
        Self {
            connection: Some(connection),
            limit,
            persistent,
            unusable: false,
            in_transaction: false,
            discarded,
            in_use: Some(in_use),
        }
    }

    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<ExecResult, DbErr> {
        let query = query(statement, self.persistent);
        self.run(async |connection| query.execute(connection).await).await.map(Into::into)
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(async |connection| connection.execute(sqlx::AssertSqlSafe(sql)).await).await.map(Into::into)
    }

    pub(super) async fn query_one(&mut self, statement: &Statement) -> Result<Option<QueryResult>, DbErr> {
        let query = query(statement, self.persistent);
        let row = self.run(async |connection| query.fetch_optional(connection).await).await?;
        Ok(row.map(Into::into))
    }

    pub(super) async fn query_all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let query = query(statement, self.persistent);
        let rows = self.run(async |connection| query.fetch_all(connection).await).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DbErr> {
        let Some(connection) = &mut self.connection else { return Err(db_error(sqlx::Error::PoolClosed)) };
        // Until it finishes: if this future is dropped, the connection is closed.
        let unusable = std::mem::replace(&mut self.unusable, true);
        let ended = tokio::time::timeout(self.limit, statement(connection)).await.unwrap_or_else(|_| {
            let text = format!("no answer from Postgres in {} s", self.limit.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
        });
        self.unusable = unusable || ended.as_ref().is_err_and(|error| self.breaks(error));
        ended.map_err(db_error)
    }

    /// Whether the connection is unusable after this error.
    fn breaks(&self, error: &sqlx::Error) -> bool {
        let sqlx::Error::Database(error) = error else { return !matches!(error, sqlx::Error::RowNotFound) };
        let code = error.code().unwrap_or_default();
        if code == READ_ONLY {
            self.discarded.all_until_now();
        }
        code == READ_ONLY || ["08", "57P", "58"].iter().any(|class| code.starts_with(class))
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // Without a runtime it cannot be returned; the process is ending.
        let Ok(runtime) = Handle::try_current() else { return drop(connection) };
        if self.unusable {
            connection.close_on_drop();
            return drop(connection);
        }
        let (rollback, in_use) = (self.in_transaction, self.in_use.take());
        runtime.spawn(async move {
            let mut returning = Self::closing(connection, in_use);
            let _ = tokio::time::timeout(RETURN, returning.give_back(rollback)).await;
        });
    }
}

impl Borrowed {
    /// Closes its connection when it is dropped.
    fn closing(connection: PoolConnection<Postgres>, in_use: Option<InUse>) -> Self {
        Self {
            connection: Some(connection),
            limit: RETURN,
            persistent: false,
            unusable: true,
            in_transaction: false,
            discarded: Arc::default(),
            in_use,
        }
    }

    async fn give_back(&mut self, rollback: bool) {
        if rollback && self.execute_unprepared("ROLLBACK").await.is_err() {
            return;
        }
        if let Some(mut connection) = self.connection.take() {
            // sqlx tests the connection; dropping it before that is done closes it.
            connection.return_to_pool().await;
        }
    }
}

/// The error as sea-orm's type.
pub(super) fn db_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}
