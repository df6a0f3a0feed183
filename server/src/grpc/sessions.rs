//! SessionService.

use storeplane_core::query::SessionQuery;
use storeplane_core::session::Session;
use storeplane_proto::v1;
use storeplane_proto::v1::session_service_server::SessionService;
use storeplane_proto::v1::{ListSessionsRequest, ListSessionsResponse, RevokeSessionsRequest, RevokeSessionsResponse};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller};
use super::convert::timestamp;
use super::{pages, status};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl SessionService for ApiHandler {
    async fn list_sessions(&self, request: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        let access = caller(&request)?.access;
        let ListSessionsRequest { page_size, page_token } = request.into_inner();
        let seal = self.seal(&access).await?;
        let query = SessionQuery::check(&access.tenant, page_size, seal.page_start(&page_token))
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.sessions(&query).await.map_err(|error| status::port(&error))?;
        let (sessions, next) = pages::fill(&query, page, message);
        Ok(Response::new(ListSessionsResponse { sessions, next_page_token: seal.page_token(next.as_ref()) }))
    }

    async fn revoke_sessions(&self, request: Request<RevokeSessionsRequest>) -> Answer<RevokeSessionsResponse> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let RevokeSessionsRequest { session_id, credential_id } = request.into_inner();
        let revoked = self.finish(async move { service.revoke_sessions(&caller, &session_id, &credential_id).await });
        let revoked_count = i32::try_from(revoked.await?).unwrap_or(i32::MAX);
        Ok(Response::new(RevokeSessionsResponse { revoked_count }))
    }
}

fn message(session: Session) -> v1::Session {
    v1::Session {
        session_id: session.id.to_string(),
        name: session.name,
        role: session.role.as_str().to_owned(),
        credential_kind: session.credential.kind().to_owned(),
        credential_id: session.credential.id(),
        create_time: Some(timestamp(session.created_at)),
        last_use_time: Some(timestamp(session.last_used_at)),
        expire_time: Some(timestamp(session.expires_at)),
        peer: session.peer,
        user_agent: session.user_agent,
    }
}
