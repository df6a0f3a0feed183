//! Records how the operations of a rollout ended, and how its shops are after a soak.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use storeplane_core::error::PortError;
use storeplane_core::failure::Failure;
use storeplane_core::ids::{RolloutId, StoreUid};
use storeplane_core::rollout::{Cause, MemberState};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::postgres::error::port_error;
use crate::postgres::pool::Transaction;

/// Stores whose operations have ended. One that is no longer kept has ended long ago.
const ENDED: &str = "
SELECT m.store, m.returns, coalesce(o.state, 'SUCCEEDED') AS state, o.failure, coalesce(o.ended_at, clock_timestamp()) AS ended_at,
  s.state IN ('DELETING', 'DELETED') AS deleted
FROM rollout_stores m JOIN stores s ON s.uid = m.store LEFT JOIN operations o ON o.id = m.operation
WHERE m.rollout = $1 AND m.state = 'RUNNING' AND coalesce(o.state, '') NOT IN ('PENDING', 'RUNNING')";

const SETTLE: &str = "
UPDATE rollout_stores SET state = $3, reason = $4, message = $5, ended_at = $6, version = $7,
  changed = changed OR $3 = 'SUCCEEDED', kept = kept OR (returns AND $3 = 'FAILED'),
  exclusive = exclusive AND NOT $8 AND $3 <> 'ROLLED_BACK' AND (changed OR $3 NOT IN ('SKIPPED', 'FAILED'))
WHERE rollout = $1 AND store = $2";

/// How the change of a store ended.
struct End {
    store: Uuid,
    state: MemberState,
    cause: Cause,
    at: OffsetDateTime,
}

/// Records the operations that ended, under the rollout's lock. `over`: the rollout itself has ended. Returns whether there were any.
pub(super) async fn settle(
    transaction: &Transaction,
    (rollout, version): (RolloutId, i64),
    over: bool,
) -> Result<bool, PortError> {
    let ended = Statement::from_sql_and_values(DbBackend::Postgres, ENDED, [rollout.0.into()]);
    let rows = transaction.query_all_raw(ended).await.map_err(port_error)?;
    for row in &rows {
        let End { store, state, cause, at } = read(row).map_err(port_error)?;
        record(transaction, (rollout, version), (StoreUid(store), state, &cause), (at, over)).await?;
    }
    Ok(!rows.is_empty())
}

/// Records the state of a store.
pub(super) async fn record(
    transaction: &Transaction,
    (rollout, version): (RolloutId, i64),
    (store, state, cause): (StoreUid, MemberState, &Cause),
    (at, over): (OffsetDateTime, bool),
) -> Result<(), PortError> {
    let values = [
        rollout.0.into(),
        store.0.into(),
        state.as_str().into(),
        cause.reason.as_str().into(),
        cause.message.as_str().into(),
        at.into(),
        version.into(),
        over.into(),
    ];
    let settle = Statement::from_sql_and_values(DbBackend::Postgres, SETTLE, values);
    transaction.execute_raw(settle).await.map(drop).map_err(port_error)
}

fn read(row: &QueryResult) -> Result<End, sea_orm::DbErr> {
    let returns: bool = row.try_get("", "returns")?;
    let deleted: bool = row.try_get("", "deleted")?;
    let outcome: String = row.try_get("", "state")?;
    let failure: Option<serde_json::Value> = row.try_get("", "failure")?;
    let failure = failure.and_then(|failure| serde_json::from_value::<Failure>(failure).ok());
    let why = || match failure {
        Some(failure) => Cause::new(failure.reason.as_str(), failure.message),
        None => Cause::new("OPERATION_ENDED", format!("Its operation is {outcome}.")),
    };
    let (state, cause) = match outcome.as_str() {
        "SUCCEEDED" if returns => (MemberState::RolledBack, Cause::new("", "")),
        "SUCCEEDED" => (MemberState::Succeeded, Cause::new("", "")),
        _ if deleted => (MemberState::Skipped, Cause::new("STORE_DELETED", "The store was deleted meanwhile.")),
        _ => (MemberState::Failed, why()),
    };
    Ok(End { store: row.try_get("", "store")?, state, cause, at: row.try_get("", "ended_at")? })
}
