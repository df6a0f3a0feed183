//! Records of refused requests. Even a viewer can cause refusals without limit: the first one of its kind in an hour is a
//! record; those that differ from it only in their time are counted, and a record with their number is appended after the hour.
//! The number of kinds by caller is bounded. Records themselves never change.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement, Value};
use storeplane_core::audit::{AuditRecord, Outcome};
use storeplane_core::error::PortError;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::append;
use crate::outage::OutageLog;
use crate::postgres::error::port_error;
use crate::postgres::pool::Pool;

/// Different kinds of one caller in one hour; further ones are recorded without target and address.
const DIFFERENT: i64 = 100;
/// Between two looks for hours that are over.
const ROUND: Duration = Duration::from_secs(30);
/// Counts closed in one transaction, for which their tenants' chains are locked.
const BATCH: i64 = 100;
/// Batches in one round.
const BATCHES: u32 = 50;

/// $20 is the caller, $21 the maximum number of its kinds.
const RECORD: &str = "
WITH kinds AS (
  SELECT FROM audit_refusal_counts
  WHERE tenant = $3 AND principal = $20 AND hour = date_trunc('hour', $2::timestamptz, 'UTC') LIMIT $21),
known AS (
  SELECT EXISTS (SELECT FROM audit_refusal_counts
    WHERE tenant = $3 AND principal = $20 AND hour = date_trunc('hour', $2::timestamptz, 'UTC') AND action = $8
      AND outcome = $12 AND reason = $13 AND target = $9 AND peer = $15) OR (SELECT count(*) FROM kinds) < $21 AS fits),
counted AS (
  INSERT INTO audit_refusal_counts AS same
    (tenant, principal, hour, action, outcome, reason, target, peer, record, count, first_at, last_at)
  SELECT $3, $20, date_trunc('hour', $2::timestamptz, 'UTC'), $8, $12, $13,
    CASE WHEN fits THEN $9 ELSE '*' END, CASE WHEN fits THEN $15 ELSE '*' END, $1, 0, $2, $2 FROM known
  ON CONFLICT (tenant, principal, hour, action, outcome, reason, target, peer) DO UPDATE SET
    count = same.count + 1, last_at = greatest(same.last_at, excluded.last_at),
    first_at = CASE WHEN same.count = 0 THEN excluded.first_at ELSE same.first_at END
  RETURNING target, peer, count)
INSERT INTO audit_events (id, at, tenant, actor, token, credential_kind, credential, action, target, store, operation,
  outcome, reason, request_id, peer, user_agent, trace_id, changes, count, last_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, target, $10, $11, $12, $13, $14, peer, $16, $17, $18, $19, $2
FROM counted WHERE counted.count = 0";

/// Only one server closes hours at a time, so that two never lock the same chains in different orders.
const LOCK: &str = "SELECT pg_try_advisory_xact_lock(hashtext('storeplane-refusals'))";

/// Removes counts of hours that are over, and appends their records.
const CLOSE: &str = "
WITH closed AS (
  DELETE FROM audit_refusal_counts WHERE ctid IN (
    SELECT ctid FROM audit_refusal_counts
    WHERE hour < date_trunc('hour', clock_timestamp() - interval '1 minute', 'UTC')
    ORDER BY tenant LIMIT $1 FOR UPDATE)
  RETURNING *),
added AS (
  INSERT INTO audit_events (id, at, tenant, actor, token, credential_kind, credential, action, target, outcome, reason,
    peer, count, last_at)
  SELECT gen_random_uuid(), closed.first_at, closed.tenant, first.actor, first.token, first.credential_kind,
    first.credential, closed.action, closed.target, closed.outcome, closed.reason, closed.peer, closed.count, closed.last_at
  FROM closed JOIN audit_events first ON first.id = closed.record WHERE closed.count > 0 ORDER BY closed.tenant)
SELECT count(*) FROM closed";

static OUTAGE: OutageLog = OutageLog::new("record counted refusals");

/// Stores the record of a read or of a refused request, or counts it.
pub(in crate::postgres) async fn record(database: &Pool, audit: AuditRecord) -> Result<(), PortError> {
    if audit.outcome == Outcome::Accepted {
        let transaction = database.begin().await.map_err(port_error)?;
        append(&transaction, audit).await?;
        return transaction.commit().await.map_err(port_error);
    }
    let (kind, credential) = audit.credential_text();
    let principal = if kind.is_empty() { audit.actor.clone() } else { format!("{kind} {credential}") };
    let token = audit.token().map(|id| id.0);
    let changes = audit.changes.to_json();
    let values: [Value; 21] = [
        audit.id.into(),
        audit.at.into(),
        audit.tenant.as_str().into(),
        audit.actor.into(),
        token.into(),
        kind.into(),
        credential.into(),
        audit.action.as_str().into(),
        audit.target.into(),
        audit.store.map(|store| store.0).into(),
        audit.operation.map(|operation| operation.0).into(),
        audit.outcome.as_str().into(),
        audit.reason.into(),
        audit.origin.request_id.as_str().into(),
        audit.origin.peer_text().into(),
        audit.origin.user_agent.as_str().into(),
        audit.origin.trace_id.as_str().into(),
        changes.into(),
        audit.count.into(),
        principal.into(),
        DIFFERENT.into(),
    ];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, RECORD, values);
    database.execute_raw(statement).await.map(drop).map_err(port_error)
}

