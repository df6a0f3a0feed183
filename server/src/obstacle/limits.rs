//! The limits of obstacles: `[obstacles]` of the configuration.

use std::time::Duration;

/// How long obstacles may last. The fields are the keys of the configuration's `[obstacles]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObstacleLimits {
    /// Refused by the API server or a controller: quota, policy, Pod Security, a missing storage class. Not
    /// zero, because a rolling update may exceed a quota briefly until old pods have ended.
    pub refused: Duration,
    /// Usually permanent, but sometimes resolved within seconds: a missing image, a missing Secret, a crash.
    pub failing: Duration,
    /// No node fits, and no autoscaler has announced one.
    pub unschedulable: Duration,
    /// Usually transient: registry 429 and 5xx, webhook timeouts, DNS, an unresponsive node.
    pub passing: Duration,
    /// Something is being prepared: a node, a volume, an image, a certificate.
    pub progress: Duration,
    /// The API server forbids a watch; newly granted permissions take a moment to apply.
    pub forbidden: Duration,
    /// A shop with ready pods does not answer, or answers 5xx.
    pub shop_silent: Duration,
    /// The number of wrong answers from a shop that counts as a failure.
    pub shop_wrong_answers: u32,
    /// When a settled store's state follows the cluster.
    pub health: HealthDamping,
}

/// When a settled store's state follows the cluster: problems are reported soon, recovery later with each relapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthDamping {
    /// How long symptoms must last before a READY store is examined; a pod that is replaced sooner is ignored.
    pub symptoms_last: Duration,
    /// How long a workload with only some of its pods, and no obstacle, counts as starting.
    pub starting: Duration,
    /// How long a DEGRADED store must be without symptoms the first time; four times as long after each relapse ...
    pub recovered: Duration,
    /// ... up to this limit.
    pub recovered_max: Duration,
    /// A store that was READY for this long has no relapses to count.
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
