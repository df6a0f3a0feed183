//! Events of a store, as sent to watchers.

use std::collections::BTreeMap;
use std::fmt;

use time::OffsetDateTime;

use crate::failure::Failure;
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};
use crate::operation::Step;
use crate::state::State;
use crate::wire::wire_enum;

wire_enum! {
    /// The type of an event.
    pub enum EventType {
        /// The store's state changed; `state` and `reason` in the details.
        StateChanged = "STATE_CHANGED",
        /// A caller changed the store's fields; the new values and `actor` in the details.
        StoreUpdated = "STORE_UPDATED",
        /// A worker resumed the operation after another one was lost or stopped.
        OperationResumed = "OPERATION_RESUMED",
        /// A step started.
        StepStarted = "STEP_STARTED",
        /// A step is done; `seconds` in the details.
        StepSucceeded = "STEP_SUCCEEDED",
        /// A step is retried; `reason` in the details. Emitted once for each reason.
        StepRetried = "STEP_RETRIED",
        /// A step failed for good; `reason` in the details.
        StepFailed = "STEP_FAILED",
        /// A Kubernetes resource changed; `kind`, `name` and what changed in the details.
        ResourceChanged = "RESOURCE_CHANGED",
        /// What the step waits for; `reason` in the details.
        Waiting = "WAITING",
        /// A failed or cancelled operation is being rolled back.
        UndoStarted = "UNDO_STARTED",
        /// The rollback is complete.
        UndoSucceeded = "UNDO_SUCCEEDED",
        /// The operation's cancellation was requested; `actor` in the details.
        CancelRequested = "CANCEL_REQUESTED",
        /// A release that an interrupted helm left behind is being repaired.
        ReleaseRepaired = "RELEASE_REPAIRED",
        /// A caller requested a backup; `backup_id` and `actor` in the details.
        BackupRequested = "BACKUP_REQUESTED",
        /// A part of a backup is uploaded; `backup_id`, and the sizes so far, each part's and their sum `bytes`, in the details. At most 60 of
        /// one backup.
        BackupProgress = "BACKUP_PROGRESS",
        /// The parts of a backup are uploaded; `backup_id` and their sizes in the details.
        BackupUploaded = "BACKUP_UPLOADED",
        /// A backup is complete and verified; `backup_id` and `bytes` in the details.
        BackupCompleted = "BACKUP_COMPLETED",
        /// A backup was not completed; `backup_id` and `reason` in the details.
        BackupFailed = "BACKUP_FAILED",
        /// A backup is being removed, because a caller deleted it or it is no longer kept; `backup_id` and `actor` in the details. Not after the
        /// deletion of the store.
        BackupDeleted = "BACKUP_DELETED",
        /// A domain was added to the store; `domain` and `actor` in the details.
        DomainAdded = "DOMAIN_ADDED",
        /// An aspect of a domain changed; `domain`, `aspect` (`ownership`, `dns` or `certificate`), `state` and `reason` in the details.
        DomainChanged = "DOMAIN_CHANGED",
        /// A domain was removed from the store, or its removal was requested; `domain` and `actor` in the details.
        DomainRemoved = "DOMAIN_REMOVED",
        /// A caller requested that the store's data be replaced by that of a backup; `backup_id` and `actor` in the details.
        RestoreRequested = "RESTORE_REQUESTED",
        /// The store's data is that of a backup; `backup_id` in the details.
        Restored = "RESTORED",
        /// The storefront was tested; the requests and their durations in the details.
        Verified = "VERIFIED",
        /// A step has nothing to do here; the message says why.
        StepSkipped = "STEP_SKIPPED",
        /// Lost Secrets are generated again; their names in the details.
        SecretsRenewed = "SECRETS_RENEWED",
        /// The store is still degraded, for another reason; `reason` in the details.
        CauseChanged = "CAUSE_CHANGED",
        /// A backup of the store was restored for a test; `backup_id` and `state` in the details.
        RestoreTested = "RESTORE_TESTED",
        /// A condition of the store changed; `condition`, `status` and `reason` in the details.
        ConditionChanged = "CONDITION_CHANGED",
        /// Volumes that remain in the cluster with their data after the deletion; their names in the details.
        VolumesRetained = "VOLUMES_RETAINED",
        /// A store was deleted by force; `namespace` and `release` that may remain in the details.
        ResourcesLeft = "RESOURCES_LEFT",
        /// The store was adopted from the cluster after its row was lost; earlier events are lost as well.
        Adopted = "ADOPTED",
    }
}

/// A new event: it gets its sequence under the store's row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The type.
    pub kind: EventType,
    /// The operation's step, if it is part of one.
    pub step: Option<Step>,
    /// A sentence for people. Contains no secret.
    pub message: String,
    /// Facts for programs.
    pub details: BTreeMap<String, String>,
}

impl NewEvent {
    /// An event without details.
    pub fn new(kind: EventType, message: impl Into<String>) -> Self {
        Self { kind, step: None, message: message.into(), details: BTreeMap::new() }
    }

    /// A change of the store's state.
    pub fn state(state: State, message: impl Into<String>) -> Self {
        Self::new(EventType::StateChanged, message).with("state", state.as_str())
    }

    /// Adds the step.
    #[must_use]
    pub fn in_step(mut self, step: Step) -> Self {
        self.step = Some(step);
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, failure: &Failure) -> Self {
        self.details.insert("reason".into(), failure.reason.as_str().into());
        self.details.insert("remedy".into(), failure.remedy().into());
        if !failure.details.is_empty() {
            self.details.insert("observed".into(), failure.details.join("\n"));
        }
        self
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The store's uid.
    pub store: StoreUid,
    /// The store's id.
    pub store_id: StoreId,
    /// The tenant.
    pub tenant: Tenant,
    /// 1, 2, 3, … for each store.
    pub sequence: i64,
    /// Its position in the global order.
    pub cursor: Cursor,
    /// The time.
    pub at: OffsetDateTime,
    /// The type as text, because a newer server may have written it.
    pub kind: String,
    /// The operation that it belongs to.
    pub operation: Option<OperationId>,
    /// The operation's step that it belongs to; otherwise empty.
    pub step: String,
    /// A sentence for people.
    pub message: String,
    /// Facts for programs.
    pub details: BTreeMap<String, String>,
}

impl Event {
    /// True if it changed what a store shows besides its progress: its state, or a field that callers set.
    pub fn changes_store(&self) -> bool {
        self.new_state().is_some() || self.kind == EventType::StoreUpdated.as_str()
    }

    /// The state that the store changed to, if it did.
    pub fn new_state(&self) -> Option<State> {
        (self.kind == EventType::StateChanged.as_str())
            .then(|| self.details.get("state").and_then(|state| State::parse(state)))
            .flatten()
    }
}

/// A position in the global order: by the transaction that committed the event, then by the event's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// Postgres' 64-bit transaction id.
    pub transaction: u64,
    /// The row's number.
    pub row: i64,
}

/// Where a watch can resume if its own position has expired: all later events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oldest {
    /// Of one store.
    Sequence(i64),
    /// Of all stores.
    Cursor(Cursor),
}

impl fmt::Display for Oldest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sequence(sequence) => write!(f, "after_sequence {sequence}"),
            Self::Cursor(_) => f.write_str("the cursor in this error's details"),
        }
    }
}
