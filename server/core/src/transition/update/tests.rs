mod optional;

use super::*;
use crate::command::plugins::tests::{choice, offered};
use crate::command::tests::catalog;
use crate::engine::{DataVolume, VolumeUser};
use crate::failure::{Failure, Reason};
use crate::operation::{OperationState, PriorState, Step};
use crate::plugins::text;
use crate::secret::SecretText;
use crate::smtp::Encryption;
use crate::transition::fixtures::{NOW, after, caller, crash_loop, request, running, settled, types, with_backups};
use crate::transition::health::Health;
use crate::transition::operation::{self as worker, cancelled};
use crate::transition::preview::{Preview, PreviewedChange, preview};
use crate::transition::request as requests;

pub(in crate::transition) const BACKUP: BackupId = BackupId(uuid::Uuid::from_u128(5));

/// The engine with backups in four versions: the store's, a later one with the same schema, one with another, and one with another database.
pub(in crate::transition) fn versions() -> Catalog {
    let engine = with_backups().engines()[0].clone();
    let version = |chart: &str, schema: &str| Engine {
        versions: Versions { chart: chart.into(), schema: schema.into(), digest: chart.into(), ..Versions::default() },
        ..engine.clone()
    };
    let others = vec![version("1.0.1", "a"), version("1.1.0", "b"), version("1.2.0", "b+db-2")];
    Catalog::with_versions(vec![version("1.0.0", "a")], others).expect("engines")
}

pub(in crate::transition) fn at_version() -> Snapshot {
    let mut store = settled(State::Ready, true);
    store.store.versions = versions().engines()[0].versions.clone();
    store
}

fn to_version(version: &str) -> StoreUpdate {
    StoreUpdate { engine_version: Some(version.into()), ..StoreUpdate::default() }
}

fn upgraded(version: &str, backup: Option<BackupId>) -> Result<Change, DomainError> {
    update(at_version(), None, &to_version(version), (&versions(), backup), &request(&caller()))
}

fn larger() -> StoreUpdate {
    StoreUpdate { plan: Some("large".into()), ..StoreUpdate::default() }
}

fn updated(snapshot: Snapshot, wanted: &StoreUpdate) -> Result<Change, DomainError> {
    update(snapshot, None, wanted, (&with_backups(), Some(BACKUP)), &request(&caller()))
}

#[test]
fn settings_are_applied_by_an_operation_and_the_rest_changes_at_once() {
    for state in State::ALL {
        let before = settled(state, true);
        let protected = StoreUpdate { deletion_protection: Some(true), ..StoreUpdate::default() };
        let changed = updated(before.clone(), &larger());
        match state {
            State::Deleting | State::Deleted => {
                assert_eq!(changed, Err(DomainError::NotUpdatable { state }));
                continue;
            }
            State::Ready | State::Degraded => {
                let change = changed.expect("accepted");
                assert_eq!((change.store.state, change.store.spec.plan.as_str()), (State::Updating, "large"));
                assert_eq!(types(&change), [EventType::StoreUpdated, EventType::StateChanged]);
                assert_eq!(change.operation.steps(), [Step::Upgrade, Step::Rollout, Step::Verify]);
                let prior = PriorState { state, failure: before.store.failure.clone() };
                assert_eq!(change.operation.prior, Some(prior));
                let update = change.operation.update.expect("says what it applies");
                assert_eq!((update.before, update.to_revision), (before.store.settings(), None));
            }
            _ => assert_eq!(changed, Err(DomainError::SettingsNotUpdatable { state })),
        }
        let change = updated(before.clone(), &protected).expect("accepted in every state");
        assert_eq!((change.store.state, &change.operation), (state, &before.operation));
        let same = StoreUpdate { plan: Some(before.store.spec.plan.clone()), ..StoreUpdate::default() };
        let change = updated(before, &same).expect("nothing changes");
        assert_eq!((change.store.state, change.events.len()), (state, 0));
    }
}

