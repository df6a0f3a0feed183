//! Operations: long-running work on a store. Their steps, undo steps and outcomes.
//!
//! To add a step: a variant of [`Step`], its place in [`OperationKind::steps`], its undo in [`Step::undo`], and its
//! implementation in the server's `worker/steps`. The compiler reports what is missing.

mod step;

use serde::{Deserialize, Serialize};
pub use step::Step;
use time::{Duration, OffsetDateTime};

use crate::failure::Failure;
use crate::ids::{BackupId, OperationId, StoreId, StoreUid, Tenant};
use crate::settings::Settings;
use crate::state::State;
use crate::wire::wire_enum;

/// How long a forced deletion waits for the cluster before it drops the store.
pub const FORCE_BUDGET: Duration = Duration::seconds(45);

/// The steps of a restore. The shop is offline while its present data is backed up, so that no order is lost in between.
const RESTORE: [Step; 7] = [
    Step::Maintenance,
    Step::BackUp,
    Step::VerifyBackup,
    Step::Restore,
    Step::EndMaintenance,
    Step::Rollout,
    Step::Verify,
];
const RESTORE_WITHOUT_BACKUP: [Step; 5] =
    [Step::Maintenance, Step::Restore, Step::EndMaintenance, Step::Rollout, Step::Verify];

/// The steps of an update that migrates the shop's data. The shop is offline from before its backup until the new one was tested, so that no
/// order is lost if it has to return to that backup.
const UPDATE: [Step; 7] = [
    Step::Maintenance,
    Step::BackUp,
    Step::VerifyBackup,
    Step::Upgrade,
    Step::Rollout,
    Step::Verify,
    Step::EndMaintenance,
];
const UPDATE_ONLINE: [Step; 3] = [Step::Upgrade, Step::Rollout, Step::Verify];

/// The steps of a rollback to another schema. The revision is deployed without pods of the shop and gets its data before they start, so no version
/// reads data of another schema.
const ROLLBACK: [Step; 9] = [
    Step::Maintenance,
    Step::BackUp,
    Step::VerifyBackup,
    Step::Upgrade,
    Step::Restore,
    Step::Start,
    Step::Rollout,
    Step::Verify,
    Step::EndMaintenance,
];

wire_enum! {
    /// The kind of an operation.
    pub enum OperationKind {
        /// Provisions a store.
        Create = "CREATE",
        /// Applies the chart again to a settled store, starting from what exists.
        Retry = "RETRY",
        /// Deletes a store.
        Delete = "DELETE",
        /// Replaces a store's credentials.
        RotateCredentials = "ROTATE_CREDENTIALS",
        /// Makes a backup of a store, which stays in its state meanwhile.
        Backup = "BACKUP",
        /// Replaces a store's data by that of a backup.
        Restore = "RESTORE",
        /// Provisions a store with the data of a backup.
        Copy = "COPY",
        /// Applies new settings, or those of an earlier revision, to a running store.
        Update = "UPDATE",
        /// Returns a running store to an earlier revision with another schema, and to the data of a backup.
        Rollback = "ROLLBACK",
        ;
        /// A row has a kind that this server does not know; only reading creates it. It is left to newer servers.
        Unreadable = "UNREADABLE",
    }
}

