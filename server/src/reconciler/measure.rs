//! The metrics of the reconciler.

use std::time::Duration;

use crate::metrics::{metrics, unix_time};

/// This server reconciles, until it is dropped.
pub(super) struct Leads;

impl Leads {
    pub(super) fn begin() -> Self {
        metrics().reconciler_leader.with([]).set(1.0);
        Self
    }
}

impl Drop for Leads {
    fn drop(&mut self) {
        metrics().reconciler_leader.with([]).set(0.0);
    }
}

/// A complete round.
pub(super) fn round(took: Duration) {
    metrics().reconciler_last_round.with([]).set(unix_time());
    metrics().reconciler_round_duration.observe([], took);
}
