//! Creates stores with the data of a backup: copies, and deleted stores again.

use super::backup_request::back_up;
use super::request::{NewStore, Request, begin_creation};
use super::{Change, Snapshot, backup};
use crate::audit::Action;
use crate::backup::{Backup, BackupTrigger};
use crate::command::choose_plan;
use crate::copy::CopyStore;
use crate::engine::{Catalog, Engine};
use crate::error::DomainError;
use crate::event::NewEvent;
use crate::host_name::ServedDomains;
use crate::ids::{BackupId, StoreId, StoreUid};
use crate::names::Placement;
use crate::store::{CleanupPolicy, Source, Spec, State, Store};
use crate::validate::{Check, DISPLAY_NAME_MAX};

/// What follows the name of the store that is copied, in the name of a copy that has none of its own.
const SUFFIX: &str = " (copy)";

/// The changes of a copy, which are stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The copy.
    pub store: Change,
    /// The backup of the store that is copied, if it is backed up for the copy.
    pub source: Option<Change>,
}

/// Decides about a copy under the row lock of the store that is copied.
pub type CopyDecision<'a> = dyn Fn(Snapshot) -> Result<Copy, DomainError> + Send + Sync + 'a;

/// Where the data of a copy comes from.
#[derive(Debug)]
pub enum CopySource<'a> {
    /// A backup that exists.
    Backup(&'a Backup),
    /// The store as it is: it is backed up under this id, by the operation of this request.
    Live(BackupId, &'a Request<'a>),
}

/// The uid and id of a new store, and the parent domain of host names.
#[derive(Debug)]
pub struct NewIds<'a> {
    /// Its uid.
    pub uid: StoreUid,
    /// Its id.
    pub id: StoreId,
    /// The parent domain of shops' host names.
    pub domain: &'a str,
}

/// Copies a store.
pub fn copy(
    snapshot: Snapshot,
    wanted: &CopyStore,
    new: NewIds<'_>,
    source: &CopySource<'_>,
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Copy, DomainError> {
    let original = snapshot.store.clone();
    let engine = match source {
        CopySource::Backup(source) => reader(source, &original, catalog)?,
        CopySource::Live(..) => {
            copyable(&original, catalog.installed_or_default(&original.spec.engine, &original.versions))?
        }
    };
    let spec = spec(&original.spec, wanted, engine)?;
    let (backup, backing_up) = match source {
        CopySource::Backup(source) => {
            backup::check_of(source, original.uid, &original.id, &original.spec.engine)?;
            (source.id, None)
        }
        CopySource::Live(id, backing_up) => {
            let change = back_up(snapshot, None, (*id, BackupTrigger::Copy, ""), catalog, backing_up)?;
            (*id, Some(change))
        }
    };
    let requested = format!("{} requested a copy of {} as {}", request.caller.name, original.id, new.id);
    let placement = Placement::new(&new.id, request.caller.tenant(), new.domain);
    let new =
        NewStore { uid: new.uid, id: new.id, spec, engine, placement, source: Some(Source::of(&original, backup)) };
    let store = begin_creation(new, event(requested, &original, backup), Action::CopyStore, request);
    Ok(Copy { store, source: backing_up })
}

/// Creates a deleted store again, with its id, its host name and the data of one of its backups.
pub fn undelete(
    deleted: &Store,
    source: &Backup,
    uid: StoreUid,
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let Store { id, spec, placement, state, .. } = deleted.clone();
    if state != State::Deleted {
        return Err(DomainError::NotDeleted { name: id.to_string(), state });
    }
    let engine = restorable(source, deleted, catalog)?;
    let requested =
        format!("{} requested that {id} be created again with the data of backup {}", request.caller.name, source.id);
    // Its domains may belong to another store by now, and its mail server's password was in its namespace.
    let (domains, smtp) = (ServedDomains::default(), None);
    let spec = Spec { cleanup_policy: CleanupPolicy::Keep, domains, smtp, ..spec };
    let new = NewStore { uid, id, spec, engine, placement, source: Some(Source::of(deleted, source.id)) };
    Ok(begin_creation(new, event(requested, deleted, source.id), Action::UndeleteStore, request))
}

/// The engine with which a backup of `original` can be restored into a new store of the same plan.
pub(super) fn restorable<'a>(
    source: &Backup,
    original: &Store,
    catalog: &'a Catalog,
) -> Result<&'a Engine, DomainError> {
    let Spec { engine: name, plan, .. } = &original.spec;
    let engine = reader(source, original, catalog)?;
    let mut check = Check::default();
    let plan = choose_plan(&mut check, engine, plan);
    check.finish(plan)?;
    backup::check_of(source, original.uid, &original.id, name)?;
    Ok(engine)
}

