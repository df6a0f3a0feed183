use time::Duration;
use uuid::Uuid;

use super::*;
use crate::backup::snapshot::{self, Verdict};
use crate::backup::{BackupTrigger, PartUpload};
use crate::command::tests::catalog;
use crate::engine::Catalog;
use crate::failure::Reason;
use crate::ids::BackupId;
use crate::operation::{OperationKind, OperationState, Restore};
use crate::transition::fixtures::{
    after, caller, complete_backup, crash_loop, request, running, settled, types, with_backups,
};
use crate::transition::health::{Health, apply_health};
use crate::transition::{backup_request, operation, request as requests};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn backing_up(was_ready: bool) -> Snapshot {
    running(OperationKind::Backup, was_ready, Step::BackUp)
}

fn part(name: &str, bytes: u64) -> Part {
    Part { name: name.into(), bytes, source_bytes: 3 * bytes, sha256: "ab".repeat(32) }
}

#[test]
fn only_stores_whose_shop_runs_are_backed_up() {
    let caller = caller();
    let back_up = |snapshot, catalog: Catalog| {
        backup_request::back_up(
            snapshot,
            None,
            (BackupId(Uuid::max()), BackupTrigger::OnDemand, "before the sale"),
            &catalog,
            &request(&caller),
        )
    };
    for state in State::ALL {
        let change = back_up(settled(state, true), with_backups());
        if !matches!(state, State::Ready | State::Degraded) {
            assert_eq!(change, Err(DomainError::NotBackupable { state }));
            continue;
        }
        let change = change.expect("accepted");
        assert_eq!((change.store.state, change.operation.kind), (state, OperationKind::Backup));
        assert_eq!(types(&change), [EventType::BackupRequested], "the store's state does not change");
        let made = change.backup.expect("is created");
        assert_eq!((made.state, made.trigger), (BackupState::Creating, BackupTrigger::OnDemand));
        assert_eq!((made.operation, made.description.as_str()), (change.operation.id, "before the sale"));
    }
    let unsupported = back_up(settled(State::Ready, true), catalog());
    assert_eq!(unsupported, Err(DomainError::BackupUnsupported { engine: "woocommerce".into() }));
}

#[test]
fn store_that_is_backed_up_refuses_everything_but_its_deletion() {
    let (caller, before) = (caller(), backing_up(true));
    let (name, operation, kind) = ("demo".to_owned(), before.operation.id, OperationKind::Backup);
    let refused = Err(DomainError::OperationInProgress { name, operation, kind });
    assert_eq!(requests::retry(before.clone(), None, &request(&caller)), refused);
    let again = (BackupId(Uuid::max()), BackupTrigger::OnDemand, "");
    assert_eq!(backup_request::back_up(before.clone(), None, again, &with_backups(), &request(&caller)), refused);
    let change = requests::delete(before, None, false, &request(&caller)).expect("accepted");
    assert_eq!(change.store.state, State::Deleting);
    let backup = change.backup.expect("is changed");
    assert_eq!(backup.state, BackupState::Failed);
    assert_eq!(backup.failure.expect("says why").reason, Reason::Cancelled);
}

#[test]
fn deletion_after_a_backup_keeps_it() {
    let took = std::time::Duration::ZERO;
    let done = operation::step_succeeded(backing_up(true), Step::VerifyBackup, took, false, NOW);
    let done = done.then(|snapshot| operation::succeeded(snapshot, None, NOW)).expect("legal");
    let change = requests::delete(after(done), None, false, &request(&caller())).expect("accepted");
    assert_eq!(change.backup, None, "a complete backup does not change");
}

