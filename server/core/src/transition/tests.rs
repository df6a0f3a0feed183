//! Tables of transitions, for callers' commands and workers' progress.

use uuid::Uuid;

use super::fixtures::{NOW, after, caller, crash_loop, created, renewing, request, running, settled, types};
use super::health::Health;
use super::operation::{self as worker, cancelled};
use super::request::{self};
use crate::audit::Action;
use crate::command::tests::catalog;
use crate::condition::{Condition, ConditionKind, ConditionStatus};
use crate::engine::{Catalog, Engine};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::{Failure, Reason};
use crate::ids::StoreUid;
use crate::operation::{OperationKind, OperationState, Step};
use crate::store::{CleanupPolicy, State, Versions};

#[test]
fn retry_is_accepted_in_every_settled_state_and_in_no_other() {
    let caller = caller();
    for state in State::ALL {
        let change = request::retry(settled(state, true), None, &request(&caller));
        if matches!(state, State::Ready | State::Degraded | State::Failed) {
            let change = change.expect("accepted");
            assert_eq!((change.store.state, change.operation.kind), (State::Provisioning, OperationKind::Retry));
            assert_eq!(change.operation.prior.expect("is kept").state, state);
        } else {
            assert_eq!(change, Err(DomainError::NotRetryable { state }));
        }
    }
}

#[test]
fn protected_store_is_not_deleted_by_a_retry_either() {
    let caller = caller();
    let failed = worker::gave_up(running(OperationKind::Delete, true, Step::Uninstall), crash_loop(), None, NOW);
    let mut snapshot = after(failed.expect("legal"));
    assert!(request::retry(snapshot.clone(), None, &request(&caller)).is_ok(), "a failed deletion is continued");
    snapshot.store.spec.deletion_protection = true;
    let refused = Err(DomainError::DeletionProtected { name: "demo".into() });
    assert_eq!(request::retry(snapshot.clone(), None, &request(&caller)), refused);
    assert_eq!(request::delete(snapshot, None, true, &request(&caller)), refused);
}

#[test]
fn credentials_are_rotated_only_of_stores_that_sell_and_whose_chart_allows_it() {
    let caller = caller();
    for state in State::ALL {
        let change = request::rotate_credentials(settled(state, true), None, &renewing(), &request(&caller));
        if matches!(state, State::Ready | State::Degraded) {
            assert_eq!(change.expect("accepted").store.state, State::Updating);
        } else {
            assert_eq!(change, Err(DomainError::NotRotatable { state }));
        }
    }
    let refused = request::rotate_credentials(settled(State::Ready, true), None, &catalog(), &request(&caller));
    assert_eq!(refused, Err(DomainError::RotationUnsupported { engine: "woocommerce".into() }));
    let failed =
        worker::gave_up(running(OperationKind::RotateCredentials, true, Step::Rollout), crash_loop(), None, NOW);
    assert_eq!(failed.expect("legal").store.state, State::Degraded, "nothing of a live shop is removed");
}

#[test]
fn commands_with_a_stale_etag_or_another_uid_change_nothing() {
    let (caller, store) = (caller(), settled(State::Ready, true));
    let stale = Err(DomainError::StaleEtag { actual: store.store.etag() });
    assert_eq!(request::retry(store.clone(), Some("old"), &request(&caller)), stale);
    assert_eq!(request::delete(store.clone(), Some("old"), true, &request(&caller)), stale);
    assert_eq!(request::cancel(store.clone(), None, Some("old"), &request(&caller)), stale);
    let another = request::cancel(store.clone(), Some(StoreUid(Uuid::max())), None, &request(&caller));
    assert!(matches!(another, Err(DomainError::NotFound { kind: "operation", .. })), "{another:?}");
    let etag = store.store.etag();
    assert!(request::retry(store, Some(&etag), &request(&caller)).is_ok());
}

#[test]
fn cancel_of_a_pending_retry_restores_the_state_before() {
    let caller = caller();
    for state in [State::Ready, State::Degraded, State::Failed] {
        let before = settled(state, state != State::Failed);
        let retried = request::retry(before.clone(), None, &request(&caller)).expect("legal");
        let change = request::cancel(after(retried), None, None, &request(&caller)).expect("legal");
        assert_eq!((change.store.state, &change.store.failure), (state, &before.store.failure));
        assert_eq!(change.operation.state, OperationState::Cancelled);
        assert_eq!(types(&change), [EventType::CancelRequested, EventType::StateChanged]);
    }
    let change = request::cancel(created(), None, None, &request(&caller)).expect("legal");
    assert_eq!(change.store.state, State::Failed, "a creation has no state before");
}

