//! Requests for backups, after validation.

use crate::command::{Idempotency, StoreRef, check_etag};
use crate::error::DomainError;
use crate::ids::{BackupId, StoreUid};
use crate::validate::Check;

/// Maximum length of a description, in characters.
const DESCRIPTION_MAX: usize = 200;

/// CreateBackup as received.
#[derive(Debug, Clone, Default)]
pub struct CreateBackupInput {
    /// The store's id.
    pub store_id: String,
    /// Its uid; empty if any.
    pub store_uid: String,
    /// The caller's note.
    pub description: String,
    /// The etag that the store must have; empty if any.
    pub etag: String,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// CreateBackup after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateBackup {
    /// Which store.
    pub target: StoreRef,
    /// The caller's note.
    pub description: String,
    /// The etag that the store must have.
    pub etag: Option<String>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CreateBackupInput {
    /// Validates everything and reports all violations.
    pub fn check(self) -> Result<CreateBackup, DomainError> {
        let mut check = Check::default();
        let id = check.required("store_id", &self.store_id);
        let uid = check.optional("store_uid", &self.store_uid);
        let request = check.optional("request_id", &self.request_id);
        check.text("description", &self.description, DESCRIPTION_MAX);
        let uid_text = uid.map_or(String::new(), |uid: StoreUid| uid.to_string());
        let fields = [&*self.store_id, &*uid_text, &*self.description, &*self.etag];
        let idempotency = Idempotency::of(request, "CreateBackup", &fields);
        let etag = check_etag(&mut check, &self.etag);
        let Self { description, .. } = self;
        check.finish(id.map(|id| CreateBackup { target: StoreRef { id, uid }, description, etag, idempotency }))
    }
}

/// RestoreStore as received.
#[derive(Debug, Clone, Default)]
pub struct RestoreStoreInput {
    /// The store's id.
    pub store_id: String,
    /// Its uid; empty if any.
    pub uid: String,
    /// The backup.
    pub backup_id: String,
    /// The present data is replaced without a backup of it.
    pub skip_backup: bool,
    /// The etag that the store must have; empty if any.
    pub etag: String,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// RestoreStore after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreStore {
    /// Which store.
    pub target: StoreRef,
    /// Which backup.
    pub backup: BackupId,
    /// The present data is replaced without a backup of it.
    pub skip_backup: bool,
    /// The etag that the store must have.
    pub etag: Option<String>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl RestoreStoreInput {
    /// Validates everything and reports all violations.
    pub fn check(&self) -> Result<RestoreStore, DomainError> {
        let mut check = Check::default();
        let id = check.required("store_id", &self.store_id);
        let uid = check.optional("uid", &self.uid);
        let backup = check.required("backup_id", &self.backup_id);
        let request = check.optional("request_id", &self.request_id);
        let uid_text = uid.map_or(String::new(), |uid: StoreUid| uid.to_string());
        let skip = if self.skip_backup { "skip_backup" } else { "" };
        let fields = [&*self.store_id, &*uid_text, &*self.backup_id, skip, &*self.etag];
        let idempotency = Idempotency::of(request, "RestoreStore", &fields);
        let etag = check_etag(&mut check, &self.etag);
        let skip_backup = self.skip_backup;
        check.finish(id.zip(backup).map(|(id, backup)| RestoreStore {
            target: StoreRef { id, uid },
            backup,
            skip_backup,
            etag,
            idempotency,
        }))
    }
}

/// DeleteBackup after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteBackup {
    /// Which backup.
    pub id: BackupId,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl DeleteBackup {
    /// Validates the fields of DeleteBackup.
    pub fn check(backup_id: &str, request_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let id = check.required("backup_id", backup_id);
        let request = check.optional("request_id", request_id);
        let idempotency = Idempotency::of(request, "DeleteBackup", &[backup_id]);
        check.finish(id.map(|id| Self { id, idempotency }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_of_a_request_are_reported_together() {
        let input = CreateBackupInput {
            store_id: "-".into(),
            store_uid: "7".into(),
            description: "a\nb".into(),
            etag: "e".repeat(65),
            request_id: "7".into(),
        };
        let Err(DomainError::Invalid(violations)) = input.check() else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["store_id", "store_uid", "request_id", "description", "etag"]);
    }

    #[test]
    fn request_id_is_bound_to_the_description() {
        let key = |description: &str| {
            let request_id = "0192f0c1-0000-7000-8000-000000000001".to_owned();
            let input = CreateBackupInput {
                store_id: "demo".into(),
                description: description.into(),
                request_id,
                ..CreateBackupInput::default()
            };
            input.check().expect("good").idempotency.expect("has a key").fingerprint
        };
        assert_eq!(key("before the sale"), key("before the sale"));
        assert_ne!(key("before the sale"), key(""));
    }
}
