//! What stands in the way of a store, and how long it may: the one damping policy of the server.
//!
//! Something in the way is **lasting** (nobody removes it by waiting: fail within seconds), **passing** (it usually goes away
//! by itself: registry 429 and 5xx, webhook time-outs, DNS; wait for minutes) or **progress** (something is on its way: a node,
//! a volume, an image, a certificate; wait long). [`said`] decides which, from what the cluster says; [`ObstacleLimits`] is how
//! long each may last, from the configuration's `[obstacles]`.
//!
//! Who asks: `kube::rollout` for the symptoms of a rollout, `kube::error` and `helm::error` for refused requests, `verify` for
//! shops that do not answer, `reconciler` for how long symptoms must last before a store's state changes.
//!
//! To add an obstacle: a line in [`said`] and one in its table test.

mod limits;
pub(crate) mod said;

use std::time::Duration;

pub use limits::{HealthDamping, ObstacleLimits};

/// Something that stands in the way, by how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// Lasting, and seen often enough.
    Certain,
    /// Lasting: the API server or a controller refuses for good.
    Refused,
    /// Lasting, though it now and then goes away within seconds: an image that is not there, a missing Secret, a crash.
    Failing,
    /// Lasting: no node fits, and nobody adds one.
    Unschedulable,
    /// Passing.
    Passing,
    /// Progress.
    Progress,
    /// Worth reporting, and never a failure by itself.
    Reported,
}

/// The three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Waiting does not help.
    Lasting,
    /// It usually goes away by itself.
    Passing,
    /// Something is on its way.
    Progress,
}

impl Obstacle {
    /// Which kind it is.
    pub fn class(self) -> Class {
        match self {
            Self::Certain | Self::Refused | Self::Failing | Self::Unschedulable => Class::Lasting,
            Self::Passing => Class::Passing,
            Self::Progress | Self::Reported => Class::Progress,
        }
    }

    /// Something is wrong, as opposed to slow: such an obstacle may be the cause of another one that is a failure already.
    pub fn is_error(self) -> bool {
        self.class() != Class::Progress
    }

    /// How long it may last before it is a failure; `None` for ever.
    pub fn limit(self, limits: &ObstacleLimits) -> Option<Duration> {
        match self {
            Self::Certain => Some(Duration::ZERO),
            Self::Refused => Some(limits.refused),
            Self::Failing => Some(limits.failing),
            Self::Unschedulable => Some(limits.unschedulable),
            Self::Passing => Some(limits.passing),
            Self::Progress => Some(limits.progress),
            Self::Reported => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_obstacles_fail_first_then_passing_then_progress() {
        let limits = ObstacleLimits::default();
        let limit = |obstacle: Obstacle| obstacle.limit(&limits).expect("a limit");
        for lasting in [Obstacle::Certain, Obstacle::Refused, Obstacle::Failing, Obstacle::Unschedulable] {
            assert_eq!(lasting.class(), Class::Lasting);
            assert!(limit(lasting) <= Duration::from_secs(30), "{lasting:?}");
        }
        assert!((Duration::from_mins(2)..=Duration::from_mins(10)).contains(&limit(Obstacle::Passing)));
        assert!(limit(Obstacle::Progress) > limit(Obstacle::Passing));
        assert_eq!(Obstacle::Reported.limit(&limits), None);
        assert!(!Obstacle::Progress.is_error() && Obstacle::Passing.is_error());
    }
}