#[test]
fn wanted_values_are_checked_together() {
    let store = settled(State::Ready, true);
    let wanted =
        StoreUpdate { plan: Some("huge".into()), environment: Some(Environment::Staging), ..StoreUpdate::default() };
    let refused = update(store.clone(), None, &wanted, (&catalog(), None), &request(&caller()));
    let Err(DomainError::Invalid(violations)) = refused else { panic!("accepted") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["store.plan", "store.environment"]);
    let default = StoreUpdate { plan: Some(String::new()), ..StoreUpdate::default() };
    let change = updated(store.clone(), &default).expect("accepted");
    assert_eq!(change.store.spec.plan, "small", "the engine's default plan");
    let stale = update(store.clone(), Some("old"), &larger(), (&catalog(), None), &request(&caller()));
    assert_eq!(stale, Err(DomainError::StaleEtag { actual: store.store.etag() }));
}

#[test]
fn failed_update_is_undone_and_its_health_decides() {
    let unhealthy = Health::Unhealthy(crash_loop());
    for (seen, state) in [(Health::Healthy, State::Ready), (unhealthy, State::Degraded)] {
        for cause in [crash_loop(), cancelled()] {
            let mut updating = running(OperationKind::Update, true, Step::Upgrade);
            updating.operation.cancel_requested = cause.reason == Reason::Cancelled;
            let undoing = after(worker::gave_up(updating, cause.clone(), None, NOW).expect("legal"));
            assert_eq!(undoing.operation.undo_steps(), [Step::Revert, Step::Rollout, Step::Verify]);
            assert_eq!((undoing.store.state, undoing.store.spec.plan.as_str()), (State::Updating, "large"));
            let took = std::time::Duration::ZERO;
            let reverted = after(worker::step_succeeded(undoing, Step::Revert, took, false, NOW));
            assert_eq!(reverted.store.spec.plan, "small");
            let undone = worker::undone(reverted, Some(seen.clone()), NOW).expect("legal");
            assert_eq!((undone.store.state, undone.operation.failure.clone()), (state, Some(cause)));
            assert_eq!(types(&undone), [EventType::UndoSucceeded, EventType::StateChanged]);
        }
    }
}

#[test]
fn accepted_cancellation_of_an_update_takes_effect_even_at_its_end() {
    let mut updating = running(OperationKind::Update, true, Step::Verify);
    updating.operation.cancel_requested = true;
    let change = worker::succeeded(updating, None, NOW).expect("legal");
    assert!(change.operation.undoing && change.operation.failure == Some(cancelled()));

    let requested = after(upgraded("1.1.0", Some(BACKUP)).expect("accepted"));
    let mut testing = after(worker::step_started(after(worker::claim(requested, NOW)), Step::Verify));
    testing.operation.cancel_requested = true;
    let change = worker::step_started(testing, Step::EndMaintenance);
    assert!(change.operation.undoing && change.operation.undo_steps()[0] == Step::Revert);
    let restarted = worker::step_started(after(change), Step::EndMaintenance);
    assert_eq!(restarted.operation.step, Some(Step::EndMaintenance), "the undo step is not refused");
}

#[test]
fn update_that_cannot_be_undone_leaves_a_degraded_store_with_both_causes() {
    let updating = running(OperationKind::Update, true, Step::Upgrade);
    let undoing = after(worker::gave_up(updating, crash_loop(), None, NOW).expect("legal"));
    let failed = worker::undo_failed(undoing, Failure::new(Reason::QuotaExceeded, "full"), None, NOW).expect("legal");
    assert_eq!(failed.store.state, State::Degraded);
    let cause = failed.store.failure.expect("has one");
    assert_eq!((cause.reason, cause.details), (Reason::CrashLoop, vec!["then the rollback failed: full".to_owned()]));
}

/// It is offline since an earlier operation, which the update had no time to find out before it was cancelled.
#[test]
fn undo_that_finds_no_data_leaves_the_store_with_its_cause_and_settings() {
    let updating = running(OperationKind::Update, true, Step::Upgrade);
    let before = updating.operation.update.clone().expect("says what it applies").before;
    let missing = Failure::new(Reason::RestoreFailed, "no data");
    let mut undoing = after(worker::gave_up(updating, cancelled(), None, NOW).expect("legal"));
    undoing.operation.step = Some(Step::Revert);
    let failed = worker::undo_failed(undoing, missing, Some(Health::Healthy), NOW).expect("legal");
    let shown = failed.store.failure.clone().expect("has one");
    assert_eq!(
        (failed.store.state, shown.reason, failed.store.settings()),
        (State::Degraded, Reason::RestoreFailed, before)
    );
    assert_eq!(failed.operation.failure.expect("has one").reason, Reason::Cancelled);
}

