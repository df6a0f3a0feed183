//! RollbackStore: returns a store to an earlier revision. One with another schema also gets the data of a backup, if the caller accepts the loss of
//! what changed since.

use super::backup::check_usable;
use super::request::{Request, of_running_shop};
use super::update::{begin, migration};
use super::{Change, Snapshot};
use crate::audit::Action;
use crate::backup::Backup;
use crate::engine::Catalog;
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::ids::BackupId;
use crate::operation::Restore;
use crate::revision::Revision;
use crate::store::State;
use crate::utc;

/// How a rollback to another schema gets its data.
#[derive(Debug, Clone, Copy)]
pub struct RollbackData<'a> {
    /// The backup with data for the revision: the one that the caller names, otherwise the newest.
    pub source: Option<&'a Backup>,
    /// The caller accepts that what changed since that backup is lost.
    pub loss_accepted: bool,
    /// The backup of the present data, which is made first; `None` if there is no storage for one.
    pub backup: Option<BackupId>,
}

/// Returns a store to the chart and the values of an earlier revision.
pub fn roll_back(
    snapshot: Snapshot,
    etag: Option<&str>,
    revision: &Revision,
    data: RollbackData<'_>,
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = of_running_shop(snapshot, etag, |state| DomainError::SettingsNotUpdatable { state })?;
    if revision.number == change.store.revision {
        return Err(DomainError::field("revision", "is the store's current one; RetryStore applies it again"));
    }
    let (engine, versions) = (&change.store.spec.engine, &revision.settings.versions);
    // The server keeps the charts whose digests it knows.
    if versions.digest.is_empty() && catalog.installed(engine, versions).is_none() {
        let (engine, version) = (engine.clone(), versions.chart.clone());
        return Err(DomainError::VersionUnavailable { engine, version });
    }
    let replaced = replaced_data(&change, revision, data, catalog)?;
    let to = (Some(revision.number), replaced.map(|(_, backup)| backup));
    begin(&mut change, revision.settings.clone(), to, Action::RollbackStore, request);
    let actor = &request.caller.name;
    let mut message = format!("{actor} requested that {} return to revision {}", change.store.id, revision.number);
    let mut event = NewEvent::new(EventType::StoreUpdated, "").with("actor", actor);
    event = event.with("revision", revision.number.to_string());
    if let Some((source, _)) = replaced {
        change.operation.restore = Some(Restore { backup: source.id, skips_backup: false });
        let since = utc::to_the_second(source.created_at);
        message = format!("{message} and to the data of backup {} of {since}", source.id);
        event = event.with("backup_id", source.id.to_string());
    }
    event.message = message;
    change.events.push(event);
    let message = format!("Store {} is returning to revision {}", change.store.id, revision.number);
    change.enter(State::Updating, request.now, message)?;
    Ok(change)
}

/// The backup that is restored, and the one that is made first. `None` if the revision can read the present data.
fn replaced_data<'a>(
    change: &Change,
    revision: &Revision,
    data: RollbackData<'a>,
    catalog: &Catalog,
) -> Result<Option<(&'a Backup, BackupId)>, DomainError> {
    let (present, former) = (&change.store.versions.schema, &revision.settings.versions.schema);
    if present == former {
        return match data.source {
            None => Ok(None),
            Some(_) => Err(DomainError::field("backup_id", "must be empty: the revision reads the present data")),
        };
    }
    let differs = || DomainError::SchemaDiffers {
        present: present.clone(),
        former: former.clone(),
        backup: data.source.map(|source| (source.id, source.created_at)),
    };
    if !data.loss_accepted {
        return Err(differs());
    }
    let Some(backup) = migration(&change.store, &revision.settings, catalog, data.backup)? else { return Ok(None) };
    let source = data.source.ok_or_else(differs)?;
    check_usable(source, &change.store)?;
    if source.versions.schema != *former {
        let (backup, name) = (source.id, change.store.id.to_string());
        return Err(DomainError::BackupNotUsable { backup, name, why: "its schema is not that of the revision" });
    }
    Ok(Some((source, backup)))
}

#[cfg(test)]
pub(super) mod tests;
