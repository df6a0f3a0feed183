//! TokenService of a server of a release before scopes: it ignores them.

use storeplane_client::v1;
use storeplane_proto::v1::token_service_server::TokenService;
use tonic::{Request, Response, Status};

use super::{Answer, ScriptedServer};

#[tonic::async_trait]
impl TokenService for ScriptedServer {
    async fn create_token(&self, request: Request<v1::CreateTokenRequest>) -> Answer<v1::CreateTokenResponse> {
        let name = request.into_inner().name;
        let token = v1::Token { token_id: format!("id of {name}"), name, ..v1::Token::default() };
        Ok(Response::new(v1::CreateTokenResponse { token: Some(token), secret: "spt_secret".into() }))
    }

    async fn get_token(&self, _: Request<v1::GetTokenRequest>) -> Answer<v1::Token> {
        Err(Status::unimplemented(""))
    }

    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensResponse> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_token(&self, request: Request<v1::RevokeTokenRequest>) -> Answer<v1::Token> {
        let token_id = request.into_inner().token_id;
        self.next(|received| received.revocations.push(token_id.clone()));
        Ok(Response::new(v1::Token { token_id, ..v1::Token::default() }))
    }

    async fn rotate_token(&self, _: Request<v1::RotateTokenRequest>) -> Answer<v1::RotateTokenResponse> {
        Err(Status::unimplemented(""))
    }
}
