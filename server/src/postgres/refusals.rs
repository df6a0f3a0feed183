//! Records of refused requests. Even a viewer can cause refusals without limit, and the audit log is kept forever:
//! so identical refusals within an hour are one record with a count, and the number of records per token is bounded.

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storeplane_core::audit::AuditRecord;
use storeplane_core::error::PortError;

use super::error::port_error;
use super::pool::Pool;

/// Different records of one token in one hour; further ones are recorded without their target.
const DIFFERENT: i64 = 100;

/// $10 is the hour, $12 the maximum number of a token's distinct records.
const RECORD: &str = "
INSERT INTO audit_events (id, at, tenant, actor, token, action, store, operation, outcome, reason, last_at, refused_in, target)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $11, $2, date_trunc('hour', $2::timestamptz, 'UTC'),
  CASE WHEN known OR (
    SELECT count(*) FROM (
      SELECT FROM audit_events WHERE token = $5 AND refused_in = date_trunc('hour', $2::timestamptz, 'UTC') LIMIT $12) one) < $12
  THEN $10 ELSE '*' END
FROM (SELECT EXISTS (
  SELECT FROM audit_events
  WHERE token = $5 AND refused_in = date_trunc('hour', $2::timestamptz, 'UTC')
    AND action = $6 AND outcome = $9 AND reason = $11 AND target = $10) AS known) same
ON CONFLICT (token, refused_in, action, outcome, reason, target) WHERE refused_in IS NOT NULL
DO UPDATE SET count = audit_events.count + 1, last_at = greatest(audit_events.last_at, excluded.last_at)";

/// Stores the record of a refused request, or counts it.
pub(super) async fn record(database: &Pool, audit: AuditRecord) -> Result<(), PortError> {
    let AuditRecord { id, at, tenant, actor, token, action, target, store, operation, outcome, reason } = audit;
    let values = [
        id.into(),
        at.into(),
        tenant.as_str().into(),
        actor.into(),
        token.into(),
        action.as_str().into(),
        store.map(|store| store.0).into(),
        operation.map(|operation| operation.0).into(),
        outcome.as_str().into(),
        target.into(),
        reason.into(),
        DIFFERENT.into(),
    ];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, RECORD, values);
    database.execute_raw(statement).await.map(drop).map_err(port_error)
}
