//! Removes expired records, from the oldest of each tenant, through a function of the schema: the serving role may not delete.

use sea_orm::{ConnectionTrait as _, DatabaseBackend, DbErr, Statement};
use time::OffsetDateTime;

use crate::postgres::pool::Transaction;

/// Tenants with an expired record.
const TENANTS: &str = "
SELECT head.tenant FROM audit_chain_heads head WHERE (
  SELECT at FROM audit_events oldest WHERE oldest.tenant = head.tenant ORDER BY at LIMIT 1) < $1
ORDER BY head.tenant LIMIT 100";
const REMOVE: &str = "SELECT audit_remove($1, $2, $3)";

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
