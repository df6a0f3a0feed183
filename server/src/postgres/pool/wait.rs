//! Metrics of the wait for a connection.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use crate::metrics::{Gauge, InProgress, metrics};

/// The metrics of one pool. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct WaitMetrics {
    waiters: Gauge,
    timeouts: Counter,
    wait: Histogram,
}

/// A request that waits for a connection. Dropping it ends the wait.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    metrics: &'a WaitMetrics,
    since: Instant,
    _in_progress: InProgress,
}

impl WaitMetrics {
    pub(super) fn of(pool: &'static str) -> Self {
        let all = metrics();
        Self {
            waiters: all.database_waiters.with([pool]),
            timeouts: all.database_timeouts.with([pool]),
            wait: all.database_wait.with([pool]),
        }
    }

    pub(super) fn begin(&self) -> Waiting<'_> {
        Waiting { metrics: self, since: Instant::now(), _in_progress: InProgress::begin(self.waiters.clone()) }
    }
}

impl Waiting<'_> {
    pub(super) fn end<T>(self, acquired: &Result<T, sqlx::Error>) {
        self.metrics.wait.observe(self.since.elapsed().as_secs_f64());
        if matches!(acquired, Err(sqlx::Error::PoolTimedOut)) {
            self.metrics.timeouts.inc();
        }
    }
}
