//! Backups of stores.

use super::{Service, deferred};
use crate::audit::Action;
use crate::backup::command::{CreateBackupInput, DeleteBackup, RestoreStoreInput};
use crate::backup::{Backup, BackupTrigger};
use crate::command::StoreRef;
use crate::error::{DomainError, PortError};
use crate::identity::Caller;
use crate::ids::BackupId;
use crate::ports::{Applied, Target};
use crate::query::{BackupQuery, Page};
use crate::store::Store;
use crate::transition::{Snapshot, backup_request};

impl Service {
    /// Starts a backup of a store. With `validate_only`, nothing changes, and the backup is as it would be.
    pub async fn create_backup(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: CreateBackupInput,
        validate_only: bool,
    ) -> Result<Backup, PortError> {
        let asked = input.store_id.clone();
        let result = self.try_create_backup(caller, trace, input, validate_only).await;
        if validate_only { result } else { self.audited(caller, Action::CreateBackup, &asked, result).await }
    }

    async fn try_create_backup(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: CreateBackupInput,
        validate_only: bool,
    ) -> Result<Backup, PortError> {
        let command = input.check()?;
        if !self.backups_enabled {
            return Err(DomainError::BackupsDisabled.into());
        }
        let etag = command.etag.as_deref();
        let backup = (BackupId(self.ids.uuid()), BackupTrigger::OnDemand, command.description.as_str());
        let (request, catalog) = (self.request(caller, trace), &self.catalog);
        let transition = |snapshot| backup_request::back_up(snapshot, etag, backup, catalog, &request);
        if validate_only {
            let change = transition(self.snapshot(caller, &command.target).await?)?;
            let made = change.backup.ok_or(DomainError::NotBackupable { state: change.store.state })?;
            self.stores.check_backup_quota(&made).await?;
            return Ok(made);
        }
        let target = Target::Store(command.target);
        let Applied { operation, backup, .. } =
            self.stores.change(&caller.access, &target, command.idempotency, &transition).await?;
        // A repeated request, whose backup was deleted since.
        let name = || operation.id.to_string();
        Ok(backup.ok_or_else(|| DomainError::NotFound { kind: "backup", name: name() })?)
    }

    /// Replaces a store's data by that of a backup. With `validate_only`, nothing changes, and the store is as it would be.
    pub async fn restore_store(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: RestoreStoreInput,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let result = self.try_restore(caller, trace, &input, validate_only).await;
        if validate_only { result } else { self.audited(caller, Action::RestoreStore, &input.store_id, result).await }
    }

    async fn try_restore(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: &RestoreStoreInput,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let command = input.check()?;
        if !self.backups_enabled {
            return Err(DomainError::BackupsDisabled.into());
        }
        let source = deferred(self.backup(caller, command.backup).await)?;
        let new = (!command.skip_backup).then(|| BackupId(self.ids.uuid()));
        let (request, catalog, etag) = (self.request(caller, trace), &self.catalog, command.etag.as_deref());
        let transition = |snapshot| {
            let source = source.as_ref().map_err(DomainError::clone)?;
            backup_request::restore(snapshot, etag, (source, new), catalog, &request)
        };
        if validate_only {
            return Ok(transition(self.snapshot(caller, &command.target).await?)?.store);
        }
        let target = Target::Store(command.target);
        let applied = self.stores.change(&caller.access, &target, command.idempotency, &transition).await?;
        Ok(applied.store)
    }

    /// A store and its operation as they are now, not locked.
    pub(super) async fn snapshot(&self, caller: &Caller, target: &StoreRef) -> Result<Snapshot, PortError> {
        let missing = || DomainError::NotFound { kind: "store", name: target.id.to_string() };
        let store = self.stores.find(&caller.access, target).await?.ok_or_else(missing)?;
        let operation = self.stores.operation(&caller.access, store.operation).await?.ok_or_else(missing)?;
        Ok(Snapshot { store, operation, backup: None })
    }

    /// A backup.
    pub async fn backup(&self, caller: &Caller, id: BackupId) -> Result<Backup, PortError> {
        let found = self.backups.find(&caller.access, id).await?;
        Ok(found.ok_or_else(|| DomainError::NotFound { kind: "backup", name: id.to_string() })?)
    }

    /// A page of backups.
    pub async fn backups(&self, query: &BackupQuery) -> Result<Page<Backup>, PortError> {
        self.backups.list(query).await
    }

    /// Deletes a backup.
    pub async fn delete_backup(&self, caller: &Caller, backup_id: &str, request_id: &str) -> Result<Backup, PortError> {
        let result = async {
            let command = DeleteBackup::check(backup_id, request_id)?;
            let audit = self.request(caller, None).record(Action::DeleteBackup, backup_id);
            self.backups.delete(&caller.access, command, audit).await
        };
        self.audited(caller, Action::DeleteBackup, backup_id, result.await).await
    }
}
