//! Manages tenants. Changes are recorded in the tenant in which the platform administrator acts.

use super::Service;
use crate::audit::{Action, AuditRecord};
use crate::error::{DomainError, PortError, TenantError};
use crate::identity::{Caller, Role};
use crate::ids::Tenant;
use crate::query::{Page, TenantQuery};
use crate::quota::Quotas;
use crate::tenant::{CreateTenantInput, TenantCommand, TenantDetails, TenantState, UpdateTenantInput};

impl Service {
    /// The quotas of tenants for which none were set.
    pub fn default_quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// The quotas that apply to the caller's tenant.
    pub async fn quotas(&self, caller: &Caller) -> Result<Quotas, PortError> {
        let found = self.tenants.get(caller.tenant()).await?;
        Ok(found.map_or_else(|| self.quotas.clone(), |found| found.quotas.over(&self.quotas)))
    }

    /// Creates a tenant.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        input: CreateTenantInput,
        validate_only: bool,
    ) -> Result<TenantDetails, PortError> {
        let asked = input.tenant_id.clone();
        let audit = self.tenant_record(caller, Action::CreateTenant, &asked);
        let result = async {
            let command = input.check()?;
            if !validate_only {
                return self.tenants.create(command, audit).await;
            }
            if let Some(there) = self.tenants.get(&command.id).await? {
                return Err(taken(there).into());
            }
            Ok(command.details(self.ids.uuid(), &caller.name, self.clock.now()))
        };
        let result = result.await;
        if validate_only { result } else { self.audited(caller, Action::CreateTenant, &asked, result).await }
    }

    /// A tenant: the caller's, or, for a platform administrator, any. An empty id is that in which the caller acts.
    pub async fn tenant(&self, caller: &Caller, tenant_id: &str) -> Result<TenantDetails, PortError> {
        let tenant = if tenant_id.is_empty() {
            caller.tenant().clone()
        } else {
            tenant_id.parse().map_err(|rule| DomainError::field("tenant_id", format!("{rule}")))?
        };
        let may_see = *caller.tenant() == tenant || caller.role.allows(Role::PlatformAdmin);
        let found = if may_see { self.tenants.get(&tenant).await? } else { None };
        Ok(found.filter(|found| found.state != TenantState::Deleted).ok_or_else(|| missing(&tenant))?)
    }

    /// A page of tenants.
    pub async fn tenants(&self, query: &TenantQuery) -> Result<Page<TenantDetails>, PortError> {
        self.tenants.list(query).await
    }

    /// Changes the display name and the quotas of a tenant.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        input: UpdateTenantInput,
        validate_only: bool,
    ) -> Result<TenantDetails, PortError> {
        let (action, asked) = (Action::UpdateTenant, input.tenant_id.clone());
        let audit = self.tenant_record(caller, action, &asked);
        let result = async {
            let update = input.check()?;
            if !validate_only {
                return self.tenants.change(&update.target, audit, &|before| Ok(update.apply(before))).await;
            }
            let before = self.tenant(caller, update.target.id.as_str()).await?;
            before.check_etag(update.target.etag.as_deref())?;
            Ok(update.apply(before))
        };
        let result = result.await;
        if validate_only { result } else { self.audited(caller, action, &asked, result).await }
    }

    /// Suspends a tenant, or ends its suspension.
    pub async fn set_tenant_state(
        &self,
        caller: &Caller,
        action: Action,
        state: TenantState,
        command: Result<TenantCommand, DomainError>,
        asked: &str,
    ) -> Result<TenantDetails, PortError> {
        let audit = self.tenant_record(caller, action, asked);
        let now = self.clock.now();
        let result = async { self.tenants.change(&command?, audit, &|before| Ok(before.into_state(state, now))).await };
        self.audited(caller, action, asked, result.await).await
    }

    /// Deletes a tenant without stores, and revokes its tokens.
    pub async fn delete_tenant(
        &self,
        caller: &Caller,
        command: Result<TenantCommand, DomainError>,
        asked: &str,
    ) -> Result<TenantDetails, PortError> {
        let audit = self.tenant_record(caller, Action::DeleteTenant, asked);
        let result = async {
            let command = command?;
            if command.id == Tenant::default() {
                return Err(DomainError::from(TenantError::NotDeletable { tenant: command.id }).into());
            }
            self.tenants.delete(&command, audit).await
        };
        self.audited(caller, Action::DeleteTenant, asked, result.await).await
    }

    fn tenant_record(&self, caller: &Caller, action: Action, asked: &str) -> AuditRecord {
        AuditRecord { operation: None, ..self.request(caller, None).record(action, asked) }
    }
}

/// Why a tenant with this id cannot be created.
pub fn taken(there: TenantDetails) -> DomainError {
    let tenant = there.id;
    match there.state {
        TenantState::Deleted => TenantError::Deleted { tenant }.into(),
        TenantState::Active | TenantState::Suspended => TenantError::AlreadyExists { tenant }.into(),
    }
}

fn missing(tenant: &Tenant) -> DomainError {
    DomainError::NotFound { kind: "tenant", name: tenant.to_string() }
}
