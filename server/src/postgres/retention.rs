//! Removes expired rows in batches: request ids, ended operations and rollouts, events, and audit records if the configuration says so.
//! Stores with their last operation are kept forever.
//!
//! A round is bounded, so that a long backlog does not keep the database busy; the next one continues. One replica runs at a time.

use std::sync::Once;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::pool::{Pool, Transaction};
use super::{audit, requests};
use crate::outage::OutageLog;

/// Interval between rounds; shorter only if less than ten minutes are kept.
const ROUND: Duration = Duration::from_mins(1);
/// Rows removed by one statement, so that locks and transactions are short.
const BATCH: i64 = 1000;
/// Maximum number of batches of one kind in one round: with [`ROUND`], some 28 million rows a day.
const BATCHES: u32 = 20;

/// Only one replica acquires it, until its transaction ends. The time is Postgres', so a server with a wrong clock
/// removes nothing too early.
const LOCK: &str =
    "SELECT CASE WHEN pg_try_advisory_xact_lock(hashtext('storeplane-retention')) THEN clock_timestamp() END";

const REQUESTS: &str = "
WITH gone AS (
  DELETE FROM requests WHERE (tenant, request) IN (
    SELECT tenant, request FROM requests WHERE at < $1 ORDER BY at LIMIT $2)
  RETURNING 1)
SELECT count(*) FROM gone";

/// Except a store's last one, those that a kept request id refers to, and those that a worker may still hold.
const OPERATIONS: &str = "
WITH gone AS (
  DELETE FROM operations WHERE id IN (
    SELECT o.id FROM operations o
    WHERE o.ended_at < $1
      AND (o.lease_expires_at IS NULL OR o.lease_expires_at < clock_timestamp() - interval '1 hour')
      AND NOT EXISTS (SELECT FROM stores s WHERE s.uid = o.store AND s.operation = o.id)
      AND NOT EXISTS (SELECT FROM requests r WHERE r.operation = o.id)
    ORDER BY o.ended_at LIMIT $2)
  RETURNING 1)
SELECT count(*) FROM gone";

const ROLLOUTS: &str = "
WITH gone AS (
  DELETE FROM rollouts WHERE id IN (
    SELECT id FROM rollouts r WHERE ended_at < $1 AND NOT EXISTS (SELECT FROM rollout_stores m WHERE m.rollout = r.id)
    ORDER BY ended_at LIMIT $2)
  RETURNING 1)
SELECT count(*) FROM gone";

/// First the stores: a rollout has up to 10,000.
const ROLLOUT_STORES: &str = "
WITH gone AS (
  DELETE FROM rollout_stores WHERE (rollout, store) IN (
    SELECT m.rollout, m.store FROM rollouts r JOIN rollout_stores m ON m.rollout = r.id
    WHERE r.ended_at < $1 ORDER BY r.ended_at LIMIT $2)
  RETURNING 1)
SELECT count(*) FROM gone";

/// Each store's oldest events, and never one that follows a kept one, whatever their writers' clocks were: the
/// retained history has no gaps. Raises the floor too, so that readers notice the removal. Every batch makes
/// progress: stores whose oldest event is not expired are excluded, and of the others at least the oldest event is removed.
const EVENTS: &str = "
WITH old AS MATERIALIZED (
  SELECT store, sequence FROM events candidate
  WHERE at < $1 AND (
    SELECT oldest.at FROM events oldest WHERE oldest.store = candidate.store ORDER BY oldest.sequence LIMIT 1) < $1
  ORDER BY at, store, sequence LIMIT $2),
upto AS (
  SELECT store, least(max(sequence), (
    SELECT kept.sequence - 1 FROM events kept WHERE kept.store = old.store AND kept.at >= $1
    ORDER BY kept.sequence LIMIT 1)) AS sequence
  FROM old GROUP BY store),
gone AS (
  DELETE FROM events USING upto WHERE events.store = upto.store AND events.sequence <= upto.sequence
  RETURNING events.tenant, events.transaction, events.number),
last AS (SELECT transaction, number FROM gone ORDER BY transaction DESC, number DESC LIMIT 1),
raised AS (
  UPDATE event_floor floor SET transaction = last.transaction, number = last.number FROM last
  WHERE (floor.transaction, floor.number) < (last.transaction, last.number)),
raised_for_tenants AS (
  INSERT INTO event_floors AS floor (tenant, transaction, number)
    SELECT DISTINCT ON (tenant) tenant, transaction, number FROM gone ORDER BY tenant, transaction DESC, number DESC
  ON CONFLICT (tenant) DO UPDATE SET transaction = excluded.transaction, number = excluded.number
    WHERE (floor.transaction, floor.number) < (excluded.transaction, excluded.number))
