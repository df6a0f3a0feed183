//! Authentication and authorization of every RPC, before its handler runs.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::{BodyExt, Limited};
use prost::Message;
use storeplane_core::audit::{Action, Origin};
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::identity::{self, Caller};
use storeplane_core::ids::Tenant;
use storeplane_core::service;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Layer, Service};
use tracing::Span;

use super::status;
use crate::authentication::{Authenticator, Evidence, Rejection};
use crate::limits::Limits;
use crate::postgres::{AuthFailures, TenantStates};

/// Metadata with which a platform administrator names the tenant in which it acts; without it, its own.
pub const TENANT: HeaderName = HeaderName::from_static("storeplane-tenant");

/// Begins the paths of all RPCs.
const PACKAGE: &str = "/storeplane.v1.";
/// Maximum size of a denied request's body that is read to find its target.
const DENIED_BODY_MAX: usize = 64 * 1024;
/// Time limit of that.
const DENIED_BODY_TIME: Duration = Duration::from_secs(2);
/// Bytes before the message in a gRPC frame: the compression flag and the length.
const FRAME_HEADER: usize = 5;

/// Lets only authenticated callers through to a service, and only if their role permits the RPC.
#[derive(Debug, Clone)]
pub struct AuthLayer {
    /// Finds out who the caller is.
    pub authenticator: Authenticator,
    /// Limits of callers and addresses.
    pub limits: Limits,
    /// Knows which tenants are suspended.
    pub tenants: TenantStates,
    /// Records denied requests.
    pub service: service::Service,
    /// Counts failed authentications.
    pub failures: AuthFailures,
}

impl<S> Layer<S> for AuthLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated { inner, auth: self.clone() }
    }
}

/// A service behind authentication.
#[derive(Debug, Clone)]
pub struct Authenticated<S> {
    inner: S,
    auth: AuthLayer,
}

