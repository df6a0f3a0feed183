//! Figures that only Postgres knows, read at intervals for the metrics: the queue, stores by state, and overdue backups.

use std::collections::HashMap;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use storeplane_core::operation::OperationKind;
use storeplane_core::ports::Clock as _;
use storeplane_core::store::State;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::backup_schedule::OVERDUE;
use super::drift::DRIFTED;
use super::error::port_error;
use super::pool::{Pool, Transaction};
use crate::metrics::{Metrics, metrics};
use crate::outage::OutageLog;
use crate::system::SystemClock;

/// Between two reads. Each server reads, and Prometheus asks about as often.
const INTERVAL: Duration = Duration::from_secs(15);

/// Active operations by kind: how many nobody holds and since when, how many somebody holds.
const QUEUE: &str = "
WITH active AS (
  SELECT kind, created_at, lease_expires_at, coalesce(lease_expires_at > clock_timestamp(), false) AS held
  FROM operations WHERE state IN ('PENDING', 'RUNNING'))
SELECT kind, count(*) FILTER (WHERE NOT held), count(*) FILTER (WHERE held),
  coalesce(max(date_part('epoch', clock_timestamp() - coalesce(lease_expires_at, created_at)))
    FILTER (WHERE NOT held), 0)
FROM active GROUP BY kind";

const STORES: &str = "SELECT state, count(*) FROM stores WHERE state <> 'DELETED' GROUP BY state";

static OUTAGE: OutageLog = OutageLog::new("read the figures for the metrics");

/// Reads the figures at intervals, until it is stopped.
#[derive(Debug)]
pub struct Sampler {
    database: Pool,
}

impl Sampler {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// Reads until `shutdown`. While Postgres is unavailable the figures are absent.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let sampling = async {
            loop {
                tick.tick().await;
                match self.sample(metrics()).await {
                    Ok(()) => OUTAGE.worked(),
                    Err(error) => {
                        clear(metrics());
                        OUTAGE.failed(&port_error(error));
                    }
                }
            }
        };
        shutdown.run_until_cancelled(sampling).await;
    }

    /// Reads the figures once.
    pub async fn sample(&self, metrics: &Metrics) -> Result<(), DbErr> {
        // Before the clock is read: the wait for a connection is not part of the clock's offset.
        let transaction = self.database.begin().await?;
        let asked = SystemClock.now();
        let clock = rows(&transaction, "SELECT clock_timestamp()").await?;
        let answered = SystemClock.now();
        if let Some(row) = clock.first() {
            let theirs: OffsetDateTime = row.try_get_by_index(0)?;
            let ours: OffsetDateTime = asked + (answered - asked) / 2;
            let offset: time::Duration = theirs - ours;
            metrics.database_clock_offset.with([]).set(offset.as_seconds_f64());
        }
        let (mut queue, mut stores) = (HashMap::<String, Queue>::new(), HashMap::<String, f64>::new());
        for row in rows(&transaction, QUEUE).await? {
            let kind = Queue {
                queued: count(row.try_get_by_index(1)?),
                running: count(row.try_get_by_index(2)?),
                oldest_age: row.try_get_by_index::<f64>(3)?.max(0.0),
            };
            queue.insert(row.try_get_by_index(0)?, kind);
        }
        for row in rows(&transaction, STORES).await? {
            stores.insert(row.try_get_by_index(0)?, count(row.try_get_by_index(1)?));
        }
        let (overdue, drifted) = (marked(&transaction, OVERDUE).await?, marked(&transaction, DRIFTED).await?);
        transaction.commit().await?;
        // Each gauge is set once: a scrape may read it at any time.
        for kind in OperationKind::ALL.map(OperationKind::as_str) {
            let Queue { queued, running, oldest_age } = queue.get(kind).copied().unwrap_or_default();
            metrics.operations_queued.with([kind]).set(queued);
            metrics.operations_running.with([kind]).set(running);
            metrics.operations_queued_age.with([kind]).set(oldest_age);
        }
        for state in State::ALL.into_iter().filter(|state| *state != State::Deleted).map(State::as_str) {
            metrics.stores.with([state]).set(stores.get(state).copied().unwrap_or_default());
        }
        metrics.backups_overdue.with([]).set(count(overdue));
        metrics.stores_drifted.with([]).set(count(drifted));
        Ok(())
    }
}

/// The active operations of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Queue {
    queued: f64,
    running: f64,
    oldest_age: f64,
}

async fn rows(transaction: &Transaction, sql: &str) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
    transaction.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await
}

/// The number of stores with this condition.
async fn marked(transaction: &Transaction, condition: &str) -> Result<i64, DbErr> {
    let found = rows(transaction, &format!("SELECT count(*) FROM stores WHERE {condition}")).await?;
    found.first().map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Removes the figures: they are unknown.
fn clear(all: &Metrics) {
    for gauge in [&all.operations_queued, &all.operations_queued_age, &all.operations_running, &all.stores] {
        gauge.clear();
    }
    all.database_clock_offset.clear();
    all.backups_overdue.clear();
    all.stores_drifted.clear();
}

fn count(rows: i64) -> f64 {
    crate::metrics::number(usize::try_from(rows).unwrap_or_default())
}
