//! Reads events: of one store, by sequence; of all stores, in commit order.
//!
//! Results are complete: if events after the reader's position were removed, it gets `CURSOR_EXPIRED`. Each result
//! is one statement, so that events and removals are from the same snapshot.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryResult,
    Statement,
};
use storeplane_core::access::Access;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::{Cursor, Event, Oldest};
use storeplane_core::ids::{OperationId, StoreId, StoreUid, Tenant};
use storeplane_core::store::Store;
use time::OffsetDateTime;
use uuid::Uuid;

use super::entity::store;
use super::error::{broken, port_error};
use super::pool::Pool;
use super::rows;
use super::scoped_events::{self, Wanted};

/// Read access to the events.
#[derive(Debug, Clone)]
pub struct EventLog {
    database: Pool,
}

/// A store's events after some sequence.
#[derive(Debug, Clone)]
pub struct StoreEvents {
    /// The sequence before the first of them: the requested one, or a later one if that was 0.
    pub after: i64,
    /// Without gaps.
    pub events: Vec<Event>,
}

/// Events of all stores after a cursor.
#[derive(Debug, Clone)]
pub struct SettledEvents {
    /// The settled ones, in their order.
    pub events: Vec<Event>,
    /// True if others are committed but not settled: an older transaction is still running.
    pub has_unsettled: bool,
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

/// Transaction ids are unsigned 64-bit numbers and stay far below 2^63.
const COLUMNS: &str = "store, sequence, transaction::text::bigint AS transaction, number, store_id, tenant, at, kind, operation, step, message, details";

impl EventLog {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// A store's events after a sequence, at most `limit`; after 0, all that are kept.
    pub async fn after(&self, store: StoreUid, sequence: i64, limit: u32) -> Result<StoreEvents, PortError> {
        let sql = format!(
            "SELECT stores.last_sequence AS last, kept.* FROM stores LEFT JOIN LATERAL (
               SELECT {COLUMNS} FROM events WHERE store = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
             ) kept ON true WHERE stores.uid = $1 ORDER BY kept.sequence"
        );
        let rows = self.query(&sql, [store.0.into(), sequence.into(), i64::from(limit).into()]).await?;
        let row = rows.first().ok_or_else(|| broken("a watched store vanished"))?;
        let last: i64 = row.try_get("", "last").map_err(port_error)?;
        let events = events(&rows)?;
        let after = events.first().map_or(last, |first| first.sequence - 1);
        if sequence > 0 && after > sequence {
            return Err(DomainError::CursorExpired { oldest: Oldest::Sequence(after) }.into());
        }
        Ok(StoreEvents { after, events })
    }

    /// Events of all stores after a cursor, at most `limit`, up to the first unsettled one: only rows whose
    /// transaction, and every older one, has ended.
    pub async fn after_cursor(&self, cursor: Cursor, limit: u32) -> Result<SettledEvents, PortError> {
        let sql = format!(
            "SELECT floor.transaction::text::bigint AS floor_transaction, floor.number AS floor_number,
               (SELECT EXISTS (SELECT FROM events WHERE (transaction, number) > ($1::text::xid8, $2)
                  AND transaction >= pg_snapshot_xmin(pg_current_snapshot()))) AS has_unsettled,
               kept.*
             FROM event_floor floor LEFT JOIN LATERAL (
               SELECT {COLUMNS} FROM events
               WHERE (transaction, number) > ($1::text::xid8, $2)
                 AND transaction < pg_snapshot_xmin(pg_current_snapshot())
               ORDER BY events.transaction, number LIMIT $3
             ) kept ON true ORDER BY kept.transaction, kept.number"
        );
        let values = [cursor.transaction.to_string().into(), cursor.row.into(), i64::from(limit).into()];
        let rows = self.above_floor(cursor, &sql, values).await?;
        let has_unsettled = rows.first().map(|row| row.try_get("", "has_unsettled")).transpose().map_err(port_error)?;
        Ok(SettledEvents { events: events(&rows)?, has_unsettled: has_unsettled == Some(true) })
    }

    /// The same for some stores. Events of others are neither read nor visible in the cursors.
    pub async fn after_cursor_of(&self, access: &Access, cursor: Cursor, limit: u32) -> Result<Vec<Event>, PortError> {
        let tenant = access.tenant.as_str().into();
        let mut values =
            vec![cursor.transaction.to_string().into(), cursor.row.into(), i64::from(limit).into(), tenant];
        let wanted = Wanted {
            columns: COLUMNS,
            tenant: "$4",
            condition: " AND (events.transaction, number) > ($1::text::xid8, $2)
                AND events.transaction < pg_snapshot_xmin(pg_current_snapshot())",
            order: &["transaction", "number"],
            descending: false,
            limit: "$3",
        };
        let kept = scoped_events::select(access, &wanted, &mut values);
        let sql = format!(
            "SELECT coalesce(floor.transaction::text::bigint, 0) AS floor_transaction,
               coalesce(floor.number, 0) AS floor_number, kept.*
             FROM (VALUES (1)) one LEFT JOIN event_floors floor ON floor.tenant = $4
             LEFT JOIN LATERAL ({kept}) kept ON true ORDER BY kept.transaction, kept.number"
        );
        events(&self.above_floor(cursor, &sql, values).await?)
    }

