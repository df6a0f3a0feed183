//! Finds what blocks a release: a pure function of the observed objects.
//!
//! Each file inspects one kind of object and pushes [`Finding`]s; `failure_detector` decides when a finding is a failure.

mod claims;
mod containers;
mod creation;
mod pods;

use std::cmp::Ordering;

use storeplane_core::failure::Reason;

use super::snapshot::Snapshot;
use crate::obstacle::Obstacle;
use crate::redact::Unmasked;

/// A current obstacle of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The failure that it would be.
    pub(super) failure: Unmasked,
    /// Its limit.
    pub(super) obstacle: Obstacle,
    /// Databases before their clients, objects before their pods.
    pub(super) rank: u8,
    /// Kind and name of the affected object.
    pub(super) subject: String,
    /// The container whose log explains it.
    pub(super) log: Option<LogSource>,
}

/// A container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kube) struct LogSource {
    pub(super) pod: String,
    pub(super) container: String,
}

impl Finding {
    pub(super) fn new(reason: Reason, subject: String, message: String, obstacle: Obstacle) -> Self {
        Self { failure: Unmasked::new(reason, message), obstacle, rank: 0, subject, log: None }
    }

    /// A fact that is certain without any symptom of a workload.
    pub(super) fn fact(failure: Unmasked) -> Self {
        Self { failure, obstacle: Obstacle::Certain, rank: 0, subject: String::new(), log: None }
    }

    pub(super) fn rank(mut self, rank: u8) -> Self {
        self.rank = rank;
        self
    }

    fn detail(mut self, line: impl Into<String>) -> Self {
        self.failure = self.failure.with_details([line.into()]);
        self
    }

    fn log(mut self, pod: &str, container: &str) -> Self {
        self.log = Some(LogSource { pod: pod.into(), container: container.into() });
        self
    }

    /// Causes before consequences.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let key = |it: &Self| (it.failure.reason, it.rank);
        key(self).cmp(&key(other)).then_with(|| self.subject.cmp(&other.subject))
    }
}

/// All obstacles, the likeliest cause first.
pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let mut found = Vec::new();
    creation::inspect(snapshot, &mut found);
    claims::inspect(snapshot, &mut found);
    pods::inspect(snapshot, &mut found);
    containers::inspect(snapshot, &mut found);
    found.sort_by(Finding::order);
    found
}

/// Kubernetes ends only some sentences with a dot; ours have none, because details follow.
fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "a fixture reads better where it is passed as it is written")]
mod tests;
