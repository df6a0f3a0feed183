//! Begins and ends test restores. See [`crate::backup::restore_test`].

use time::OffsetDateTime;

use super::copy::restorable;
use super::request::{NewStore, Request, begin_creation};
use super::{Change, Snapshot};
use crate::audit::Action;
use crate::backup::Backup;
use crate::backup::restore_test::{DELETE_AGAIN_AFTER, RestoreTest, RestoreTestState};
use crate::engine::Catalog;
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::{Failure, Reason};
use crate::ids::{StoreId, StoreUid};
use crate::names::Placement;
use crate::operation::{Operation, OperationKind, OperationState};
use crate::store::{CleanupPolicy, Environment, Source, Spec, State, Store};

/// Restores a backup of `original` into a new store, which the request's tenant gets. Returns the store and the backup.
pub fn begin(
    source: &Backup,
    original: &Store,
    (uid, id): (StoreUid, StoreId),
    (catalog, domain): (&Catalog, &str),
    request: &Request<'_>,
) -> Result<(Change, Backup), DomainError> {
    let engine = restorable(source, original, catalog)?;
    let spec = Spec {
        cleanup_policy: CleanupPolicy::DeleteResources,
        deletion_protection: false,
        environment: Environment::Staging,
        smtp: None,
        ..original.spec.clone()
    };
    let placement = Placement::new(&id, request.caller.tenant(), domain);
    let message = format!("Backup {} of {} is restored for a test", source.id, original.id);
    let requested = NewEvent::state(State::Provisioning, message).with("backup_id", source.id.to_string());
    let new = NewStore { uid, id, spec, engine, placement, source: Some(Source::of(original, source.id)) };
    let store = begin_creation(new, requested, Action::TestRestore, request);
    let test = RestoreTest {
        state: RestoreTestState::Running,
        store: uid,
        started_at: request.now,
        ended_at: None,
        failure: None,
    };
    Ok((store, Backup { restore_test: Some(test), ..source.clone() }))
}

/// The backup with the result of a test that could not begin: its engine or plan cannot be installed any more.
pub fn refused(source: &Backup, store: StoreUid, refusal: &DomainError, now: OffsetDateTime) -> Backup {
    let failure = Failure::new(Reason::RestoreFailed, format!("It cannot be restored: {refusal}."));
    let state = RestoreTestState::Failed;
    let test = RestoreTest { state, store, started_at: now, ended_at: Some(now), failure: Some(failure) };
    Backup { restore_test: Some(test), ..source.clone() }
}

/// The backup with the result of its test, once the operation of the store into which it is restored has ended; otherwise `None`.
pub fn end(tested: &Backup, operation: &Operation, now: OffsetDateTime) -> Option<Backup> {
    let test = tested.restore_test.as_ref().filter(|test| test.state == RestoreTestState::Running)?;
    if operation.state.is_active() {
        return None;
    }
    let passed = operation.kind == OperationKind::Copy && operation.state == OperationState::Succeeded;
    let unknown = || Failure::new(Reason::RestoreFailed, "The store into which it was restored was deleted.");
    let failure = (!passed).then(|| operation.failure.clone().unwrap_or_else(unknown));
    let state = if passed { RestoreTestState::Passed } else { RestoreTestState::Failed };
    let test = RestoreTest { state, ended_at: Some(now), failure, ..test.clone() };
    Some(Backup { restore_test: Some(test), ..tested.clone() })
}

/// The event of the end of a test, in the log of the store whose backup it was. That store does not change.
pub fn announce(original: Snapshot, tested: &Backup) -> Change {
    let mut change = Change::of(original);
    change.backup = None;
    let Some(test) = &tested.restore_test else { return change };
    let id = tested.id;
    let event = match &test.failure {
        None => {
            NewEvent::new(EventType::RestoreTested, format!("Backup {id} was restored for a test, and its shop sells"))
        }
        Some(failure) => {
            let message = format!("Backup {id} was restored for a test, which failed: {}", failure.message);
            NewEvent::new(EventType::RestoreTested, message).because(failure)
        }
    };
    change.events.push(event.with("backup_id", id.to_string()).with("state", test.state.as_str()));
    change
}

