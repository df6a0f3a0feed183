use std::time::Duration;

use time::OffsetDateTime;

use super::*;
use crate::backup::{BackupState, BackupTrigger};
use crate::command::tests::catalog;
use crate::failure::{Failure, Reason};
use crate::operation::{OperationKind, Step};
use crate::settings::Settings;
use crate::transition::backup::restored;
use crate::transition::backup_request;
use crate::transition::fixtures::{NOW, after, caller, complete_backup, crash_loop, request, settled, types};
use crate::transition::health::Health;
use crate::transition::operation as worker;
use crate::transition::preview::preview;
use crate::transition::update::tests::{BACKUP, at_version, versions};

/// As without backups.
const NO_DATA: RollbackData<'static> = RollbackData { source: None, loss_accepted: false, backup: None };

fn revision(number: u32, plan: &str) -> Revision {
    let settings = Settings { plan: plan.into(), ..settled(State::Ready, true).store.settings() };
    let (values, images) = (serde_json::json!({}), Vec::new());
    Revision {
        number,
        settings,
        values,
        images,
        chart_content: String::new(),
        image_digests: Vec::new(),
        operation: request(&caller()).operation,
        created_at: NOW,
    }
}

/// Its revision 1, at version 1.0.0, and a store that has version 1.1.0 with another schema since.
fn upgraded() -> (Revision, Snapshot) {
    let mut former = revision(1, "tiny");
    let mut store = at_version();
    former.settings.versions = store.store.versions.clone();
    store.store.versions = versions().engine_at("woocommerce", "1.1.0").expect("there").versions.clone();
    store.store.revision = 2;
    (former, store)
}

/// A complete backup of the store from when it had this revision.
fn backup_at(revision: &Revision) -> Backup {
    Backup { versions: revision.settings.versions.clone(), ..complete_backup() }
}

fn back(data: RollbackData<'_>) -> Result<Change, DomainError> {
    let (former, store) = upgraded();
    roll_back(store, None, &former, data, &versions(), &request(&caller()))
}

/// A rollback to another schema, requested.
pub(in crate::transition) fn rolled_back() -> Change {
    let source = backup_at(&upgraded().0);
    back(RollbackData { source: Some(&source), loss_accepted: true, backup: Some(BACKUP) }).expect("accepted")
}

#[test]
fn store_returns_to_another_revision_whose_chart_is_there() {
    let mut store = settled(State::Ready, true);
    store.store.revision = 3;
    let back = |store: &Snapshot, revision: &Revision| {
        roll_back(store.clone(), None, revision, NO_DATA, &catalog(), &request(&caller()))
    };
    let change = back(&store, &revision(2, "tiny")).expect("accepted");
    assert_eq!((change.operation.kind, change.operation.restore), (OperationKind::Update, None));
    assert_eq!((change.store.state, change.store.spec.plan.as_str()), (State::Updating, "tiny"));
    let update = change.operation.update.expect("says what it applies");
    assert_eq!((update.to_revision, update.from_revision), (Some(2), 3));
    assert_eq!(change.audit.map(|record| record.action), Some(Action::RollbackStore));
    assert!(matches!(back(&store, &revision(3, "tiny")), Err(DomainError::Invalid(_))));
    let mut gone = revision(2, "tiny");
    gone.settings.versions.chart = "0.0.1".into();
    assert!(matches!(back(&store, &gone), Err(DomainError::VersionUnavailable { .. })));
    store.store.state = State::Failed;
    let refused = Err(DomainError::SettingsNotUpdatable { state: State::Failed });
    assert_eq!(back(&store, &revision(2, "tiny")), refused);
}

#[test]
fn another_schema_needs_a_backup_and_the_acceptance_of_the_loss() {
    let (former, store) = upgraded();
    let refused = |backup: Option<&Backup>| DomainError::SchemaDiffers {
        present: "b".into(),
        former: "a".into(),
        backup: backup.map(|backup| (backup.id, backup.created_at)),
    };
    let source = backup_at(&former);
    let found = RollbackData { source: Some(&source), loss_accepted: false, backup: Some(BACKUP) };
    assert_eq!(back(found), Err(refused(Some(&source))));
    assert_eq!(back(NO_DATA), Err(refused(None)));
    let accepted = RollbackData { loss_accepted: true, ..found };
    assert_eq!(back(RollbackData { source: None, ..accepted }), Err(refused(None)));
    assert_eq!(back(RollbackData { backup: None, ..accepted }), Err(DomainError::BackupsDisabled));
    let other = complete_backup();
    let why = "its schema is not that of the revision";
    let name = store.store.id.to_string();
    let unusable = DomainError::BackupNotUsable { backup: other.id, name, why };
    assert_eq!(back(RollbackData { source: Some(&other), ..accepted }), Err(unusable));
    let same = Revision { settings: store.store.settings(), ..former };
    let named = roll_back(store, None, &same, accepted, &versions(), &request(&caller()));
    assert!(matches!(named, Err(DomainError::Invalid(_))), "{named:?}");
}

