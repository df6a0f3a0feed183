//! Changes of stores' fields, and their revisions.

use super::{Service, deferred};
use crate::audit::Action;
use crate::backup::Backup;
use crate::command::{RollbackStore, RollbackStoreInput, StoreCommand, StoreRef, UpdateStoreInput};
use crate::error::{DomainError, PortError};
use crate::identity::Caller;
use crate::ids::BackupId;
use crate::ports::Target;
use crate::query::{Page, RevisionQuery};
use crate::revision::Revision;
use crate::store::Store;
use crate::transition::preview::{Preview, preview};
use crate::transition::rollback::{self, RollbackData};
use crate::transition::{Decision, update};

impl Service {
    /// Changes a store's fields. With `validate_only`, nothing changes: the store is as it would be, with a preview.
    pub async fn update(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: &UpdateStoreInput,
        validate_only: bool,
    ) -> Result<(Store, Option<Preview>), PortError> {
        let result = async {
            let (command, mut wanted) = input.check()?;
            let (request, catalog, etag) = (self.request(caller, trace), &self.catalog, command.etag.clone());
            let backup = self.backups_enabled.then(|| BackupId(self.ids.uuid()));
            let means = (&**catalog, backup);
            let login = self.name_login(&mut wanted);
            let transition = |snapshot| update::update(snapshot, etag.as_deref(), &wanted, means, &request);
            match login.filter(|_| !validate_only) {
                Some(login) => self.change_with_login(caller, command, &transition, login).await,
                None => self.change_or_preview(caller, command, (&transition, None), validate_only).await,
            }
        };
        let result = result.await;
        if validate_only { result } else { self.audited(caller, Action::UpdateStore, &input.store_id, result).await }
    }

    /// Returns a store to an earlier revision. `validate_only` as in [`Service::update`].
    pub async fn roll_back(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: &RollbackStoreInput,
        validate_only: bool,
    ) -> Result<(Store, Option<Preview>), PortError> {
        let result = async {
            let RollbackStore { store: command, revision: number, accept_data_loss, backup } = input.check()?;
            let store = self.stores.find(&caller.access, &command.target).await?;
            let store = store.ok_or_else(|| missing("store", command.target.id.to_string()))?;
            let etag = command.etag.clone();
            let found = deferred(self.rollback_source(caller, &store, etag.as_deref(), number, backup).await)?;
            let source = found.as_ref().ok().and_then(|(_, source)| source.as_ref());
            let data = RollbackData {
                source,
                loss_accepted: accept_data_loss,
                backup: self.backups_enabled.then(|| BackupId(self.ids.uuid())),
            };
            let (request, catalog) = (self.request(caller, trace), &self.catalog);
            let command = StoreCommand { target: StoreRef { uid: Some(store.uid), ..command.target }, ..command };
            let transition = |snapshot| {
                let (revision, _) = found.as_ref().map_err(DomainError::clone)?;
                rollback::roll_back(snapshot, etag.as_deref(), revision, data, catalog, &request)
            };
            self.change_or_preview(caller, command, (&transition, source), validate_only).await
        };
        let result = result.await;
        if validate_only { result } else { self.audited(caller, Action::RollbackStore, &input.store_id, result).await }
    }

    /// The revision, and the backup with data for it: the one that the caller names, otherwise the newest, if the present data has another
    /// schema.
    async fn rollback_source(
        &self,
        caller: &Caller,
        store: &Store,
        etag: Option<&str>,
        number: u32,
        named: Option<BackupId>,
    ) -> Result<(Revision, Option<Backup>), PortError> {
        let actual = store.etag();
        if etag.is_some_and(|etag| etag != actual) {
            return Err(DomainError::StaleEtag { actual }.into());
        }
        let found = self.stores.revision(store.uid, number).await?;
        let revision = found.ok_or_else(|| missing("revision", number.to_string()))?;
        let schema = &revision.settings.versions.schema;
        let source = match named {
            Some(id) => Some(self.backup(caller, id).await?),
            None if store.versions.schema == *schema => None,
            None => self.backups.newest_with_schema(store.uid, schema).await?,
        };
        Ok((revision, source))
    }

    pub(super) async fn change_or_preview(
        &self,
        caller: &Caller,
        command: StoreCommand,
        (transition, source): (&Decision<'_>, Option<&Backup>),
        validate_only: bool,
    ) -> Result<(Store, Option<Preview>), PortError> {
        if validate_only {
            let snapshot = self.snapshot(caller, &command.target).await?;
            let before = snapshot.store.clone();
            let change = transition(snapshot)?;
            self.stores.check_plan_quota(&before, &change.store).await?;
            let preview = preview(&before, &change, source, &self.catalog);
            return Ok((change.store, Some(preview)));
        }
        let target = Target::Store(command.target);
        let applied = self.stores.change(&caller.access, &target, command.idempotency, transition).await?;
        Ok((applied.store, None))
    }

    /// A page of the revisions of a store, newest first.
    pub async fn revisions(&self, query: &RevisionQuery) -> Result<Page<Revision>, PortError> {
        self.stores.revisions(query).await
    }
}

fn missing(kind: &'static str, name: String) -> PortError {
    DomainError::NotFound { kind, name }.into()
}
