//! Commands: requests as they arrive, and the same after validation.

pub mod plugins;
mod rollback;
mod smtp;
mod update;

pub use plugins::PluginChoice;
pub use rollback::{RollbackStore, RollbackStoreInput};
pub use smtp::{SmtpChange, SmtpInput};
pub use update::{StoreUpdate, UpdateStoreInput};

use crate::backup_policy::{BackupPolicyInput, PolicySetting};
use crate::engine::{Catalog, Engine};
use crate::error::DomainError;
use crate::ids::{OperationId, RequestId, StoreId, StoreUid};
use crate::labels::{self, Labels};
use crate::plugins::Plugins;
use crate::store::{CleanupPolicy, Environment, Spec};
use crate::validate::Check;

/// An idempotency key and the request it was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's request id.
    pub request: RequestId,
    /// Hash of the method and all of its fields.
    pub fingerprint: [u8; 32],
}

impl Idempotency {
    /// The idempotency key of a request, if it has a request id.
    pub fn of(request: Option<RequestId>, method: &str, fields: &[&str]) -> Option<Self> {
        let mut hash = blake3::Hasher::new();
        for part in std::iter::once(&method).chain(fields) {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        request.map(|request| Self { request, fingerprint: *hash.finalize().as_bytes() })
    }
}

/// CreateStore as received.
#[derive(Debug, Clone, Default)]
pub struct CreateStoreInput {
    /// The requested id; empty to generate one.
    pub store_id: String,
    /// The shop's name.
    pub display_name: String,
    /// Engine; empty for the default one.
    pub engine: String,
    /// Version of the engine; empty for its default one.
    pub engine_version: String,
    /// Plan; empty for the engine's default one.
    pub plan: String,
    /// Administrator's e-mail address.
    pub admin_email: String,
    /// What happens if the creation fails; `None` if the value is unknown.
    pub cleanup_policy: Option<CleanupPolicy>,
    /// Whether it is protected from deletion.
    pub deletion_protection: bool,
    /// Its labels.
    pub labels: Labels,
    /// When it is backed up.
    pub backup_policy: BackupPolicyInput,
    /// Its plugins.
    pub plugins: Vec<PluginChoice>,
    /// Whether it names a mail server.
    pub has_smtp: bool,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// CreateStore after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateStore {
    /// The requested id, or `None` to generate one.
    pub id: Option<StoreId>,
    /// The requested spec.
    pub spec: Spec,
    /// The version of the spec's engine.
    pub engine_version: String,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CreateStoreInput {
    /// Validates everything and reports all violations.
    pub fn check(self, catalog: &Catalog) -> Result<CreateStore, DomainError> {
        let mut check = Check::default();
        let id = check.optional("store_id", &self.store_id);
        let request = check.optional("request_id", &self.request_id);
        check.display_name("store.display_name", &self.display_name);
        check.email("store.admin_email", &self.admin_email);
        labels::check(&mut check, &self.labels);
        if self.has_smtp {
            check.fail("store.smtp", "cannot be set yet: UpdateStore sets it once the store is READY");
        }
        let cleanup_policy = self.cleanup_policy.unwrap_or_else(|| {
            check.fail("cleanup_policy", "must be KEEP or DELETE_RESOURCES");
            CleanupPolicy::Keep
        });
        let settings = PolicySetting::ALL.map(|(_, setting)| setting);
        let backup_policy = self.backup_policy.check(&mut check, &settings);
        let mut fields = vec![
            &*self.store_id,
            &*self.display_name,
            &*self.engine,
            &*self.plan,
            &*self.admin_email,
            if cleanup_policy == CleanupPolicy::Keep { "keep" } else { "delete" },
        ];
        let policy = backup_policy.fields(settings.into_iter().filter(|setting| backup_policy.sets(*setting)));
        let labels: Vec<_> = labels::texts(&self.labels).collect();
        fields.extend(policy.iter().chain(&labels).map(String::as_str));
        // Only if it is named, so that request ids that older servers stored remain valid.
        let version = format!("engine_version={}", self.engine_version);
        fields.extend((!self.engine_version.is_empty()).then_some(version.as_str()));
        let plugins = plugins::field(&self.plugins);
        fields.extend((!self.plugins.is_empty()).then_some(plugins.as_str()));
        // A method of its own: without protection, request ids that older servers stored remain valid.
        let method = if self.deletion_protection { "CreateStore protected" } else { "CreateStore" };
        let idempotency = Idempotency::of(request, method, &fields);
        let engine = choose_engine(&mut check, catalog, &self.engine, &self.engine_version);
        // Without an engine it is not known which ones there are.
        let plugins = engine.map(|it| plugins::choose(&mut check, &self.plugins, &Plugins::new(), Some(it)));
        let chosen = engine.and_then(|engine| Some((engine, choose_plan(&mut check, engine, &self.plan)?)));
        check.finish(chosen.map(|(engine, plan)| CreateStore {
            id,
            spec: Spec {
                display_name: self.display_name,
                engine: engine.name.clone(),
                plan,
                admin_email: self.admin_email,
                cleanup_policy,
                deletion_protection: self.deletion_protection,
                environment: Environment::Production,
                domains: crate::host_name::ServedDomains::default(),
                labels: self.labels,
                backup_policy,
                smtp: None,
                plugins: plugins.unwrap_or_default(),
            },
            engine_version: engine.versions.chart.clone(),
            idempotency,
        }))
    }
}

/// The engine with this name at this version; empty means the default one.
fn choose_engine<'a>(check: &mut Check, catalog: &'a Catalog, engine: &str, version: &str) -> Option<&'a Engine> {
    let found = if engine.is_empty() { catalog.engines().first() } else { catalog.engine(engine) };
    let Some(found) = found else {
        let names: Vec<_> = catalog.engines().iter().map(|engine| engine.name.as_str()).collect();
        check.fail("store.engine", format!("must be one of: {}", names.join(", ")));
        return None;
    };
    choose_version(check, catalog, found, version)
}