impl OperationKind {
    /// The steps, in order. Each can run again, and reads the cluster before it acts.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Create | Self::Retry => &[Step::Namespace, Step::Secrets, Step::Install, Step::Rollout, Step::Verify],
            Self::Delete => &[Step::Uninstall, Step::NamespaceGone],
            Self::RotateCredentials => &[Step::RotateSecrets, Step::Rollout, Step::Verify],
            Self::Backup => &[Step::BackUp, Step::VerifyBackup],
            Self::Restore => &RESTORE,
            // The release is deployed first: its database takes the data, and its shop waits for that.
            Self::Copy => &[Step::Namespace, Step::Secrets, Step::Install, Step::Restore, Step::Rollout, Step::Verify],
            Self::Update => &UPDATE,
            Self::Rollback => &ROLLBACK,
            Self::Unreadable => &[],
        }
    }

    /// Claim order; higher is sooner. Deletions take precedence over queued creations, and backups wait for both.
    pub fn priority(self) -> i32 {
        match self {
            Self::Create
            | Self::Retry
            | Self::RotateCredentials
            | Self::Restore
            | Self::Copy
            | Self::Update
            | Self::Rollback
            | Self::Unreadable => 0,
            Self::Backup => -10,
            Self::Delete => 10,
        }
    }

    /// True if the pods that read changed Secrets must be restarted.
    pub fn restarts_pods(self) -> bool {
        matches!(self, Self::Retry | Self::RotateCredentials | Self::Copy)
    }

    /// True if it changes the store's state. Otherwise the store stays as it is, and only the operation shows what it waits for.
    pub fn changes_store(self) -> bool {
        self != Self::Backup
    }

    /// True if it makes a backup, or may make one: of the data that a restore or a rollback replaces, or that an update migrates.
    pub fn makes_backup(self) -> bool {
        matches!(self, Self::Backup | Self::Restore | Self::Update | Self::Rollback)
    }

    /// True if it applies other settings to a shop that runs: [`Operation::update`] says which.
    pub fn applies_settings(self) -> bool {
        matches!(self, Self::Update | Self::Rollback)
    }

    /// True if it installs the chart, starting from what exists.
    pub fn provisions(self) -> bool {
        matches!(self, Self::Create | Self::Retry | Self::Copy)
    }

    /// Maximum total time from the first claim, including outages; far more than a slow image pull takes.
    pub fn budget(self) -> Duration {
        match self {
            Self::Create | Self::Retry | Self::RotateCredentials => Duration::minutes(30),
            Self::Delete => Duration::minutes(15),
            Self::Backup => Duration::hours(6),
            Self::Restore | Self::Copy | Self::Update | Self::Rollback => Duration::hours(12),
            Self::Unreadable => Duration::ZERO,
        }
    }
}

wire_enum! {
    /// The state of an operation.
    pub enum OperationState {
        /// No worker has claimed it yet.
        Pending = "PENDING",
        /// A worker holds it, or held it when it died.
        Running = "RUNNING",
        /// It was completed.
        Succeeded = "SUCCEEDED",
        /// It failed; `failure` has the cause.
        Failed = "FAILED",
        /// It was cancelled, or superseded by a deletion.
        Cancelled = "CANCELLED",
        ;
        /// A row has a state that this server does not know; only reading creates it.
        Unreadable = "UNREADABLE",
    }
}

impl OperationState {
    /// True while it is not finished.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// The store's state when an operation was requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorState {
    /// Its state.
    pub state: State,
    /// The failure, if it was DEGRADED or FAILED.
    pub failure: Option<Failure>,
}

/// What a restore, a copy or a rollback reads, and whether it backs up the data that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// The backup.
    pub backup: BackupId,
    /// The present data is not backed up first.
    pub skips_backup: bool,
}

/// What an UPDATE or a ROLLBACK applies, and to what its undo returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The settings before it.
    pub before: Settings,
    /// The revision whose chart and values are applied as they were recorded; `None` for the store's own settings.
    pub to_revision: Option<u32>,
    /// The revision before it; 0 if none was recorded when the update was requested.
    pub from_revision: u32,
    /// The shop's data is migrated or replaced: the shop is offline meanwhile, and is backed up first.
    #[serde(default)]
    pub maintenance: bool,
    /// The database is of another series: its files fit only one of both, so data is restored into an empty volume.
    #[serde(default)]
    pub replaces_database: bool,
    /// Whether a test purchase was possible before it: then it must be afterwards. `None` if that was not tested.
    #[serde(default)]
    pub sold: Option<bool>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// UUID v7.
    pub id: OperationId,
    /// The store.
    pub store: StoreUid,
    /// The store's id.
    pub store_id: StoreId,
    /// The store's tenant.
    pub tenant: Tenant,
    /// The kind.
    pub kind: OperationKind,
    /// True for a deletion that drops the store if the cluster does not answer.
    pub force: bool,
    /// What a restore, a copy or a rollback reads.
    pub restore: Option<Restore>,
    /// What an update or a rollback applies, and to what its undo returns.
    pub update: Option<Update>,
    /// The store's previous state; `None` for a creation.
    pub prior: Option<PriorState>,
    /// The state.
    pub state: OperationState,
    /// The step that was started last. While [`Self::undoing`], the undo step that was started last.
    pub step: Option<Step>,
    /// The furthest step that was started: what an undo must cover.
    pub reached: Option<Step>,
    /// True once it rolls back.
    pub undoing: bool,
    /// True once its cancellation was accepted.
    pub cancel_requested: bool,
    /// What it waits for; during a rollback and after its end, the cause.
    pub failure: Option<Failure>,
    /// How often it was claimed.
    pub claims: i32,
    /// The name of the token that requested it.
    pub requested_by: String,
    /// The request's W3C `traceparent`, to link the spans.
    pub trace: Option<String>,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When it was first claimed.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
}

