//! Events: what happened to a store, as it is told to watchers.

use std::collections::BTreeMap;
use std::fmt;

use time::OffsetDateTime;

use crate::failure::Failure;
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};
use crate::operation::Step;
use crate::store::State;
use crate::wire::wire_enum;

wire_enum! {
    /// What kind of thing happened.
    pub enum EventType {
        /// The store's state changed; `state` and `reason` in the details.
        StateChanged = "STATE_CHANGED",
        /// A worker resumed the operation after another one was lost or stopped.
        OperationResumed = "OPERATION_RESUMED",
        /// A step started.
        StepStarted = "STEP_STARTED",
        /// A step is done; `seconds` in the details.
        StepSucceeded = "STEP_SUCCEEDED",
        /// A step is tried again; `reason` in the details. Told once for each reason.
        StepRetried = "STEP_RETRIED",
        /// A step failed for good; `reason` in the details.
        StepFailed = "STEP_FAILED",
        /// A Kubernetes resource changed; `kind`, `name` and what changed in the details.
        ResourceChanged = "RESOURCE_CHANGED",
        /// What the step waits for; `reason` in the details.
        Waiting = "WAITING",
        /// A failed or cancelled operation rolls back.
        UndoStarted = "UNDO_STARTED",
        /// It is rolled back.
        UndoSucceeded = "UNDO_SUCCEEDED",
        /// Somebody requested that the operation be cancelled; `actor` in the details.
        CancelRequested = "CANCEL_REQUESTED",
        /// A release that an interrupted helm left behind is repaired.
        ReleaseRepaired = "RELEASE_REPAIRED",
        /// The storefront was tested; the requests and their durations in the details.
        Verified = "VERIFIED",
        /// A step has nothing to do here; the message says why.
        StepSkipped = "STEP_SKIPPED",
        /// Secrets that were lost are generated again; their names in the details.
        SecretsRenewed = "SECRETS_RENEWED",
        /// The store is still degraded, for another reason; `reason` in the details.
        CauseChanged = "CAUSE_CHANGED",
        /// A condition of the store changed; `condition`, `status` and `reason` in the details.
        ConditionChanged = "CONDITION_CHANGED",
        /// Volumes that stay in the cluster with their data after the deletion; their names in the details.
        VolumesRetained = "VOLUMES_RETAINED",
        /// A store was deleted by force; `namespace` and `release` that may be left in the details.
        ResourcesLeft = "RESOURCES_LEFT",
    }
}

/// An event that is about to happen: it gets its sequence under the store's row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What kind.
    pub kind: EventType,
    /// The operation's step, if it is part of one.
    pub step: Option<Step>,
    /// One sentence for people. Holds no secret.
    pub message: String,
    /// Facts for programs.
    pub details: BTreeMap<String, String>,
}

impl NewEvent {
    /// An event without details.
    pub fn new(kind: EventType, message: impl Into<String>) -> Self {
        Self { kind, step: None, message: message.into(), details: BTreeMap::new() }
    }

    /// The store's move to a state.
    pub fn state(state: State, message: impl Into<String>) -> Self {
        Self::new(EventType::StateChanged, message).with("state", state.as_str())
    }

    /// The same event as a part of a step.
    #[must_use]
    pub fn in_step(mut self, step: Step) -> Self {
        self.step = Some(step);
        self
    }

    /// The same event with one more fact.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// The same event with the cause.
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

/// An event that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which store.
    pub store: StoreUid,
    /// What its callers call it.
    pub store_id: StoreId,
    /// Whose it is.
    pub tenant: Tenant,
    /// 1, 2, 3, … for each store.
    pub sequence: i64,
    /// Its place among all events.
    pub cursor: Cursor,
    /// When.
    pub at: OffsetDateTime,
    /// What kind, on the wire: rows outlive the code that wrote them.
    pub kind: String,
    /// The operation that it is part of.
    pub operation: Option<OperationId>,
    /// The operation's step that it is part of; empty without one.
    pub step: String,
    /// One sentence for people.
    pub message: String,
    /// Facts for programs.
    pub details: BTreeMap<String, String>,
}

impl Event {
    /// The state that the store moved to, if that is what happened.
    pub fn new_state(&self) -> Option<State> {
        (self.kind == EventType::StateChanged.as_str())
            .then(|| self.details.get("state").and_then(|state| State::parse(state)))
            .flatten()
    }
}

/// A place in the order of all events: by the transaction that committed them, then by their own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// Postgres' 64-bit transaction id.
    pub transaction: u64,
    /// The row's number.
    pub row: i64,
}

/// Where a watch can go on when its own place is forgotten: everything after it is kept.
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
