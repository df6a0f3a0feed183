//! How long what may last: `[obstacles]` of the configuration.

use std::time::Duration;

/// How long obstacles may last. The fields are the keys of the configuration's `[obstacles]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObstacleLimits {
    /// What the API server or a controller refuses for good: quota, policy, Pod Security, a missing storage class. Not
    /// zero, since a rolling update may meet a quota for a moment while old pods go.
    pub refused: Duration,
    /// What now and then goes away within seconds: a missing image, a missing Secret, a crash.
    pub failing: Duration,
    /// No node fits, and no autoscaler has said that it adds one.
    pub unschedulable: Duration,
    /// What usually goes away by itself: registry 429 and 5xx, webhook time-outs, DNS, a node that does not answer.
    pub passing: Duration,
    /// Something on its way: a node, a volume, an image, a certificate.
    pub progress: Duration,
    /// The API server does not let us watch; rights that were just granted take a moment to arrive.
    pub forbidden: Duration,
    /// A shop whose pods are ready gives no answer, or answers 5xx.
    pub shop_silent: Duration,
    /// How many wrong answers of a shop are a failure.
    pub shop_wrong_answers: u32,
    /// When a settled store's state follows the cluster.
    pub health: HealthDamping,
}

/// When a settled store's state follows the cluster: bad news soon, good news later with each relapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthDamping {
    /// How long symptoms must last before a READY store is examined; a pod that is replaced sooner is no news.
    pub symptoms_last: Duration,
    /// How long a workload with only some of its pods, and nothing in their way, counts as starting.
    pub starting: Duration,
    /// How long a DEGRADED store must be without symptoms the first time; four times as long after each relapse ...
    pub recovered: Duration,
    /// ... and at most.
    pub recovered_max: Duration,
    /// A store that was READY for this long starts anew.
    pub relapse_window: Duration,
}

impl Default for ObstacleLimits {
    fn default() -> Self {
        Self {
            refused: Duration::from_secs(2),
            failing: Duration::from_secs(10),
            unschedulable: Duration::from_secs(30),
            passing: Duration::from_mins(5),
            progress: Duration::from_mins(20),
            forbidden: Duration::from_secs(30),
            shop_silent: Duration::from_mins(1),
            shop_wrong_answers: 4,
            health: HealthDamping::default(),
        }
    }
}

impl Default for HealthDamping {
    fn default() -> Self {
        Self {
            symptoms_last: Duration::from_secs(2),
            starting: Duration::from_mins(1),
            recovered: Duration::from_secs(2),
            recovered_max: Duration::from_mins(5),
            relapse_window: Duration::from_mins(10),
        }
    }
}
