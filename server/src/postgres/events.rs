//! Reading events: a store's own, by sequence; all of them, in the order of their commits.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement};
use storeplane_core::error::PortError;
use storeplane_core::event::{Cursor, Event};
use storeplane_core::ids::{OperationId, StoreUid, Tenant};
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::{broken, port_error};

/// Most events read at once; a watcher's memory is bounded by it.
pub(crate) const BATCH: i64 = 500;

/// The events, read only.
#[derive(Debug, Clone)]
pub struct EventLog {
    database: DatabaseConnection,
}

#[derive(FromQueryResult)]
struct Row {
    store: Uuid,
    sequence: i64,
    transaction: i64,
    number: i64,
    store_id: String,
    tenant: String,
    at: OffsetDateTime,
    kind: String,
    operation: Option<Uuid>,
    step: String,
    message: String,
    details: serde_json::Value,
}

/// A transaction id is 64 bits without a sign, and stays far below 2^63.
const COLUMNS: &str = "store, sequence, transaction::text::bigint AS transaction, number, store_id, tenant, at, kind, operation, step, message, details";

/// Rows whose transaction, and every older one, has ended: nothing can appear before them any more.
const SETTLED: &str = "transaction < pg_snapshot_xmin(pg_current_snapshot())";

impl EventLog {
    /// Over this pool.
    pub fn new(database: DatabaseConnection) -> Self {
        Self { database }
    }

    /// A store's events after a sequence, at most [`BATCH`].
    pub async fn after(&self, store: StoreUid, sequence: i64) -> Result<Vec<Event>, PortError> {
        let sql =
            format!("SELECT {COLUMNS} FROM events WHERE store = $1 AND sequence > $2 ORDER BY sequence LIMIT {BATCH}");
        self.read(&sql, [store.0.into(), sequence.into()]).await
    }

    /// The oldest sequence of a store that is still kept.
    pub async fn oldest(&self, store: StoreUid) -> Result<Option<i64>, PortError> {
        let sql = "SELECT min(sequence) FROM events WHERE store = $1";
        let row = self.database.query_one_raw(statement(sql, [store.0.into()])).await.map_err(port_error)?;
        row.map_or(Ok(None), |row| row.try_get_by_index(0).map_err(port_error))
    }

    /// Events of all stores after a cursor, at most [`BATCH`], up to where nothing can slip in behind.
    pub async fn after_cursor(&self, cursor: Cursor) -> Result<Vec<Event>, PortError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE (transaction, number) > ($1::text::xid8, $2) AND {SETTLED}
             ORDER BY events.transaction, number LIMIT {BATCH}"
        );
        self.read(&sql, [cursor.transaction.to_string().into(), cursor.row.into()]).await
    }

    /// What happened last to a tenant's stores, the newest first. By number: nobody goes on from here, and only the
    /// tenant's own index has that order, however much others do.
    pub async fn last(&self, tenant: &Tenant, limit: u64) -> Result<Vec<Event>, PortError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE tenant = $1 ORDER BY number DESC LIMIT {limit}");
        self.read(&sql, [tenant.as_str().into()]).await
    }

    /// The cursor behind which everything is settled now: a watch that begins here misses nothing that comes.
    pub async fn head(&self) -> Result<Cursor, PortError> {
        let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        let row = self.database.query_one_raw(statement(sql, [])).await.map_err(port_error)?;
        let xmin: i64 = row.ok_or_else(|| broken("no snapshot"))?.try_get_by_index(0).map_err(port_error)?;
        let last = u64::try_from(xmin).unwrap_or_default().saturating_sub(1);
        Ok(Cursor { transaction: last, row: i64::MAX })
    }

    /// True if events wait that are committed but not settled: an older transaction is still running.
    pub async fn unsettled(&self, cursor: Cursor) -> Result<bool, PortError> {
        let sql = "SELECT EXISTS (SELECT FROM events WHERE (transaction, number) > ($1::text::xid8, $2))";
        let values = [cursor.transaction.to_string().into(), cursor.row.into()];
        let row = self.database.query_one_raw(statement(sql, values)).await.map_err(port_error)?;
        row.map_or(Ok(false), |row| row.try_get_by_index(0).map_err(port_error))
    }

    async fn read(&self, sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Result<Vec<Event>, PortError> {
        let rows = self.database.query_all_raw(statement(sql, values)).await.map_err(port_error)?;
        rows.iter().map(|row| event(Row::from_query_result(row, "").map_err(port_error)?)).collect()
    }
}

fn statement(sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn event(row: Row) -> Result<Event, PortError> {
    let details: BTreeMap<String, String> =
        serde_json::from_value(row.details).map_err(|_| broken("an event's details are no texts"))?;
    Ok(Event {
        store: StoreUid(row.store),
        store_id: row.store_id.parse().map_err(|_| broken("store_id is not an id"))?,
        tenant: row.tenant.parse().map_err(|_| broken("tenant is not a tenant"))?,
        sequence: row.sequence,
        cursor: Cursor { transaction: u64::try_from(row.transaction).unwrap_or_default(), row: row.number },
        at: row.at,
        kind: row.kind,
        operation: row.operation.map(OperationId),
        step: row.step,
        message: row.message,
        details,
    })
}
