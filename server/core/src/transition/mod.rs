//! Transitions: pure functions from a [`Snapshot`] and a command, or an observation of the worker or the reconciler, to a [`Change`].
//!
//! The database adapter takes the store's row lock, provides the [`Snapshot`], and stores the whole change in one
//! transaction: store, operations, events, audit record. No other code changes a store.

pub mod adopt;
pub mod backup;
pub mod backup_request;
pub mod copy;
pub mod drift;
#[cfg(test)]
mod fixtures;
pub mod health;
pub mod operation;
pub mod preview;
pub mod request;
pub mod restore_test;
pub mod revision;
pub mod rollback;
#[cfg(test)]
mod tests;
pub mod update;

use time::OffsetDateTime;

use crate::audit::AuditRecord;
use crate::backup::Backup;
use crate::condition::Condition;
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::Failure;
use crate::operation::Operation;
use crate::revision::{ImageDigest, Revision};
use crate::store::{State, Store};

/// The current store and operation, read under the store's row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The store.
    pub store: Store,
    /// Its operation: the active one, otherwise the last.
    pub operation: Operation,
    /// The backup that the operation makes.
    pub backup: Option<Backup>,
}

/// What to store, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new store.
    pub store: Store,
    /// The new operation of the store.
    pub operation: Operation,
    /// The backup that the operation makes, or made when it was superseded.
    pub backup: Option<Backup>,
    /// A new revision of the store.
    pub revision: Option<Revision>,
    /// The images that the pods of the newest revision run.
    pub image_digests: Option<Vec<ImageDigest>>,
    /// The operation that this one supersedes.
    pub superseded: Option<Operation>,
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// The audit record of a request.
    pub audit: Option<AuditRecord>,
}

impl Snapshot {
    /// What the operation's step waits for, as last emitted.
    pub fn waiting(&self) -> Option<&Failure> {
        let source = if self.operation.kind.changes_store() { &self.store.failure } else { &self.operation.failure };
        let waiting = source.as_ref();
        waiting.filter(|waiting| !self.operation.undoing || self.operation.failure.as_ref() != Some(waiting))
    }
}

impl Change {
    /// An empty change.
    pub fn of(Snapshot { store, operation, backup }: Snapshot) -> Self {
        let (revision, image_digests) = (None, None);
        Self { store, operation, backup, revision, image_digests, superseded: None, events: Vec::new(), audit: None }
    }

    /// Continues with another decision after this change; both are stored together.
    pub fn then(self, next: impl FnOnce(Snapshot) -> Result<Self, DomainError>) -> Result<Self, DomainError> {
        let Self { store, operation, backup, revision, image_digests, superseded, mut events, audit } = self;
        let mut change = next(Snapshot { store, operation, backup })?;
        events.append(&mut change.events);
        change.events = events;
        change.revision = change.revision.or(revision);
        change.image_digests = change.image_digests.or(image_digests);
        change.superseded = change.superseded.or(superseded);
        change.audit = change.audit.or(audit);
        Ok(change)
    }

    /// Sets what the operation waits for, which store and operation both show, unless the operation leaves the store as it is.
    /// During a rollback the operation keeps the rollback's cause.
    fn wait_for(&mut self, waiting: Option<Failure>) {
        if !self.operation.undoing {
            self.operation.failure.clone_from(&waiting);
        }
        if !self.operation.kind.changes_store() {
            return;
        }
        self.store.failure = waiting.or_else(|| self.operation.failure.clone());
    }

    /// Sets a condition of the store, with an event if its status or reason changed.
    fn observe(&mut self, condition: Condition) {
        let known = self.store.conditions.iter().find(|known| known.kind == condition.kind);
        if known.is_some_and(|known| (known.status, &known.reason) == (condition.status, &condition.reason)) {
            return;
        }
        let event = NewEvent::new(EventType::ConditionChanged, condition.message.clone());
        let event = event.with("condition", condition.kind.as_str()).with("status", condition.status.as_str());
        self.events.push(event.with("reason", condition.reason.clone()));
        self.store.set_condition(condition);
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