#[test]
fn rollback_restores_the_data_of_its_schema_before_the_shop_starts() {
    let (former, store) = upgraded();
    let source = backup_at(&former);
    let change = rolled_back();
    assert_eq!((change.operation.kind, change.store.settings()), (OperationKind::Rollback, former.settings.clone()));
    let steps = change.operation.steps();
    let at = |step: Step| steps.iter().position(|each| *each == step);
    assert!(at(Step::VerifyBackup) < at(Step::Upgrade) && at(Step::Upgrade) < at(Step::Restore), "{steps:?}");
    assert!(at(Step::Restore) < at(Step::Start) && at(Step::Verify) < at(Step::EndMaintenance), "{steps:?}");
    assert_eq!(change.operation.restore.map(|restore| restore.backup), Some(source.id));
    let made = change.backup.clone().expect("is made first");
    assert_eq!(
        (made.trigger, made.state, &made.versions.schema[..]),
        (BackupTrigger::BeforeUpdate, BackupState::Creating, "b")
    );
    let seen = preview(&store.store, &change, Some(&source), &versions());
    assert!(seen.maintenance_page && seen.restores == Some((source.id, source.created_at)), "{seen:?}");
    assert!(seen.notes[0].contains("since 1970-01-01T00:00:00Z are lost"), "{:?}", seen.notes);
}

#[test]
fn undone_rollback_has_the_data_from_before_it() {
    let took = Duration::ZERO;
    for reached in [Step::Upgrade, Step::Restore, Step::Start, Step::Verify] {
        let claimed = after(worker::claim(after(rolled_back()), NOW));
        let verified = after(worker::step_succeeded(claimed, Step::VerifyBackup, took, false, NOW));
        let failing = after(worker::step_started(verified, reached));
        let undoing = after(worker::gave_up(failing, crash_loop(), None, NOW).expect("legal"));
        assert_eq!(undoing.operation.undo_steps()[..3], [Step::Revert, Step::Restore, Step::EndMaintenance]);
        let reverted = after(worker::step_succeeded(undoing, Step::Revert, took, false, NOW));
        assert_eq!(reverted.store.versions.chart, "1.1.0");
        let change = restored(reverted);
        assert_eq!(change.events[0].details["backup_id"], BACKUP.to_string(), "{reached:?}");
        let undone = worker::undone(after(change), Some(Health::Healthy), NOW).expect("legal");
        assert_eq!(
            (undone.store.state, types(&undone)),
            (State::Ready, vec![EventType::UndoSucceeded, EventType::StateChanged])
        );
        let message = &undone.events[1].message;
        assert!(message.contains(&format!("its data is that of backup {BACKUP}")), "{message}");
    }
    let forwards = restored(after(worker::step_started(after(rolled_back()), Step::Restore)));
    assert_eq!(forwards.events[0].details["backup_id"], complete_backup().id.to_string());
}

#[test]
fn rollback_whose_undo_fails_may_have_no_data_and_is_degraded() {
    let started = after(worker::step_started(after(rolled_back()), Step::Restore));
    let undoing = after(worker::gave_up(started, crash_loop(), None, NOW).expect("legal"));
    let reverting = after(worker::step_started(undoing, Step::Revert));
    let failure = Failure::new(Reason::QuotaExceeded, "full");
    let failed = worker::undo_failed(reverting, failure, Some(Health::Healthy), NOW).expect("legal");
    assert_eq!(failed.store.state, State::Degraded, "whatever its pods say");
}

#[test]
fn data_of_a_newer_schema_is_not_restored_into_an_older_version() {
    let (former, newer) = upgraded();
    let restore = |store: &Snapshot, source: &Backup| {
        backup_request::restore(store.clone(), None, (source, None), &versions(), &request(&caller()))
    };
    assert!(restore(&newer, &backup_at(&former)).is_ok(), "the version migrates it");
    let mut older = newer.clone();
    older.store.versions = former.settings.versions.clone();
    let source = Backup { versions: newer.store.versions, created_at: OffsetDateTime::UNIX_EPOCH, ..complete_backup() };
    let refused = restore(&older, &source).expect_err("it cannot read it");
    assert!(refused.to_string().contains("of a newer version with another schema"), "{refused}");
}
