//! A step of a rollout: the stores whose turn it is, and what happens to one of them.

use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Statement};
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::revision::Revision;
use storeplane_core::rollout::decide::Members;
use storeplane_core::rollout::{Cause, MemberState, Rollout, RolloutState};
use time::{Duration, OffsetDateTime};

use super::settle::record;
use crate::postgres::error::{broken, port_error};
use crate::postgres::pool::Transaction;
use crate::postgres::revisions;

/// When a store that has another operation is tried again.
const BUSY_RETRY: Duration = Duration::seconds(5);
/// How long it is tried.
const BUSY_MAX: Duration = Duration::minutes(5);
/// One that was tried before this time is tried anew.
const BUSY_RECENT: Duration = Duration::minutes(1);

/// Stores whose turn it is: `{}` says which.
const MEMBERS: &str = "
SELECT count(*) FILTER (WHERE {turn}) AS pending,
  count(*) FILTER (WHERE {turn} AND (not_before IS NULL OR not_before <= $3)) AS startable,
  min(not_before) FILTER (WHERE {turn} AND not_before > $3) AS next_try,
  count(*) FILTER (WHERE state = 'SUCCEEDED' AND wave = $2) AS succeeded,
  count(*) FILTER (WHERE state = 'RUNNING') AS running,
  count(*) FILTER (WHERE state = 'FAILED') AS failed,
  count(*) AS total
FROM rollout_stores WHERE rollout = $1";

const FIRST: &str = "
SELECT store, operation, from_revision, not_before, busy_since FROM rollout_stores
WHERE rollout = $1 AND {turn} AND (not_before IS NULL OR not_before <= $3)
ORDER BY CASE WHEN state = 'PENDING' THEN position ELSE -position END LIMIT 1";

/// While it runs, stores of the current wave; while it rolls back, changed stores that can return.
const TURN: &str = "(state = 'PENDING' AND wave = $2)";
const RETURN_TURN: &str = "(changed AND NOT kept AND state IN ('SUCCEEDED', 'FAILED') AND wave <= $2)";

pub(super) const STARTED: &str = "
UPDATE rollout_stores SET state = 'RUNNING', returns = $3, operation = $4, from_revision = coalesce(from_revision, $5),
  started_at = coalesce(started_at, $6), ended_at = NULL, not_before = NULL, busy_since = NULL, version = $7
WHERE rollout = $1 AND store = $2";

const BUSY: &str = "
UPDATE rollout_stores SET not_before = $3, busy_since = $4, version = $5 WHERE rollout = $1 AND store = $2";

/// A changed store that cannot be returned.
const KEPT: &str = "
UPDATE rollout_stores SET kept = true, exclusive = false, reason = $3, message = $4, version = $5 WHERE rollout = $1 AND store = $2";

/// The place of a skipped store in its wave goes to the next one: a wave without a changed store would show nothing.
const REPLACE: &str = "
UPDATE rollout_stores SET wave = $2, version = $3 WHERE rollout = $1 AND store = (
  SELECT store FROM rollout_stores WHERE rollout = $1 AND state = 'PENDING' AND wave > $2 ORDER BY wave, position LIMIT 1)";

/// A step of a rollout: its row as it will be stored, and the time.
pub(super) struct Turn<'a> {
    pub(super) transaction: &'a Transaction,
    pub(super) rollout: &'a Rollout,
    pub(super) now: OffsetDateTime,
}

/// A store whose turn it is.
pub(super) struct Candidate {
    pub(super) store: StoreUid,
    not_before: Option<OffsetDateTime>,
    operation: Option<OperationId>,
    from_revision: Option<u32>,
    busy_since: Option<OffsetDateTime>,
}

