//! A transaction on one connection.

use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;

use super::connect::settings;
use super::connection::Borrowed;
use crate::metrics::{BackupEnd, OperationEnd, RestoreTestEnd, metrics};

/// Rolled back when it is dropped, unless it was committed.
pub(in crate::postgres) struct Transaction {
    connection: Mutex<Borrowed>,
    /// What ends with its commit.
    ended: StdMutex<Vec<End>>,
}

/// Something that is counted when it ends.
pub(in crate::postgres) enum End {
    /// An operation.
    Operation(OperationEnd),
    /// A backup.
    Backup(BackupEnd),
    /// A test restore.
    RestoreTest(RestoreTestEnd),
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction {
    /// `local` limits the statements if the session has no limit of its own. Cancelling BEGIN closes the
    /// connection, so that no transaction stays open.
    pub(super) async fn begin(mut connection: Borrowed, local: Option<Duration>) -> Result<Self, DbErr> {
        let begin = local.map(|timeout| format!("BEGIN; {}", settings("SET LOCAL", timeout)));
        connection.execute_unprepared(begin.as_deref().unwrap_or("BEGIN")).await?;
        connection.in_transaction = true;
        Ok(Self { connection: Mutex::new(connection), ended: StdMutex::default() })
    }

    /// Commits. After an error it may or may not have been committed.
    pub(in crate::postgres) async fn commit(self) -> Result<(), DbErr> {
        let mut connection = self.connection.into_inner();
        connection.execute_unprepared("COMMIT").await?;
        connection.in_transaction = false;
        for end in self.ended.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match end {
                End::Operation(end) => end.record(metrics()),
                End::Backup(end) => end.record(metrics()),
                End::RestoreTest(end) => end.record(metrics()),
            }
        }
        Ok(())
    }

    /// Counts the end of an operation or a backup once it is committed.
    pub(in crate::postgres) fn count_on_commit(&self, end: Option<End>) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).extend(end);
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.connection.lock().await.execute(&statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection.lock().await.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.connection.lock().await.query_one(&statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.connection.lock().await.query_all(&statement).await
    }
}