fn event(requested: String, original: &Store, backup: BackupId) -> NewEvent {
    let event = NewEvent::state(State::Provisioning, requested).with("source_store_id", original.id.to_string());
    event.with("source_store_uid", original.uid.to_string()).with("backup_id", backup.to_string())
}

/// The engine at a version that reads the data of a backup: that of the store if its schema is the same, otherwise that of the backup.
fn reader<'a>(source: &Backup, original: &Store, catalog: &'a Catalog) -> Result<&'a Engine, DomainError> {
    let (name, schema) = (&original.spec.engine, &source.versions.schema);
    if schema.is_empty() || *schema == original.versions.schema {
        return copyable(original, catalog.installed_or_default(name, &original.versions));
    }
    let engine = catalog.installed(name, &source.versions).ok_or_else(|| DomainError::BackupNotUsable {
        backup: source.id,
        name: original.id.to_string(),
        why: "its data has another schema than the store's version reads, and its own version is not offered any more",
    });
    copyable(original, Some(engine?))
}

/// The engine, if its shops can be made from backups.
fn copyable<'a>(original: &Store, engine: Option<&'a Engine>) -> Result<&'a Engine, DomainError> {
    let name = &original.spec.engine;
    let engine = engine.filter(|engine| engine.backup.is_some());
    let engine = engine.ok_or_else(|| DomainError::BackupUnsupported { engine: name.clone() })?;
    if engine.backup.as_ref().is_some_and(|backup| backup.copies) {
        return Ok(engine);
    }
    Err(DomainError::CopyUnsupported { engine: name.clone() })
}

/// What the request leaves open is as in the store that is copied.
fn spec(original: &Spec, wanted: &CopyStore, engine: &Engine) -> Result<Spec, DomainError> {
    let mut check = Check::default();
    let plan = choose_plan(&mut check, engine, wanted.plan.as_ref().unwrap_or(&original.plan));
    let plan = check.finish(plan)?;
    let or = |wanted: &Option<String>, otherwise: String| wanted.clone().unwrap_or(otherwise);
    Ok(Spec {
        display_name: or(&wanted.display_name, name_of_copy(&original.display_name)),
        engine: original.engine.clone(),
        plan,
        admin_email: or(&wanted.admin_email, original.admin_email.clone()),
        cleanup_policy: wanted.cleanup_policy,
        deletion_protection: wanted.deletion_protection,
        environment: wanted.environment,
        // Those of the original lead to the original.
        domains: ServedDomains::default(),
        labels: if wanted.labels.is_empty() { original.labels.clone() } else { wanted.labels.clone() },
        backup_policy: original.backup_policy,
        // Its password is in the namespace of the original.
        smtp: None,
        plugins: original.plugins.clone(),
    })
}

