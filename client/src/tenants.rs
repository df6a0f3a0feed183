//! The calls for tenants, which require the role `platform_admin`; [`Client::get_tenant`] of one's own: admin.

use storeplane_proto::v1;
use tonic::Response;

use crate::calls::identify;
use crate::client::{Client, patiently};
use crate::error::Error;

/// A call that is repeated until it is answered.
macro_rules! call {
    ($client:expr, $method:ident, $request:expr) => {{
        let (client, request) = ($client, $request);
        let call = || {
            let (mut tenants, request) = (client.tenants.clone(), request.clone());
            async move { tenants.$method(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }};
}

impl Client {
    /// Creates a tenant. A missing request id is generated.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with all violations, `TENANT_ALREADY_EXISTS`, `TENANT_DELETED`.
    pub async fn create_tenant(&self, mut request: v1::CreateTenantRequest) -> Result<v1::Tenant, Error> {
        identify(&mut request.request_id);
        call!(self, create_tenant, request)
    }

    /// Returns a tenant; with an empty id that in which the client acts.
    ///
    /// # Errors
    /// `TENANT_NOT_FOUND`.
    pub async fn get_tenant(&self, tenant_id: &str) -> Result<v1::Tenant, Error> {
        call!(self, get_tenant, v1::GetTenantRequest { tenant_id: tenant_id.to_owned() })
    }

    /// A page of tenants, by id.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid page token.
    pub async fn list_tenants(&self, request: v1::ListTenantsRequest) -> Result<v1::ListTenantsResponse, Error> {
        call!(self, list_tenants, request)
    }

    /// Changes the display name and the quotas of a tenant. A missing request id is generated.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with all violations, `TENANT_NOT_FOUND`, `STALE_ETAG`.
    pub async fn update_tenant(&self, mut request: v1::UpdateTenantRequest) -> Result<v1::Tenant, Error> {
        identify(&mut request.request_id);
        call!(self, update_tenant, request)
    }

    /// Suspends a tenant: its callers are refused, its stores keep running.
    ///
    /// # Errors
    /// `TENANT_NOT_FOUND`.
    pub async fn suspend_tenant(&self, tenant_id: &str) -> Result<v1::Tenant, Error> {
        let tenant_id = tenant_id.to_owned();
        let mut request = v1::SuspendTenantRequest { tenant_id, ..v1::SuspendTenantRequest::default() };
        identify(&mut request.request_id);
        call!(self, suspend_tenant, request)
    }

    /// Ends the suspension of a tenant.
    ///
    /// # Errors
    /// `TENANT_NOT_FOUND`.
    pub async fn resume_tenant(&self, tenant_id: &str) -> Result<v1::Tenant, Error> {
        let tenant_id = tenant_id.to_owned();
        let mut request = v1::ResumeTenantRequest { tenant_id, ..v1::ResumeTenantRequest::default() };
        identify(&mut request.request_id);
        call!(self, resume_tenant, request)
    }

    /// Deletes a tenant without stores, and revokes its tokens.
    ///
    /// # Errors
    /// `TENANT_NOT_FOUND`, `TENANT_NOT_EMPTY`, `TENANT_NOT_DELETABLE`.
    pub async fn delete_tenant(&self, tenant_id: &str) -> Result<v1::Tenant, Error> {
        let tenant_id = tenant_id.to_owned();
        let mut request = v1::DeleteTenantRequest { tenant_id, ..v1::DeleteTenantRequest::default() };
        identify(&mut request.request_id);
        call!(self, delete_tenant, request)
    }
}
