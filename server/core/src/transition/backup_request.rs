//! Callers' commands for backups: making one, and restoring one in place.

use super::request::{Request, of_running_shop};
use super::{Change, Snapshot};
use crate::audit::Action;
use crate::backup::{Backup, BackupTrigger, NewBackup};
use crate::engine::Catalog;
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::ids::BackupId;
use crate::operation::{OperationKind, Restore};
use crate::store::{Spec, State, Store};

/// Starts a backup of a store whose shop runs. The store keeps its state.
pub fn back_up(
    snapshot: Snapshot,
    etag: Option<&str>,
    (id, trigger, description): (BackupId, BackupTrigger, &str),
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = of_running_shop(snapshot, etag, |state| DomainError::NotBackupable { state })?;
    let Store { spec: Spec { engine, .. }, versions, .. } = &change.store;
    if catalog.installed_or_default(engine, versions).is_none_or(|engine| engine.backup.is_none()) {
        return Err(DomainError::BackupUnsupported { engine: engine.clone() });
    }
    request.begin(&mut change, OperationKind::Backup, Action::CreateBackup);
    let actor = &request.caller.name;
    let new = NewBackup {
        id,
        trigger,
        description: description.to_owned(),
        requested_by: actor.clone(),
        operation: request.operation,
    };
    change.backup = Some(Backup::of(&change.store, new, request.now));
    let message = format!("{actor} requested a backup of {}", change.store.id);
    let event = NewEvent::new(EventType::BackupRequested, message).with("actor", actor);
    change.events.push(event.with("backup_id", id.to_string()));
    Ok(change)
}

/// Replaces a store's data by that of one of its backups. The present data is backed up first as `backup`, unless that is `None`.
pub fn restore(
    snapshot: Snapshot,
    etag: Option<&str>,
    (source, backup): (&Backup, Option<BackupId>),
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = of_running_shop(snapshot, etag, |state| DomainError::NotRestorable { state })?;
    super::backup::check_usable(source, &change.store)?;
    super::backup::check_readable(source, &change.store)?;
    let Store { spec: Spec { engine, .. }, versions, .. } = &change.store;
    let supported = catalog.installed_or_default(engine, versions).and_then(|engine| engine.backup.as_ref());
    if supported.is_none_or(|backup| backup.maintenance.is_none()) {
        return Err(DomainError::BackupUnsupported { engine: engine.clone() });
    }
    request.begin(&mut change, OperationKind::Restore, Action::RestoreStore);
    change.operation.restore = Some(Restore { backup: source.id, skips_backup: backup.is_none() });
    let actor = &request.caller.name;
    change.backup = backup.map(|id| {
        let new = NewBackup {
            id,
            trigger: BackupTrigger::BeforeRestore,
            description: String::new(),
            requested_by: actor.clone(),
            operation: request.operation,
        };
        Backup::of(&change.store, new, request.now)
    });
    let message =
        format!("{actor} requested that the data of {} be restored from backup {}", change.store.id, source.id);
    let event = NewEvent::new(EventType::RestoreRequested, message).with("actor", actor);
    change.events.push(event.with("backup_id", source.id.to_string()));
    let message = format!("Store {} is being restored from a backup", change.store.id);
    change.enter(State::Updating, request.now, message)?;
    Ok(change)
}
