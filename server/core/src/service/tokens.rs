//! Manages the tokens of the caller's tenant.

use super::Service;
use crate::audit::Action;
use crate::error::{DomainError, PortError};
use crate::identity::{Caller, Role};
use crate::ids::TokenId;
use crate::query::{Page, TokenQuery};
use crate::token::{CreateTokenInput, IssuedToken, RevokeToken, RotateTokenInput, Token};

impl Service {
    /// Creates a token, not above the caller's role.
    pub async fn create_token(&self, caller: &Caller, input: CreateTokenInput) -> Result<IssuedToken, PortError> {
        let asked = input.name.clone();
        let result = async {
            let wanted = input.check(self.lifetimes)?;
            may_manage(caller, wanted.role)?;
            self.tokens.create(caller.tenant(), wanted, &caller.into()).await
        };
        self.audited(caller, Action::CreateToken, &asked, result.await).await
    }

    /// A token of the caller's tenant.
    pub async fn token(&self, caller: &Caller, id: TokenId) -> Result<Token, PortError> {
        let found = self.tokens.get(caller.tenant(), id).await?;
        Ok(found.ok_or_else(|| DomainError::NotFound { kind: "token", name: id.to_string() })?)
    }

    /// A page of tokens.
    pub async fn tokens(&self, query: &TokenQuery) -> Result<Page<Token>, PortError> {
        self.tokens.list(query).await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, caller: &Caller, token_id: &str, request_id: &str) -> Result<Token, PortError> {
        let result = async {
            let command = RevokeToken::check(token_id, request_id)?;
            may_manage(caller, self.token(caller, command.token).await?.role)?;
            self.tokens.revoke(caller.tenant(), command, &caller.into()).await
        };
        self.audited(caller, Action::RevokeToken, token_id, result.await).await
    }

    /// Replaces the secret of a token.
    pub async fn rotate_token(&self, caller: &Caller, input: RotateTokenInput) -> Result<IssuedToken, PortError> {
        let asked = input.token_id.clone();
        let result = async {
            let command = input.check(self.lifetimes)?;
            may_manage(caller, self.token(caller, command.token).await?.role)?;
            self.tokens.rotate(caller.tenant(), command, &caller.into()).await
        };
        self.audited(caller, Action::RotateToken, &asked, result.await).await
    }
}

/// A token's secret is worth its role: nobody gets one above its own.
fn may_manage(caller: &Caller, role: Role) -> Result<(), DomainError> {
    if caller.role.may_grant(role) {
        return Ok(());
    }
    Err(DomainError::PermissionDenied { role: caller.role.as_str(), needed: role.as_str() })
}
