//! Operations: work on a store that outlives the request. Their steps, what undoes each, and how they end.
//!
//! To add a step: a variant of [`Step`], its place in [`OperationKind::steps`], its undo in [`Step::undo`], and what it
//! does in the server's `worker/steps`. The compiler asks for each of them.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::failure::Failure;
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};
use crate::store::State;
use crate::wire::wire_enum;

/// How long a forced deletion waits for the cluster before it forgets the store.
pub const FORCE_BUDGET: Duration = Duration::seconds(45);

wire_enum! {
    /// What an operation does.
    pub enum OperationKind {
        /// Provisions a store.
        Create = "CREATE",
        /// Applies the chart again to a settled store, from whatever is there.
        Retry = "RETRY",
        /// Removes a store.
        Delete = "DELETE",
        ;
        /// A row has a kind that this server does not know; only reading makes it. It is left to newer servers.
        Unreadable = "UNREADABLE",
    }
}

impl OperationKind {
    /// The steps, in order. Each can be run again, and looks at the cluster before it acts.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Create | Self::Retry => &[Step::Namespace, Step::Secrets, Step::Install, Step::Rollout, Step::Verify],
            Self::Delete => &[Step::Uninstall, Step::NamespaceGone],
            Self::Unreadable => &[],
        }
    }

    /// Claim order; higher is sooner. Deletions overtake queued creations.
    pub fn priority(self) -> i32 {
        match self {
            Self::Create | Self::Retry | Self::Unreadable => 0,
            Self::Delete => 10,
        }
    }

    /// Longest total time from the first claim on, outages included; far more than a slow image pull takes.
    pub fn budget(self) -> Duration {
        match self {
            Self::Create | Self::Retry => Duration::minutes(30),
            Self::Delete => Duration::minutes(15),
            Self::Unreadable => Duration::ZERO,
        }
    }
}

wire_enum! {
    /// One step of an operation.
    pub enum Step {
        /// The namespace exists and is the store's.
        Namespace = "NAMESPACE",
        /// The Secrets exist; those that were there are kept.
        Secrets = "SECRETS",
        /// The release is deployed.
        Install = "INSTALL",
        /// All pods of the release are ready.
        Rollout = "ROLLOUT",
        /// The storefront answers, and sells.
        Verify = "VERIFY",
        /// The release is gone.
        Uninstall = "UNINSTALL",
        /// The namespace is gone, with everything in it.
        NamespaceGone = "NAMESPACE_GONE",
    }
}

impl Step {
    /// What it does, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Namespace => "Creating the namespace",
            Self::Secrets => "Generating credentials",
            Self::Install => "Installing the chart",
            Self::Rollout => "Waiting for pods to become ready",
            Self::Verify => "Testing the storefront",
            Self::Uninstall => "Uninstalling the release",
            Self::NamespaceGone => "Removing the namespace and everything in it",
        }
    }

    /// True if it runs helm.
    pub fn runs_helm(self) -> bool {
        matches!(self, Self::Install | Self::Uninstall)
    }

    /// The step that takes back what this one did. `None` where another step's undo does it (Secrets go with their
    /// namespace) or where there is nothing to take back.
    pub fn undo(self) -> Option<Self> {
        match self {
            Self::Namespace => Some(Self::NamespaceGone),
            Self::Install => Some(Self::Uninstall),
            Self::Secrets | Self::Rollout | Self::Verify | Self::Uninstall | Self::NamespaceGone => None,
        }
    }
}

wire_enum! {
    /// How far an operation is.
    pub enum OperationState {
        /// No worker has claimed it yet.
        Pending = "PENDING",
        /// A worker holds it, or held it when it died.
        Running = "RUNNING",
        /// It did what it was asked for.
        Succeeded = "SUCCEEDED",
        /// It did not, and `failure` says why.
        Failed = "FAILED",
        /// It was cancelled, or superseded by a deletion.
        Cancelled = "CANCELLED",
        ;
        /// A row has a state that this server does not know; only reading makes it.
        Unreadable = "UNREADABLE",
    }
}

