//! RollbackStore: as received, and after validation.

use super::{Idempotency, StoreCommand, StoreRef, check_etag};
use crate::error::DomainError;
use crate::ids::BackupId;
use crate::validate::Check;

/// RollbackStore as received.
#[derive(Debug, Clone, Default)]
pub struct RollbackStoreInput {
    /// The store's id.
    pub store_id: String,
    /// Its uid; empty if any.
    pub uid: String,
    /// The revision to which it returns.
    pub revision: i32,
    /// What changed since the backup for a revision of another schema may be lost.
    pub accept_data_loss: bool,
    /// That backup; empty for the newest.
    pub backup_id: String,
    /// The etag that the store must have; empty if any.
    pub etag: String,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// RollbackStore after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollbackStore {
    /// Which store.
    pub store: StoreCommand,
    /// The revision to which it returns.
    pub revision: u32,
    /// What changed since the backup for a revision of another schema may be lost.
    pub accept_data_loss: bool,
    /// That backup; `None` for the newest.
    pub backup: Option<BackupId>,
}

impl RollbackStoreInput {
    /// Validates everything and reports all violations.
    pub fn check(&self) -> Result<RollbackStore, DomainError> {
        let mut check = Check::default();
        let (id, uid) = (check.required("store_id", &self.store_id), check.optional("uid", &self.uid));
        let request = check.optional("request_id", &self.request_id);
        let revision = u32::try_from(self.revision).ok().filter(|number| *number > 0);
        if revision.is_none() {
            check.fail("revision", "must be the number of a revision of the store, 1 or more");
        }
        let backup = check.optional("backup_id", &self.backup_id);
        if !self.backup_id.is_empty() && !self.accept_data_loss {
            check.fail("backup_id", "must be empty without accept_data_loss");
        }
        let number = self.revision.to_string();
        let mut fields = vec![&*self.store_id, &*self.uid, &*self.etag, &*number];
        if self.accept_data_loss {
            fields.extend(["accept_data_loss", &*self.backup_id]);
        }
        let idempotency = Idempotency::of(request, "RollbackStore", &fields);
        let etag = check_etag(&mut check, &self.etag);
        let target = id.map(|id| StoreRef { id, uid });
        let store = target.map(|target| StoreCommand { target, etag, force: false, idempotency });
        let accept_data_loss = self.accept_data_loss;
        check.finish(store.zip(revision).map(|(store, revision)| RollbackStore {
            store,
            revision,
            accept_data_loss,
            backup,
        }))
    }
}
