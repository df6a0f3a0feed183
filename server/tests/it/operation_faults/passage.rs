//! The places of faults: every step of every kind, and every undo step. From core's own lists, so
//! that a new step is included automatically.

use std::fmt;

use storeplane_core::operation::{OperationKind, Step};

use crate::harness::Requests;

/// A step of an operation, forwards or as an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Passage {
    pub(super) kind: OperationKind,
    /// The store was READY once: a retry leaves it unchanged, whatever happens.
    pub(super) was_ready: bool,
    pub(super) undoing: bool,
    pub(super) step: Step,
}

/// The requests that it makes, as observed once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Effect {
    pub(super) helms: usize,
    pub(super) requests: Requests,
}

/// When the fault occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// The step is recorded as started, but has not acted yet.
    Before,
    /// One of its changes is made, but it has not received the response. For a step that only reads: its first response is
    /// delayed.
    During,
    /// It has acted, which is not recorded yet.
    After,
}

impl Phase {
    pub(super) const ALL: [Self; 3] = [Self::Before, Self::During, Self::After];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

impl Passage {
    fn forwards(kind: OperationKind, was_ready: bool) -> impl Iterator<Item = Self> {
        // The other steps of a copy are those of a creation.
        let steps = kind.steps().iter().filter(move |step| match kind {
            OperationKind::Copy => **step == Step::Restore,
            // Its pods are waited for and its shop is tested like those of a retry.
            OperationKind::RotateCredentials => **step == Step::RotateSecrets,
            // The others are those of a restore and of a retry.
            OperationKind::Update => matches!(step, Step::Upgrade | Step::EndMaintenance),
            // The others are those of an update.
            OperationKind::Rollback => matches!(step, Step::Upgrade | Step::Start),
            _ => true,
        });
        steps.map(move |step| Self { kind, was_ready, undoing: false, step: *step })
    }

    /// The undo steps of a cancelled operation, in order.
    fn backwards(kind: OperationKind) -> impl Iterator<Item = Self> {
        // A copy is undone like a creation, and a rollback like an update.
        let is_like_another = matches!(kind, OperationKind::Copy | OperationKind::Rollback);
        let undone = kind.steps().iter().rev().filter(move |_| !is_like_another).filter_map(|step| step.undo());
        // Its maintenance ends in the same way as that of a restore.
        let undone = undone.filter(move |step| kind != OperationKind::Update || *step == Step::Revert);
        let was_ready = matches!(kind, OperationKind::Restore | OperationKind::Update);
        undone.map(move |step| Self { kind, was_ready, undoing: true, step })
    }

    /// The steps of each operation, in order: forwards, or forwards and undone; a retry also for a store that
    /// was READY once.
    pub(super) fn all() -> Vec<Vec<Self>> {
        let each = OperationKind::ALL.into_iter();
        let mut all: Vec<Vec<Self>> = each
            .flat_map(|kind| {
                let was_ready = !matches!(kind, OperationKind::Create | OperationKind::Retry | OperationKind::Copy);
                [Self::forwards(kind, was_ready).collect(), Self::backwards(kind).collect()]
            })
            .collect();
        all.push(Self::forwards(OperationKind::Retry, true).collect());
        all.retain(|passages| !passages.is_empty());
        all
    }

    /// The step before whose run an operation is cancelled, so that everything is undone.
    pub(super) fn turning_point(kind: OperationKind) -> Step {
        match kind {
            // Once a restored shop, or one with migrated data, is online again, nothing is undone.
            OperationKind::Restore => Step::Restore,
            OperationKind::Update => Step::Verify,
            _ => Self::last(kind),
        }
    }

    fn last(kind: OperationKind) -> Step {
        *kind.steps().last().expect("an operation has steps")
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let back = if self.undoing { " undone by" } else { "" };
        let of = if self.was_ready && self.kind == OperationKind::Retry { " of a READY store" } else { "" };
        write!(f, "{}{of}{back} {}", self.kind.as_str(), self.step.as_str())
    }
}
