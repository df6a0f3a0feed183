//! Operations: work on a store that outlives the request. Their steps, what undoes each, and how they end.
//!
//! To add a step: a variant of [`Step`], its place in [`OperationKind::steps`], its undo in [`Step::undo`], and what it
//! does in the server's `worker/steps`. The compiler asks for each of them.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::failure::Failure;
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationKind {
    /// Makes a store.
    Create,
    /// Goes on from what a failed creation or a degraded store left behind; applies the chart again.
    Retry,
    /// Removes a store.
    Delete,
    /// A row has a kind that this server does not know; only reading makes it. It is left to newer servers.
    Unreadable,
}

impl OperationKind {
    /// Every kind, in the order of the proto file.
    pub const ALL: [Self; 3] = [Self::Create, Self::Retry, Self::Delete];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Retry => "RETRY",
            Self::Delete => "DELETE",
            Self::Unreadable => "UNREADABLE",
        }
    }

    /// The kind of that wire form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The steps, in order. Each can be run again, and looks at the cluster before it acts.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::Create | Self::Retry => &[Step::Namespace, Step::Secrets, Step::Install, Step::Rollout, Step::Verify],
            Self::Delete => &[Step::Uninstall, Step::NamespaceGone],
            Self::Unreadable => &[],
        }
    }

    /// Which goes first when several wait; higher is sooner. A delete overtakes queued creations.
    pub fn priority(self) -> i32 {
        match self {
            Self::Create | Self::Retry | Self::Unreadable => 0,
            Self::Delete => 10,
        }
    }

    /// How long all of it may take, from the first claim on, outages included. Longer than the slowest good run by far:
    /// a rollout that pulls its images over a slow line takes minutes, not half hours.
    pub fn budget(self) -> Duration {
        match self {
            Self::Create | Self::Retry => Duration::minutes(30),
            Self::Delete => Duration::minutes(15),
            Self::Unreadable => Duration::ZERO,
        }
    }
}

/// One step of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Step {
    /// The namespace is there, and is ours.
    Namespace,
    /// The Secrets are there; those that exist are kept.
    Secrets,
    /// The release is deployed.
    Install,
    /// Everything in it is ready.
    Rollout,
    /// The shop answers its customers, and sells.
    Verify,
    /// The release is gone.
    Uninstall,
    /// The namespace is gone, with everything in it.
    NamespaceGone,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 7] = [
        Self::Namespace,
        Self::Secrets,
        Self::Install,
        Self::Rollout,
        Self::Verify,
        Self::Uninstall,
        Self::NamespaceGone,
    ];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "NAMESPACE",
            Self::Secrets => "SECRETS",
            Self::Install => "INSTALL",
            Self::Rollout => "ROLLOUT",
            Self::Verify => "VERIFY",
            Self::Uninstall => "UNINSTALL",
            Self::NamespaceGone => "NAMESPACE_GONE",
        }
    }

    /// The step of that wire form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

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

/// Where an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationState {
    /// Nobody has taken it up yet.
    Pending,
    /// A worker holds it, or held it when it died.
    Running,
    /// It did what it was asked for.
    Succeeded,
    /// It did not, and `failure` says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// A row has a state that this server does not know; only reading makes it.
    Unreadable,
}

impl OperationState {
    /// Every state, in the order of the proto file.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Unreadable => "UNREADABLE",
        }
    }

    /// The state of that wire form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// True while there is something left to do.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// On which store.
    pub store: StoreUid,
    /// What that store's callers call it.
    pub store_id: StoreId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it does.
    pub kind: OperationKind,
    /// Where it is.
    pub state: OperationState,
    /// The last step that was begun. While [`Self::undoing`], the undo that was begun last.
    pub step: Option<Step>,
    /// The furthest forward step that was begun: what an undo has to take back.
    pub reached: Option<Step>,
    /// True once it takes back what it did.
    pub undoing: bool,
    /// True once somebody asked for it to be cancelled.
    pub cancel_requested: bool,
    /// Why it failed, or is about to.
    pub failure: Option<Failure>,
    /// How often it was taken up.
    pub claims: i32,
    /// Who asked for it.
    pub requested_by: String,
    /// The W3C `traceparent` of the request, to link the spans.
    pub trace: Option<String>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it was first taken up.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
}

impl Operation {
    /// The undo steps for everything that was begun, the last first.
    pub fn undo_steps(&self) -> Vec<Step> {
        let Some(reached) = self.reached else { return Vec::new() };
        let steps = self.kind.steps();
        let begun = steps.iter().position(|step| *step == reached).map_or(0, |at| at + 1);
        steps.iter().take(begun).rev().filter_map(|step| step.undo()).collect()
    }

    /// True if `step` was begun before the last one that was: it is only checked again after a restart.
    pub fn is_behind(&self, step: Step) -> bool {
        let position = |wanted: Step| self.kind.steps().iter().position(|step| *step == wanted);
        self.reached.and_then(position) > position(step)
    }

    /// When its time is up: the budget from the first claim on, and as much again as a deletion has for an undo.
    pub fn deadline(&self) -> Option<OffsetDateTime> {
        let undo = if self.undoing { OperationKind::Delete.budget() } else { Duration::ZERO };
        self.started_at.map(|started| started + self.kind.budget() + undo)
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
    fn every_step_belongs_to_a_kind_and_parses_back() {
        for step in Step::ALL {
            assert!(OperationKind::ALL.iter().any(|kind| kind.steps().contains(&step)), "{step:?}");
            assert_eq!(Step::parse(step.as_str()), Some(step));
        }
    }

    #[test]
    fn only_steps_before_the_furthest_are_behind() {
        let mut create = operation(OperationKind::Create);
        assert!(!create.is_behind(Step::Namespace));
        create.reached = Some(Step::Install);
        assert!(create.is_behind(Step::Namespace) && !create.is_behind(Step::Install));
    }
}
