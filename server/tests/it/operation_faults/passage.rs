//! Where in an operation a fault strikes: every step of every kind, and every undo of one. From core's own lists, so
//! that a new step is here without a word.

use std::fmt;

use storeplane_core::operation::{OperationKind, Step};

use crate::harness::Requests;

/// A step on its way, forwards or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Passage {
    pub(super) kind: OperationKind,
    /// The store was READY once: a retry of it leaves it as it is, whatever happens.
    pub(super) was_ready: bool,
    pub(super) undoing: bool,
    pub(super) step: Step,
}

/// What it does to the world, as it was seen once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Effect {
    pub(super) helms: usize,
    pub(super) requests: Requests,
}

/// When the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// The step is noted as begun, and did nothing yet.
    Before,
    /// One of its changes is made, and who made it does not know that yet. A step that only reads: its first answer is
    /// on its way.
    During,
    /// It did everything, which is not noted yet.
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
        kind.steps().iter().map(move |step| Self { kind, was_ready, undoing: false, step: *step })
    }

    /// What a cancelled operation takes back, in order.
    fn backwards(kind: OperationKind) -> impl Iterator<Item = Self> {
        let undone = kind.steps().iter().rev().filter_map(|step| step.undo());
        undone.map(move |step| Self { kind, was_ready: false, undoing: true, step })
    }

    /// What each operation goes through, in order: forwards, or all the way forwards and back; a retry also of a store that
    /// was READY once.
    pub(super) fn all() -> Vec<Vec<Self>> {
        let each = OperationKind::ALL.into_iter();
        let mut all: Vec<Vec<Self>> = each
            .flat_map(|kind| {
                let was_ready = kind == OperationKind::Delete;
                [Self::forwards(kind, was_ready).collect(), Self::backwards(kind).collect()]
            })
            .collect();
        all.push(Self::forwards(OperationKind::Retry, true).collect());
        all.retain(|passages| !passages.is_empty());
        all
    }

    /// The step before whose run an operation is cancelled, so that all of it is taken back.
    pub(super) fn turning_point(kind: OperationKind) -> Step {
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
