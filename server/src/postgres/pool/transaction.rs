//! A transaction on one connection.

use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;

use super::connect::settings;
use super::connection::Borrowed;
use crate::metrics::{BackupEnd, OperationEnd, RestoreTestEnd, metrics};
use crate::postgres::notifier::{Changed, Notifier};

/// Rolled back when it is dropped, unless it was committed.
pub(in crate::postgres) struct Transaction {
    connection: Mutex<Borrowed>,
    notifier: Notifier,
    on_commit: StdMutex<OnCommit>,
}

/// What follows a commit.
#[derive(Default)]
struct OnCommit {
    ended: Vec<End>,
    changed: Changed,
}

/// Wakes up the readers of this process, also if it is not known whether the commit succeeded.
struct Wakes<'a>(&'a Notifier, Changed);

impl Drop for Wakes<'_> {
    fn drop(&mut self) {
        self.0.wake(self.1);
    }
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
    pub(super) async fn begin(
        mut connection: Borrowed,
        local: Option<Duration>,
        notifier: Notifier,
    ) -> Result<Self, DbErr> {
        let begin = local.map(|timeout| format!("BEGIN; {}", settings("SET LOCAL", timeout)));
        connection.execute_unprepared(begin.as_deref().unwrap_or("BEGIN")).await?;
        connection.in_transaction = true;
        Ok(Self { connection: Mutex::new(connection), notifier, on_commit: StdMutex::default() })
    }

    /// Commits, and notifies those who wait for its changes. After an error it may or may not have been committed.
    pub(in crate::postgres) async fn commit(self) -> Result<(), DbErr> {
        let mut connection = self.connection.into_inner();
        let OnCommit { ended, changed } = self.on_commit.into_inner().unwrap_or_else(PoisonError::into_inner);
        let _wakes = Wakes(&self.notifier, changed);
        // Together, because each statement of its own is a round trip.
        connection.execute_unprepared(&format!("{}COMMIT", self.notifier.statements(changed))).await?;
        connection.in_transaction = false;
        for end in ended {
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
        self.on_commit().ended.extend(end);
    }

    /// It stores events.
    pub(in crate::postgres) fn changes_events(&self) {
        self.on_commit().changed.events = true;
    }

    /// It changes an operation or a rollout in a way that others wait for: see [`Changed::operations`].
    pub(in crate::postgres) fn changes_operations(&self) {
        self.on_commit().changed.operations = true;
    }

    fn on_commit(&self) -> MutexGuard<'_, OnCommit> {
        self.on_commit.lock().unwrap_or_else(PoisonError::into_inner)
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
