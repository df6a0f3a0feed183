//! Applies callers' commands.

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Change, Snapshot};
use crate::audit::{Action, AuditRecord};
use crate::engine::{Catalog, Engine, LostSecrets};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::{Failure, Reason};
use crate::identity::{Caller, Credential};
use crate::ids::{OperationId, StoreId, StoreUid};
use crate::names::Placement;
use crate::operation::{Operation, OperationKind, OperationState, PriorState, Restore};
use crate::store::{Source, Spec, State, Store};

/// The caller, the time, and ids for new rows. Clock and randomness come from outside.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The time.
    pub now: OffsetDateTime,
    /// Id of the operation, if one is created.
    pub operation: OperationId,
    /// Id of the audit record.
    pub audit: Uuid,
    /// The request's `traceparent`.
    pub trace: Option<String>,
}

impl Request<'_> {
    /// The audit record of this request.
    pub fn record(&self, action: Action, target: &str) -> AuditRecord {
        let Caller { name, access, credential, origin, .. } = self.caller;
        AuditRecord {
            credential: (*credential != Credential::Server).then(|| credential.clone()),
            origin: Arc::clone(origin),
            ..AuditRecord::new(self.audit, self.now, access.tenant.clone(), name, action, target)
        }
    }

    fn operation(&self, kind: OperationKind, store: StoreUid, store_id: &StoreId) -> Operation {
        Operation {
            id: self.operation,
            store,
            store_id: store_id.clone(),
            tenant: self.caller.tenant().clone(),
            kind,
            force: false,
            restore: None,
            update: None,
            prior: None,
            state: OperationState::Pending,
            step: None,
            reached: None,
            undoing: false,
            cancel_requested: false,
            failure: None,
            claims: 0,
            requested_by: self.caller.name.clone(),
            trace: self.trace.clone(),
            created_at: self.now,
            started_at: None,
            ended_at: None,
        }
    }

    pub(super) fn begin(&self, change: &mut Change, kind: OperationKind, action: Action) {
        let prior = PriorState { state: change.store.state, failure: change.store.failure.clone() };
        change.operation = Operation { prior: Some(prior), ..self.operation(kind, change.store.uid, &change.store.id) };
        change.store.operation = self.operation;
        change.backup = None;
        self.account(change, action);
    }

    pub(super) fn account(&self, change: &mut Change, action: Action) {
        let mut record = self.record(action, change.store.id.as_str());
        record.store = Some(change.store.uid);
        record.operation = Some(change.operation.id);
        change.audit = Some(record);
    }
}

/// What is needed to create a store.
#[derive(Debug)]
pub struct NewStore<'a> {
    /// Its uid.
    pub uid: StoreUid,
    /// Its id.
    pub id: StoreId,
    /// The requested spec.
    pub spec: Spec,
    /// The engine that the spec names.
    pub engine: &'a Engine,
    /// Where it will live.
    pub placement: Placement,
    /// Where its data comes from, unless it begins empty.
    pub source: Option<Source>,
}

/// Creates a store and its operation.
pub fn create(new: NewStore<'_>, request: &Request<'_>) -> Change {
    let requested = format!("{} requested creation of {}", request.caller.name, new.id);
    begin_creation(new, NewEvent::state(State::Provisioning, requested), Action::CreateStore, request)
}

/// A new store whose first event is `requested`.
pub(super) fn begin_creation(new: NewStore<'_>, requested: NewEvent, action: Action, request: &Request<'_>) -> Change {
    let mut spec = new.spec;
    if new.engine.plugins.is_none() {
        // The version of a backup without plugins, of a store that has some since.
        spec.plugins.clear();
    }
    let store = Store {
        uid: new.uid,
        placement: new.placement,
        id: new.id,
        tenant: request.caller.tenant().clone(),
        spec,
        source: new.source,
        state: State::Provisioning,
        state_changed_at: request.now,
        conditions: Vec::new(),
        step: None,
        failure: None,
        versions: new.engine.versions.clone(),
        revision: 0,
        simulated: false,
        secure: new.engine.secure,
        operation: request.operation,
        last_sequence: 0,
        created_at: request.now,
        ready_at: None,
        updated_at: request.now,
        deleted_at: None,
    };
    let (kind, restore) = provisioning(&store, OperationKind::Create);
    let operation = Operation { restore, ..request.operation(kind, store.uid, &store.id) };
    let mut change = Change::of(Snapshot { store, operation, backup: None });
    change.events.push(requested);
    request.account(&mut change, action);
    change
}

/// The kind of an operation that provisions a store: a copy as long as its data is not there, otherwise `kind`.
fn provisioning(store: &Store, kind: OperationKind) -> (OperationKind, Option<Restore>) {
    match store.source.as_ref().filter(|source| !source.restored && store.ready_at.is_none()) {
        Some(source) => (OperationKind::Copy, Some(Restore { backup: source.backup, skips_backup: true })),
        None => (kind, None),
    }
}

