//! Conditions of a store in addition to its state, like Kubernetes conditions.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The reason of the condition `BackedUp` of a store that is overdue.
pub const BACKUP_OVERDUE: &str = "BACKUP_OVERDUE";

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The aspect that it describes.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A stable `UPPER_SNAKE` code; otherwise empty.
    #[serde(default)]
    pub reason: String,
    /// `reason` as a sentence without secrets.
    #[serde(default)]
    pub message: String,
    /// When the status last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
}

/// The kinds of conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionKind {
    /// The shop answers at its public URL: DNS, certificate and ingress work.
    PubliclyReachable,
    /// The cluster enforces the store's network policies.
    NetworkIsolated,
    /// There is a complete backup.
    BackedUp,
    /// The cluster differs from what is recorded of the store.
    ConfigurationDrifted,
    /// A kind that only a newer server knows, kept unchanged.
    #[serde(untagged)]
    Other(String),
}

impl ConditionKind {
    /// The wire form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PubliclyReachable => "PubliclyReachable",
            Self::NetworkIsolated => "NetworkIsolated",
            Self::BackedUp => "BackedUp",
            Self::ConfigurationDrifted => "ConfigurationDrifted",
            Self::Other(kind) => kind,
        }
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be determined, or a newer server wrote another status.
    #[serde(other)]
    Unknown,
}

impl ConditionStatus {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "TRUE",
            Self::False => "FALSE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Replaces the condition of that kind, or adds it. `since` is taken over only if the status changed.
pub(crate) fn set(conditions: &mut Vec<Condition>, condition: Condition) {
    match conditions.iter_mut().find(|known| known.kind == condition.kind) {
        Some(known) if known.status == condition.status => *known = Condition { since: known.since, ..condition },
        Some(known) => *known = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::Duration;

    use super::*;

    #[test]
    fn transition_time_changes_only_with_status() {
        let start = OffsetDateTime::UNIX_EPOCH;
        let mut conditions = Vec::new();
        let mut set = |status, reason: &str, seconds| {
            let (kind, since) = (ConditionKind::PubliclyReachable, start + Duration::seconds(seconds));
            set(&mut conditions, Condition { kind, status, reason: reason.into(), message: String::new(), since });
            let [condition] = &conditions[..] else { panic!("one condition") };
            (condition.reason.clone(), (condition.since - start).whole_seconds())
        };
        assert_eq!(set(ConditionStatus::False, "DNS_MISSING", 1), ("DNS_MISSING".into(), 1));
        assert_eq!(set(ConditionStatus::False, "CERTIFICATE_INVALID", 2), ("CERTIFICATE_INVALID".into(), 1));
        assert_eq!(set(ConditionStatus::True, "", 3), (String::new(), 3));
    }

    #[test]
    fn kinds_and_statuses_of_newer_servers_are_readable() {
        let written = json!({"kind": "UpToDate", "status": "Perhaps", "since": "2026-11-25T00:00:00Z", "more": 1});
        let condition: Condition = serde_json::from_value(written).expect("readable");
        assert_eq!((condition.kind.as_str(), condition.status), ("UpToDate", ConditionStatus::Unknown));
        assert_eq!(serde_json::to_value(&condition).expect("writable")["kind"], "UpToDate");
        for kind in [
            ConditionKind::PubliclyReachable,
            ConditionKind::NetworkIsolated,
            ConditionKind::BackedUp,
            ConditionKind::ConfigurationDrifted,
        ] {
            let written = serde_json::to_value(&kind).expect("writable");
            assert_eq!(written, kind.as_str());
            assert_eq!(serde_json::from_value::<ConditionKind>(written).ok(), Some(kind));
        }
    }
}
