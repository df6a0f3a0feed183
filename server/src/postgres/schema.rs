//! Checks and migrates the schema.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};
use sea_orm_migration::MigratorTrait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use storeplane_migrations::Migrator;
use tokio::time::Instant;

use super::error::sql_state;
use super::pool::Pool;
use super::{history, owner};

/// How long a migration waits for a table lock. Meanwhile others wait behind it, so it gives up soon
/// and tries again.
const LOCK_TIMEOUT: &str = "3s";
/// Between two attempts to get a lock.
const LOCK_RETRY: Duration = Duration::from_secs(2);
/// Attempts to get a lock: with [`LOCK_TIMEOUT`] and [`LOCK_RETRY`], five minutes.
const LOCK_ATTEMPTS: u32 = 60;
/// How long a migration waits until Postgres can be reached.
const REACHABLE_WITHIN: Duration = Duration::from_secs(30);
/// Interval between checks whether another server's migrations have ended, and whether Postgres can be reached.
const LOCK_POLL: Duration = Duration::from_millis(500);

/// Whether the database has the schema that this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It does. A newer server may have added to it.
    Current,
    /// This number of migrations is missing: `storeplane-server migrate` applies them.
    Behind(usize),
    /// It does, but it is read-only: this Postgres is a standby.
    ReadOnly,
}

/// Checks the schema, and whether it is writable.
pub async fn schema(pool: &Pool) -> Result<Schema, DbErr> {
    let applied = match applied(pool).await {
        Ok(applied) => applied,
        // The table does not exist.
        Err(error) if sql_state(&error).as_deref() == Some("42P01") => HashSet::new(),
        Err(error) => return Err(error),
    };
    let missing = missing(&applied);
    let read_only = Statement::from_string(DbBackend::Postgres, "SELECT current_setting('transaction_read_only')");
    let row = pool.query_one_raw(read_only).await?;
    let read_only: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    if read_only.as_deref() == Some("on") {
        pool.discard_connections();
        return Ok(Schema::ReadOnly);
    }
    Ok(if missing == 0 { Schema::Current } else { Schema::Behind(missing) })
}

async fn applied(connection: &impl ConnectionTrait) -> Result<HashSet<String>, DbErr> {
    let applied = Statement::from_string(DbBackend::Postgres, "SELECT version FROM seaql_migrations");
    connection.query_all_raw(applied).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

fn missing(applied: &HashSet<String>) -> usize {
    Migrator::migrations().iter().filter(|migration| !applied.contains(migration.name())).count()
}

/// What is set after the migrations, by the owner of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSettings {
    /// The role as which the server runs, if another one owns the schema.
    pub serving_role: Option<String>,
    /// How long audit records are kept at least; `None` for forever.
    pub audit_kept: Option<Duration>,
    /// Whether the operator says that the database was restored: from a physical backup or in place it keeps its identity.
    pub restored: bool,
}

/// Applies missing migrations, bypassing any pooler. Concurrent calls wait for each other.
///
/// Uses a dedicated connection without a statement timeout: building an index may take hours.
///
/// # Errors
/// Postgres can't be reached within 30 s; the database has another encoding than UTF8; whatever Postgres refuses.
pub async fn migrate(url: &str) -> Result<(), DbErr> {
    up(&locked(url).await?).await
}

/// The same, and then sets what only the owner may set, before another server may migrate. Returns whether the database was restored.
///
/// # Errors
/// Those of [`migrate`]; the serving role does not exist, or no rights can be taken from it.
pub async fn migrate_with(url: &str, settings: &SchemaSettings) -> Result<bool, DbErr> {
    let connection = locked(url).await?;
    up(&connection).await?;
    owner::keep_audit(&connection, settings.audit_kept).await?;
    if let Some(role) = &settings.serving_role {
        owner::grant(&connection, role).await?;
    }
    history::follow(&connection, settings.restored).await
}

/// A connection that holds the lock of migrations.
async fn locked(url: &str) -> Result<DatabaseConnection, DbErr> {
    wait_for_postgres(url, REACHABLE_WITHIN).await?;
    let connection = migration_connection(url).await?;
    check_encoding(&connection).await?;
    wait_for_lock(&connection).await?;
    Ok(connection)
}

async fn up(connection: &DatabaseConnection) -> Result<(), DbErr> {
    if applied(connection).await.is_ok_and(|applied| missing(&applied) == 0) {
        // Also if a newer server has applied more, which sea-orm treats as an error.
        return Ok(());
    }
    let mut attempts = 0;
    loop {
        match Migrator::up(connection, None).await {
            Err(error) if sql_state(&error).as_deref() == Some("55P03") && attempts < LOCK_ATTEMPTS => {
                attempts += 1;
                tracing::warn!(attempts, "a table is in use; trying to migrate it again");
                tokio::time::sleep(LOCK_RETRY).await;
            }
            ended => return ended,
        }
    }
}

/// Waits for a Postgres that is starting, and says what is wrong with one that can't be reached: a pool says only that it
/// has no connection.
async fn wait_for_postgres(url: &str, within: Duration) -> Result<(), DbErr> {
    let error = |error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)));
    let options: PgConnectOptions = url.parse().map_err(error)?;
    let deadline = Instant::now() + within;
    loop {
        let ended = match tokio::time::timeout_at(deadline, PgConnection::connect_with(&options)).await {
            Ok(Ok(connection)) => return connection.close().await.map_err(error),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        };
        // 57P03: it starts, or ends.
        let starting = ended.as_database_error().is_some_and(|error| error.code().as_deref() == Some("57P03"));
        if !(starting || matches!(ended, sqlx::Error::Io(_))) || Instant::now() + LOCK_POLL > deadline {
            return Err(error(ended));
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

async fn migration_connection(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options
        // One connection: the settings and the lock below belong to its session.
        .min_connections(1)
        .max_connections(1)
        .max_lifetime(None::<Duration>)
        .idle_timeout(None::<Duration>)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.application_name("storeplane-migrate"));
    let connection = Database::connect(options).await?;
    let settings = format!("SET statement_timeout = 0; SET lock_timeout = '{LOCK_TIMEOUT}'");
    connection.execute_unprepared(&settings).await?;
    Ok(connection)
}

/// Texts are sorted by a collation that Postgres has for UTF8 only.
async fn check_encoding(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT current_setting('server_encoding')");
    let row = connection.query_one_raw(statement).await?;
    match row.map(|row| row.try_get_by_index::<String>(0)).transpose()? {
        Some(encoding) if encoding != "UTF8" => Err(DbErr::Custom(format!(
            "the database has the encoding {encoding} and must have UTF8: CREATE DATABASE storeplane ENCODING 'UTF8' TEMPLATE template0"
        ))),
        _ => Ok(()),
    }
}

/// Waits until no other server migrates. It polls, because a statement that waits for a lock keeps a snapshot,
/// for which CREATE INDEX CONCURRENTLY would wait in turn.
async fn wait_for_lock(connection: &DatabaseConnection) -> Result<(), DbErr> {
    loop {
        let lock = "SELECT pg_try_advisory_lock(hashtext('storeplane-migrations'))";
        let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, lock)).await?;
        if row.map(|row| row.try_get_by_index(0)).transpose()? == Some(true) {
            return Ok(());
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unreachable_postgres_is_named_as_the_cause() {
        let url = "postgres://u:hunter2@127.0.0.1:1/none";
        let error = wait_for_postgres(url, Duration::from_secs(1)).await.expect_err("nothing listens").to_string();
        assert!(error.contains("Connection refused") && !error.contains("hunter2"), "{error}");
    }
}
