//! The metrics of watches.

use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use storeplane_core::event::Event;
use storeplane_core::ports::Clock;

use crate::metrics::{InProgress, metrics};

/// An open watch. Dropping it ends it.
pub(super) struct Watcher {
    _in_progress: InProgress,
    lag: Histogram,
}

impl Watcher {
    /// `scope` is `store` or `stores`.
    pub(super) fn new(scope: &'static str) -> Self {
        let open = InProgress::begin(metrics().watchers.with([scope]));
        Self { _in_progress: open, lag: metrics().watch_delivery_lag.with([scope]) }
    }

    /// Counts the delivery of an event that happened after the watch had caught up.
    pub(super) fn delivered(&self, event: &Event, clock: &dyn Clock) {
        self.lag.observe(age(event, clock).as_secs_f64());
    }
}

/// The time since an event. Events have the time of the server or of the database that wrote them, whose clocks differ a little.
pub(super) fn age(event: &Event, clock: &dyn Clock) -> Duration {
    Duration::try_from(clock.now() - event.at).unwrap_or_default()
}
