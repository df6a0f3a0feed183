//! The stores of rollouts as rows.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, RolloutId, StoreId, StoreUid};
use storeplane_core::query::MemberQuery;
use storeplane_core::rollout::{Cause, Member, MemberState};
use uuid::Uuid;

use crate::postgres::error::port_error;
use crate::postgres::list;
use crate::postgres::pool::Transaction;
use crate::postgres::unreadable::Problems;

const INSERT: &str = "
INSERT INTO rollout_stores (rollout, store, store_id, position, wave, state, exclusive, version)
SELECT $1, store, store_id, position, wave, 'PENDING', true, 1
FROM unnest($2::uuid[], $3::text[], $4::int[]) WITH ORDINALITY AS member (store, store_id, wave, position)";

const COLUMNS: &str = "store, store_id, position, wave, state, operation, reason, message, started_at, ended_at";

/// New stores of a rollout: uids, ids and waves, in their order.
pub(super) async fn insert(
    transaction: &Transaction,
    rollout: RolloutId,
    (uids, ids, waves): (Vec<Uuid>, Vec<String>, Vec<i32>),
) -> Result<(), DbErr> {
    let values = [rollout.0.into(), uids.into(), ids.into(), waves.into()];
    let insert = Statement::from_sql_and_values(DbBackend::Postgres, INSERT, values);
    transaction.execute_raw(insert).await.map(drop)
}

/// The rows of a page, and one more.
pub(super) async fn page(connection: &impl ConnectionTrait, query: &MemberQuery) -> Result<Vec<Member>, PortError> {
    let state = query.state.map_or("", MemberState::as_str);
    let after = query.after.unwrap_or_default().cast_signed();
    let limit = i64::try_from(list::one_more(query.limit)).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {COLUMNS} FROM rollout_stores WHERE rollout = $1 AND ($2 = '' OR state = $2) AND position > $3 ORDER BY position LIMIT $4"
    );
    let values = [query.rollout.0.into(), state.into(), after.into(), limit.into()];
    read_all(connection, sql, values).await
}

/// Those that changed after a version, in their order.
pub(super) async fn after(
    connection: &impl ConnectionTrait,
    rollout: RolloutId,
    version: i64,
) -> Result<Vec<Member>, PortError> {
    let sql = format!("SELECT {COLUMNS} FROM rollout_stores WHERE rollout = $1 AND version > $2 ORDER BY position");
    read_all(connection, sql, [rollout.0.into(), version.into()]).await
}

async fn read_all(
    connection: &impl ConnectionTrait,
    sql: String,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Result<Vec<Member>, PortError> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = connection.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(port_error)
}

fn read(row: &QueryResult) -> Result<Member, DbErr> {
    let (store, state): (Uuid, String) = (row.try_get("", "store")?, row.try_get("", "state")?);
    let mut problems = Problems::of("rollout_stores", store);
    let state = problems.known("state", &state, MemberState::parse(&state), MemberState::Unreadable);
    problems.log();
    let cause = Cause::new(row.try_get::<String>("", "reason")?, row.try_get::<String>("", "message")?);
    Ok(Member {
        store: StoreUid(store),
        store_id: StoreId::stored(row.try_get("", "store_id")?),
        position: row.try_get::<i32>("", "position")?.unsigned_abs(),
        wave: row.try_get::<i32>("", "wave")?.unsigned_abs(),
        state,
        operation: row.try_get::<Option<_>>("", "operation")?.map(OperationId),
        cause: Some(cause).filter(|cause| !cause.reason.is_empty()),
        started_at: row.try_get("", "started_at")?,
        ended_at: row.try_get("", "ended_at")?,
    })
}
