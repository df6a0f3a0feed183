//! Checks and migrates the schema.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use sea_orm_migration::MigratorTrait;
use storeplane_migrations::Migrator;

use super::error::sql_state;
use super::pool::Pool;

/// How long a migration waits for a table lock. Meanwhile others wait behind it, so it gives up soon
/// and tries again.
const LOCK_TIMEOUT: &str = "3s";
/// Between two attempts to get a lock.
const LOCK_RETRY: Duration = Duration::from_secs(2);
/// Attempts to get a lock: with [`LOCK_TIMEOUT`] and [`LOCK_RETRY`], five minutes.
const LOCK_ATTEMPTS: u32 = 60;
/// Interval between checks whether another server's migrations have ended.
const TURN: Duration = Duration::from_millis(500);

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

/// Applies missing migrations, bypassing any pooler. Concurrent calls wait for each other.
///
/// Uses a dedicated connection without a statement timeout: building an index may take hours.
///
/// # Errors
/// The database has another encoding than UTF8; whatever Postgres refuses.
pub async fn migrate(url: &str) -> Result<(), DbErr> {
    let connection = migration_connection(url).await?;
    check_encoding(&connection).await?;
    wait_for_turn(&connection).await?;
    if applied(&connection).await.is_ok_and(|applied| missing(&applied) == 0) {
        // Also if a newer server has applied more, which sea-orm treats as an error.
        return Ok(());
    }
    let mut attempts = 0;
    loop {
        match Migrator::up(&connection, None).await {
            Err(error) if sql_state(&error).as_deref() == Some("55P03") && attempts < LOCK_ATTEMPTS => {
                attempts += 1;
                tracing::warn!(attempts, "a table is in use; trying to migrate it again");
                tokio::time::sleep(LOCK_RETRY).await;
            }
            ended => return ended,
        }
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
async fn wait_for_turn(connection: &DatabaseConnection) -> Result<(), DbErr> {
    loop {
        let lock = "SELECT pg_try_advisory_lock(hashtext('storeplane-migrations'))";
        let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, lock)).await?;
        if row.map(|row| row.try_get_by_index(0)).transpose()? == Some(true) {
            return Ok(());
        }
        tokio::time::sleep(TURN).await;
    }
}
