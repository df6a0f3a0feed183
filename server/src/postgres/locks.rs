//! Locks of what a tenant has, held until the transaction ends. They say in which order: stores before tokens. And the lock of scheduled
//! backups, which is taken before the store's row.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;

use super::error::port_error;
use super::pool::Transaction;

/// Concurrent creations of stores wait here for each other's transactions, so that only one gets the last place of a quota.
const STORES: &str = "SELECT pg_advisory_xact_lock(hashtextextended('storeplane-stores-of-' || $1, 0))";
/// The same for deletions of stores and how often a caller may delete.
const DELETIONS: &str = "SELECT pg_advisory_xact_lock(hashtextextended('storeplane-deletions-of-' || $1, 0))";
/// The same for backups that callers request.
const BACKUPS: &str = "SELECT pg_advisory_xact_lock(hashtextextended('storeplane-backups-of-' || $1, 0))";
/// The same for creations of rollouts, so that only one has a store.
const ROLLOUTS: &str = "SELECT pg_advisory_xact_lock(hashtextextended('storeplane-rollouts-of-' || $1, 0))";
/// The same for creations and rotations of tokens, so that only one token has a name.
const TOKENS: &str = "SELECT pg_advisory_xact_lock(hashtextextended('storeplane-tokens-of-' || $1, 0))";

/// Waits for whoever locks the creation of stores, and not for other creations.
const STORES_SHARED: &str = "SELECT pg_advisory_xact_lock_shared(hashtextextended('storeplane-stores-of-' || $1, 0))";

/// Scheduled backups start one after another, on all servers, so that no more are active than may be.
const BACKUP_SCHEDULE: &str = "SELECT pg_advisory_xact_lock(hashtext('storeplane-backup-schedule'))";

/// Locks the start of scheduled backups.
pub(super) async fn backup_schedule(transaction: &Transaction) -> Result<(), PortError> {
    transaction.execute_unprepared(BACKUP_SCHEDULE).await.map(drop).map_err(port_error)
}

/// Locks the creation of stores.
pub(super) async fn stores(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    take(transaction, STORES, tenant).await
}

/// The same where nothing is counted: creations do not wait for each other.
pub(super) async fn stores_shared(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    take(transaction, STORES_SHARED, tenant).await
}

/// Locks the deletion of stores.
pub(super) async fn deletions(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    take(transaction, DELETIONS, tenant).await
}

/// Locks the number of backups that callers requested.
pub(super) async fn backups(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    take(transaction, BACKUPS, tenant).await
}

/// Locks the creation of rollouts.
pub(super) async fn rollouts(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    take(transaction, ROLLOUTS, tenant).await
}

/// Locks the names of tokens.
pub(super) async fn tokens(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    take(transaction, TOKENS, tenant).await
}

async fn take(transaction: &Transaction, sql: &str, tenant: &Tenant) -> Result<(), PortError> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [tenant.as_str().into()]);
    transaction.execute_raw(statement).await.map(drop).map_err(port_error)
}
