//! Decisions: what a command, or a finding of the worker or the reconciler, changes. Pure functions from what is known to a [`Change`].
//!
//! The database adapter takes the store's row lock, hands in the [`Snapshot`], and stores the whole change in one
//! transaction: store, operations, events, audit record. Nothing else ever changes a store.

pub mod health;
pub mod operation;
pub mod request;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;

use crate::audit::AuditRecord;
use crate::error::DomainError;
use crate::event::NewEvent;
use crate::failure::Failure;
use crate::operation::Operation;
use crate::store::{State, Store};

/// What is known of a store, under its row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The store.
    pub store: Store,
    /// Its operation: the active one, else the last.
    pub operation: Operation,
}

/// What to store, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The store afterwards.
    pub store: Store,
    /// The store's operation afterwards.
    pub operation: Operation,
    /// An operation that had to end for this one.
    pub superseded: Option<Operation>,
    /// What happened, in order.
    pub events: Vec<NewEvent>,
    /// The audit record, if somebody asked for this.
    pub audit: Option<AuditRecord>,
}

impl Snapshot {
    /// What the operation's step waits for, as it was last told.
    pub fn waiting(&self) -> Option<&Failure> {
        let waiting = self.store.failure.as_ref();
        waiting.filter(|waiting| !self.operation.undoing || self.operation.failure.as_ref() != Some(waiting))
    }
}

impl Change {
    /// A change of nothing yet.
    pub fn of(Snapshot { store, operation }: Snapshot) -> Self {
        Self { store, operation, superseded: None, events: Vec::new(), audit: None }
    }

    /// Goes on deciding from where this change leads; both are stored together.
    pub fn then(self, next: impl FnOnce(Snapshot) -> Result<Self, DomainError>) -> Result<Self, DomainError> {
        let Self { store, operation, superseded, mut events, audit } = self;
        let mut change = next(Snapshot { store, operation })?;
        events.append(&mut change.events);
        change.events = events;
        change.superseded = change.superseded.or(superseded);
        change.audit = change.audit.or(audit);
        Ok(change)
    }

    /// What the operation waits for, in the one place that store and operation show it from. During a rollback the
    /// operation keeps the cause of that.
    fn wait_for(&mut self, waiting: Option<Failure>) {
        if !self.operation.undoing {
            self.operation.failure.clone_from(&waiting);
        }
        self.store.failure = waiting.or_else(|| self.operation.failure.clone());
    }

    fn enter(&mut self, state: State, now: OffsetDateTime, message: impl Into<String>) -> Result<(), DomainError> {
        self.store.move_to(state, now)?;
        let mut event = NewEvent::state(state, message);
        if let Some(failure) = &self.store.failure {
            event = event.because(failure);
        }
        self.events.push(event);
        Ok(())
    }
}

/// A decision, made under the store's row lock.
pub type Decision<'a> = dyn Fn(Snapshot) -> Result<Change, DomainError> + Send + Sync + 'a;