impl Turn<'_> {
    /// True if stores are changed, false if they return.
    pub(super) fn starts(&self) -> bool {
        self.rollout.progress.state == RolloutState::Running
    }

    /// The store is left as it is, for good.
    pub(super) async fn leave(&self, candidate: &Candidate, cause: &Cause) -> Result<(), PortError> {
        let (id, version) = (self.rollout.id, self.rollout.version + 1);
        if self.starts() {
            let member = (candidate.store, MemberState::Skipped, cause);
            record(self.transaction, (id, version), member, (self.now, false)).await?;
            let wave = self.rollout.progress.wave.cast_signed();
            return self.execute(REPLACE, vec![id.0.into(), wave.into(), version.into()]).await;
        }
        let (reason, message) = (cause.reason.as_str(), cause.message.as_str());
        let values = vec![id.0.into(), candidate.store.0.into(), reason.into(), message.into(), version.into()];
        self.execute(KEPT, values).await
    }

    /// The store has another operation: later. While stores are changed, not for ever; a changed store is returned whenever that is possible.
    pub(super) async fn wait_for(&self, candidate: &Candidate, cause: &Cause) -> Result<(), PortError> {
        // Time during which the rollout was paused or outside of its window does not count.
        let is_recent = candidate.not_before.is_some_and(|tried| self.now - tried < BUSY_RECENT);
        let since = candidate.busy_since.filter(|_| is_recent).unwrap_or(self.now);
        if self.starts() && self.now - since >= BUSY_MAX {
            return self.leave(candidate, cause).await;
        }
        let (id, version) = (self.rollout.id, self.rollout.version + 1);
        let (again, store) = (self.now + BUSY_RETRY, candidate.store);
        self.execute(BUSY, vec![id.0.into(), store.0.into(), again.into(), since.into(), version.into()]).await
    }

    pub(super) async fn execute(&self, sql: &str, values: Vec<sea_orm::Value>) -> Result<(), PortError> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.transaction.execute_raw(statement).await.map(drop).map_err(port_error)
    }
}

pub(super) async fn now(transaction: &Transaction) -> Result<OffsetDateTime, PortError> {
    let now = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp()");
    let row = transaction.query_one_raw(now).await.map_err(port_error)?;
    row.ok_or_else(|| broken("no time"))?.try_get_by_index(0).map_err(port_error)
}

/// SQL about the stores whose turn it is, and its parameters.
fn of_turn(sql: &str, rollout: &Rollout, now: OffsetDateTime) -> Statement {
    let turn = if rollout.progress.state == RolloutState::RollingBack { RETURN_TURN } else { TURN };
    let values = [rollout.id.0.into(), rollout.progress.wave.cast_signed().into(), now.into()];
    Statement::from_sql_and_values(DbBackend::Postgres, sql.replace("{turn}", turn), values)
}

pub(super) async fn members(
    transaction: &Transaction,
    rollout: &Rollout,
    now: OffsetDateTime,
) -> Result<Members, PortError> {
    let row = transaction.query_one_raw(of_turn(MEMBERS, rollout, now)).await.map_err(port_error)?;
    let row = row.ok_or_else(|| broken("no counts"))?;
    let count = |column| row.try_get::<i64>("", column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let read = || {
        Ok(Members {
            pending: count("pending")?,
            startable: count("startable")?,
            next_try: row.try_get("", "next_try")?,
            succeeded: count("succeeded")?,
            running: count("running")?,
            failed: count("failed")?,
            total: count("total")?,
        })
    };
    read().map_err(port_error)
}

pub(super) async fn first(turn: &Turn<'_>) -> Result<Option<Candidate>, PortError> {
    let first = of_turn(FIRST, turn.rollout, turn.now);
    let row = turn.transaction.query_one_raw(first).await.map_err(port_error)?;
    let read = |row: QueryResult| {
        Ok(Candidate {
            store: StoreUid(row.try_get("", "store")?),
            operation: row.try_get::<Option<_>>("", "operation")?.map(OperationId),
            from_revision: row.try_get::<Option<i32>>("", "from_revision")?.map(i32::unsigned_abs),
            not_before: row.try_get("", "not_before")?,
            busy_since: row.try_get("", "busy_since")?,
        })
    };
    row.map(read).transpose().map_err(port_error)
}

/// The revision before the rollout changed the store, and the number of the one that it made.
pub(super) async fn former(
    transaction: &Transaction,
    candidate: &Candidate,
) -> Result<(Option<Revision>, Option<u32>), PortError> {
    let (Some(from), Some(operation)) = (candidate.from_revision, candidate.operation) else { return Ok((None, None)) };
    let former = revisions::find(transaction, candidate.store, from).await?;
    let made = revisions::made_by(transaction, candidate.store, operation).await?;
    Ok((former.filter(|_| made.is_some()), made))
}
