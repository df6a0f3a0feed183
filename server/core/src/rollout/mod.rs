//! Rollouts: a change of many stores, wave after wave. Pure: the server stores rollouts, starts the operations and tests the shops.
//!
//! [`command`] validates requests; [`waves`] divides the stores; [`decide`](mod@decide) says what is next; [`start`] changes one store;
//! [`soak`]: whether they kept working; [`window`]: the time of the day.

pub mod command;
pub mod decide;
pub mod soak;
pub mod start;
pub mod waves;
pub mod window;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::command::StoreUpdate;
use crate::error::RolloutError;
use crate::ids::{OperationId, RolloutId, StoreId, StoreUid, Tenant};
use crate::wire::wire_enum;
use waves::Wave;
use window::Window;

/// Maximum number of stores of a rollout.
pub const STORES_MAX: usize = 10_000;
/// Maximum number of rollouts of a tenant that have not ended.
pub const ROLLOUTS_MAX: u32 = 10;

wire_enum! {
    /// The state of a rollout.
    pub enum RolloutState {
        /// Stores are being changed or observed.
        Running = "RUNNING",
        /// No stores are started until it is resumed.
        Paused = "PAUSED",
        /// Changed stores return to their former revisions.
        RollingBack = "ROLLING_BACK",
        /// All waves are done.
        Completed = "COMPLETED",
        /// It was aborted.
        Aborted = "ABORTED",
        /// The changed stores have returned to their former revisions, as far as possible.
        RolledBack = "ROLLED_BACK",
        ;
        /// A row has a state that this server does not know.
        Unreadable = "UNREADABLE",
    }
}

impl RolloutState {
    /// True if it starts operations.
    pub fn starts_stores(self) -> bool {
        matches!(self, Self::Running | Self::RollingBack)
    }

    /// True if it does not change any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Aborted | Self::RolledBack)
    }
}

wire_enum! {
    /// The state of a store in a rollout.
    pub enum MemberState {
        /// Not started yet.
        Pending = "PENDING",
        /// Its operation is active.
        Running = "RUNNING",
        /// It was changed.
        Succeeded = "SUCCEEDED",
        /// The change failed, or the shop did not keep working.
        Failed = "FAILED",
        /// It was not started.
        Skipped = "SKIPPED",
        /// It has returned to its former revision.
        RolledBack = "ROLLED_BACK",
        ;
        /// A row has a state that this server does not know.
        Unreadable = "UNREADABLE",
    }
}

wire_enum! {
    /// What happens when the failure budget is exceeded.
    #[derive(Default)]
    pub enum OnFailure {
        /// No more stores are started.
        #[default]
        Pause = "PAUSE",
        /// The changed stores return to their former revisions.
        RollBack = "ROLL_BACK",
    }
}

/// What the stores are changed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// New values of fields.
    Update {
        /// The names of the fields.
        mask: Vec<String>,
        /// Their values.
        values: Box<StoreUpdate>,
    },
    /// What is recorded for each store is applied again.
    Reapply,
    /// A newer server stored one that this server does not know.
    #[serde(skip)]
    Unreadable,
}

impl Target {
    /// True if stores can return to what they were before: what is changed makes a new revision of each.
    pub fn is_reversible(&self) -> bool {
        match self {
            Self::Update { mask, .. } => {
                mask.iter().all(|path| matches!(path.as_str(), "engine_version" | "plan" | "environment" | "plugins"))
            }
            Self::Reapply | Self::Unreadable => false,
        }
    }

    /// True if stores may get another plan, which counts towards quotas.
    pub fn names_plan(&self) -> bool {
        matches!(self, Self::Update { values, .. } if values.plan.is_some())
    }
}

/// How many stores may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Number of stores.
    pub stores: Option<u32>,
    /// Share of all stores, in percent.
    pub percent: Option<u32>,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// Its id.
    pub id: RolloutId,
    /// Its tenant.
    pub tenant: Tenant,
    /// Its name; may be empty.
    pub display_name: String,
    /// Which stores, as requested.
    pub filter: String,
    /// What they are changed to.
    pub target: Target,
    /// Its waves.
    pub waves: Vec<Wave>,
    /// Maximum number of stores with active operations.
    pub parallelism: u32,
    /// How many stores may fail.
    pub budget: Budget,
    /// How long a wave is observed.
    pub soak: time::Duration,
    /// When stores may be started.
    pub window: Option<Window>,
    /// What happens when the failure budget is exceeded.
    pub on_failure: OnFailure,
    /// What it does at present.
    pub progress: Progress,
    /// Numbers of stores by state.
    pub counts: Counts,
    /// Who created it.
    pub created_by: String,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it changed last.
    pub updated_at: OffsetDateTime,
    /// Increases with each change of it or of its stores.
    pub version: i64,
}

