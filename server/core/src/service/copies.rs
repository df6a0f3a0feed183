//! Stores with the data of backups: copies, and deleted stores again.

use super::{GENERATED_ID_TRIES, SUFFIX, Service, check_scope, deferred, new_id};
use crate::audit::Action;
use crate::backup::Backup;
use crate::copy::{CopyStore, CopyStoreInput, UndeleteStore};
use crate::error::{DomainError, PortError};
use crate::identity::Caller;
use crate::ids::{BackupId, StoreId, StoreUid};
use crate::query::{BackupQuery, PageStart};
use crate::store::{State, Store};
use crate::transition::Snapshot;
use crate::transition::copy::{self, Copy, CopySource, NewIds};

impl Service {
    /// Copies a store. With `validate_only`, nothing changes, and the copy is as it would be.
    pub async fn copy_store(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: CopyStoreInput,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let asked = input.source_store_id.clone();
        let result = Box::pin(self.try_copy(caller, trace, input, validate_only)).await;
        if validate_only { result } else { self.audited(caller, Action::CopyStore, &asked, result).await }
    }

    async fn try_copy(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: CopyStoreInput,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let command = input.check()?;
        check_scope(caller, command.id.as_ref())?;
        if !self.backups_enabled {
            return Err(DomainError::BackupsDisabled.into());
        }
        let backup = self.named_backup(caller, command.backup).await?;
        let before = self.snapshot(caller, &command.source).await?;
        let mut tries = if command.id.is_some() { 1 } else { GENERATED_ID_TRIES };
        loop {
            tries -= 1;
            let id = self.id_of_copy(caller, &command, &before.store)?;
            let (uid, live) = (StoreUid(self.ids.uuid()), BackupId(self.ids.uuid()));
            let (request, backing_up) = (self.request(caller, trace.clone()), self.request(caller, trace.clone()));
            let decide = |snapshot: Snapshot| {
                let source = match &backup {
                    Some(named) => CopySource::Backup(named.as_ref().map_err(DomainError::clone)?),
                    None => CopySource::Live(live, &backing_up),
                };
                let new = NewIds { uid, id: id.clone(), domain: &self.domain };
                copy::copy(snapshot, &command, new, &source, &self.catalog, &request)
            };
            if validate_only {
                return self.would_create(caller, decide(before)?.store.store).await;
            }
            match self.stores.copy(&caller.access, &command.source, command.idempotency, &decide).await {
                Err(PortError::Refused(DomainError::AlreadyExists { .. })) if tries > 0 => {}
                result => return result.map(|applied| applied.store),
            }
        }
    }

    fn id_of_copy(&self, caller: &Caller, command: &CopyStore, original: &Store) -> Result<StoreId, PortError> {
        let name = command.display_name.as_ref().unwrap_or(&original.spec.display_name);
        match &command.id {
            Some(id) => Ok(id.clone()),
            None => new_id(name, &caller.access.scope, &self.ids.random_text(SUFFIX)),
        }
    }

    /// Creates a deleted store again. With `validate_only`, nothing changes, and the store is as it would be.
    pub async fn undelete_store(
        &self,
        caller: &Caller,
        trace: Option<String>,
        asked: &str,
        command: Result<UndeleteStore, DomainError>,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let result = Box::pin(self.try_undelete(caller, trace, command, validate_only)).await;
        if validate_only { result } else { self.audited(caller, Action::UndeleteStore, asked, result).await }
    }

    async fn try_undelete(
        &self,
        caller: &Caller,
        trace: Option<String>,
        command: Result<UndeleteStore, DomainError>,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let command = command?;
        if !self.backups_enabled {
            return Err(DomainError::BackupsDisabled.into());
        }
        let before = self.snapshot(caller, &command.deleted).await?;
        // A repeated request finds the store that the first one created, and is answered by its request id.
        let backup = match self.named_backup(caller, command.backup).await? {
            None if before.store.state == State::Deleted => Some(self.newest_backup(caller, &before.store).await?),
            named => named,
        };
        let (uid, request) = (StoreUid(self.ids.uuid()), self.request(caller, trace));
        let decide = |Snapshot { store, .. }: Snapshot| match &backup {
            Some(backup) => {
                let backup = backup.as_ref().map_err(DomainError::clone)?;
                let store = copy::undelete(&store, backup, uid, &self.catalog, &request)?;
                Ok(Copy { store, source: None })
            }
            None => Err(DomainError::NotDeleted { name: store.id.to_string(), state: store.state }),
        };
        if validate_only {
            return self.would_create(caller, decide(before)?.store.store).await;
        }
        let applied = self.stores.copy(&caller.access, &command.deleted, command.idempotency, &decide).await?;
        Ok(applied.store)
    }

    /// The backup that a request names; if it does not exist, the refusal of a request that was not executed before.
    async fn named_backup(
        &self,
        caller: &Caller,
        named: Option<BackupId>,
    ) -> Result<Option<Result<Backup, DomainError>>, PortError> {
        let Some(id) = named else { return Ok(None) };
        deferred(self.backup(caller, id).await).map(Some)
    }

    async fn newest_backup(&self, caller: &Caller, deleted: &Store) -> Result<Result<Backup, DomainError>, PortError> {
        let filter = format!("state = COMPLETE AND store_uid = \"{}\"", deleted.uid);
        let query = BackupQuery::check(&caller.access, deleted.id.as_str(), &filter, 1, PageStart::First)?;
        let newest = self.backups.list(&query).await?.items.into_iter().next();
        Ok(newest.ok_or_else(|| DomainError::NoBackup { name: deleted.id.to_string() }))
    }
}
