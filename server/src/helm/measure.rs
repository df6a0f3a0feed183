//! The metrics of a helm run.

use std::time::Instant;

use super::command::Verb;
use super::error::{HelmError, HelmErrorKind};
use crate::metrics::{InProgress, metrics};

/// A run that waits for its permit. Dropping it ends the wait.
pub(super) struct Waiting {
    command: &'static str,
    _in_progress: InProgress,
}

/// A run whose process is about to start.
pub(super) struct Running {
    command: &'static str,
    since: Instant,
}

impl Waiting {
    pub(super) fn begin(verb: Verb<'_>) -> Self {
        Self { command: verb.as_str(), _in_progress: InProgress::begin(metrics().helm_runs_waiting.with([])) }
    }

    /// It has its permit.
    pub(super) fn run(self) -> Running {
        Running { command: self.command, since: Instant::now() }
    }
}

impl Running {
    pub(super) fn end(self, ended: &Result<(), HelmError>) {
        let outcome = match ended.as_ref().map_err(HelmError::kind) {
            Ok(()) => "SUCCEEDED",
            Err(HelmErrorKind::Stopped) => "CANCELLED",
            Err(HelmErrorKind::TimedOut) => "TIMED_OUT",
            Err(HelmErrorKind::LeaseLost) => "LEASE_LOST",
            Err(_) => "FAILED",
        };
        metrics().helm_run_duration.observe([self.command, outcome], self.since.elapsed());
    }
}
