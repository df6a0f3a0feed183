//! Why a rollout cannot be created or changed.

use crate::ids::RolloutId;

/// Why a rollout cannot be created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RolloutError {
    /// Nothing to change.
    #[error("no store that is not DELETED matches the filter")]
    NoStores,
    /// One rollout at a time changes a store.
    #[error(
        "store \"{store_id}\" is in rollout {rollout}, which has not ended; wait for it, abort it, or exclude the store"
    )]
    Conflict {
        /// The other rollout.
        rollout: RolloutId,
        /// One of the stores in both.
        store_id: String,
    },
    /// The tenant has as many as it may.
    #[error("{max} rollouts of this tenant have not ended, which is the maximum; wait for one or abort one")]
    TooMany {
        /// The maximum.
        max: u32,
    },
    /// It does not change any more.
    #[error("rollout {rollout} has ended: it is {state}")]
    Ended {
        /// Which rollout.
        rollout: RolloutId,
        /// Its state.
        state: &'static str,
    },
    /// It cannot be paused or resumed.
    #[error("rollout {rollout} is rolling back and can neither be paused nor resumed")]
    RollingBack {
        /// Which rollout.
        rollout: RolloutId,
    },
    /// What it changed cannot be returned.
    #[error(
        "the stores of rollout {rollout} cannot be returned: only engine_version, plan, environment and plugins have revisions"
    )]
    Irreversible {
        /// Which rollout.
        rollout: RolloutId,
    },
    /// The caller may not see all stores of its tenant.
    #[error("a token that is limited to some stores cannot use rollouts")]
    Scoped,
    /// The rollout changed since the caller read it.
    #[error("the rollout changed since it was read: etag is {actual}")]
    StaleEtag {
        /// Its current etag.
        actual: String,
    },
}

impl RolloutError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoStores => "NO_MATCHING_STORES",
            Self::Conflict { .. } => "ROLLOUT_CONFLICT",
            Self::TooMany { .. } => "ROLLOUTS_RUNNING",
            Self::Ended { .. } => "ROLLOUT_ENDED",
            Self::RollingBack { .. } => "ROLLOUT_ROLLING_BACK",
            Self::Irreversible { .. } => "ROLLOUT_IRREVERSIBLE",
            Self::Scoped => "STORE_OUTSIDE_SCOPE",
            Self::StaleEtag { .. } => "STALE_ETAG",
        }
    }
}