/// The engine at this version; empty means as it is.
pub fn choose_version<'a>(
    check: &mut Check,
    catalog: &'a Catalog,
    engine: &'a Engine,
    version: &str,
) -> Option<&'a Engine> {
    if version.is_empty() {
        return Some(engine);
    }
    let found = catalog.engine_at(&engine.name, version);
    if found.is_none() {
        let versions: Vec<_> = catalog.versions(&engine.name).map(|engine| engine.versions.chart.as_str()).collect();
        check.fail("store.engine_version", format!("must be one of: {}", versions.join(", ")));
    }
    found
}

/// The plan of an engine with this name; empty means the default one.
pub(crate) fn choose_plan(check: &mut Check, engine: &Engine, plan: &str) -> Option<String> {
    let chosen = if plan.is_empty() { engine.default_plan() } else { engine.plan(plan) };
    if chosen.is_none() {
        let names: Vec<_> = engine.plans.iter().map(|plan| plan.name.as_str()).collect();
        check.fail("store.plan", format!("must be one of: {}", names.join(", ")));
    }
    chosen.map(|chosen| chosen.name.clone())
}

/// Identifies a store in a command or a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRef {
    /// The store with this id that is not deleted, otherwise the one deleted last.
    pub id: StoreId,
    /// Matches only a store with this uid.
    pub uid: Option<StoreUid>,
}

impl StoreRef {
    /// Validates an id and an optional uid.
    pub fn check(store_id: &str, uid: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let id = check.required("store_id", store_id);
        let uid = check.optional("uid", uid);
        check.finish(id.map(|id| Self { id, uid }))
    }
}

/// A validated mutation of an existing store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCommand {
    /// Which store.
    pub target: StoreRef,
    /// The etag that the store must have.
    pub etag: Option<String>,
    /// DeleteStore only: forget the store if the cluster does not answer for it.
    pub force: bool,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl StoreCommand {
    /// Validates the fields of DeleteStore or RetryStore; `method` distinguishes their request ids.
    pub fn check(method: &str, store_id: &str, uid: &str, etag: &str, request_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let id = check.required("store_id", store_id);
        let uid = check.optional("uid", uid);
        let request = check.optional("request_id", request_id);
        let fields = [store_id, &uid.map_or(String::new(), |u: StoreUid| u.to_string()), etag];
        let idempotency = Idempotency::of(request, method, &fields);
        let etag = check_etag(&mut check, etag);
        check.finish(id.map(|id| Self { target: StoreRef { id, uid }, etag, force: false, idempotency }))
    }

    /// Checks the fields of DeleteStore.
    pub fn check_delete(
        store_id: &str,
        uid: &str,
        etag: &str,
        request_id: &str,
        force: bool,
    ) -> Result<Self, DomainError> {
        let method = if force { "DeleteStore force" } else { "DeleteStore" };
        Ok(Self { force, ..Self::check(method, store_id, uid, etag, request_id)? })
    }
}

/// An etag from a request; empty means none.
pub(crate) fn check_etag(check: &mut Check, etag: &str) -> Option<String> {
    if etag.len() > 64 {
        check.fail("etag", "must be an etag that the resource had");
    }
    (!etag.is_empty()).then(|| etag.to_owned())
}

/// CancelOperation after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelOperation {
    /// Which operation.
    pub operation: OperationId,
    /// And only if it is on this very store.
    pub store: Option<StoreUid>,
    /// The etag that the store must still have.
    pub etag: Option<String>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CancelOperation {
    /// Validates the fields of CancelOperation.
    pub fn check(operation_id: &str, store_uid: &str, etag: &str, request_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let operation = check.required("operation_id", operation_id);
        let store = check.optional("store_uid", store_uid);
        let request = check.optional("request_id", request_id);
        let idempotency = Idempotency::of(request, "CancelOperation", &[operation_id, store_uid, etag]);
        let etag = check_etag(&mut check, etag);
        check.finish(operation.map(|operation| Self { operation, store, etag, idempotency }))
    }
}

#[cfg(test)]
pub(crate) mod tests;
