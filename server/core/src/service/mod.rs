//! The commands and queries of callers: validation, decisions and audit, over the ports.
//!
//! This file has the mutations of stores; [`backups`] makes backups, [`copies`] stores with their data, [`domains`] has their domains, [`credentials`] reads logins, [`live_view`] a store's objects, [`releases`] the cluster's releases,
//! [`updates`] changes stores' fields and returns them to earlier revisions, [`rollouts`] those of many stores, [`tokens`] changes and lists API tokens, [`sessions`] ends those of browsers, [`tenants`] changes tenants; `smtp_login` stores
//! logins at mail servers; `new_id` makes ids of stores.

mod backups;
mod copies;
mod credentials;
mod domains;
mod live_view;
mod new_id;
mod releases;
mod rollouts;
mod sessions;
mod smtp_login;
mod tenants;
#[cfg(test)]
mod tests;
mod tokens;
mod updates;

pub use domains::{DOMAINS_MAX, DomainRules, check_new};
pub use tenants::taken;

use std::sync::Arc;

use new_id::{SUFFIX, new_id};

use crate::audit::{Action, Outcome};
use crate::command::{CancelOperation, CreateStoreInput, StoreCommand, StoreRef};
use crate::engine::Catalog;
use crate::error::{DomainError, PortError, RolloutError, TenantError};
use crate::identity::Caller;
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};
use crate::names::Placement;
use crate::operation::Operation;
use crate::overview::{Overview, OverviewQuery};
use crate::ports::{
    Applied, Backups, Clock, Credentials, DomainChecks, Domains, Ids, LiveView, Releases, Rollouts, Sessions, Stores,
    Target, Tenants, Tokens,
};
use crate::quota::Quotas;
use crate::store::Store;
use crate::token::Lifetimes;
use crate::transition::{Decision, request};

/// How many generated ids are tried before the caller gets an error.
const GENERATED_ID_TRIES: u32 = 3;

/// Maximum length of the target recorded for a refused request, in bytes.
const TARGET_MAX: usize = 100;

