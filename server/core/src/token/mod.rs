//! API tokens. [`command`] has the changes of them, for the API and the command line.

mod command;

use std::fmt;
use std::sync::Arc;

pub use command::{CreateToken, CreateTokenInput, Lifetimes, RevokeToken, RotateToken, RotateTokenInput};
use time::OffsetDateTime;

use crate::access::Scope;
use crate::audit::Origin;
use crate::identity::{Caller, Credential, Role};
use crate::ids::{Tenant, TokenId};
use crate::wire::wire_enum;

/// A token, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its name: the actor in the audit log.
    pub name: String,
    /// Its tenant.
    pub tenant: Tenant,
    /// Its role.
    pub role: Role,
    /// The stores to which it is limited. It never changes.
    pub scope: Scope,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// Who created it.
    pub created_by: String,
    /// When it expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
    /// When its secret was last replaced.
    pub rotated_at: Option<OffsetDateTime>,
    /// Until when the secret before that works.
    pub previous_expires_at: Option<OffsetDateTime>,
}

wire_enum! {
    /// Whether a token works.
    pub enum TokenState {
        /// It works.
        Valid = "VALID",
        /// It has expired.
        Expired = "EXPIRED",
        /// It was revoked.
        Revoked = "REVOKED",
    }
}

impl Token {
    /// Whether it works at that time.
    pub fn state(&self, now: OffsetDateTime) -> TokenState {
        if self.revoked_at.is_some() {
            TokenState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            TokenState::Expired
        } else {
            TokenState::Valid
        }
    }
}

/// A token and its new secret, which is never stored and cannot be read again. `Debug` omits it.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// The secret. Never log it or put it into an error or event.
    pub secret: String,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Who changes a token, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The actor.
    pub name: String,
    /// What the actor authenticated with, if it did.
    pub credential: Option<Credential>,
    /// Where the request came from.
    pub origin: Arc<Origin>,
}

impl Author {
    /// One without a credential.
    pub fn system(name: &str) -> Self {
        Self { name: name.to_owned(), credential: None, origin: Arc::default() }
    }
}

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        Self {
            name: caller.name.clone(),
            credential: Some(caller.credential.clone()),
            origin: Arc::clone(&caller.origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn state_depends_on_revocation_and_time() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let token = |expires_at, revoked_at| Token {
            id: TokenId(uuid::Uuid::nil()),
            name: "ci".into(),
            tenant: Tenant::default(),
            role: Role::Viewer,
            scope: Scope::All,
            created_at: now,
            created_by: "test".into(),
            expires_at,
            last_used_at: None,
            revoked_at,
            revoked_by: None,
            rotated_at: None,
            previous_expires_at: None,
        };
        let second = Duration::SECOND;
        assert_eq!(token(None, None).state(now), TokenState::Valid);
        assert_eq!(token(Some(now + second), None).state(now), TokenState::Valid);
        assert_eq!(token(Some(now), None).state(now), TokenState::Expired);
        assert_eq!(token(Some(now), Some(now)).state(now), TokenState::Revoked);
    }
}