SELECT count(*) FROM gone";

static OUTAGE: OutageLog = OutageLog::new("remove expired rows");
/// Logs once that the database keeps audit records for longer than configured.
static LONGER: Once = Once::new();

/// Retention periods.
#[derive(Debug, Clone, Copy)]
pub struct RetentionPolicy {
    /// Events.
    pub events: Duration,
    /// Operations and rollouts, counted from their end.
    pub operations: Duration,
    /// Audit records; `None` for forever.
    pub audit: Option<Duration>,
}

/// Removes expired rows.
#[derive(Clone)]
pub struct Retention {
    database: Pool,
    keep: RetentionPolicy,
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retention").field("keep", &self.keep).finish_non_exhaustive()
    }
}

/// The number of rows removed in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Request ids.
    pub requests: u64,
    /// Operations.
    pub operations: u64,
    /// Rollouts, whose stores were removed before.
    pub rollouts: u64,
    /// Events.
    pub events: u64,
    /// Audit records.
    pub audit: u64,
}

impl Retention {
    /// Uses this pool.
    pub fn new(database: Pool, keep: RetentionPolicy) -> Self {
        Self { database, keep }
    }

    /// Runs rounds until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let shortest = self.keep.events.min(self.keep.operations);
        let round = (shortest / 10).clamp(Duration::from_secs(1), ROUND);
        let rounds = async {
            loop {
                match self.round().await {
                    Ok(removed) => {
                        OUTAGE.worked();
                        if removed != Removed::default() {
                            tracing::debug!(?removed, "removed expired rows");
                        }
                    }
                    Err(error) => OUTAGE.failed(&error),
                }
                tokio::time::sleep(round).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = rounds => {}
        }
    }

    /// One round: a limited number of batches of each kind.
    pub async fn round(&self) -> Result<Removed, DbErr> {
        let operations = self.keep.operations.try_into().unwrap_or(time::Duration::MAX);
        self.remove(ROLLOUT_STORES, operations).await?;
        Ok(Removed {
            requests: self.remove(REQUESTS, requests::KEPT).await?,
            operations: self.remove(OPERATIONS, operations).await?,
            rollouts: self.remove(ROLLOUTS, operations).await?,
            events: self.remove(EVENTS, self.keep.events.try_into().unwrap_or(time::Duration::MAX)).await?,
            audit: match self.keep.audit {
                Some(keep) => self.remove_audit(keep.try_into().unwrap_or(time::Duration::MAX)).await?,
                None => 0,
            },
        })
    }

    async fn remove_audit(&self, keep: time::Duration) -> Result<u64, DbErr> {
        let mut removed = 0;
        for _ in 0..BATCHES {
            let transaction = self.database.begin().await?;
            let Some(before) = lock(&transaction).await?.and_then(|now| now.checked_sub(keep)) else { break };
            if audit::kept(&transaction).await?.is_none_or(|kept| keep < time::Duration::seconds(kept)) {
                LONGER.call_once(|| {
                    tracing::warn!(event = "AUDIT_KEPT_LONGER", "audit records are kept for longer than retention.audit: run `storeplane-server migrate` with it");
                });
            }
            let rows = audit::remove_expired(&transaction, before, BATCH).await?;
            transaction.commit().await?;
            removed += rows;
            if rows == 0 {
                break;
            }
        }
        Ok(removed)
    }

    async fn remove(&self, sql: &str, keep: time::Duration) -> Result<u64, DbErr> {
        let mut removed = 0;
        for _ in 0..BATCHES {
            let transaction = self.database.begin().await?;
            let Some(before) = lock(&transaction).await?.and_then(|now| now.checked_sub(keep)) else { break };
            let values = [before.into(), BATCH.into()];
            let batch = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
            let rows = first::<i64>(&transaction, batch).await?.unwrap_or_default();
            transaction.commit().await?;
            removed += rows.unsigned_abs();
            if rows < BATCH {
                break;
            }
        }
        Ok(removed)
    }
}

/// Postgres' time, if this replica gets the lock of retention, until the transaction ends.
async fn lock(transaction: &Transaction) -> Result<Option<OffsetDateTime>, DbErr> {
    let lock = Statement::from_string(DatabaseBackend::Postgres, LOCK);
    Ok(first::<Option<OffsetDateTime>>(transaction, lock).await?.flatten())
}

async fn first<T: sea_orm::TryGetable>(
    connection: &impl ConnectionTrait,
    statement: Statement,
) -> Result<Option<T>, DbErr> {
    let row = connection.query_one_raw(statement).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}