/// The number of refusals, and the time of the last one, that are counted after each of these records, if there are any.
pub(in crate::postgres) async fn open_counts(
    database: &Pool,
    records: Vec<Uuid>,
) -> Result<HashMap<Uuid, (i64, OffsetDateTime)>, PortError> {
    if records.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<String> = records.iter().map(Uuid::to_string).collect();
    let sql = "SELECT record, count, last_at FROM audit_refusal_counts \
               WHERE count > 0 AND record = ANY (string_to_array($1, ',')::uuid[])";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [ids.join(",").into()]);
    let rows = database.query_all_raw(statement).await.map_err(port_error)?;
    let read = |row: &sea_orm::QueryResult| {
        Ok::<_, sea_orm::DbErr>((row.try_get_by_index(0)?, (row.try_get_by_index(1)?, row.try_get_by_index(2)?)))
    };
    rows.iter().map(|row| read(row).map_err(port_error)).collect()
}

/// Appends the records of counted refusals after their hour.
#[derive(Debug, Clone)]
pub struct RefusalCounts {
    database: Pool,
}

impl RefusalCounts {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// Runs rounds until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let rounds = async {
            loop {
                match self.close().await {
                    Ok(_) => OUTAGE.worked(),
                    Err(error) => OUTAGE.failed(&error),
                }
                tokio::time::sleep(ROUND).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = rounds => {}
        }
    }

    /// Closes the counts of all hours that are over, up to a limit. Returns their number.
    pub async fn close(&self) -> Result<i64, PortError> {
        let mut closed = 0;
        for _ in 0..BATCHES {
            let transaction = self.database.begin().await.map_err(port_error)?;
            let lock = Statement::from_string(DbBackend::Postgres, LOCK);
            let lock = transaction.query_one_raw(lock).await.map_err(port_error)?;
            if lock.map(|row| row.try_get_by_index(0)).transpose().map_err(port_error)? != Some(true) {
                break;
            }
            let close = Statement::from_sql_and_values(DbBackend::Postgres, CLOSE, [BATCH.into()]);
            let row = transaction.query_one_raw(close).await.map_err(port_error)?;
            let count: i64 =
                row.map(|row| row.try_get_by_index(0)).transpose().map_err(port_error)?.unwrap_or_default();
            transaction.commit().await.map_err(port_error)?;
            closed += count;
            if count < BATCH {
                break;
            }
        }
        Ok(closed)
    }
}
