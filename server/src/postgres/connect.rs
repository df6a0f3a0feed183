//! The pool, and whether the schema is the one that this server knows.

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use storeplane_migrations::Migrator;

/// How long a request waits for a free connection before it hears UNAVAILABLE.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was used within this time is used again without asking Postgres whether it lives: asking doubles a
/// short request's round trips.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// Longest statement; the slowest of ours take milliseconds.
const STATEMENT_TIMEOUT: &str = "15s";
/// A transaction that a dropped task left open ends itself after this.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "10s";

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
#[error("DATABASE_URL is not a Postgres URL that can be used: {0}")]
pub struct ConnectError(#[source] DbErr);

/// A pool of at most `connections`. Connects when the first statement comes, so that the server starts while
/// Postgres is away.
pub async fn connect(url: &str, connections: u32) -> Result<DatabaseConnection, ConnectError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Duration::from_mins(1))
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        .connect_lazy(true)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| {
            options.application_name("storeplane").options([
                ("statement_timeout", STATEMENT_TIMEOUT),
                ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            ])
        });
    Database::connect(options).await.map_err(ConnectError)
}

/// Whether the database has the schema that this server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It has.
    Current,
    /// That many migrations are missing: `storeplane-server migrate` applies them.
    Behind(usize),
}

/// Looks at the schema.
pub async fn schema(database: &DatabaseConnection) -> Result<Schema, DbErr> {
    let applied = Migrator::get_applied_migrations_read_only(database).await;
    let known = Migrator::migrations().len();
    match applied {
        Ok(applied) if applied.len() >= known => Ok(Schema::Current),
        Ok(applied) => Ok(Schema::Behind(known - applied.len())),
        Err(error) if error.to_string().contains("seaql_migrations") => Ok(Schema::Behind(known)),
        Err(error) => Err(error),
    }
}

/// Brings the schema up to date. Several at once wait for each other.
pub async fn migrate(database: &DatabaseConnection) -> Result<(), DbErr> {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    // The lock is held by a transaction of its own, so that it ends with the connection, whatever happens.
    let lock = database.begin().await?;
    lock.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
        .await?;
    lock.execute_unprepared("SELECT pg_advisory_xact_lock(hashtext('storeplane-migrations'))").await?;
    Migrator::up(database, None).await?;
    lock.commit().await
}