/// Somebody deployed it, which the update had no time to find out before it was cancelled.
#[test]
fn undo_that_finds_a_newer_schema_leaves_the_settings_as_they_were_unless_the_update_was_deployed() {
    for (deployed, plan) in [(false, "small"), (true, "large")] {
        let updating = running(OperationKind::Update, true, Step::Upgrade);
        let mut undoing = after(worker::gave_up(updating, cancelled(), None, NOW).expect("legal"));
        undoing.operation.step = Some(Step::Revert);
        undoing.store.revision += u32::from(deployed);
        let newer = Failure::new(Reason::NewerSchemaDeployed, "version 2");
        let failed = worker::undo_failed(undoing, newer, Some(Health::Healthy), NOW).expect("legal");
        assert_eq!(failed.store.spec.plan, plan);
    }
}

#[test]
fn update_that_was_refused_before_it_changed_anything_is_not_undone() {
    let online = running(OperationKind::Update, true, Step::Upgrade);
    let requested = after(upgraded("1.1.0", Some(BACKUP)).expect("accepted"));
    let offline = after(worker::step_started(after(worker::claim(requested, NOW)), Step::Maintenance));
    for (reason, state) in [(Reason::RestoreFailed, State::Degraded), (Reason::NewerSchemaDeployed, State::Ready)] {
        for snapshot in [online.clone(), offline.clone()] {
            let before = snapshot.operation.update.clone().expect("says what it applies").before;
            let cause = Failure::new(reason, "the data is missing, or of another version");
            let failed = worker::gave_up(snapshot, cause, Some(Health::Healthy), NOW).expect("legal");
            assert!(!failed.operation.undoing);
            assert_eq!((failed.store.state, failed.store.settings()), (state, before));
        }
    }
}

#[test]
fn update_that_was_not_applied_leaves_the_settings_as_they_were() {
    let requested = after(updated(settled(State::Degraded, true), &larger()).expect("accepted"));
    let cancel = requests::cancel(requested.clone(), None, None, &request(&caller())).expect("legal");
    assert_eq!((cancel.store.state, cancel.store.spec.plan.as_str()), (State::Degraded, "small"));
    let claimed = after(worker::claim(requested, NOW));
    let failed = worker::gave_up(claimed, crash_loop(), Some(Health::Healthy), NOW).expect("legal");
    assert_eq!((failed.store.state, failed.store.spec.plan.as_str()), (State::Ready, "small"));
    assert!(!failed.operation.undoing);
}

#[test]
fn preview_says_what_changes_and_what_cannot_be_undone() {
    let store = settled(State::Ready, true);
    let protected = StoreUpdate { deletion_protection: Some(true), ..StoreUpdate::default() };
    let change = updated(store.clone(), &protected).expect("accepted");
    assert_eq!(preview(&store.store, &change, None, &with_backups()), Preview::default());
    let wanted = StoreUpdate { environment: Some(Environment::Staging), ..larger() };
    let change = updated(store.clone(), &wanted).expect("accepted");
    let seen = preview(&store.store, &change, None, &with_backups());
    let text = |field: &str, before: &str, after: &str| PreviewedChange {
        field: field.into(),
        before: before.into(),
        after: after.into(),
    };
    assert_eq!(seen.changes, [text("plan", "small", "large"), text("environment", "PRODUCTION", "STAGING")]);
    assert!(seen.restarts_pods && seen.notes.len() == 1, "{:?}", seen.notes);
    assert_eq!(seen.steps, change.operation.steps());
    let mut ended = after(change);
    (ended.store.state, ended.operation.state) = (State::Ready, OperationState::Succeeded);
    let production = StoreUpdate { environment: Some(Environment::Production), ..StoreUpdate::default() };
    let caller = caller();
    let mut own = request(&caller);
    own.operation = crate::ids::OperationId(uuid::Uuid::from_u128(9));
    let change = update(ended.clone(), None, &production, (&with_backups(), None), &own).expect("accepted");
    let notes = preview(&ended.store, &change, None, &with_backups()).notes;
    assert!(notes.iter().any(|note| note.contains("cannot be undone")), "{notes:?}");
}

