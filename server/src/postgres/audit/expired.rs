//! Removes expired records, from the oldest of each tenant, through a function of the schema: the serving role may not delete.

use sea_orm::{ConnectionTrait as _, DatabaseBackend, DbErr, Statement};
use time::OffsetDateTime;

use crate::postgres::pool::Transaction;

/// Tenants with a record that has expired and may be removed.
const TENANTS: &str = "
WITH bound AS (
  SELECT least($1, clock_timestamp() - make_interval(secs => kept_seconds)) AS oldest_kept
  FROM audit_settings WHERE kept_seconds IS NOT NULL)
SELECT head.tenant FROM audit_chain_heads head, bound WHERE (
  SELECT at FROM audit_events oldest WHERE oldest.tenant = head.tenant ORDER BY at LIMIT 1) < bound.oldest_kept
ORDER BY head.tenant LIMIT 100";
const REMOVE: &str = "SELECT audit_remove($1, $2, $3)";

/// How long records are kept at least according to the database, in seconds; `None` for forever.
pub(in crate::postgres) async fn kept(transaction: &Transaction) -> Result<Option<i64>, DbErr> {
    let kept = Statement::from_string(DatabaseBackend::Postgres, "SELECT max(kept_seconds) FROM audit_settings");
    let row = transaction.query_one_raw(kept).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.flatten())
}

/// Removes at most `batch` records of before that time, of one tenant. Returns their number.
pub(in crate::postgres) async fn remove(
    transaction: &Transaction,
    before: OffsetDateTime,
    batch: i64,
) -> Result<u64, DbErr> {
    let tenants = Statement::from_sql_and_values(DatabaseBackend::Postgres, TENANTS, [before.into()]);
    for row in transaction.query_all_raw(tenants).await? {
        let tenant: String = row.try_get_by_index(0)?;
        let values = [tenant.into(), before.into(), batch.into()];
        let remove = Statement::from_sql_and_values(DatabaseBackend::Postgres, REMOVE, values);
        let removed = transaction.query_one_raw(remove).await?;
        let removed: i64 = removed.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        if removed > 0 {
            return Ok(removed.unsigned_abs());
        }
    }
    Ok(0)
}