    /// The rows of a statement, unless some events after the cursor were removed.
    async fn above_floor(
        &self,
        cursor: Cursor,
        sql: &str,
        values: impl IntoIterator<Item = sea_orm::Value>,
    ) -> Result<Vec<QueryResult>, PortError> {
        let rows = self.query(sql, values).await?;
        let row = rows.first().ok_or_else(|| broken("event_floor has no row"))?;
        let transaction: i64 = row.try_get("", "floor_transaction").map_err(port_error)?;
        let number = row.try_get("", "floor_number").map_err(port_error)?;
        let floor = Cursor { transaction: u64::try_from(transaction).unwrap_or_default(), row: number };
        if cursor < floor {
            return Err(DomainError::CursorExpired { oldest: Oldest::Cursor(floor) }.into());
        }
        Ok(rows)
    }

    /// The current stores with these uids.
    pub async fn stores(&self, uids: &[StoreUid]) -> Result<HashMap<StoreUid, Store>, PortError> {
        if uids.is_empty() {
            return Ok(HashMap::new());
        }
        let wanted = store::Column::Uid.is_in(uids.iter().map(|uid| uid.0));
        let found = store::Entity::find().filter(wanted).all(&self.database).await.map_err(port_error)?;
        Ok(found.into_iter().map(rows::store).map(|store| (store.uid, store)).collect())
    }

    /// The last state changes of these stores, newest first. Ordered by number, like the index: nobody resumes
    /// from here.
    pub async fn last_state_changes(&self, access: &Access, limit: u64) -> Result<Vec<Event>, PortError> {
        let mut values = vec![access.tenant.as_str().into()];
        let limit = limit.to_string();
        let wanted = Wanted {
            columns: COLUMNS,
            tenant: "$1",
            condition: " AND kind = 'STATE_CHANGED'",
            order: &["number"],
            descending: true,
            limit: &limit,
        };
        let sql = scoped_events::select(access, &wanted, &mut values);
        events(&self.query(&sql, values).await?)
    }

    /// The cursor behind which everything is settled: a watch that begins here misses no later event.
    pub async fn head(&self) -> Result<Cursor, PortError> {
        let rows = self.query("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint", []).await?;
        let row = rows.first().ok_or_else(|| broken("no snapshot"))?;
        let xmin: i64 = row.try_get_by_index(0).map_err(port_error)?;
        let last = u64::try_from(xmin).unwrap_or_default().saturating_sub(1);
        Ok(Cursor { transaction: last, row: i64::MAX })
    }

    /// The same for some stores: their last settled event, or the position up to which events of their tenant were removed. Events of
    /// other stores do not move it until they are removed.
    pub async fn head_of(&self, access: &Access) -> Result<Cursor, PortError> {
        let mut values = vec![access.tenant.as_str().into()];
        let wanted = Wanted {
            columns: "transaction, number",
            tenant: "$1",
            condition: " AND transaction < pg_snapshot_xmin(pg_current_snapshot())",
            order: &["transaction", "number"],
            descending: true,
            limit: "1",
        };
        let last = scoped_events::select(access, &wanted, &mut values);
        let sql = format!(
            "SELECT transaction::text::bigint, number FROM (
               ({last}) UNION ALL SELECT transaction, number FROM event_floors WHERE tenant = $1
             ) positions ORDER BY positions.transaction DESC, number DESC LIMIT 1"
        );
        let rows = self.query(&sql, values).await?;
        let Some(row) = rows.first() else { return Ok(Cursor::default()) };
        let transaction: i64 = row.try_get_by_index(0).map_err(port_error)?;
        let number = row.try_get_by_index(1).map_err(port_error)?;
        Ok(Cursor { transaction: u64::try_from(transaction).unwrap_or_default(), row: number })
    }

    /// Stores with events that are committed but not settled, because an older transaction is still running, and the
    /// sequence of each one's newest.
    pub async fn unsettled(&self, cursor: Cursor) -> Result<Vec<(StoreUid, i64)>, PortError> {
        let sql = "SELECT store, max(sequence) FROM events
                   WHERE (transaction, number) > ($1::text::xid8, $2) GROUP BY store";
        let rows = self.query(sql, [cursor.transaction.to_string().into(), cursor.row.into()]).await?;
        rows.iter()
            .map(|row| {
                let store = StoreUid(row.try_get_by_index(0).map_err(port_error)?);
                Ok((store, row.try_get_by_index(1).map_err(port_error)?))
            })
            .collect()
    }

    async fn query(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = sea_orm::Value>,
    ) -> Result<Vec<QueryResult>, PortError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.database.query_all_raw(statement).await.map_err(port_error)
    }
}

/// The events of the rows; a row of an outer join may have none.
fn events(rows: &[QueryResult]) -> Result<Vec<Event>, PortError> {
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<Option<i64>>("", "sequence").map_err(port_error)?.is_some() {
            events.push(event(Row::from_query_result(row, "").map_err(port_error)?));
        }
    }
    Ok(events)
}

fn event(row: Row) -> Event {
    let details = match row.details {
        serde_json::Value::Object(details) => details.into_iter().map(|(key, value)| (key, text(value))).collect(),
        _ => BTreeMap::new(),
    };
    Event {
        store: StoreUid(row.store),
        store_id: StoreId::stored(row.store_id),
        tenant: Tenant::stored(row.tenant),
        sequence: row.sequence,
        cursor: Cursor { transaction: u64::try_from(row.transaction).unwrap_or_default(), row: row.number },
        at: row.at,
        kind: row.kind,
        operation: row.operation.map(OperationId),
        step: row.step,
        message: row.message,
        details,
    }
}

/// A detail as text; a newer server may store other types.
fn text(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}