impl<S: NamedService> NamedService for Authenticated<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let auth = self.auth.clone();
        Box::pin(async move {
            match auth.admit(request).await {
                Ok(request) => inner.call(request).await,
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

impl AuthLayer {
    async fn admit(&self, mut request: Request<Body>) -> Result<Request<Body>, Box<Status>> {
        let origin: Arc<Origin> = request.extensions().get().map(Arc::clone).unwrap_or_default();
        let caller = self.authenticate(origin.peer, Evidence::of(&request)).await;
        let mut caller = caller.inspect_err(|status| self.count(&origin, status))?;
        caller.origin = origin;
        self.limits.admit_request(&caller).map_err(|wait| Box::new(status::too_many_requests(wait)))?;
        let span = Span::current();
        span.record("tenant", caller.tenant().as_str());
        span.record("caller", caller.name.as_str());
        let needed = identity::needed(request.uri().path()).ok_or_else(|| Box::new(status::unknown_method()))?;
        match self.tenants.admit(&caller).await {
            Ok(()) => {}
            Err(PortError::Refused(refusal)) => return Err(Box::new(self.deny(&caller, refusal, request).await)),
            Err(error) => return Err(Box::new(status::port(&error))),
        }
        if !caller.role.allows(needed) {
            let refusal = DomainError::PermissionDenied { role: caller.role.as_str(), needed: needed.as_str() };
            return Err(Box::new(self.deny(&caller, refusal, request).await));
        }
        let Some(tenant) = tenant(request.headers()).map_err(Box::new)? else {
            request.extensions_mut().insert(caller);
            return Ok(request);
        };
        match caller.clone().acting_in(tenant) {
            Ok(acting) => {
                span.record("tenant", acting.tenant().as_str());
                span.record("caller", acting.name.as_str());
                request.extensions_mut().insert(acting);
                Ok(request)
            }
            Err(refusal) => Err(Box::new(self.deny(&caller, refusal, request).await)),
        }
    }

    /// The caller. While an address is limited, only credentials that need no Postgres query are accepted.
    async fn authenticate(&self, address: Option<IpAddr>, evidence: Evidence<'_>) -> Result<Caller, Box<Status>> {
        if let Some(address) = address
            && self.authenticator.needs_lookup(evidence)
        {
            self.limits.may_authenticate(address).map_err(|wait| Box::new(status::too_many_failures(wait)))?;
        }
        let caller = self.authenticator.caller(evidence).await;
        if let (Some(address), Err(Rejection::Invalid | Rejection::SessionEnded)) = (address, &caller) {
            self.limits.authentication_failed(address);
        }
        caller.map_err(|rejection| Box::new(status::rejection(&rejection)))
    }

    fn count(&self, origin: &Origin, status: &Status) {
        let info = status.get_details_error_info();
        let reason = info.as_ref().map_or("", |info| &info.reason);
        if status.code() == Code::Unauthenticated || reason == "AUTHENTICATION_RATE_EXCEEDED" {
            self.failures.count(origin, reason);
        }
    }

    /// Records the denied request in the caller's own tenant.
    async fn deny(&self, caller: &Caller, refusal: DomainError, request: Request<Body>) -> Status {
        let (action, asked) = match action(request.uri().path()) {
            // It has no target yet.
            Some(Action::CreateRollout) => (Action::CreateRollout, String::new()),
            Some(action) => (action, target(request.into_body()).await),
            None => (Action::Read, request.uri().path().trim_start_matches(PACKAGE).to_owned()),
        };
        match self.service.audited::<Infallible>(caller, action, &asked, Err(refusal.into())).await {
            Err(error) => status::port(&error),
            Ok(never) => match never {},
        }
    }
}

/// The tenant that the request names.
fn tenant(headers: &HeaderMap) -> Result<Option<Tenant>, Status> {
    let mut values = headers.get_all(TENANT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(status::tenant_malformed("must be sent once"));
    }
    let text = value.to_str().map_err(|_| status::tenant_malformed("must be a tenant's name"))?;
    text.parse().map(Some).map_err(|rule| status::tenant_malformed(&format!("{rule}")))
}

/// The audit action of an RPC that changes something or reads secrets. Of others only denied calls are recorded, as [`Action::Read`].
fn action(path: &str) -> Option<Action> {
    match path {
        "/storeplane.v1.StoreService/CreateStore" => Some(Action::CreateStore),
        "/storeplane.v1.StoreService/DeleteStore" => Some(Action::DeleteStore),
        "/storeplane.v1.StoreService/RotateStoreCredentials" => Some(Action::RotateCredentials),
        "/storeplane.v1.StoreService/UpdateStore" => Some(Action::UpdateStore),
        "/storeplane.v1.StoreService/GetStoreCredentials" => Some(Action::ReadCredentials),
        "/storeplane.v1.StoreService/GetStoreLogs" => Some(Action::ReadLogs),
        "/storeplane.v1.StoreService/RetryStore" => Some(Action::RetryStore),
        "/storeplane.v1.StoreService/RollbackStore" => Some(Action::RollbackStore),
        "/storeplane.v1.StoreService/RestoreStore" => Some(Action::RestoreStore),
        "/storeplane.v1.StoreService/CopyStore" => Some(Action::CopyStore),
        "/storeplane.v1.StoreService/UndeleteStore" => Some(Action::UndeleteStore),
        "/storeplane.v1.BackupService/CreateBackup" => Some(Action::CreateBackup),
        "/storeplane.v1.BackupService/DeleteBackup" => Some(Action::DeleteBackup),
        "/storeplane.v1.OperationService/CancelOperation" => Some(Action::CancelOperation),
        "/storeplane.v1.RolloutService/CreateRollout" => Some(Action::CreateRollout),
        "/storeplane.v1.RolloutService/PauseRollout" => Some(Action::PauseRollout),
        "/storeplane.v1.RolloutService/ResumeRollout" => Some(Action::ResumeRollout),
        "/storeplane.v1.RolloutService/AbortRollout" => Some(Action::AbortRollout),
        "/storeplane.v1.TenantService/CreateTenant" => Some(Action::CreateTenant),
        "/storeplane.v1.TenantService/DeleteTenant" => Some(Action::DeleteTenant),
        "/storeplane.v1.TenantService/ResumeTenant" => Some(Action::ResumeTenant),
        "/storeplane.v1.TenantService/SuspendTenant" => Some(Action::SuspendTenant),
        "/storeplane.v1.TenantService/UpdateTenant" => Some(Action::UpdateTenant),
        "/storeplane.v1.SessionService/RevokeSessions" => Some(Action::RevokeSessions),
        "/storeplane.v1.TokenService/CreateToken" => Some(Action::CreateToken),
        "/storeplane.v1.TokenService/RevokeToken" => Some(Action::RevokeToken),
        "/storeplane.v1.TokenService/RotateToken" => Some(Action::RotateToken),
        _ => None,
    }
}

/// The first field of every other such request names its target.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    target: String,
}

/// The target of a denied request, if it can be read quickly; only for the audit log.
async fn target(body: Body) -> String {
    let read = Limited::new(body, DENIED_BODY_MAX).collect();
    let Ok(Ok(read)) = tokio::time::timeout(DENIED_BODY_TIME, read).await else { return String::new() };
    let bytes = read.to_bytes();
    let message = bytes.get(FRAME_HEADER..).filter(|_| bytes.first() == Some(&0));
    message.and_then(|message| Named::decode(message).ok()).map(|named| named.target).unwrap_or_default()
}

#[cfg(test)]
mod tests;