/// Deletes a store in any state, unless it is protected. An active creation is superseded; a deletion in progress, or completed, is unchanged,
/// unless `force` is new.
pub fn delete(
    snapshot: Snapshot,
    etag: Option<&str>,
    force: bool,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    check_etag(&change.store, etag)?;
    let action = if force { Action::ForceDeleteStore } else { Action::DeleteStore };
    let new_force = force && !change.operation.force;
    if change.store.state == State::Deleted || (change.store.state == State::Deleting && !new_force) {
        request.account(&mut change, action);
        // The deletion in progress has its own record.
        without_operation(&mut change);
        return Ok(change);
    }
    if change.store.spec.deletion_protection {
        return Err(DomainError::DeletionProtected { name: change.store.id.to_string() });
    }
    if change.operation.state.is_active() {
        let mut superseded = change.operation.clone();
        superseded.state = OperationState::Cancelled;
        superseded.ended_at = Some(request.now);
        let failure = Failure::new(Reason::Cancelled, "Superseded by the deletion of the store.");
        superseded.failure = Some(failure.clone());
        change.superseded = Some(superseded);
        super::backup::fail(&mut change, &failure);
    }
    let backup = change.backup.take();
    request.begin(&mut change, OperationKind::Delete, action);
    change.backup = backup.filter(|_| change.superseded.is_some());
    change.operation.force = force;
    let how = if force { "forced deletion" } else { "deletion" };
    let message = format!("{} requested {how} of {}", request.caller.name, change.store.id);
    change.enter(State::Deleting, request.now, message)?;
    Ok(change)
}

/// Applies the chart again to a settled store; continues a failed deletion.
pub fn retry(snapshot: Snapshot, etag: Option<&str>, request: &Request<'_>) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    check_etag(&change.store, etag)?;
    let state = change.store.state;
    if !matches!(state, State::Ready | State::Failed | State::Degraded) {
        return Err(DomainError::NotRetryable { state });
    }
    check_idle(&change)?;
    let deleting = state == State::Failed && change.operation.kind == OperationKind::Delete;
    if deleting && change.store.spec.deletion_protection {
        return Err(DomainError::DeletionProtected { name: change.store.id.to_string() });
    }
    let ((kind, restore), next) = if deleting {
        ((OperationKind::Delete, None), State::Deleting)
    } else {
        (provisioning(&change.store, OperationKind::Retry), State::Provisioning)
    };
    request.begin(&mut change, kind, Action::RetryStore);
    change.operation.restore = restore;
    let message = format!("{} requested a retry of {}", request.caller.name, change.store.id);
    change.enter(next, request.now, message)?;
    Ok(change)
}

/// Replaces the credentials of a store that was READY, if its engine's shops start with new ones.
pub fn rotate_credentials(
    snapshot: Snapshot,
    etag: Option<&str>,
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = of_running_shop(snapshot, etag, |state| DomainError::NotRotatable { state })?;
    let Store { spec: Spec { engine, .. }, versions, .. } = &change.store;
    let installed = catalog.installed_or_default(engine, versions);
    if !installed.is_some_and(|engine| engine.lost_secrets == LostSecrets::Renew) {
        return Err(DomainError::RotationUnsupported { engine: engine.clone() });
    }
    request.begin(&mut change, OperationKind::RotateCredentials, Action::RotateCredentials);
    let message = format!("{} requested new credentials for {}", request.caller.name, change.store.id);
    change.enter(State::Updating, request.now, message)?;
    Ok(change)
}

/// Cancels an operation. One that was never claimed ends at once, and the store gets its previous state; a running one is stopped and
/// rolled back by its worker.
pub fn cancel(
    snapshot: Snapshot,
    store: Option<StoreUid>,
    etag: Option<&str>,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    let id = change.operation.id;
    if store.is_some_and(|uid| uid != change.store.uid) {
        return Err(DomainError::NotFound { kind: "operation", name: id.to_string() });
    }
    check_etag(&change.store, etag)?;
    if change.operation.state.is_active() && change.operation.kind == OperationKind::Delete {
        return Err(DomainError::NotCancellable { operation: id });
    }
    request.account(&mut change, Action::CancelOperation);
    if !change.operation.state.is_active() || change.operation.cancel_requested {
        return Ok(change);
    }
    change.operation.cancel_requested = true;
    let message = format!("{} requested cancellation of the operation", request.caller.name);
    change.events.push(NewEvent::new(EventType::CancelRequested, message).with("actor", &request.caller.name));
    if change.operation.state == OperationState::Pending {
        return change.then(|snapshot| super::operation::end_cancelled(snapshot, request.now));
    }
    Ok(change)
}

/// The request started no operation.
pub(super) fn without_operation(change: &mut Change) {
    change.audit = change.audit.take().map(|record| AuditRecord { operation: None, ..record });
}

/// A change of a store whose shop runs and that has no active operation; in other states it is refused.
pub(super) fn of_running_shop(
    snapshot: Snapshot,
    etag: Option<&str>,
    refusal: fn(State) -> DomainError,
) -> Result<Change, DomainError> {
    let change = Change::of(snapshot);
    check_etag(&change.store, etag)?;
    let state = change.store.state;
    if !matches!(state, State::Ready | State::Degraded) {
        return Err(refusal(state));
    }
    check_idle(&change)?;
    Ok(change)
}

/// A store has at most one active operation. One that leaves the store's state as it is, is not visible in it.
pub(super) fn check_idle(change: &Change) -> Result<(), DomainError> {
    let Operation { id, kind, state, .. } = change.operation;
    if state.is_active() {
        return Err(DomainError::OperationInProgress { name: change.store.id.to_string(), operation: id, kind });
    }
    Ok(())
}

pub(super) fn check_etag(store: &Store, etag: Option<&str>) -> Result<(), DomainError> {
    let actual = store.etag();
    match etag {
        Some(etag) if etag != actual => Err(DomainError::StaleEtag { actual }),
        _ => Ok(()),
    }
}
