//! The calls for tokens, which require the role admin.

use storeplane_proto::v1;
use tonic::Response;

use crate::calls::identify;
use crate::client::{Client, patiently};
use crate::error::Error;

impl Client {
    /// Creates a token and returns its secret, which cannot be read again. A missing request id is generated. `store_ids` and
    /// `store_id_prefix` limit it to stores.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with all violations, `TOKEN_NAME_TAKEN`, `PERMISSION_DENIED` above the caller's role, and
    /// `SECRET_ALREADY_SHOWN` if the response of an earlier attempt was lost: revoke or rotate the token that it names.
    /// [`Error::ScopeIgnored`] if the server is too old to limit it; no token remains then.
    pub async fn create_token(&self, mut request: v1::CreateTokenRequest) -> Result<v1::CreateTokenResponse, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut tokens, request) = (self.tokens.clone(), request.clone());
            async move { tokens.create_token(request).await.map(Response::into_inner) }
        };
        let created = patiently(call).await?;
        let is_limited = |ids: &[String], prefix: &str| !ids.is_empty() || !prefix.is_empty();
        let token = created.token.clone().unwrap_or_default();
        if is_limited(&request.store_ids, &request.store_id_prefix)
            && !is_limited(&token.store_ids, &token.store_id_prefix)
        {
            let token_id = self.revoke_token(&token.token_id).await?.token_id;
            return Err(Error::ScopeIgnored { token_id });
        }
        Ok(created)
    }

    /// Returns a token, without its secret.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND`.
    pub async fn get_token(&self, token_id: &str) -> Result<v1::Token, Error> {
        let request = v1::GetTokenRequest { token_id: token_id.to_owned() };
        let call = || {
            let (mut tokens, request) = (self.tokens.clone(), request.clone());
            async move { tokens.get_token(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// A page of tokens, newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid page token.
    pub async fn list_tokens(&self, request: v1::ListTokensRequest) -> Result<v1::ListTokensResponse, Error> {
        let call = || {
            let (mut tokens, request) = (self.tokens.clone(), request.clone());
            async move { tokens.list_tokens(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Revokes a token; one that is already revoked is returned unchanged.
    ///
    /// # Errors
    /// `TOKEN_NOT_FOUND`, `PERMISSION_DENIED` above the caller's role.
    pub async fn revoke_token(&self, token_id: &str) -> Result<v1::Token, Error> {
        let token_id = token_id.to_owned();
        let mut request = v1::RevokeTokenRequest { token_id, ..v1::RevokeTokenRequest::default() };
        identify(&mut request.request_id);
        let call = || {
            let (mut tokens, request) = (self.tokens.clone(), request.clone());
            async move { tokens.revoke_token(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Replaces the secret of a valid token and returns the new one; the current one works for a while. A missing request id is
    /// generated. This client goes on with the secret that it was connected with.
    ///
    /// # Errors
    /// Those of [`Client::create_token`], `TOKEN_NOT_FOUND`, `TOKEN_NOT_VALID`.
    pub async fn rotate_token(&self, mut request: v1::RotateTokenRequest) -> Result<v1::RotateTokenResponse, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut tokens, request) = (self.tokens.clone(), request.clone());
            async move { tokens.rotate_token(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }
}