#[test]
fn store_keeps_state_and_cause_while_it_is_backed_up() {
    let degraded = backing_up(false);
    assert_eq!(degraded.store.failure.as_ref(), Some(&crash_loop()));
    let waiting = Failure::new(Reason::BackupStorageUnavailable, "The storage does not answer.");
    let change = operation::progress(degraded, vec![], Some(waiting.clone()));
    assert_eq!((&change.store.failure, &change.operation.failure), (&Some(crash_loop()), &Some(waiting.clone())));
    let snapshot = after(change);
    assert_eq!(snapshot.waiting(), Some(&waiting));
    let change = apply_health(snapshot.clone(), snapshot.operation.id, &Health::Healthy, NOW).expect("legal");
    assert_eq!(change.store.state, State::Ready, "its health is followed meanwhile");
    let change = operation::gave_up(snapshot, waiting, None, NOW).expect("legal");
    assert_eq!((change.store.state, &change.store.failure), (State::Degraded, &Some(crash_loop())));
    assert_eq!((change.operation.state, change.store.step), (OperationState::Failed, None));
    assert_eq!(types(&change), [EventType::StepFailed, EventType::BackupFailed]);
}

#[test]
fn backup_is_complete_only_at_the_end() {
    let uploads = vec![PartUpload { part: "database".into(), upload: "u1".into() }];
    let attempt = Attempt { number: 1, wrapped_key: "key".into(), uploads, progress: Progress::default() };
    let snapshot = after(attempt_started(backing_up(true), &attempt));
    assert_eq!(snapshot.backup.as_ref().and_then(|backup| backup.attempt.as_ref()), Some(&attempt));
    let change = progressed(snapshot, &[("database".into(), 6), ("uploads".into(), 5)]);
    let [event] = &change.events[..] else { panic!("{:?}", change.events) };
    let sizes = ["database_bytes", "uploads_bytes", "bytes"].map(|key| event.details[key].as_str());
    assert_eq!((event.kind, sizes), (EventType::BackupProgress, ["6", "5", "11"]));
    let snapshot = after(change);
    let reported = snapshot.backup.as_ref().and_then(|backup| backup.attempt.as_ref()).map(|attempt| attempt.progress);
    assert_eq!(reported, Some(Progress { bytes: 11, reports: 1 }));
    let change = uploaded(snapshot, &[part("database", 7), part("uploads", 5)]);
    assert_eq!(types(&change), [EventType::BackupUploaded]);
    assert_eq!(change.backup.as_ref().map(|backup| backup.state), Some(BackupState::Creating));
    let now = NOW + Duration::seconds(9);
    let took = std::time::Duration::ZERO;
    let verified = operation::step_succeeded(after(change), Step::VerifyBackup, took, false, now);
    let change = verified.then(|snapshot| operation::succeeded(snapshot, None, now)).expect("legal");
    let backup = change.backup.as_ref().expect("a backup");
    assert_eq!((backup.state, backup.bytes(), backup.completed_at), (BackupState::Complete, 12, Some(now)));
    assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Succeeded));
    let expected = [EventType::StepSucceeded, EventType::BackupCompleted, EventType::ConditionChanged];
    assert_eq!(types(&change), expected);
    let objects = [backup.object("database"), backup.manifest_object()].map(|object| object.expect("a name"));
    assert!(objects.iter().all(|object| object.as_str().starts_with(backup.prefix().as_str())), "{objects:?}");
}

#[test]
fn deleted_backups_are_reported_until_the_store_is_deleted() {
    let two = [complete_backup(), complete_backup()];
    let messages = |state, actor| {
        let change = deleted(settled(state, true), &two, actor);
        change.events.into_iter().map(|event| (event.kind, event.message)).collect::<Vec<_>>()
    };
    let id = two[0].id;
    let by_caller = (EventType::BackupDeleted, format!("ann deleted backup {id}"));
    assert_eq!(messages(State::Ready, "ann"), [by_caller.clone(), by_caller]);
    assert_eq!(messages(State::Failed, SCHEDULER)[0].1, format!("Backup {id} is no longer kept"));
    assert_eq!(messages(State::Deleted, "ann"), []);
}