#[test]
fn version_with_the_same_schema_is_applied_online_and_another_one_after_a_backup() {
    let patch = upgraded("1.0.1", None).expect("needs no backup");
    assert_eq!((patch.operation.migrates_data(), patch.backup), (false, None));
    assert_eq!(patch.store.versions.chart, "1.0.1");
    let minor = upgraded("1.1.0", Some(BACKUP)).expect("accepted");
    let steps = [
        Step::Maintenance,
        Step::BackUp,
        Step::VerifyBackup,
        Step::Upgrade,
        Step::Rollout,
        Step::Verify,
        Step::EndMaintenance,
    ];
    assert_eq!(minor.operation.steps(), steps);
    let backup = minor.backup.clone().expect("is made first");
    assert_eq!(
        (backup.id, backup.trigger, backup.versions.chart.as_str()),
        (BACKUP, BackupTrigger::BeforeUpdate, "1.0.0")
    );
    let seen = preview(&at_version().store, &minor, None, &versions());
    assert!(seen.maintenance_page && seen.notes.len() == 1, "{seen:?}");
    assert_eq!(upgraded("1.1.0", None), Err(DomainError::BackupsDisabled));
    for (version, rule) in [("2.0.0", "must be one of: 1.2.0, 1.1.0, 1.0.1, 1.0.0"), ("1.0.0", "")] {
        match upgraded(version, Some(BACKUP)) {
            Err(DomainError::Invalid(violations)) => assert_eq!(violations[0].description, rule),
            other => assert!(other.expect("its own version").events.is_empty() && rule.is_empty()),
        }
    }
    let mut newer = at_version();
    newer.store.versions = versions().engine_at("woocommerce", "1.1.0").expect("there").versions.clone();
    let older = update(newer, None, &to_version("1.0.1"), (&versions(), Some(BACKUP)), &request(&caller()));
    let Err(DomainError::Invalid(violations)) = older else { panic!("accepted") };
    let rule = "cannot be 1.0.1: version 1.0.1 is not newer than 1.1.0; RollbackStore returns to an earlier revision";
    assert_eq!(violations[0].description, rule);
}

#[test]
fn chart_that_cannot_be_tested_behind_its_page_does_not_migrate_data() {
    let mut engines: Vec<Engine> = versions().versions("woocommerce").cloned().collect();
    for engine in &mut engines {
        let maintenance = engine.backup.as_mut().and_then(|backup| backup.maintenance.as_mut());
        maintenance.expect("has one").service = None;
    }
    let others = engines.split_off(1);
    let catalog = Catalog::with_versions(engines, others).expect("engines");
    let refused = update(at_version(), None, &to_version("1.1.0"), (&catalog, Some(BACKUP)), &request(&caller()));
    let (engine, version, lacks) = ("woocommerce".to_owned(), "1.0.0".to_owned(), "`backup.maintenance.service`");
    assert_eq!(refused, Err(DomainError::MigrationUnsupported { engine, version, lacks }));
}

