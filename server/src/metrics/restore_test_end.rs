//! Counts test restores.

use storeplane_core::backup::restore_test::RestoreTestState;

use super::Metrics;

/// A test restore that has ended; counted once the change is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreTestEnd {
    /// PASSED or FAILED.
    pub outcome: RestoreTestState,
}

impl RestoreTestEnd {
    /// Counts it.
    pub fn record(self, metrics: &Metrics) {
        metrics.restore_tests.with([self.outcome.as_str()]).inc();
    }
}
