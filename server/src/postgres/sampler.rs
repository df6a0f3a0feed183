//! Figures that only Postgres knows, read at intervals for the metrics: the queue, and stores by state.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use storeplane_core::operation::OperationKind;
use storeplane_core::ports::Clock as _;
use storeplane_core::store::State;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::error::port_error;
use super::pool::Pool;
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
        let asked = SystemClock.now();
        let clock = self.rows("SELECT clock_timestamp()").await?;
        let answered = SystemClock.now();
        if let Some(row) = clock.first() {
            let theirs: OffsetDateTime = row.try_get_by_index(0)?;
            let ours: OffsetDateTime = asked + (answered - asked) / 2;
            let offset: time::Duration = theirs - ours;
            metrics.database_clock_offset.with([]).set(offset.as_seconds_f64());
        }
        let (queue, stores) = (self.rows(QUEUE).await?, self.rows(STORES).await?);
        for kind in OperationKind::ALL.map(OperationKind::as_str) {
            for gauge in [&metrics.operations_queued, &metrics.operations_running, &metrics.operations_queued_age] {
                gauge.with([kind]).set(0.0);
            }
        }
        for row in queue {
            let Some(kind) = OperationKind::parse(&row.try_get_by_index::<String>(0)?) else { continue };
            let kind = kind.as_str();
            metrics.operations_queued.with([kind]).set(count(row.try_get_by_index(1)?));
            metrics.operations_running.with([kind]).set(count(row.try_get_by_index(2)?));
            metrics.operations_queued_age.with([kind]).set(row.try_get_by_index::<f64>(3)?.max(0.0));
        }
        for state in State::ALL.into_iter().filter(|state| *state != State::Deleted) {
            metrics.stores.with([state.as_str()]).set(0.0);
        }
        for row in stores {
            if let Some(state) = State::parse(&row.try_get_by_index::<String>(0)?) {
                metrics.stores.with([state.as_str()]).set(count(row.try_get_by_index(1)?));
            }
        }
        Ok(())
    }

    async fn rows(&self, sql: &str) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
        self.database.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await
    }
}

/// Removes the figures: they are unknown.
fn clear(all: &Metrics) {
    for gauge in [&all.operations_queued, &all.operations_queued_age, &all.operations_running, &all.stores] {
        gauge.clear();
    }
    all.database_clock_offset.clear();
}

fn count(rows: i64) -> f64 {
    crate::metrics::number(usize::try_from(rows).unwrap_or_default())
}