#[test]
fn ready_store_is_never_failed_by_a_retry() {
    let unhealthy = Failure::new(Reason::NotReady, "0/1");
    for (seen, state) in [
        (Some(Health::Healthy), State::Ready),
        (Some(Health::Unhealthy(unhealthy.clone())), State::Degraded),
        (None, State::Degraded),
    ] {
        for cause in [cancelled(), crash_loop(), Failure::new(Reason::VerificationFailed, "too strict")] {
            for policy in [CleanupPolicy::Keep, CleanupPolicy::DeleteResources] {
                let mut snapshot = running(OperationKind::Retry, true, Step::Install);
                snapshot.store.spec.cleanup_policy = policy;
                snapshot.operation.cancel_requested = cause.reason == Reason::Cancelled;
                let change = worker::gave_up(snapshot, cause.clone(), seen.clone(), NOW).expect("legal");
                assert_eq!((change.store.state, change.operation.undoing), (state, false), "{cause:?} {seen:?}");
                assert_eq!(change.operation.failure.as_ref(), Some(&cause));
                let said = &change.events.last().expect("an event").message;
                assert!(said.contains("nothing was removed"), "{said}");
                let shown = change.store.failure.map(|failure| failure.reason);
                let expected = match &seen {
                    Some(Health::Healthy) => None,
                    Some(Health::Unhealthy(failure)) => Some(failure.reason),
                    None => Some(cause.reason),
                };
                assert_eq!(shown, expected);
            }
        }
    }
}

#[test]
fn accepted_cancellation_takes_effect_despite_concurrent_outcomes() {
    let mut snapshot = running(OperationKind::Create, false, Step::Install);
    snapshot.operation.cancel_requested = true;
    for change in [
        worker::gave_up(snapshot.clone(), crash_loop(), None, NOW).expect("legal"),
        worker::succeeded(snapshot, None, NOW).expect("legal"),
    ] {
        assert!(change.operation.undoing && change.operation.state == OperationState::Running);
        assert_eq!(change.operation.failure, Some(cancelled()));
        let change = worker::undone(after(change), None, NOW).expect("legal");
        assert_eq!((change.store.state, change.operation.state), (State::Failed, OperationState::Cancelled));
    }
}

#[test]
fn failed_first_installation_follows_its_cleanup_policy() {
    let mut snapshot = running(OperationKind::Create, false, Step::Install);
    let kept = worker::gave_up(snapshot.clone(), crash_loop(), None, NOW).expect("legal");
    assert_eq!((kept.store.state, kept.store.failure), (State::Failed, Some(crash_loop())));
    snapshot.store.spec.cleanup_policy = CleanupPolicy::DeleteResources;
    let rolled_back = worker::gave_up(snapshot, crash_loop(), None, NOW).expect("legal");
    assert_eq!(types(&rolled_back), [EventType::StepFailed, EventType::UndoStarted]);
    let failed = worker::undo_failed(after(rolled_back), Failure::new(Reason::NamespaceStuck, "stuck"), None, NOW);
    let cause = failed.expect("legal").operation.failure.expect("has one");
    assert_eq!((cause.reason, cause.details), (Reason::CrashLoop, vec!["then the rollback failed: stuck".to_owned()]));
}

#[test]
fn waiting_reason_is_shown_on_store_and_operation_until_the_step_ends() {
    let snapshot = running(OperationKind::Create, false, Step::Rollout);
    let waiting = after(worker::progress(snapshot, Vec::new(), Some(crash_loop())));
    assert_eq!((&waiting.store.failure, &waiting.operation.failure), (&Some(crash_loop()), &Some(crash_loop())));
    // A resource that changes says nothing about it.
    let event = NewEvent::new(EventType::ResourceChanged, "Pod a Running");
    let still = after(worker::progress(waiting, vec![event], None));
    assert_eq!(still.waiting(), Some(&crash_loop()));
    for over in [
        worker::resumed(still.clone(), Vec::new()),
        worker::step_started(still.clone(), Step::Verify),
        worker::step_succeeded(still, Step::Rollout, std::time::Duration::ZERO, false, NOW),
    ] {
        assert_eq!((over.store.failure, over.operation.failure), (None, None));
    }
}

#[test]
fn rollback_keeps_its_cause_while_it_waits() {
    let mut snapshot = running(OperationKind::Create, false, Step::Install);
    snapshot.operation.cancel_requested = true;
    let undoing = after(worker::gave_up(snapshot, cancelled(), None, NOW).expect("legal"));
    assert_eq!(undoing.waiting(), None);
    let stuck = Failure::new(Reason::NamespaceStuck, "a finalizer");
    let waiting = after(worker::progress(undoing, Vec::new(), Some(stuck.clone())));
    assert_eq!((waiting.waiting(), &waiting.operation.failure), (Some(&stuck), &Some(cancelled())));
    let over = worker::resumed(waiting, Vec::new());
    assert_eq!(over.store.failure, Some(cancelled()));
}

