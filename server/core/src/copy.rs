//! Requests to copy a store, or to create a deleted one again, after validation.

use crate::command::{Idempotency, StoreRef};
use crate::error::DomainError;
use crate::ids::{BackupId, StoreId, StoreUid};
use crate::labels::{self, Labels};
use crate::store::{CleanupPolicy, Environment};
use crate::validate::Check;

/// CopyStore as received. Empty texts are left to the store that is copied.
#[derive(Debug, Clone, Default)]
pub struct CopyStoreInput {
    /// The id of the store to copy.
    pub source_store_id: String,
    /// Its uid; empty if any.
    pub source_uid: String,
    /// The backup; empty to back the store up now.
    pub backup_id: String,
    /// The id of the copy; empty to generate one.
    pub store_id: String,
    /// The copy's name.
    pub display_name: String,
    /// Its engine, which cannot be chosen.
    pub engine: String,
    /// Its plan.
    pub plan: String,
    /// E-mail address of its administrator.
    pub admin_email: String,
    /// Whether it is protected from deletion.
    pub deletion_protection: bool,
    /// Its labels; empty for those of the store that is copied.
    pub labels: Labels,
    /// What it is for; `None` if the value is unknown.
    pub environment: Option<Environment>,
    /// What happens if its creation fails; `None` if the value is unknown.
    pub cleanup_policy: Option<CleanupPolicy>,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// CopyStore after validation. `None` leaves a field to the store that is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStore {
    /// The store to copy.
    pub source: StoreRef,
    /// The backup; `None` to back the store up now.
    pub backup: Option<BackupId>,
    /// The id of the copy; `None` to generate one.
    pub id: Option<StoreId>,
    /// The copy's name.
    pub display_name: Option<String>,
    /// Its plan.
    pub plan: Option<String>,
    /// E-mail address of its administrator.
    pub admin_email: Option<String>,
    /// Whether it is protected from deletion.
    pub deletion_protection: bool,
    /// Its labels; empty for those of the store that is copied.
    pub labels: Labels,
    /// What it is for.
    pub environment: Environment,
    /// What happens if its creation fails.
    pub cleanup_policy: CleanupPolicy,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CopyStoreInput {
    /// Validates everything and reports all violations, except of the plan, which depends on the store that is copied.
    pub fn check(self) -> Result<CopyStore, DomainError> {
        let mut check = Check::default();
        let source = check.required("source_store_id", &self.source_store_id);
        let uid: Option<StoreUid> = check.optional("source_uid", &self.source_uid);
        let backup = check.optional("backup_id", &self.backup_id);
        let id = check.optional("store_id", &self.store_id);
        let request = check.optional("request_id", &self.request_id);
        if !self.display_name.is_empty() {
            check.display_name("store.display_name", &self.display_name);
        }
        if !self.admin_email.is_empty() {
            check.email("store.admin_email", &self.admin_email);
        }
        if !self.engine.is_empty() {
            check.fail("store.engine", "must be empty: it is that of the store that is copied");
        }
        let environment = self.environment.unwrap_or_else(|| {
            check.fail("store.environment", "must be PRODUCTION or STAGING");
            Environment::Staging
        });
        let cleanup_policy = self.cleanup_policy.unwrap_or_else(|| {
            check.fail("cleanup_policy", "must be KEEP or DELETE_RESOURCES");
            CleanupPolicy::Keep
        });
        let uid_text = uid.map_or(String::new(), |uid| uid.to_string());
        labels::check(&mut check, &self.labels);
        let label_texts: Vec<_> = labels::texts(&self.labels).collect();
        let mut fields = vec![
            &*self.source_store_id,
            &*uid_text,
            &*self.backup_id,
            &*self.store_id,
            &*self.display_name,
            &*self.plan,
            &*self.admin_email,
            if self.deletion_protection { "protected" } else { "" },
            environment.as_str(),
            if cleanup_policy == CleanupPolicy::Keep { "keep" } else { "delete" },
        ];
        fields.extend(label_texts.iter().map(String::as_str));
        let idempotency = Idempotency::of(request, "CopyStore", &fields);
        let given = |text: String| (!text.is_empty()).then_some(text);
        let (display_name, plan, admin_email) = (given(self.display_name), given(self.plan), given(self.admin_email));
        let deletion_protection = self.deletion_protection;
        check.finish(source.map(|source| CopyStore {
            source: StoreRef { id: source, uid },
            backup,
            id,
            display_name,
            plan,
            admin_email,
            deletion_protection,
            labels: self.labels,
            environment,
            cleanup_policy,
            idempotency,
        }))
    }
}

/// UndeleteStore after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeleteStore {
    /// The deleted store.
    pub deleted: StoreRef,
    /// The backup; `None` for the newest one that is complete.
    pub backup: Option<BackupId>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl UndeleteStore {
    /// Validates everything and reports all violations.
    pub fn check(store_id: &str, uid: &str, backup_id: &str, request_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let id = check.required("store_id", store_id);
        let known: Option<StoreUid> = check.optional("uid", uid);
        let backup = check.optional("backup_id", backup_id);
        let request = check.optional("request_id", request_id);
        let uid_text = known.map_or(String::new(), |known| known.to_string());
        let idempotency = Idempotency::of(request, "UndeleteStore", &[store_id, &uid_text, backup_id]);
        check.finish(id.map(|id| Self { deleted: StoreRef { id, uid: known }, backup, idempotency }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> CopyStoreInput {
        CopyStoreInput {
            source_store_id: "demo".into(),
            environment: Some(Environment::Staging),
            cleanup_policy: Some(CleanupPolicy::Keep),
            ..CopyStoreInput::default()
        }
    }

    #[test]
    fn all_violations_are_reported_together() {
        let input = CopyStoreInput {
            source_store_id: String::new(),
            source_uid: "7".into(),
            backup_id: "7".into(),
            store_id: "-".into(),
            display_name: " ".into(),
            engine: "woocommerce".into(),
            admin_email: "a".into(),
            environment: None,
            cleanup_policy: None,
            request_id: "7".into(),
            ..good()
        };
        let Err(DomainError::Invalid(violations)) = input.check() else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let first = ["source_store_id", "source_uid", "backup_id", "store_id", "request_id", "store.display_name"];
        let rest = ["store.admin_email", "store.engine", "store.environment", "cleanup_policy"];
        assert_eq!(fields, [&first[..], &rest].concat());
        let Err(DomainError::Invalid(violations)) = UndeleteStore::check("-", "7", "7", "7") else {
            panic!("accepted")
        };
        assert_eq!(violations.len(), 4);
    }

    #[test]
    fn request_id_is_bound_to_every_field() {
        let request_id = "0192f0c1-0000-7000-8000-000000000001".to_owned();
        let key = |input: CopyStoreInput| {
            let input = CopyStoreInput { request_id: request_id.clone(), ..input };
            input.check().expect("good").idempotency.expect("has a key").fingerprint
        };
        assert_eq!(key(good()), key(good()));
        for other in [
            CopyStoreInput { backup_id: request_id.clone(), ..good() },
            CopyStoreInput { deletion_protection: true, ..good() },
            CopyStoreInput { environment: Some(Environment::Production), ..good() },
            CopyStoreInput { plan: "small".into(), ..good() },
        ] {
            assert_ne!(key(good()), key(other.clone()), "{other:?}");
        }
    }
}
