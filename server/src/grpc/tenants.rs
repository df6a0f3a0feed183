//! TenantService.

use storeplane_core::audit::Action;
use storeplane_core::query::TenantQuery;
use storeplane_core::quota::{Limit, TenantQuotas, UNLIMITED, quantity};
use storeplane_core::tenant::{
    CreateTenantInput, QuotasInput, TenantCommand, TenantDetails, TenantState, UpdateTenantInput,
};
use storeplane_proto::v1;
use storeplane_proto::v1::tenant_service_server::TenantService;
use storeplane_proto::v1::{
    CreateTenantRequest, DeleteTenantRequest, GetTenantRequest, ListTenantsRequest, ListTenantsResponse,
    ResumeTenantRequest, SuspendTenantRequest, UpdateTenantRequest,
};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller};
use super::convert::timestamp;
use super::{pages, status};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TenantService for ApiHandler {
    async fn create_tenant(&self, request: Request<CreateTenantRequest>) -> Answer<v1::Tenant> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CreateTenantRequest { tenant_id, tenant, request_id, validate_only } = request.into_inner();
        let v1::Tenant { display_name, quotas, .. } = tenant.unwrap_or_default();
        let input = CreateTenantInput { tenant_id, display_name, quotas: input(quotas), request_id };
        let created = self.finish(async move { service.create_tenant(&caller, input, validate_only).await });
        Ok(self.tenant(created.await?))
    }

    async fn get_tenant(&self, request: Request<GetTenantRequest>) -> Answer<v1::Tenant> {
        let caller = caller(&request)?;
        let found = self.service.tenant(&caller, &request.get_ref().tenant_id).await;
        Ok(self.tenant(found.map_err(|error| status::port(&error))?))
    }

    async fn list_tenants(&self, request: Request<ListTenantsRequest>) -> Answer<ListTenantsResponse> {
        let access = caller(&request)?.access;
        let ListTenantsRequest { page_size, page_token } = request.into_inner();
        let seal = self.seal(&access).await?;
        let query = TenantQuery::check(page_size, seal.page_start(&page_token));
        let query = query.map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.tenants(&query).await.map_err(|error| status::port(&error))?;
        let (tenants, next) = pages::fill(&query, page, |details| self.message(details));
        Ok(Response::new(ListTenantsResponse { tenants, next_page_token: seal.page_token(next.as_ref()) }))
    }

    async fn update_tenant(&self, request: Request<UpdateTenantRequest>) -> Answer<v1::Tenant> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let UpdateTenantRequest { tenant_id, tenant, update_mask, etag, request_id, validate_only } =
            request.into_inner();
        let v1::Tenant { display_name, quotas, .. } = tenant.unwrap_or_default();
        let mask = update_mask.unwrap_or_default().paths;
        let input = UpdateTenantInput { tenant_id, display_name, quotas: input(quotas), mask, etag, request_id };
        let updated = self.finish(async move { service.update_tenant(&caller, input, validate_only).await });
        Ok(self.tenant(updated.await?))
    }

    async fn suspend_tenant(&self, request: Request<SuspendTenantRequest>) -> Answer<v1::Tenant> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let SuspendTenantRequest { tenant_id, etag, request_id } = request.into_inner();
        let (action, state) = (Action::SuspendTenant, TenantState::Suspended);
        let command = TenantCommand::check("SuspendTenant", &tenant_id, &etag, &request_id);
        let changed =
            self.finish(async move { service.set_tenant_state(&caller, action, state, command, &tenant_id).await });
        Ok(self.tenant(changed.await?))
    }

    async fn resume_tenant(&self, request: Request<ResumeTenantRequest>) -> Answer<v1::Tenant> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let ResumeTenantRequest { tenant_id, etag, request_id } = request.into_inner();
        let (action, state) = (Action::ResumeTenant, TenantState::Active);
        let command = TenantCommand::check("ResumeTenant", &tenant_id, &etag, &request_id);
        let changed =
            self.finish(async move { service.set_tenant_state(&caller, action, state, command, &tenant_id).await });
        Ok(self.tenant(changed.await?))
    }

    async fn delete_tenant(&self, request: Request<DeleteTenantRequest>) -> Answer<v1::Tenant> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let DeleteTenantRequest { tenant_id, etag, request_id } = request.into_inner();
        let command = TenantCommand::check("DeleteTenant", &tenant_id, &etag, &request_id);
        let deleted = self.finish(async move { service.delete_tenant(&caller, command, &tenant_id).await });
        Ok(self.tenant(deleted.await?))
    }
}

impl ApiHandler {
    fn tenant(&self, details: TenantDetails) -> Response<v1::Tenant> {
        Response::new(self.message(details))
    }

    fn message(&self, details: TenantDetails) -> v1::Tenant {
        let effective = details.quotas.over(self.service.default_quotas());
        v1::Tenant {
            etag: details.etag(),
            tenant_id: details.id.into(),
            uid: details.uid.to_string(),
            display_name: details.display_name,
            state: state(details.state).into(),
            quotas: Some(quotas(&details.quotas)),
            effective_quotas: Some(quotas(&TenantQuotas::from(&effective))),
            create_time: Some(timestamp(details.created_at)),
            created_by: details.created_by,
            update_time: Some(timestamp(details.updated_at)),
            suspend_time: details.suspended_at.map(timestamp),
        }
    }
}

fn input(quotas: Option<v1::TenantQuotas>) -> QuotasInput {
    let v1::TenantQuotas { stores, plans, cpu, memory, storage, creations, deletions, backups } =
        quotas.unwrap_or_default();
    QuotasInput { stores, plans, cpu, memory, storage, creations, deletions, backups }
}

fn quotas(quotas: &TenantQuotas) -> v1::TenantQuotas {
    let number = |limit: Limit| match limit {
        Limit::AtMost(number) => number,
        Limit::Unlimited => -1,
    };
    let amount = |limit: Option<Limit>, text: fn(i64) -> String| match limit {
        None => String::new(),
        Some(Limit::Unlimited) => UNLIMITED.to_owned(),
        Some(Limit::AtMost(number)) => text(number),
    };
    v1::TenantQuotas {
        stores: quotas.stores.map(number),
        plans: quotas.plans.clone(),
        cpu: amount(quotas.cpu, quantity::cpu_text),
        memory: amount(quotas.memory, quantity::bytes_text),
        storage: amount(quotas.storage, quantity::bytes_text),
        creations: quotas.creations.map(number),
        deletions: quotas.deletions.map(number),
        backups: quotas.backups.map(number),
    }
}

fn state(state: TenantState) -> v1::TenantState {
    match state {
        TenantState::Active => v1::TenantState::Active,
        TenantState::Suspended => v1::TenantState::Suspended,
        TenantState::Deleted => v1::TenantState::Deleted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_match_the_proto() {
        for each in TenantState::ALL {
            assert_eq!(state(each).as_str_name(), format!("TENANT_STATE_{}", each.as_str()));
        }
    }

    #[test]
    fn quotas_round_trip() {
        let sent = v1::TenantQuotas {
            stores: Some(-1),
            plans: vec!["small".into()],
            cpu: "1500m".into(),
            memory: "64Gi".into(),
            storage: "unlimited".into(),
            creations: Some(0),
            deletions: None,
            backups: Some(7),
        };
        let request = CreateTenantInput {
            tenant_id: "acme".into(),
            quotas: input(Some(sent.clone())),
            ..CreateTenantInput::default()
        };
        assert_eq!(quotas(&request.check().expect("good").quotas), sent);
    }
}