#[test]
fn cancelled_backup_leaves_the_store_as_it_is() {
    let caller = caller();
    let pending = (BackupId(Uuid::max()), BackupTrigger::OnDemand, "");
    let before = settled(State::Ready, true);
    let pending = backup_request::back_up(before, None, pending, &with_backups(), &request(&caller)).expect("legal");
    let unclaimed = requests::cancel(after(pending), None, None, &request(&caller)).expect("legal");
    let requested = requests::cancel(backing_up(true), None, None, &request(&caller)).expect("legal");
    let claimed = operation::gave_up(after(requested), operation::cancelled(), None, NOW).expect("legal");
    for change in [unclaimed, claimed] {
        assert_eq!((change.store.state, &change.store.failure), (State::Ready, &None));
        assert_eq!(change.operation.state, OperationState::Cancelled);
        assert_eq!(change.backup.map(|backup| backup.state), Some(BackupState::Failed));
    }
}

#[test]
fn only_a_complete_backup_of_that_very_store_is_restored() {
    let caller = caller();
    let restore = |source: &Backup, state| {
        let ids = (source, Some(BackupId(Uuid::max())));
        backup_request::restore(settled(state, true), None, ids, &with_backups(), &request(&caller))
    };
    for state in State::ALL {
        let change = restore(&complete_backup(), state);
        if !matches!(state, State::Ready | State::Degraded) {
            assert_eq!(change, Err(DomainError::NotRestorable { state }));
            continue;
        }
        let change = change.expect("accepted");
        let wanted = Restore { backup: complete_backup().id, skips_backup: false };
        assert_eq!((change.store.state, change.operation.restore), (State::Updating, Some(wanted)));
        let before = change.backup.expect("the present data is backed up");
        assert_eq!((before.trigger, before.state), (BackupTrigger::BeforeRestore, BackupState::Creating));
        assert_eq!(before.operation, change.operation.id);
    }
    let complete = complete_backup;
    for (unusable, why) in [
        (Backup { state: BackupState::Deleting, ..complete() }, "it is not COMPLETE"),
        (Backup { store: StoreUid(Uuid::max()), ..complete() }, "it is of another store"),
        (Backup { engine: "medusa".into(), ..complete() }, "it is of another engine"),
        (Backup { simulated: true, ..complete() }, "one of them is simulated"),
    ] {
        let (backup, name) = (unusable.id, "demo".to_owned());
        let refused = Err(DomainError::BackupNotUsable { backup, name, why });
        assert_eq!(restore(&unusable, State::Ready), refused);
    }
}

#[test]
fn restore_backs_up_the_present_data_unless_told_otherwise() {
    let caller = caller();
    let steps = |backup| {
        let source = complete_backup();
        let ids = (&source, backup);
        let change =
            backup_request::restore(settled(State::Ready, true), None, ids, &with_backups(), &request(&caller));
        change.expect("accepted").operation.steps().to_vec()
    };
    let (with, without) = (steps(Some(BackupId(Uuid::max()))), steps(None));
    assert_eq!(with[..3], [Step::Maintenance, Step::BackUp, Step::VerifyBackup]);
    assert_eq!(without[..2], [Step::Maintenance, Step::Restore]);
    assert_eq!(with[3..], without[1..], "the rest is the same");
}

#[test]
fn failed_restore_puts_the_shop_back_online() {
    let verified = running(OperationKind::Restore, true, Step::VerifyBackup);
    let took = std::time::Duration::ZERO;
    let verified = after(operation::step_succeeded(verified, Step::VerifyBackup, took, false, NOW));
    assert_eq!(verified.backup.as_ref().map(|backup| backup.state), Some(BackupState::Complete));
    let reading = after(operation::step_started(verified, Step::Restore));
    let failure = Failure::new(Reason::RestoreFailed, "The import failed.");
    let change = operation::gave_up(reading, failure.clone(), None, NOW).expect("legal");
    assert_eq!(change.operation.undo_steps(), [Step::EndMaintenance]);
    assert_eq!((change.store.state, change.operation.undoing), (State::Updating, true));
    assert_eq!(change.backup.as_ref().map(|it| it.state), Some(BackupState::Complete), "it was verified");
    let change = operation::undone(after(change), Some(Health::Healthy), NOW).expect("legal");
    assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Failed));
    assert_eq!(change.operation.failure, Some(failure.clone()));
    let online = running(OperationKind::Restore, true, Step::Verify);
    let change = operation::gave_up(online, failure.clone(), Some(Health::Unhealthy(failure)), NOW).expect("legal");
    assert_eq!((change.store.state, change.operation.undoing), (State::Degraded, false), "it is online already");
}

