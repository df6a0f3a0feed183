//! The history of events that a database continues. A restored database begins another one, so that cursors from before are expired.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait as _};
use storeplane_core::error::PortError;
use tokio::sync::OnceCell;

use super::error::{broken, port_error};
use super::pool::Pool;

/// As a role that may not change it, nothing is done: the owner of the schema does it.
const MAY_SET: &str = "SELECT has_table_privilege('event_history', 'UPDATE')";

/// A restored dump has another system identifier, another oid or, in a Postgres that has executed fewer transactions, events of future ones.
/// A database without an identity is new, or from a release that stored none.
const IS_RESTORED: &str = "
SELECT here.database, event_history.database NOT IN ('', here.database)
    OR EXISTS (SELECT FROM events WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot()))
FROM event_history, (
    SELECT concat_ws('/', system_identifier, oid) AS database FROM pg_control_system(), pg_database WHERE datname = current_database()
) here";

const IDENTIFY: &str = "UPDATE event_history SET database = $1 WHERE database <> $1";

/// Transactions of another Postgres may be ahead of this one's: such events would not be settled for a long time. Nobody has seen a
/// position of the new history, so that the order of its first events is free, except within a store.
const RENUMBER: &str = "
UPDATE events SET transaction = pg_current_xact_id()
    WHERE EXISTS (SELECT FROM events WHERE transaction >= pg_snapshot_xmin(pg_current_snapshot()))";

/// Every cursor from before is below these floors. Namespaces have the fences of claims that the database no longer knows: all claims from now
/// on are later than those.
const BEGIN: &str = "
UPDATE stores SET fence = fence + 1000000;
UPDATE event_history SET history = hashtextextended(gen_random_uuid()::text, 0);
UPDATE event_floor SET transaction = pg_current_xact_id(), number = (SELECT coalesce(max(number), 0) FROM events);
INSERT INTO event_floors (tenant, transaction, number)
    SELECT tenant, transaction, number FROM event_floor,
        (SELECT name FROM tenants UNION SELECT tenant FROM stores UNION SELECT tenant FROM event_floors) known (tenant)
    ON CONFLICT (tenant) DO UPDATE SET transaction = excluded.transaction, number = excluded.number";

/// Begins another history if the database was restored from a dump, or if the operator says that it was restored. Returns whether it did.
pub(super) async fn follow(connection: &DatabaseConnection, restored: bool) -> Result<bool, DbErr> {
    let may_set = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, MAY_SET)).await?;
    if may_set.map(|row| row.try_get_by_index(0)).transpose()? != Some(true) {
        return Ok(false);
    }
    let transaction = connection.begin().await?;
    let row = transaction.query_one_raw(Statement::from_string(DbBackend::Postgres, IS_RESTORED)).await?;
    let row = row.ok_or_else(|| DbErr::Custom("event_history has no row".into()))?;
    let (database, found): (String, bool) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, IDENTIFY, [database.into()])).await?;
    let begins = restored || found;
    if begins {
        transaction.execute_unprepared(RENUMBER).await?;
        transaction.execute_unprepared(BEGIN).await?;
    }
    transaction.commit().await?;
    Ok(begins)
}

/// Reads the history on first use: the database may be unavailable when the server starts.
#[derive(Debug, Clone)]
pub struct EventHistory {
    database: Pool,
    history: Arc<OnceCell<i64>>,
}

impl EventHistory {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database, history: Arc::default() }
    }

    /// The history; 0 if the database was never restored.
    pub async fn read(&self) -> Result<i64, PortError> {
        let read = || async {
            let statement = Statement::from_string(DbBackend::Postgres, "SELECT history FROM event_history");
            let row = self.database.query_one_raw(statement).await.map_err(port_error)?;
            row.ok_or_else(|| broken("event_history has no row"))?.try_get_by_index(0).map_err(port_error)
        };
        self.history.get_or_try_init(read).await.copied()
    }
}
