//! Obstacles of a store, and how long each may last: the server's only damping policy.
//!
//! An obstacle is **lasting** (waiting does not help: fail within seconds), **passing** (usually transient:
//! registry 429 and 5xx, webhook timeouts, DNS; wait for minutes) or **progress** (something is being prepared: a node,
//! a volume, an image, a certificate; wait longer). [`messages`] classifies the cluster's messages; [`ObstacleLimits`] are
//! the limits from the configuration's `[obstacles]`.
//!
//! Users: `kube::rollout` for the symptoms of a rollout, `kube::error` and `helm::error` for refused requests, `verify` for
//! shops that do not answer, `reconciler` for how long symptoms must last before a store's state changes.
//!
//! To add an obstacle: a line in [`messages`] and one in its table test.

mod limits;
pub(crate) mod messages;

use std::time::Duration;

pub use limits::{HealthDamping, ObstacleLimits};

/// An obstacle, by its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// Lasting, and observed often enough.
    Certain,
    /// Lasting: refused by the API server or a controller.
    Refused,
    /// Lasting, although sometimes resolved within seconds: a missing image, a missing Secret, a crash.
    Failing,
    /// Lasting: no node fits, and none is being added.
    Unschedulable,
    /// Passing.
    Passing,
    /// Progress.
    Progress,
    /// Reported, but never a failure by itself.
    Reported,
}

/// The three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Waiting does not help.
    Lasting,
    /// Usually transient.
    Passing,
    /// Something is being prepared.
    Progress,
}

impl Obstacle {
    /// The kind of this obstacle.
    pub fn class(self) -> Class {
        match self {
            Self::Certain | Self::Refused | Self::Failing | Self::Unschedulable => Class::Lasting,
            Self::Passing => Class::Passing,
            Self::Progress | Self::Reported => Class::Progress,
        }
    }

    /// True for errors, as opposed to slow progress: an error may be the cause of another obstacle that has become a failure.
    pub fn is_error(self) -> bool {
        self.class() != Class::Progress
    }

    /// How long it may last before it is a failure; `None` for no limit.
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