/// The ports of the service.
#[derive(Clone)]
pub struct Ports {
    /// Stores, operations and the audit log.
    pub stores: Arc<dyn Stores>,
    /// Backups.
    pub backups: Arc<dyn Backups>,
    /// Domains of stores.
    pub domains: Arc<dyn Domains>,
    /// Looks domains up.
    pub domain_checks: Arc<dyn DomainChecks>,
    /// The secrets of stores.
    pub credentials: Arc<dyn Credentials>,
    /// Rollouts.
    pub rollouts: Arc<dyn Rollouts>,
    /// Stores as they currently are in the cluster.
    pub live_view: Arc<dyn LiveView>,
    /// The cluster's helm releases.
    pub releases: Arc<dyn Releases>,
    /// API tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Sessions of browsers.
    pub sessions: Arc<dyn Sessions>,
    /// Tenants.
    pub tenants: Arc<dyn Tenants>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of ids.
    pub ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

/// The commands of one control plane.
#[derive(Clone)]
pub struct Service {
    stores: Arc<dyn Stores>,
    backups: Arc<dyn Backups>,
    rollouts: Arc<dyn Rollouts>,
    backups_enabled: bool,
    domains: Arc<dyn Domains>,
    domain_checks: Arc<dyn DomainChecks>,
    domain_rules: DomainRules,
    credentials: Arc<dyn Credentials>,
    live_view: Arc<dyn LiveView>,
    releases: Arc<dyn Releases>,
    tokens: Arc<dyn Tokens>,
    sessions: Arc<dyn Sessions>,
    tenants: Arc<dyn Tenants>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    catalog: Arc<Catalog>,
    domain: Arc<str>,
    platform_tenant: Option<Tenant>,
    lifetimes: Lifetimes,
    quotas: Quotas,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl Service {
    /// A service over these ports. Callers of the platform's tenant see the releases of all tenants, and foreign ones.
    pub fn new(
        ports: Ports,
        catalog: Arc<Catalog>,
        domain: &str,
        platform_tenant: Option<Tenant>,
        lifetimes: Lifetimes,
        quotas: Quotas,
    ) -> Self {
        let Ports {
            stores,
            backups,
            rollouts,
            domains,
            domain_checks,
            credentials,
            live_view,
            releases,
            tokens,
            sessions,
            tenants,
            clock,
            ids,
        } = ports;
        let domain = domain.into();
        Self {
            stores,
            backups,
            rollouts,
            backups_enabled: false,
            domains,
            domain_checks,
            domain_rules: DomainRules::default(),
            credentials,
            live_view,
            releases,
            tokens,
            sessions,
            tenants,
            clock,
            ids,
            catalog,
            domain,
            platform_tenant,
            lifetimes,
            quotas,
        }
    }

    /// With a storage for backups.
    #[must_use]
    pub fn with_backups(self, enabled: bool) -> Self {
        Self { backups_enabled: enabled, ..self }
    }

    /// With these rules for domains.
    #[must_use]
    pub fn with_domain_rules(self, domain_rules: DomainRules) -> Self {
        Self { domain_rules, ..self }
    }

    /// The repository, for queries.
    pub fn stores(&self) -> &dyn Stores {
        &*self.stores
    }

    /// The available engines.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// An overview of the caller's stores, over a window that ends now.
    pub async fn overview(&self, caller: &Caller, window: time::Duration) -> Result<Overview, PortError> {
        let query = OverviewQuery::check(&caller.access, &caller.name, window, self.clock.now())?;
        self.stores.overview(&query).await
    }

    /// Creates a store.
    pub async fn create(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: CreateStoreInput,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let asked = input.store_id.clone();
        let result = self.try_create(caller, trace, input, validate_only).await;
        if validate_only { result } else { self.audited(caller, Action::CreateStore, &asked, result).await }
    }

    async fn try_create(
        &self,
        caller: &Caller,
        trace: Option<String>,
        input: CreateStoreInput,
        validate_only: bool,
    ) -> Result<Store, PortError> {
        let command = input.check(&self.catalog)?;
        check_scope(caller, command.id.as_ref())?;
        let scope = &caller.access.scope;
        let engine = self
            .catalog
            .engine_at(&command.spec.engine, &command.engine_version)
            .ok_or_else(|| DomainError::field("store.engine", "is not available"))?;
        let mut tries = if command.id.is_some() { 1 } else { GENERATED_ID_TRIES };
        loop {
            tries -= 1;
            let id = match &command.id {
                Some(id) => id.clone(),
                None => new_id(&command.spec.display_name, scope, &self.ids.random_text(SUFFIX))?,
            };
            let new = request::NewStore {
                uid: StoreUid(self.ids.uuid()),
                placement: Placement::new(&id, caller.tenant(), &self.domain),
                id,
                spec: command.spec.clone(),
                engine,
                source: None,
            };
            let change = request::create(new, &self.request(caller, trace.clone()));
            if validate_only {
                return self.would_create(caller, change.store).await;
            }
            match self.stores.create(&caller.access, change, command.idempotency).await {
                Err(PortError::Refused(DomainError::AlreadyExists { .. })) if tries > 0 => {}
                result => return result.map(|applied| applied.store),
            }
        }
    }

    async fn would_create(&self, caller: &Caller, store: Store) -> Result<Store, PortError> {
        let wanted = StoreRef { id: store.id.clone(), uid: None };
        match self.stores.find(&caller.access, &wanted).await? {
            Some(there) if there.deleted_at.is_none() => {
                Err(DomainError::AlreadyExists { name: store.id.to_string() }.into())
            }
            _ => {
                self.stores.check_quotas(&store, &caller.name).await?;
                Ok(store)
            }
        }
    }

    /// Deletes a store.
    pub async fn delete(
        &self,
        caller: &Caller,
        trace: Option<String>,
        command: StoreCommand,
    ) -> Result<Store, PortError> {
        let (etag, force) = (command.etag.clone(), command.force);
        let request = self.request(caller, trace);
        let transition = move |snapshot| request::delete(snapshot, etag.as_deref(), force, &request);
        let action = if force { Action::ForceDeleteStore } else { Action::DeleteStore };
        self.mutate(caller, action, command, &transition).await
    }

    /// Applies the chart to a settled store again.
    pub async fn retry(
        &self,
        caller: &Caller,
        trace: Option<String>,
        command: StoreCommand,
    ) -> Result<Store, PortError> {
        let etag = command.etag.clone();
        let request = self.request(caller, trace);
        let transition = move |snapshot| request::retry(snapshot, etag.as_deref(), &request);
        self.mutate(caller, Action::RetryStore, command, &transition).await
    }

    /// Replaces a store's credentials.
    pub async fn rotate_credentials(
        &self,
        caller: &Caller,
        trace: Option<String>,
        command: StoreCommand,
    ) -> Result<Store, PortError> {
        let etag = command.etag.clone();
        let (request, catalog) = (self.request(caller, trace), &self.catalog);
        let transition = move |snapshot| request::rotate_credentials(snapshot, etag.as_deref(), catalog, &request);
        self.mutate(caller, Action::RotateCredentials, command, &transition).await
    }

    async fn mutate(
        &self,
        caller: &Caller,
        action: Action,
        command: StoreCommand,
        transition: &Decision<'_>,
    ) -> Result<Store, PortError> {
        let asked = command.target.id.to_string();
        let target = Target::Store(command.target);
        let result = self.stores.change(&caller.access, &target, command.idempotency, transition).await;
        self.audited(caller, action, &asked, result.map(|applied| applied.store)).await
    }

    /// Cancels an operation.
    pub async fn cancel(
        &self,
        caller: &Caller,
        trace: Option<String>,
        command: CancelOperation,
    ) -> Result<Operation, PortError> {
        let request = self.request(caller, trace);
        let CancelOperation { operation, store, etag, idempotency } = command;
        let target = Target::Operation(operation);
        let transition = move |snapshot| request::cancel(snapshot, store, etag.as_deref(), &request);
        let result = self.stores.change(&caller.access, &target, idempotency, &transition).await;
        let cancelled = result.map(|Applied { operation, .. }| operation);
        self.audited(caller, Action::CancelOperation, &operation.to_string(), cancelled).await
    }

    /// Records a mutation that was invalid or denied, before the response is sent.
    pub async fn audited<T>(
        &self,
        caller: &Caller,
        action: Action,
        asked: &str,
        result: Result<T, PortError>,
    ) -> Result<T, PortError> {
        let Err(PortError::Refused(refusal)) = &result else { return result };
        let asked = asked.replace(crate::origin::is_deceptive, "\u{fffd}");
        let mut record = self.request(caller, None).record(action, &crate::failure::truncate(asked, TARGET_MAX));
        let denied = matches!(
            refusal,
            DomainError::PermissionDenied { .. }
                | DomainError::OtherTenant { .. }
                | DomainError::StoreOutsideScope { .. }
                | DomainError::Tenant(TenantError::Suspended { .. })
                | DomainError::Rollout(RolloutError::Scoped)
        );
        record.outcome = if denied { Outcome::Denied } else { Outcome::Rejected };
        record.reason = refusal.reason().to_owned();
        self.stores.record(record).await?;
        result
    }

    fn request<'a>(&self, caller: &'a Caller, trace: Option<String>) -> request::Request<'a> {
        request::Request {
            caller,
            now: self.clock.now(),
            operation: OperationId(self.ids.uuid()),
            audit: self.ids.uuid(),
            trace,
        }
    }
}

/// A token that is limited to some ids creates no other store.
fn check_scope(caller: &Caller, id: Option<&StoreId>) -> Result<(), DomainError> {
    match id.filter(|id| !caller.access.scope.includes(id)) {
        Some(id) => Err(DomainError::StoreOutsideScope { name: id.to_string() }),
        None => Ok(()),
    }
}

/// Keeps a refusal for the transition. A request that was executed before is answered by its request id, without a transition, so it is not
/// refused because of what changed since.
fn deferred<T>(found: Result<T, PortError>) -> Result<Result<T, DomainError>, PortError> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(PortError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error),
    }
}
