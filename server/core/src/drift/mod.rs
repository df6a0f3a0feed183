//! Drift of configuration: how the cluster differs from what is recorded of a store.
//!
//! `release` compares helm's record with the store's revision, `workloads` the live workloads with helm's manifest. Only what helm restores
//! when the chart is applied again counts, so that RetryStore ends it.

mod release;
mod workloads;

use time::OffsetDateTime;

pub use release::of_release;
pub use workloads::{PodSpec, of_pods};

use crate::condition::{Condition, ConditionKind, ConditionStatus};

/// The deployed release is not the store's newest revision: somebody else ran helm.
pub const RELEASE_CHANGED: &str = "RELEASE_CHANGED";
/// Workloads differ from the release: somebody edited them.
pub const WORKLOAD_CHANGED: &str = "WORKLOAD_CHANGED";
/// The maintenance page is deployed in the shop's place, as an operation does that could not end.
pub const MAINTENANCE_LEFT: &str = "MAINTENANCE_LEFT";
/// There is no deployed release to compare.
pub const RELEASE_NOT_DEPLOYED: &str = "RELEASE_NOT_DEPLOYED";
/// Nothing is recorded to compare with.
pub const NO_REVISION: &str = "NO_REVISION";

/// Maximum number of differences that a message names.
const NAMED: usize = 12;
/// Maximum length of one of them, in characters.
const LENGTH_MAX: usize = 300;

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// They were compared.
    Compared {
        /// The store's newest revision.
        revision: u32,
        /// How the deployed release differs from it.
        release: Vec<String>,
        /// How the workloads differ from the deployed release.
        workloads: Vec<String>,
    },
    /// The release is not deployed.
    NotDeployed,
    /// The store has no recorded revision.
    NoRevision,
}

impl Comparison {
    /// The condition `ConfigurationDrifted`.
    pub fn condition(&self, now: OffsetDateTime) -> Condition {
        let (status, reason, message) = match self {
            Self::NoRevision => {
                let message = "With what the store was installed is not recorded yet: RetryStore records it.";
                (ConditionStatus::Unknown, NO_REVISION, message.to_owned())
            }
            Self::NotDeployed => {
                let message = "The store's release is not deployed.";
                (ConditionStatus::Unknown, RELEASE_NOT_DEPLOYED, message.to_owned())
            }
            Self::Compared { revision, release, workloads } if release.is_empty() && workloads.is_empty() => {
                (ConditionStatus::False, "", format!("The cluster has what revision {revision} records."))
            }
            Self::Compared { revision, release, workloads } if release.iter().any(|it| it == release::MAINTENANCE) => {
                let page = "The release is deployed with the maintenance page in the shop's place, which an operation left there. \
                    RetryStore ends that, or RestoreStore if the shop lacks its data.";
                // Images belong to the page.
                let is_other = |it: &&String| *it != release::MAINTENANCE && !it.starts_with(release::IMAGE);
                let others: Vec<_> = release.iter().filter(is_other).cloned().collect();
                let reason = if others.is_empty() { MAINTENANCE_LEFT } else { RELEASE_CHANGED };
                let message = format!("{page} {}", message(*revision, &others, workloads));
                (ConditionStatus::True, reason, message.trim_end().to_owned())
            }
            Self::Compared { revision, release, workloads } => {
                let reason = if release.is_empty() { WORKLOAD_CHANGED } else { RELEASE_CHANGED };
                (ConditionStatus::True, reason, message(*revision, release, workloads))
            }
        };
        Condition { kind: ConditionKind::ConfigurationDrifted, status, reason: reason.to_owned(), message, since: now }
    }
}

fn message(revision: u32, release: &[String], workloads: &[String]) -> String {
    let of_release = format!("The release differs from revision {revision}: ");
    let parts = [(of_release.as_str(), release), ("Workloads differ from the release: ", workloads)];
    let sentences = parts.into_iter().filter(|(_, differences)| !differences.is_empty()).map(|(begin, differences)| {
        let named = differences.iter().take(NAMED).map(|one| one.chars().take(LENGTH_MAX).collect::<String>());
        let more = differences.len().checked_sub(NAMED + 1).map(|more| format!("{} more", more + 1));
        format!("{begin}{}.", named.chain(more).collect::<Vec<_>>().join("; "))
    });
    sentences.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(release: &[&str], workloads: &[&str]) -> (ConditionStatus, String, String) {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let compared = Comparison::Compared { revision: 3, release: owned(release), workloads: owned(workloads) };
        let Condition { status, reason, message, .. } = compared.condition(OffsetDateTime::UNIX_EPOCH);
        (status, reason, message)
    }

    #[test]
    fn condition_names_every_difference() {
        assert_eq!(condition(&[], &[]).0, ConditionStatus::False);
        let (status, reason, message) = condition(&["value store.plan", "chart version 2 instead of 1"], &["a", "b"]);
        assert_eq!((status, reason.as_str()), (ConditionStatus::True, RELEASE_CHANGED));
        let expected = "The release differs from revision 3: value store.plan; chart version 2 instead of 1. \
            Workloads differ from the release: a; b.";
        assert_eq!(message, expected);
        assert_eq!(condition(&[], &["a"]).1, WORKLOAD_CHANGED);
        let (status, reason, message) = condition(&["value store.maintenance", "image page:1 added"], &[]);
        assert_eq!((status, reason.as_str()), (ConditionStatus::True, MAINTENANCE_LEFT));
        assert!(message.contains("RetryStore") && message.ends_with("lacks its data."), "{message}");
        let (_, reason, message) = condition(&["value store.maintenance", "value store.plan"], &[]);
        assert!(reason == RELEASE_CHANGED && message.ends_with("revision 3: value store.plan."), "{message}");
    }

    #[test]
    fn message_is_bounded() {
        let long = "x".repeat(1000);
        for (differences, end) in [(12, "x."), (13, "; 1 more."), (40, "; 28 more.")] {
            let (_, _, message) = condition(&vec![long.as_str(); differences], &[]);
            assert!(message.ends_with(end) && message.len() < 4000, "{differences}: {}", message.len());
        }
    }

    #[test]
    fn incomparable_is_unknown() {
        for (comparison, expected) in
            [(Comparison::NoRevision, NO_REVISION), (Comparison::NotDeployed, RELEASE_NOT_DEPLOYED)]
        {
            let condition = comparison.condition(OffsetDateTime::UNIX_EPOCH);
            assert_eq!((condition.status, condition.reason.as_str()), (ConditionStatus::Unknown, expected));
        }
    }
}
