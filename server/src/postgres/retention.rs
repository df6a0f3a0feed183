//! What is kept for a time only, removed in batches.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement};
use storeplane_core::ports::Clock;
use tokio_util::sync::CancellationToken;

use super::requests;

/// Between two rounds.
const ROUND: Duration = Duration::from_mins(10);
/// Rows removed by one statement: short locks, short transactions.
const BATCH: u64 = 1000;

const OLD_REQUESTS: &str = "
DELETE FROM requests WHERE (tenant, request) IN (SELECT tenant, request FROM requests WHERE at < $1 ORDER BY at LIMIT $2)";

/// Removes request ids that are older than 24 hours, until `shutdown`.
pub async fn keep_tidy(database: DatabaseConnection, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
    loop {
        if let Err(error) = remove_old_requests(&database, &*clock).await {
            tracing::debug!(%error, "old request ids are not removed; trying again later");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

async fn remove_old_requests(database: &DatabaseConnection, clock: &dyn Clock) -> Result<(), sea_orm::DbErr> {
    let before = clock.now() - requests::KEPT;
    loop {
        let values = [before.into(), i64::try_from(BATCH).unwrap_or(i64::MAX).into()];
        let remove = Statement::from_sql_and_values(DatabaseBackend::Postgres, OLD_REQUESTS, values);
        if database.execute_raw(remove).await?.rows_affected() < BATCH {
            return Ok(());
        }
    }
}