/// True if the store of a test can be deleted now: no operation runs, and no deletion has just failed.
pub fn needs_deletion(snapshot: &Snapshot, now: OffsetDateTime) -> bool {
    let Snapshot { store, operation, .. } = snapshot;
    let again = operation.ended_at.is_none_or(|ended| now - ended >= DELETE_AGAIN_AFTER);
    store.state.is_settled()
        && store.state != State::Deleted
        && !operation.state.is_active()
        && (operation.kind != OperationKind::Delete || again)
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use uuid::Uuid;

    use super::*;
    use crate::ids::OperationId;
    use crate::operation::Step;
    use crate::transition::fixtures::{after, caller, complete_backup, request, settled, types, with_backups};
    use crate::transition::{operation, request as requests};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn begun() -> (Snapshot, Backup) {
        let ids = (StoreUid(Uuid::max()), "test-7".parse().expect("an id"));
        let original = settled(State::Deleted, true).store;
        let begun = begin(&complete_backup(), &original, ids, (&with_backups(), "test"), &request(&caller()));
        let (store, backup) = begun.expect("begins, also of a deleted store");
        (after(store), backup)
    }

    #[test]
    fn backup_is_restored_into_a_staging_store_that_leaves_nothing() {
        let (Snapshot { store, operation, .. }, backup) = begun();
        assert_eq!(
            (store.spec.environment, store.spec.cleanup_policy),
            (Environment::Staging, CleanupPolicy::DeleteResources)
        );
        assert_eq!((operation.kind, operation.restore.map(|it| it.backup)), (OperationKind::Copy, Some(backup.id)));
        let test = backup.restore_test.clone().expect("is recorded");
        assert_eq!((test.state, test.store), (RestoreTestState::Running, store.uid));
        assert_eq!(end(&backup, &operation, NOW), None, "it is running");
    }

    #[test]
    fn result_is_that_of_the_operation() {
        let (snapshot, backup) = begun();
        let verifying = after(operation::step_started(after(operation::claim(snapshot, NOW)), Step::Verify));
        let done = operation::succeeded(verifying.clone(), None, NOW).expect("legal");
        let passed = end(&backup, &done.operation, NOW).and_then(|tested| tested.restore_test).expect("ended");
        assert_eq!((passed.state, passed.failure, passed.ended_at), (RestoreTestState::Passed, None, Some(NOW)));

        let cause = Failure::new(Reason::VerificationFailed, "The shop does not sell.");
        let failed = operation::gave_up(verifying, cause.clone(), None, NOW).expect("legal");
        assert_eq!(end(&backup, &failed.operation, NOW), None, "it is being removed");
        let failed = operation::undone(after(failed), None, NOW).expect("legal");
        let tested = end(&backup, &failed.operation, NOW).expect("ended");
        let test = tested.restore_test.clone().expect("a test");
        assert_eq!((test.state, test.failure), (RestoreTestState::Failed, Some(cause)));
        assert_eq!(end(&tested, &failed.operation, NOW), None, "once");
        let change = announce(settled(State::Ready, true), &tested);
        assert_eq!(types(&change), [EventType::RestoreTested]);
        assert_eq!(change.events[0].details["reason"], "VERIFICATION_FAILED");
        assert_eq!(change.store, settled(State::Ready, true).store);
    }

    #[test]
    fn store_of_a_test_is_deleted_until_that_succeeds() {
        let (running, _) = begun();
        assert!(!needs_deletion(&running, NOW));
        for state in [State::Ready, State::Degraded, State::Failed] {
            assert!(needs_deletion(&settled(state, true), NOW), "{state:?}");
        }
        let deleting =
            requests::delete(settled(State::Ready, true), None, false, &request(&caller())).expect("accepted");
        assert!(!needs_deletion(&after(deleting.clone()), NOW));
        let cause = Failure::new(Reason::Internal, "no");
        let failed = after(operation::gave_up(after(deleting), cause, None, NOW).expect("legal"));
        assert!(!needs_deletion(&failed, NOW) && needs_deletion(&failed, NOW + Duration::minutes(10)));
        assert!(!needs_deletion(&settled(State::Deleted, true), NOW));
        assert_ne!(failed.operation.id, OperationId(Uuid::nil()));
    }
}
