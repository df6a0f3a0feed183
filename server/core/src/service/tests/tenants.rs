//! Who may see which tenant, and what is recorded.

use super::*;
use crate::error::TenantError;
use crate::ports::TenantDecision;
use crate::query::TenantQuery;
use crate::tenant::{CreateTenant, CreateTenantInput, TenantCommand, TenantDetails, TenantState};

/// The tenants `default`, `acme` and `gone`, which was deleted.
#[async_trait::async_trait]
impl Tenants for Memory {
    async fn create(&self, command: CreateTenant, audit: AuditRecord) -> Result<TenantDetails, PortError> {
        lock(&self.audit).push(audit);
        Ok(TenantDetails { quotas: command.quotas, ..details(&command.id, TenantState::Active) })
    }

    async fn get(&self, tenant: &Tenant) -> Result<Option<TenantDetails>, PortError> {
        Ok(match tenant.as_str() {
            "default" | "acme" => Some(details(tenant, TenantState::Active)),
            "gone" => Some(details(tenant, TenantState::Deleted)),
            _ => None,
        })
    }

    async fn list(&self, _: &TenantQuery) -> Result<Page<TenantDetails>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn change(
        &self,
        command: &TenantCommand,
        audit: AuditRecord,
        decide: &TenantDecision<'_>,
    ) -> Result<TenantDetails, PortError> {
        lock(&self.audit).push(audit);
        Ok(decide(details(&command.id, TenantState::Active))?)
    }

    async fn delete(&self, command: &TenantCommand, audit: AuditRecord) -> Result<TenantDetails, PortError> {
        lock(&self.audit).push(audit);
        Ok(details(&command.id, TenantState::Deleted))
    }
}

fn details(id: &Tenant, state: TenantState) -> TenantDetails {
    TenantDetails { state, ..crate::tenant::tests::details(id.as_str()) }
}

fn of(role: Role) -> Caller {
    Caller { role, ..caller() }
}

#[test]
fn admins_see_their_own_tenant_and_platform_administrators_all() {
    let memory = Arc::new(Memory::default());
    let service = service(&memory);
    let seen = |role, id: &str| match now(service.tenant(&of(role), id)) {
        Ok(found) => found.id.to_string(),
        Err(PortError::Refused(refusal)) => refusal.reason().to_owned(),
        Err(error) => panic!("{error}"),
    };
    for (id, admin, platform) in [
        ("", "default", "default"),
        ("default", "default", "default"),
        ("acme", "TENANT_NOT_FOUND", "acme"),
        ("gone", "TENANT_NOT_FOUND", "TENANT_NOT_FOUND"),
        ("never", "TENANT_NOT_FOUND", "TENANT_NOT_FOUND"),
        ("No Such", "INVALID_REQUEST", "INVALID_REQUEST"),
    ] {
        assert_eq!((seen(Role::Admin, id).as_str(), seen(Role::PlatformAdmin, id).as_str()), (admin, platform), "{id}");
    }
}

#[test]
fn ids_are_not_used_twice() {
    let memory = Arc::new(Memory::default());
    let service = service(&memory);
    let create = |id: &str| {
        let input = CreateTenantInput { tenant_id: id.into(), ..CreateTenantInput::default() };
        match now(service.create_tenant(&of(Role::PlatformAdmin), input, true)) {
            Ok(_) => "created".to_owned(),
            Err(PortError::Refused(refusal)) => refusal.reason().to_owned(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(["new", "acme", "gone"].map(create), ["created", "TENANT_ALREADY_EXISTS", "TENANT_DELETED"]);
    assert_eq!(audit(&memory), Vec::<String>::new(), "a check is not recorded");
}

#[test]
fn default_tenant_is_never_deleted() {
    let memory = Arc::new(Memory::default());
    let service = service(&memory);
    let delete = |id: &str| {
        let command = TenantCommand::check("DeleteTenant", id, "", "");
        now(service.delete_tenant(&of(Role::PlatformAdmin), command, id))
    };
    let refused = delete("default").expect_err("it stays");
    assert!(matches!(refused, PortError::Refused(DomainError::Tenant(TenantError::NotDeletable { .. }))));
    assert_eq!(delete("acme").expect("deleted").state, TenantState::Deleted);
    assert_eq!(audit(&memory), ["DELETE_TENANT REJECTED TENANT_NOT_DELETABLE", "DELETE_TENANT ACCEPTED"]);
}
