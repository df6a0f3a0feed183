//! What is known of each open watch.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::watches::{Kind, Part};
use crate::kube::error::{ClusterError, ClusterErrorKind};

/// For how long at most a watch inside one namespace delays the first view of all.
const DELAY: Duration = Duration::from_mins(1);

/// The open watches.
#[derive(Debug, Default)]
pub(super) struct Parts {
    open: BTreeMap<Part, Known>,
    complete: bool,
}

/// Whether the objects of a watch are known.
#[derive(Debug)]
enum Known {
    /// They were listed, and changes follow.
    Yes,
    /// They were not listed yet, or the watch was interrupted.
    No { since: Instant, error: Option<ClusterError> },
}

impl Parts {
    pub(super) fn open(&mut self, part: &Part) {
        let unlisted = || Known::No { since: Instant::now(), error: None };
        self.open.entry(part.clone()).or_insert_with(unlisted);
    }

    pub(super) fn close(&mut self, part: &Part) {
        self.open.remove(part);
    }

    /// The watch has listed its objects.
    pub(super) fn listed(&mut self, part: &Part) {
        self.open.insert(part.clone(), Known::Yes);
    }

    /// The watch was interrupted, or is still refused.
    pub(super) fn lost(&mut self, part: &Part, error: ClusterError) {
        // It stays refused until it lists, whatever the attempts in between say: watches inside namespaces have replaced it.
        if part.namespace.is_none() && self.is_refused(part) {
            return;
        }
        self.complete &= part.namespace.is_some();
        let since = match self.open.get(part) {
            Some(Known::No { since, .. }) => *since,
            _ => Instant::now(),
        };
        self.open.insert(part.clone(), Known::No { since, error: Some(error) });
    }

    pub(super) fn is_known(&self, part: &Part) -> bool {
        matches!(self.open.get(part), Some(Known::Yes))
    }

    /// Whether the watch shows the kind's objects in this namespace, or the one of all namespaces does.
    pub(super) fn is_known_in(&self, kind: Kind, namespace: &str) -> bool {
        self.is_known(&Part::everywhere(kind)) || self.is_known(&Part::within(kind, namespace))
    }

    /// True if RBAC forbids the watch.
    pub(super) fn is_refused(&self, part: &Part) -> bool {
        self.open.get(part).is_some_and(Known::is_refused)
    }

    /// Called when all watches that should be open are: the view is complete once all of them have listed their objects. Those inside
    /// one namespace may be refused, or fail for a while.
    pub(super) fn settle(&mut self) {
        self.complete = self.complete || self.open.iter().all(|(part, known)| is_settled(part, known));
    }

    /// True since all watches were settled, as long as those of all namespaces are not interrupted.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The watches that have been unknown for this long, and why, if they failed.
    pub(super) fn unknown(&self, at_least: Duration) -> impl Iterator<Item = (&Part, &ClusterError)> {
        self.open.iter().filter_map(move |(part, known)| match known {
            Known::No { since, error: Some(error) } if since.elapsed() >= at_least => Some((part, error)),
            _ => None,
        })
    }
}

impl Known {
    fn is_refused(&self) -> bool {
        matches!(self, Self::No { error: Some(error), .. } if error.kind() == ClusterErrorKind::Forbidden)
    }
}

fn is_settled(part: &Part, known: &Known) -> bool {
    match known {
        Known::Yes => true,
        // Without the namespaces nothing can be interpreted.
        Known::No { .. } if part.kind == Kind::Namespaces => false,
        Known::No { since, .. } => known.is_refused() || (part.namespace.is_some() && since.elapsed() >= DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ClusterErrorKind) -> ClusterError {
        ClusterError::new(kind, "no")
    }

    #[test]
    fn view_is_complete_once_every_watch_is_listed_or_refused() {
        let (namespaces, records) = (Part::everywhere(Kind::Namespaces), Part::everywhere(Kind::Records));
        let within = Part::within(Kind::Records, "store-a");
        let mut parts = Parts::default();
        let mut complete = |change: &dyn Fn(&mut Parts)| {
            change(&mut parts);
            parts.settle();
            parts.is_complete()
        };
        assert!(!complete(&|parts| [&namespaces, &records].into_iter().for_each(|part| parts.open(part))));
        assert!(!complete(&|parts| parts.listed(&namespaces)));
        assert!(!complete(&|parts| parts.lost(&records, error(ClusterErrorKind::Unreachable))), "it may be listed");
        assert!(complete(&|parts| parts.listed(&records)));
        assert!(!complete(&|parts| {
            parts.lost(&records, error(ClusterErrorKind::Forbidden));
            parts.open(&within);
        }));
        assert!(complete(&|parts| parts.lost(&within, error(ClusterErrorKind::Forbidden))));
        assert!(complete(&|parts| parts.lost(&records, error(ClusterErrorKind::Forbidden))), "refused as before");
        assert!(complete(&|parts| parts.lost(&records, error(ClusterErrorKind::Unreachable))), "and still replaced");
        assert!(parts.is_refused(&records));
        let mut complete = |change: &dyn Fn(&mut Parts)| {
            change(&mut parts);
            parts.settle();
            parts.is_complete()
        };
        for kind in [ClusterErrorKind::Unreachable, ClusterErrorKind::Forbidden] {
            assert!(complete(&|parts| parts.lost(&within, error(kind))), "one namespace does not hide the others");
        }
        assert!(!complete(&|parts| parts.lost(&namespaces, error(ClusterErrorKind::Forbidden))));
        assert!(complete(&|parts| parts.listed(&namespaces)));
    }
}