/// What a rollout does at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The state.
    pub state: RolloutState,
    /// Why it is paused, or what it waits for; `None` while it starts stores or has ended without a cause.
    pub cause: Option<Cause>,
    /// The wave that is being changed or observed, from 1.
    pub wave: u32,
    /// The last wave that was observed; 0 if none was.
    pub observed: u32,
    /// Until when the wave is observed.
    pub soak_until: Option<OffsetDateTime>,
    /// Failures before it was resumed the last time, which do not count.
    pub forgiven: u32,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
}

impl Progress {
    /// A new rollout begins with the first wave.
    pub fn begin() -> Self {
        Self {
            state: RolloutState::Running,
            cause: None,
            wave: 1,
            observed: 0,
            soak_until: None,
            forgiven: 0,
            ended_at: None,
        }
    }
}

/// Why a rollout or one of its stores is where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// A stable `UPPER_SNAKE` code.
    pub reason: String,
    /// The same as a sentence, without secrets.
    pub message: String,
}

impl Cause {
    /// A cause.
    pub fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.into(), message: message.into() }
    }
}

/// Numbers of stores by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "named as the states")]
pub struct Counts {
    pub pending: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub skipped: u32,
    pub rolled_back: u32,
}

impl Counts {
    /// All stores of the rollout.
    pub fn total(&self) -> u32 {
        let Self { pending, running, succeeded, failed, skipped, rolled_back } = self;
        pending + running + succeeded + failed + skipped + rolled_back
    }
}

/// A store of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The store.
    pub store: StoreUid,
    /// Its id.
    pub store_id: StoreId,
    /// Its place in the rollout, from 1.
    pub position: u32,
    /// Its wave, from 1.
    pub wave: u32,
    /// Its state.
    pub state: MemberState,
    /// The operation that was started last for the rollout.
    pub operation: Option<OperationId>,
    /// Why it failed, was skipped, or could not be rolled back.
    pub cause: Option<Cause>,
    /// When the first operation was started.
    pub started_at: Option<OffsetDateTime>,
    /// When its last operation ended, or it was skipped.
    pub ended_at: Option<OffsetDateTime>,
}

impl Rollout {
    /// The etag: it changes with each change.
    pub fn etag(&self) -> String {
        format!("{}-{}", self.id.0.simple(), self.version)
    }

    /// Starts no more stores. One that is paused is unchanged.
    pub fn pause(&mut self, by: &str) -> Result<(), RolloutError> {
        self.check_open()?;
        match self.progress.state {
            RolloutState::RollingBack => Err(RolloutError::RollingBack { rollout: self.id }),
            RolloutState::Paused => Ok(()),
            _ => {
                self.progress.state = RolloutState::Paused;
                self.progress.cause = Some(Cause::new("PAUSED", format!("{by} paused the rollout.")));
                Ok(())
            }
        }
    }

    /// Continues. Failures until now no longer count. One that is not paused is unchanged.
    pub fn resume(&mut self) -> Result<(), RolloutError> {
        self.check_open()?;
        match self.progress.state {
            RolloutState::RollingBack => Err(RolloutError::RollingBack { rollout: self.id }),
            RolloutState::Paused => {
                self.progress.state = RolloutState::Running;
                self.progress.cause = None;
                self.progress.forgiven = self.counts.failed;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends it, or begins to return the changed stores to their former revisions.
    pub fn abort(&mut self, by: &str, roll_back: bool, now: OffsetDateTime) -> Result<(), RolloutError> {
        self.check_open()?;
        if roll_back && !self.target.is_reversible() {
            return Err(RolloutError::Irreversible { rollout: self.id });
        }
        let progress = &mut self.progress;
        progress.cause = Some(Cause::new("ABORTED", format!("{by} aborted the rollout.")));
        progress.soak_until = None;
        if roll_back {
            progress.state = RolloutState::RollingBack;
        } else {
            progress.state = RolloutState::Aborted;
            progress.ended_at = Some(now);
        }
        Ok(())
    }

    fn check_open(&self) -> Result<(), RolloutError> {
        let state = self.progress.state;
        if state.has_ended() {
            return Err(RolloutError::Ended { rollout: self.id, state: state.as_str() });
        }
        Ok(())
    }
}