impl Operation {
    /// Its steps, in order. A restore may leave out the backup. A forced deletion only deletes the namespace, which includes everything else.
    pub fn steps(&self) -> &'static [Step] {
        match self.kind {
            OperationKind::Delete if self.force => &[Step::NamespaceGone],
            OperationKind::Restore if self.restore.is_some_and(|restore| restore.skips_backup) => {
                &RESTORE_WITHOUT_BACKUP
            }
            OperationKind::Update if !self.migrates_data() => &UPDATE_ONLINE,
            kind => kind.steps(),
        }
    }

    /// True if it makes a backup, or may make one: see [`OperationKind::makes_backup`]. An update that migrates no data makes none.
    pub fn makes_backup(&self) -> bool {
        self.kind.makes_backup() && self.update.as_ref().is_none_or(|update| update.maintenance)
    }

    /// True for an update that takes the shop offline, because it migrates its data, or replaces it as a rollback does.
    pub fn migrates_data(&self) -> bool {
        self.update.as_ref().is_some_and(|update| update.maintenance)
    }

    /// True if it provisions a store again, starting from what an earlier operation left.
    pub fn is_retry(&self) -> bool {
        self.kind == OperationKind::Retry || (self.kind == OperationKind::Copy && self.prior.is_some())
    }

    /// The undo steps of everything that was started, last first.
    pub fn undo_steps(&self) -> Vec<Step> {
        // A server that does not know the steps may have erased the one that was reached; putting a shop online that is online changes nothing.
        let Some(reached) = self.reached else {
            return if self.is_offline() { vec![Step::EndMaintenance] } else { Vec::new() };
        };
        let steps = self.steps();
        let started = steps.iter().position(|step| *step == reached).map_or(0, |at| at + 1);
        if self.kind.applies_settings() {
            return self.undo_of_update(reached);
        }
        steps.iter().take(started).rev().filter_map(|step| step.undo()).collect()
    }

    /// A shop that was changed back is tested like one that was changed. Once a shop with migrated data may be online again, nothing is undone: it
    /// was tested, and its customers' orders would be lost.
    fn undo_of_update(&self, reached: Step) -> Vec<Step> {
        match (reached, self.migrates_data()) {
            (Step::Maintenance | Step::BackUp | Step::VerifyBackup, true) => vec![Step::EndMaintenance],
            (Step::EndMaintenance, true) => Vec::new(),
            (_, true) => {
                vec![Step::Revert, Step::Restore, Step::EndMaintenance, Step::Rollout, Step::Verify]
            }
            (_, false) => vec![Step::Revert, Step::Rollout, Step::Verify],
        }
    }

    /// True if `step` is one of its steps and precedes the one that was started last: after a restart it is only checked.
    pub fn is_behind(&self, step: Step) -> bool {
        let position = |wanted: Step| self.steps().iter().position(|step| *step == wanted);
        position(step).is_some_and(|at| self.reached.and_then(position) > Some(at))
    }

    /// True for an update or a rollback that has not touched the release yet: that is still of the version before.
    pub fn precedes_upgrade(&self) -> bool {
        let first = [Step::Maintenance, Step::BackUp, Step::VerifyBackup];
        self.migrates_data() && self.reached.is_none_or(|reached| first.contains(&reached))
    }

    /// True if its undo restores the backup that it made itself.
    pub fn undo_restores(&self) -> bool {
        self.kind.applies_settings() && self.undoing && self.undo_steps().contains(&Step::Restore)
    }

    /// True if it took the shop offline, or may have, and has not put it back.
    pub fn is_offline(&self) -> bool {
        let position = |wanted: Step| self.steps().iter().position(|step| *step == wanted);
        let takes_offline = self.kind == OperationKind::Restore || self.migrates_data();
        if !takes_offline || self.started_at.is_none() {
            return false;
        }
        self.reached.and_then(position) <= position(Step::EndMaintenance)
    }

    /// When its time is up: the budget after the first claim, plus that of a deletion, or of a restore if data is restored, for a rollback.
    pub fn deadline(&self) -> Option<OffsetDateTime> {
        let budget = match self.kind {
            _ if self.force => FORCE_BUDGET,
            OperationKind::Update if !self.migrates_data() => OperationKind::Retry.budget(),
            kind => kind.budget(),
        };
        let undo = match self.kind {
            _ if !self.undoing => Duration::ZERO,
            _ if self.migrates_data() => OperationKind::Restore.budget(),
            _ => OperationKind::Delete.budget(),
        };
        self.started_at.map(|started| started + budget + undo)
    }
}

#[cfg(test)]
pub(crate) mod tests;
