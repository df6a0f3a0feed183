//! TokenService.

use storeplane_core::access::Selection;
use storeplane_core::ids::TokenId;
use storeplane_core::query::TokenQuery;
use storeplane_core::token::{CreateTokenInput, IssuedToken, RotateTokenInput, Token, TokenState};
use storeplane_core::validate::Check;
use storeplane_proto::v1;
use storeplane_proto::v1::token_service_server::TokenService;
use storeplane_proto::v1::{
    CreateTokenRequest, CreateTokenResponse, GetTokenRequest, ListTokensRequest, ListTokensResponse,
    RevokeTokenRequest, RotateTokenRequest, RotateTokenResponse,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller, no_store};
use super::convert::{read_duration, timestamp};
use super::{pages, status};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl TokenService for ApiHandler {
    async fn create_token(&self, request: Request<CreateTokenRequest>) -> Answer<CreateTokenResponse> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CreateTokenRequest { name, role, ttl, store_ids, store_id_prefix, request_id } = request.into_inner();
        let input =
            CreateTokenInput { name, role, ttl: ttl.map(read_duration), store_ids, store_id_prefix, request_id };
        let issued = self.finish(async move { service.create_token(&caller, input).await }).await?;
        let IssuedToken { token, secret } = issued;
        Ok(no_store(CreateTokenResponse { token: Some(self.token(token)), secret }))
    }

    async fn get_token(&self, request: Request<GetTokenRequest>) -> Answer<v1::Token> {
        let caller = caller(&request)?;
        let mut check = Check::default();
        let id: Option<TokenId> = check.required("token_id", &request.get_ref().token_id);
        let id = check.finish(id).map_err(|refusal| status::refusal(&refusal))?;
        let token = self.service.token(&caller, id).await.map_err(|error| status::port(&error))?;
        Ok(Response::new(self.token(token)))
    }

    async fn list_tokens(&self, request: Request<ListTokensRequest>) -> Answer<ListTokensResponse> {
        let access = caller(&request)?.access;
        let ListTokensRequest { page_size, page_token, show_inactive } = request.into_inner();
        let seal = self.seal(&access).await?;
        let query = TokenQuery::check(&access.tenant, show_inactive, page_size, seal.page_start(&page_token))
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.tokens(&query).await.map_err(|error| status::port(&error))?;
        let (tokens, next) = pages::fill(&query, page, |token| self.token(token));
        Ok(Response::new(ListTokensResponse { tokens, next_page_token: seal.page_token(next.as_ref()) }))
    }

    async fn revoke_token(&self, request: Request<RevokeTokenRequest>) -> Answer<v1::Token> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let RevokeTokenRequest { token_id, request_id } = request.into_inner();
        let revoked = self.finish(async move { service.revoke_token(&caller, &token_id, &request_id).await });
        Ok(Response::new(self.token(revoked.await?)))
    }

    async fn rotate_token(&self, request: Request<RotateTokenRequest>) -> Answer<RotateTokenResponse> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let RotateTokenRequest { token_id, ttl, overlap, request_id } = request.into_inner();
        let (ttl, overlap) = (ttl.map(read_duration), overlap.map(read_duration));
        let input = RotateTokenInput { token_id, ttl, overlap, request_id };
        let issued = self.finish(async move { service.rotate_token(&caller, input).await }).await?;
        let IssuedToken { token, secret } = issued;
        Ok(no_store(RotateTokenResponse { token: Some(self.token(token)), secret }))
    }
}

impl ApiHandler {
    fn token(&self, token: Token) -> v1::Token {
        message(token, self.platform.clock.now())
    }
}

fn message(token: Token, now: OffsetDateTime) -> v1::Token {
    let stores = token.scope.selection();
    let ids = stores.map(Selection::ids).unwrap_or_default();
    v1::Token {
        state: state(token.state(now)).into(),
        token_id: token.id.to_string(),
        name: token.name,
        role: token.role.as_str().to_owned(),
        tenant: token.tenant.into(),
        create_time: Some(timestamp(token.created_at)),
        created_by: token.created_by,
        expire_time: token.expires_at.map(timestamp),
        last_use_time: token.last_used_at.map(timestamp),
        revoke_time: token.revoked_at.map(timestamp),
        revoked_by: token.revoked_by.unwrap_or_default(),
        rotate_time: token.rotated_at.map(timestamp),
        previous_secret_expire_time: token.previous_expires_at.map(timestamp),
        store_ids: ids.iter().map(ToString::to_string).collect(),
        store_id_prefix: stores.and_then(Selection::prefix).map(ToString::to_string).unwrap_or_default(),
    }
}

fn state(state: TokenState) -> v1::TokenState {
    match state {
        TokenState::Valid => v1::TokenState::Valid,
        TokenState::Expired => v1::TokenState::Expired,
        TokenState::Revoked => v1::TokenState::Revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_match_the_proto() {
        for each in TokenState::ALL {
            assert_eq!(state(each).as_str_name(), format!("TOKEN_STATE_{}", each.as_str()));
        }
    }
}