#[test]
fn restore_that_is_cancelled_before_it_starts_leaves_no_backup_in_creation() {
    let (caller, source) = (caller(), complete_backup());
    let ids = (&source, Some(BackupId(Uuid::max())));
    let pending = backup_request::restore(settled(State::Ready, true), None, ids, &with_backups(), &request(&caller));
    let change = requests::cancel(after(pending.expect("legal")), None, None, &request(&caller)).expect("legal");
    assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Cancelled));
    assert_eq!(change.backup.map(|backup| backup.state), Some(BackupState::Failed));
}

/// An older server, which does not know the steps, writes none when it stores a cancellation.
#[test]
fn restore_whose_step_is_unknown_puts_the_shop_back_online() {
    let mut erased = running(OperationKind::Restore, true, Step::Restore);
    (erased.operation.step, erased.operation.reached) = (None, None);
    let change = operation::gave_up(erased, operation::cancelled(), None, NOW).expect("legal");
    assert_eq!(change.operation.undo_steps(), [Step::EndMaintenance]);
    assert!(change.operation.undoing);
}

#[test]
fn only_a_backup_that_is_not_in_use_is_deleted() {
    let making = backing_up(true).backup.expect("a backup");
    let (backup, operation) = (making.id, making.operation);
    assert_eq!(delete(making.clone()), Err(DomainError::BackupInProgress { backup, operation }));
    for state in [BackupState::Complete, BackupState::Failed, BackupState::Deleting, BackupState::Unreadable] {
        let deleted = delete(Backup { state, ..making.clone() }).expect("accepted");
        assert_eq!(deleted.state, BackupState::Deleting, "{state:?}");
    }
}

fn volume_snapshot(claim: &str, ready: bool) -> VolumeSnapshot {
    VolumeSnapshot { claim: claim.to_owned(), name: format!("s-{claim}"), ready, taken_at: None }
}

fn with_snapshots(snapshots: Vec<VolumeSnapshot>) -> Backup {
    let made = complete_backup();
    Backup { completed_at: Some(made.created_at), snapshots, ..made }
}

#[test]
fn snapshots_are_used_only_if_all_are_ready_in_time() {
    let recorded = with_snapshots(vec![volume_snapshot("a", false), volume_snapshot("b", false)]);
    let now = recorded.created_at + Duration::hours(1);
    let ready = vec![volume_snapshot("a", true), volume_snapshot("b", true)];
    assert_eq!(recorded.judge_snapshots(&ready, now), Verdict::Ready(ready.clone()));
    let half = [volume_snapshot("a", true), volume_snapshot("b", false)];
    assert_eq!(recorded.judge_snapshots(&half, now), Verdict::Pending);
    assert_eq!(recorded.judge_snapshots(&half, now + Duration::hours(5)), Verdict::Useless, "too late");
    assert_eq!(recorded.judge_snapshots(&ready[..1], now), Verdict::Useless, "one is missing");
    assert_eq!(with_snapshots(Vec::new()).judge_snapshots(&[], now), Verdict::Useless);
}

#[test]
fn newest_backups_keep_their_ready_snapshots() {
    let backups = || {
        vec![
            with_snapshots(vec![volume_snapshot("a", true)]),
            with_snapshots(vec![volume_snapshot("a", false)]),
            with_snapshots(vec![volume_snapshot("b", true)]),
        ]
    };
    let claims = |kept| -> Vec<String> {
        snapshot::excess(backups(), kept).into_iter().map(|backup| backup.snapshots[0].claim.clone()).collect()
    };
    assert_eq!(claims(0), ["a", "b"]);
    assert_eq!(claims(1), ["b"], "one that is not ready yet does not replace one that is");
    assert!(claims(2).is_empty());
}