#[test]
fn another_series_of_the_database_needs_its_volume_to_be_emptied() {
    let lacks = "volume of the database in `backup.volumes`, which another series of the database needs empty";
    let (engine, version) = ("woocommerce".to_owned(), "1.0.0".to_owned());
    assert_eq!(upgraded("1.2.0", Some(BACKUP)), Err(DomainError::MigrationUnsupported { engine, version, lacks }));
    let mut engines: Vec<Engine> = versions().versions("woocommerce").cloned().collect();
    for engine in &mut engines {
        let user = VolumeUser::StatefulSet("store-db".into());
        let volumes = engine.backup.as_mut().map(|backup| &mut backup.volumes);
        volumes.expect("has backups").push(DataVolume { claim: "data".into(), user });
    }
    let others = engines.split_off(1);
    let catalog = Catalog::with_versions(engines, others).expect("engines");
    let replaces = |version: &str| {
        let wanted = to_version(version);
        let change = update(at_version(), None, &wanted, (&catalog, Some(BACKUP)), &request(&caller()));
        change.expect("accepted").operation.update.expect("says what it applies").replaces_database
    };
    assert!(replaces("1.2.0") && !replaces("1.1.0") && !replaces("1.0.1"));
}

#[test]
fn failed_migration_restores_its_own_backup_and_one_that_was_not_reached_only_ends_the_maintenance() {
    let took = std::time::Duration::ZERO;
    let requested = after(upgraded("1.1.0", Some(BACKUP)).expect("accepted"));
    let claimed = after(worker::claim(requested, NOW));
    let backing_up = after(worker::step_started(claimed.clone(), Step::BackUp));
    let undoing = after(worker::gave_up(backing_up, crash_loop(), None, NOW).expect("legal"));
    assert_eq!(undoing.operation.undo_steps(), [Step::EndMaintenance]);
    let undone = worker::undone(undoing, Some(Health::Healthy), NOW).expect("legal");
    assert_eq!((undone.store.state, undone.store.versions.chart.as_str()), (State::Ready, "1.0.0"));

    let verified = after(worker::step_succeeded(claimed, Step::VerifyBackup, took, false, NOW));
    let testing = after(worker::step_started(verified, Step::Verify));
    let undoing = after(worker::gave_up(testing, crash_loop(), None, NOW).expect("legal"));
    assert_eq!(undoing.operation.undo_steps()[..2], [Step::Revert, Step::Restore]);
    assert_eq!(undoing.operation.step, None, "no undo step was started");
    let reverted = after(worker::step_succeeded(undoing, Step::Revert, took, false, NOW));
    let restored = crate::transition::backup::restored(reverted);
    assert_eq!(types(&restored), [EventType::Restored]);
    let undone = worker::undone(after(restored), Some(Health::Healthy), NOW).expect("legal");
    assert_eq!((undone.store.state, undone.store.versions.chart.as_str()), (State::Ready, "1.0.0"));

    let requested = after(upgraded("1.1.0", Some(BACKUP)).expect("accepted"));
    let ending = after(worker::step_started(after(worker::claim(requested, NOW)), Step::EndMaintenance));
    let failed = worker::gave_up(ending, crash_loop(), None, NOW).expect("legal");
    assert_eq!((failed.store.state, failed.store.versions.chart.as_str()), (State::Degraded, "1.1.0"));
}

#[test]
fn whether_the_shop_sold_is_remembered() {
    let requested = after(upgraded("1.0.1", None).expect("accepted"));
    assert_eq!(requested.operation.update.as_ref().and_then(|update| update.sold), None);
    let tested = tested(requested, true).operation;
    assert_eq!(tested.update.and_then(|update| update.sold), Some(true));
}

#[test]
fn version_changes_only_if_it_is_named_or_its_schema_changed() {
    let gone = |wanted: &StoreUpdate| {
        let mut store = at_version();
        store.store.versions.chart = "0.9.0".into();
        store.store.versions.digest = "gone".into();
        update(store, None, wanted, (&versions(), None), &request(&caller())).expect("accepted")
    };
    let labels = StoreUpdate { labels: Some([("a".into(), "b".into())].into()), ..StoreUpdate::default() };
    let change = gone(&labels);
    assert_eq!((change.store.state, change.store.versions.chart.as_str()), (State::Ready, "0.9.0"));
    assert_eq!(gone(&larger()).store.versions.chart, "0.9.0", "its version is no longer offered, but kept");
    let mut store = at_version();
    store.store.versions.schema = "before".into();
    let changed = update(store, None, &larger(), (&versions(), Some(BACKUP)), &request(&caller())).expect("accepted");
    assert!(changed.operation.migrates_data(), "the chart's directory has another schema now");
}