#[test]
fn failed_deletion_fails_the_store_unless_forced() {
    let snapshot = running(OperationKind::Delete, true, Step::NamespaceGone);
    let failed = worker::gave_up(snapshot.clone(), crash_loop(), None, NOW).expect("legal");
    assert_eq!(failed.store.state, State::Failed);
    let caller = caller();
    let again = request::retry(after(failed), None, &request(&caller)).expect("legal");
    assert_eq!((again.store.state, again.operation.kind), (State::Deleting, OperationKind::Delete));

    let forced = request::delete(snapshot, None, true, &request(&caller)).expect("legal");
    assert_eq!(forced.superseded.as_ref().map(|it| it.state), Some(OperationState::Cancelled));
    assert_eq!(forced.audit.as_ref().map(|record| record.action), Some(Action::ForceDeleteStore));
    let twice = request::delete(after(forced.clone()), None, true, &request(&caller)).expect("legal");
    assert_eq!((twice.operation, twice.events.len()), (forced.operation.clone(), 0));
    assert_eq!(forced.operation.steps(), [Step::NamespaceGone]);
    let claimed = after(worker::claim(after(forced), NOW));
    let gone = worker::gave_up(claimed, crash_loop(), None, NOW).expect("legal");
    assert_eq!((gone.store.state, gone.operation.state), (State::Deleted, OperationState::Succeeded));
    assert_eq!(types(&gone), [EventType::StepFailed, EventType::ResourcesLeft, EventType::StateChanged]);
    assert!(gone.events[1].message.contains("store-demo"), "{}", gone.events[1].message);
}

#[test]
fn deletion_supersedes_active_operation_and_cannot_be_cancelled() {
    let (caller, snapshot) = (caller(), running(OperationKind::Create, false, Step::Install));
    let change = request::delete(snapshot, None, false, &request(&caller)).expect("legal");
    assert_eq!(change.superseded.as_ref().map(|it| it.state), Some(OperationState::Cancelled));
    let cancel = request::cancel(after(change), None, None, &request(&caller));
    assert!(matches!(cancel, Err(DomainError::NotCancellable { .. })), "{cancel:?}");
}

#[test]
fn every_settled_state_has_a_call_that_leads_out() {
    let caller = caller();
    for state in State::ALL.into_iter().filter(|state| state.is_settled() && *state != State::Deleted) {
        for was_ready in [false, true] {
            let snapshot = settled(state, was_ready);
            assert!(request::retry(snapshot.clone(), None, &request(&caller)).is_ok(), "{state:?}");
            assert!(request::delete(snapshot.clone(), None, false, &request(&caller)).is_ok(), "{state:?}");
            assert!(request::delete(snapshot, None, true, &request(&caller)).is_ok(), "{state:?}");
        }
    }
}

#[test]
fn ready_event_says_how_shop_was_tested() {
    for (via, message) in [
        (Some("url"), "Store demo is ready (tested through its URL)"),
        (Some("proxy"), "Store demo is ready (tested through the API server's service proxy)"),
        (None, "Store demo is ready"),
    ] {
        let change = worker::succeeded(running(OperationKind::Create, false, Step::Verify), via, NOW).expect("legal");
        let event = change.events.last().expect("an event");
        assert_eq!((event.message.as_str(), event.details.get("via").map(String::as_str)), (message, via));
        assert_eq!(event.details["state"], "READY");
    }
}

#[test]
fn observed_condition_has_an_event_unless_it_says_nothing_new() {
    let condition = |status, reason: &str| Condition {
        kind: ConditionKind::NetworkIsolated,
        status,
        reason: reason.into(),
        message: "One sentence.".into(),
        since: NOW,
    };
    let observe = |snapshot, status, reason: &str| {
        let event = NewEvent::new(EventType::Verified, "The shop sells");
        let change = worker::observed(snapshot, event, condition(status, reason));
        let events: Vec<_> = change.events.iter().map(|event| event.kind).collect();
        (events, after(change))
    };
    let (events, unknown) = observe(created(), ConditionStatus::Unknown, "NOT_REPORTED");
    assert_eq!(events, [EventType::Verified]);
    assert_eq!(unknown.store.conditions, [condition(ConditionStatus::Unknown, "NOT_REPORTED")]);
    let (events, open) = observe(unknown, ConditionStatus::False, "NOT_ENFORCED");
    assert_eq!(events, [EventType::Verified, EventType::ConditionChanged]);
    let (events, again) = observe(open.clone(), ConditionStatus::False, "NOT_ENFORCED");
    assert_eq!((events, &again), (vec![EventType::Verified], &open));
    let (events, kept) = observe(open.clone(), ConditionStatus::Unknown, "NOT_REPORTED");
    assert_eq!((events, kept), (vec![EventType::Verified], open), "a missing report replaces nothing");
}

#[test]
fn administration_is_where_the_version_of_the_store_has_it() {
    let version = |version: &str, path: Option<&str>| Engine {
        versions: Versions { chart: version.into(), ..Versions::default() },
        admin_path: path.map(str::to_owned),
        ..catalog().engines()[0].clone()
    };
    let others = vec![version("0.2.0", None), version("0.3.0", Some("old/"))];
    let versions = Catalog::with_versions(vec![version("0.9.0", Some("app"))], others).expect("engines");
    let mut store = created().store;
    for (installed, path) in [("0.9.0", "app"), ("0.3.0", "old/"), ("0.2.0", "app"), ("7.7.7", "app")] {
        store.versions.chart = installed.into();
        assert_eq!(versions.admin_url(&store), format!("{}{path}", store.shop_url()), "{installed}");
    }
    let without = Catalog::new(vec![version("0.9.0", None)]).expect("an engine");
    assert_eq!(without.admin_url(&store), "");
}