/// The name of the store that is copied, shortened if necessary, with a suffix.
fn name_of_copy(original: &str) -> String {
    let room = DISPLAY_NAME_MAX - SUFFIX.chars().count();
    let kept: String = original.chars().take(room).collect();
    format!("{}{SUFFIX}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::backup::BackupState;
    use crate::command::tests::catalog;
    use crate::event::EventType;
    use crate::failure::{Failure, Reason};
    use crate::host_name::HostName;
    use crate::identity::Caller;
    use crate::operation::{OperationKind, OperationState, Restore, Step};
    use crate::store::{Environment, Versions};
    use crate::transition::fixtures::{after, caller, complete_backup, request, running, settled, types, with_backups};
    use crate::transition::{operation, request as requests};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const UID: StoreUid = StoreUid(Uuid::max());

    fn wanted() -> CopyStore {
        let input = crate::copy::CopyStoreInput {
            source_store_id: "demo".into(),
            cleanup_policy: Some(CleanupPolicy::Keep),
            environment: Some(Environment::Staging),
            ..crate::copy::CopyStoreInput::default()
        };
        input.check().expect("good")
    }

    fn ids() -> NewIds<'static> {
        NewIds { uid: UID, id: "tea".parse().expect("valid"), domain: "test" }
    }

    fn copy_of(caller: &Caller, backup: &Backup, state: State) -> Result<Copy, DomainError> {
        let source = CopySource::Backup(backup);
        copy(settled(state, true), &wanted(), ids(), &source, &with_backups(), &request(caller))
    }

    #[test]
    fn copy_of_a_backup_is_a_staging_store_that_restores_it() {
        let caller = caller();
        for state in State::ALL {
            let copied = copy_of(&caller, &complete_backup(), state).expect("backups do not depend on the store");
            assert_eq!(copied.source, None, "{state:?}: the store does not change");
            let (store, operation) = (&copied.store.store, &copied.store.operation);
            assert_eq!((store.uid, store.id.as_str(), store.state), (UID, "tea", State::Provisioning));
            assert_eq!((store.spec.environment, &*store.placement.host), (Environment::Staging, "store-tea.test"));
            assert_eq!(store.spec.display_name, "Demo (copy)");
            let source = store.source.clone().expect("is recorded");
            assert_eq!(
                (source.store_id.as_str(), source.backup, source.restored),
                ("demo", complete_backup().id, false)
            );
            let reads = Some(Restore { backup: complete_backup().id, skips_backup: true });
            assert_eq!((operation.kind, operation.restore), (OperationKind::Copy, reads));
        }
    }

    #[test]
    fn live_copy_backs_the_store_up_first() {
        let caller = caller();
        let id = BackupId(Uuid::max());
        let live = |state| {
            let own = request(&caller);
            let source = CopySource::Live(id, &own);
            copy(settled(state, true), &wanted(), ids(), &source, &with_backups(), &request(&caller))
        };
        for state in State::ALL {
            let copied = live(state);
            if !matches!(state, State::Ready | State::Degraded) {
                assert_eq!(copied, Err(DomainError::NotBackupable { state }));
                continue;
            }
            let copied = copied.expect("accepted");
            let backing_up = copied.source.expect("is backed up");
            assert_eq!((backing_up.store.state, backing_up.operation.kind), (state, OperationKind::Backup));
            let backup = backing_up.backup.expect("is created");
            assert_eq!((backup.id, backup.trigger, backup.state), (id, BackupTrigger::Copy, BackupState::Creating));
            assert_eq!(copied.store.store.source.map(|source| source.backup), Some(id));
        }
    }

    #[test]
    fn only_a_complete_backup_of_that_very_store_is_copied() {
        let caller = caller();
        for (unusable, why) in [
            (Backup { state: BackupState::Creating, ..complete_backup() }, "it is not COMPLETE"),
            (Backup { store: UID, ..complete_backup() }, "it is of another store"),
            (Backup { engine: "medusa".into(), ..complete_backup() }, "it is of another engine"),
        ] {
            let refused = DomainError::BackupNotUsable { backup: unusable.id, name: "demo".into(), why };
            assert_eq!(copy_of(&caller, &unusable, State::Ready), Err(refused.clone()));
            let undeleted =
                undelete(&settled(State::Deleted, true).store, &unusable, UID, &with_backups(), &request(&caller));
            assert_eq!(undeleted, Err(refused));
        }
    }

    #[test]
    fn copy_has_the_version_of_the_original_if_that_is_available() {
        let newer = with_backups().engines()[0].clone();
        let versions = |chart: &str| Versions { chart: chart.into(), ..Versions::default() };
        let older = Engine { versions: versions("0.1.0"), ..newer.clone() };
        let both = Catalog::with_versions(vec![newer], vec![older]).expect("engines");
        for (had, expected) in [("0.1.0", "0.1.0"), ("0.0.9", "0.2.0")] {
            let deleted = Store { versions: versions(had), ..settled(State::Deleted, true).store };
            let change = undelete(&deleted, &complete_backup(), UID, &both, &request(&caller())).expect("accepted");
            assert_eq!(change.store.versions.chart, expected);
        }
    }

    #[test]
    fn engines_without_the_values_for_copies_are_refused() {
        let caller = caller();
        let refused = |catalog: &Catalog| {
            let source = complete_backup();
            let source = CopySource::Backup(&source);
            copy(settled(State::Ready, true), &wanted(), ids(), &source, catalog, &request(&caller))
        };
        let engine = "woocommerce".to_owned();
        assert_eq!(refused(&catalog()), Err(DomainError::BackupUnsupported { engine: engine.clone() }));
        let mut engines = with_backups().engines().to_vec();
        for backup in engines.iter_mut().filter_map(|engine| engine.backup.as_mut()) {
            backup.copies = false;
        }
        let without = Catalog::new(engines).expect("has engines");
        assert_eq!(refused(&without), Err(DomainError::CopyUnsupported { engine }));
    }

    #[test]
    fn deleted_store_is_created_again_with_its_id_and_host() {
        let caller = caller();
        for state in State::ALL {
            let mut before = settled(state, true).store;
            let name: HostName = "shop.example.com".parse().expect("a name");
            before.spec.domains = ServedDomains { names: vec![name.clone()], primary: Some(name) };
            let undeleted = undelete(&before, &complete_backup(), UID, &with_backups(), &request(&caller));
            if state != State::Deleted {
                assert_eq!(undeleted, Err(DomainError::NotDeleted { name: "demo".into(), state }));
                continue;
            }
            let Change { store, operation, .. } = undeleted.expect("accepted");
            assert_eq!((&store.id, &store.placement, store.uid), (&before.id, &before.placement, UID));
            // They may belong to another store by now.
            let spec = Spec { domains: ServedDomains::default(), ..before.spec };
            assert_eq!((store.spec, operation.kind), (spec, OperationKind::Copy));
        }
    }

    #[test]
    fn retry_restores_unless_the_data_is_there() {
        let caller = caller();
        let retried = |snapshot| requests::retry(snapshot, None, &request(&caller)).expect("accepted").operation;
        let copied = copy_of(&caller, &complete_backup(), State::Ready).expect("accepted").store;
        let installing = after(operation::step_started(after(operation::claim(after(copied), NOW)), Step::Install));
        let failed = Failure::new(Reason::ImagePullFailed, "No such image.");
        let stopped = operation::gave_up(installing.clone(), failed.clone(), None, NOW).expect("legal");
        let again = retried(after(stopped));
        assert_eq!((again.kind, again.restore), (OperationKind::Copy, installing.operation.restore));
        let restored = after(backup::restored(after(operation::step_started(installing, Step::Restore))));
        let stopped = operation::gave_up(restored, failed, None, NOW).expect("legal");
        let again = retried(after(stopped));
        assert_eq!((again.kind, again.restore), (OperationKind::Retry, None), "its data is there");
    }

    #[test]
    fn undone_copy_is_restored_again() {
        let caller = caller();
        let restored = after(backup::restored(running(OperationKind::Copy, false, Step::Restore)));
        assert!(restored.store.source.as_ref().is_some_and(|source| source.restored));
        let undoing = operation::gave_up(restored, operation::cancelled(), None, NOW).expect("legal");
        let undone = operation::undone(after(undoing), None, NOW).expect("legal");
        let again = requests::retry(after(undone), None, &request(&caller)).expect("accepted").operation;
        assert_eq!(again.kind, OperationKind::Copy, "nothing is left of its data");
    }

    #[test]
    fn cancelled_copy_is_removed_and_ready_one_is_kept() {
        let copying = running(OperationKind::Copy, false, Step::Restore);
        let change = operation::gave_up(copying.clone(), operation::cancelled(), None, NOW).expect("legal");
        assert!(change.operation.undoing);
        assert_eq!(change.operation.undo_steps(), [Step::Uninstall, Step::NamespaceGone]);
        let change = operation::succeeded(copying, None, NOW).expect("legal");
        assert_eq!((change.store.state, change.operation.state), (State::Ready, OperationState::Succeeded));
        assert_eq!(types(&change), [EventType::StateChanged]);
    }

    #[test]
    fn name_of_a_copy_has_at_most_the_permitted_length() {
        assert_eq!(name_of_copy("Tea & Co"), "Tea & Co (copy)");
        let long = name_of_copy(&format!("{} ß", "ä".repeat(DISPLAY_NAME_MAX - 8)));
        assert!(long.chars().count() <= DISPLAY_NAME_MAX && long.ends_with("ä (copy)"), "{long}");
    }
}
