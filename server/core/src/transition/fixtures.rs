//! Snapshots of a store in each situation, for the tests of transitions.

use time::OffsetDateTime;
use uuid::Uuid;

use super::operation::{self as worker};
use super::request::{self, NewStore, Request};
use super::{Change, Snapshot, backup_request};
use crate::access::Access;
use crate::backup::{Backup, BackupState, BackupTrigger, NewBackup};
use crate::backup_policy::BackupPolicy;
use crate::command::StoreUpdate;
use crate::command::tests::catalog;
use crate::engine::{Catalog, Engine, EngineBackup, LostSecrets, Maintenance};
use crate::event::EventType;
use crate::failure::{Failure, Reason};
use crate::identity::{Caller, Credential, Proof, Role};
use crate::ids::{BackupId, OperationId, StoreId, StoreUid, Tenant, TokenId};
use crate::names::Placement;
use crate::operation::{OperationKind, OperationState, Step};
use crate::store::{CleanupPolicy, Environment, Spec, State};

pub(super) const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(super) fn caller() -> Caller {
    Caller {
        credential: Credential::Token(TokenId(Uuid::nil())),
        name: "test".into(),
        access: Access::whole(Tenant::default()),
        role: Role::Admin,
        expires: None,
        proof: Proof::Signed,
        origin: std::sync::Arc::default(),
    }
}

pub(super) fn request(caller: &Caller) -> Request<'_> {
    Request { caller, now: NOW, operation: OperationId(Uuid::max()), audit: Uuid::nil(), trace: None }
}

pub(super) fn created() -> Snapshot {
    let (catalog, caller) = (catalog(), caller());
    let spec = Spec {
        display_name: "Demo".into(),
        engine: "woocommerce".into(),
        plan: "small".into(),
        admin_email: "a@b.co".into(),
        cleanup_policy: CleanupPolicy::Keep,
        deletion_protection: false,
        environment: Environment::Production,
        domains: crate::host_name::ServedDomains::default(),
        labels: crate::labels::Labels::new(),
        backup_policy: BackupPolicy::default(),
        smtp: None,
        plugins: crate::plugins::Plugins::new(),
    };
    let id: StoreId = "demo".parse().expect("an id");
    let (uid, engine) = (StoreUid(Uuid::nil()), &catalog.engines()[0]);
    let placement = Placement::new(&id, &Tenant::default(), "localhost");
    let new = NewStore { uid, id, spec, engine, placement, source: None };
    let request = Request { operation: OperationId(Uuid::nil()), ..request(&caller) };
    after(request::create(new, &request))
}

pub(super) fn after(change: Change) -> Snapshot {
    Snapshot { store: change.store, operation: change.operation, backup: change.backup }
}

/// A settled store in that state, with a failure if the state has one.
pub(super) fn settled(state: State, was_ready: bool) -> Snapshot {
    let mut snapshot = created();
    snapshot.store.state = state;
    snapshot.store.ready_at = was_ready.then_some(NOW);
    snapshot.operation.state = OperationState::Succeeded;
    if matches!(state, State::Degraded | State::Failed) {
        snapshot.store.failure = Some(crash_loop());
    }
    snapshot
}

/// An operation of that kind on that store, claimed and in that step.
pub(super) fn running(kind: OperationKind, was_ready: bool, step: Step) -> Snapshot {
    let caller = caller();
    let requested = match kind {
        OperationKind::Create => Ok(Change::of(created())),
        OperationKind::Retry if was_ready => request::retry(settled(State::Degraded, true), None, &request(&caller)),
        OperationKind::Retry => request::retry(settled(State::Failed, false), None, &request(&caller)),
        OperationKind::Delete => request::delete(settled(State::Ready, was_ready), None, false, &request(&caller)),
        OperationKind::RotateCredentials => {
            request::rotate_credentials(settled(State::Ready, true), None, &renewing(), &request(&caller))
        }
        OperationKind::Backup => {
            let state = if was_ready { State::Ready } else { State::Degraded };
            backup_request::back_up(
                settled(state, true),
                None,
                (BackupId(Uuid::nil()), BackupTrigger::OnDemand, ""),
                &with_backups(),
                &request(&caller),
            )
        }
        OperationKind::Restore => {
            let source = complete_backup();
            let ids = (&source, Some(BackupId(Uuid::max())));
            backup_request::restore(settled(State::Ready, true), None, ids, &with_backups(), &request(&caller))
        }
        OperationKind::Copy => Ok(copied()),
        OperationKind::Update => super::update::update(
            settled(if was_ready { State::Ready } else { State::Degraded }, true),
            None,
            &StoreUpdate { plan: Some("large".into()), ..StoreUpdate::default() },
            (&catalog(), None),
            &request(&caller),
        ),
        OperationKind::Rollback => Ok(super::rollback::tests::rolled_back()),
        OperationKind::Unreadable => panic!("nobody requests one"),
    };
    let claimed = worker::claim(after(requested.expect("legal")), NOW);
    after(worker::step_started(after(claimed), step))
}

/// A copy of the store in the tests, requested.
fn copied() -> Change {
    let (deleted, source) = (settled(State::Deleted, true).store, complete_backup());
    let uid = StoreUid(Uuid::max());
    super::copy::undelete(&deleted, &source, uid, &with_backups(), &request(&caller())).expect("accepted")
}

/// The catalog with an engine whose shops start with new credentials.
pub(super) fn renewing() -> Catalog {
    let renewing = |engine: &Engine| Engine { lost_secrets: LostSecrets::Renew, ..engine.clone() };
    Catalog::new(catalog().engines().iter().map(renewing).collect()).expect("has an engine")
}

/// A complete backup of the store in the tests.
pub(super) fn complete_backup() -> Backup {
    let store = settled(State::Ready, true).store;
    let new = NewBackup {
        id: BackupId(Uuid::from_u128(7)),
        trigger: BackupTrigger::OnDemand,
        description: String::new(),
        requested_by: "test".into(),
        operation: OperationId(Uuid::from_u128(7)),
    };
    Backup { state: BackupState::Complete, completed_at: Some(NOW), ..Backup::of(&store, new, NOW) }
}

/// The catalog with an engine whose shops can be backed up.
pub(super) fn with_backups() -> Catalog {
    let backup = EngineBackup {
        create: "store-backup".into(),
        restore: "store-restore".into(),
        parts: vec!["database".into(), "uploads".into()],
        maintenance: Some(Maintenance {
            template: "store-maintenance".into(),
            deployment: "store".into(),
            cron_job: None,
            service: Some("store-shop".into()),
        }),
        copies: true,
        volumes: Vec::new(),
    };
    let engine = |engine: &Engine| Engine { backup: Some(backup.clone()), ..engine.clone() };
    Catalog::new(catalog().engines().iter().map(engine).collect()).expect("has an engine")
}

pub(super) fn crash_loop() -> Failure {
    Failure::new(Reason::CrashLoop, "The pod crashes")
}

pub(super) fn types(change: &Change) -> Vec<EventType> {
    change.events.iter().map(|event| event.kind).collect()
}