impl OperationState {
    /// True while there is something left to do.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// How a store was when an operation on it was requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorState {
    /// Its state.
    pub state: State,
    /// Why it was in that state, if it was DEGRADED or FAILED.
    pub failure: Option<Failure>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// UUID v7.
    pub id: OperationId,
    /// The store.
    pub store: StoreUid,
    /// The store's id, as its callers know it.
    pub store_id: StoreId,
    /// The store's tenant.
    pub tenant: Tenant,
    /// What it does.
    pub kind: OperationKind,
    /// A deletion that gives up on a cluster which does not answer, and forgets the store.
    pub force: bool,
    /// The store before; `None` for a creation.
    pub prior: Option<PriorState>,
    /// How far it is.
    pub state: OperationState,
    /// The step that was started last. While [`Self::undoing`], the undo that was started last.
    pub step: Option<Step>,
    /// The furthest forward step that was started: what an undo has to take back.
    pub reached: Option<Step>,
    /// True once it rolls back.
    pub undoing: bool,
    /// True once its cancellation was accepted.
    pub cancel_requested: bool,
    /// What it waits for; once it rolls back or has ended, why.
    pub failure: Option<Failure>,
    /// How often it was claimed.
    pub claims: i32,
    /// Who requested it.
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
    /// Its steps, in order. A forced deletion only removes the namespace, and everything in it with that.
    pub fn steps(&self) -> &'static [Step] {
        if self.force { &[Step::NamespaceGone] } else { self.kind.steps() }
    }

    /// The undo steps for everything that was started, the last first.
    pub fn undo_steps(&self) -> Vec<Step> {
        let Some(reached) = self.reached else { return Vec::new() };
        let steps = self.steps();
        let started = steps.iter().position(|step| *step == reached).map_or(0, |at| at + 1);
        steps.iter().take(started).rev().filter_map(|step| step.undo()).collect()
    }

    /// True if `step` was started before the last one that was: it is only checked again after a restart.
    pub fn is_behind(&self, step: Step) -> bool {
        let position = |wanted: Step| self.steps().iter().position(|step| *step == wanted);
        self.reached.and_then(position) > position(step)
    }

    /// When its time is up: the budget from the first claim on, and as much again as a deletion has for a rollback.
    pub fn deadline(&self) -> Option<OffsetDateTime> {
        let budget = if self.force { FORCE_BUDGET } else { self.kind.budget() };
        let undo = if self.undoing { OperationKind::Delete.budget() } else { Duration::ZERO };
        self.started_at.map(|started| started + budget + undo)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    /// A pending operation of that kind.
    pub(crate) fn operation(kind: OperationKind) -> Operation {
        Operation {
            id: OperationId(Uuid::nil()),
            store: StoreUid(Uuid::nil()),
            store_id: "demo".parse().expect("valid"),
            tenant: Tenant::default(),
            kind,
            force: false,
            prior: None,
            state: OperationState::Pending,
            step: None,
            reached: None,
            undoing: false,
            cancel_requested: false,
            failure: None,
            claims: 0,
            requested_by: "test".into(),
            trace: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            started_at: None,
            ended_at: None,
        }
    }

    #[test]
    fn undo_steps_run_in_reverse_order() {
        let mut create = operation(OperationKind::Create);
        assert_eq!(create.undo_steps(), []);
        create.reached = Some(Step::Secrets);
        assert_eq!(create.undo_steps(), [Step::NamespaceGone]);
        create.reached = Some(Step::Verify);
        assert_eq!(create.undo_steps(), [Step::Uninstall, Step::NamespaceGone]);
    }

    #[test]
    fn every_step_belongs_to_a_kind() {
        for step in Step::ALL {
            assert!(OperationKind::ALL.iter().any(|kind| kind.steps().contains(&step)), "{step:?}");
        }
    }

    #[test]
    fn steps_before_the_furthest_are_behind() {
        let mut create = operation(OperationKind::Create);
        assert!(!create.is_behind(Step::Namespace));
        create.reached = Some(Step::Install);
        assert!(create.is_behind(Step::Namespace) && !create.is_behind(Step::Install));
    }
}
