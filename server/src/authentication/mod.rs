//! Who sends a request: API tokens, and tokens of the identity provider.
//!
//! A bearer token is told by its form: a JSON Web Token is the provider's, anything else is ours.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;

use crate::oidc::{self, JwtError, Oidc};
use crate::postgres::{Pool, Tokens, Verified};

/// Maximum length of an authorization header, besides a token of the provider.
const HEADER_MAX: usize = 1000;

/// Why a caller is unknown.
#[derive(Debug)]
pub enum Rejection {
    /// The request has no credential.
    Missing,
    /// The authorization header is malformed.
    Malformed,
    /// The token is unknown or was revoked.
    Invalid,
    /// The token has expired.
    Expired,
    /// A token of the identity provider is not accepted.
    Provider(JwtError),
    /// The database is unavailable.
    Port(PortError),
}

/// Authenticates requests, and checks the callers of open streams again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authenticator {
    tokens: Tokens,
    oidc: Option<Oidc>,
}

impl Authenticator {
    /// Without a provider, only our own tokens are accepted.
    pub fn new(tokens: Tokens, oidc: Option<Oidc>) -> Self {
        Self { tokens, oidc }
    }

    /// The same, with the same caches, through another pool.
    #[must_use]
    pub fn on(&self, pool: &Pool) -> Self {
        Self { tokens: self.tokens.on(pool.clone()), ..self.clone() }
    }

    /// Our own tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The caller of a request.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Rejection> {
        let token = bearer(headers)?;
        match &self.oidc {
            Some(oidc) if oidc::is_jwt(token) => oidc.verify(token).await.map_err(Rejection::Provider),
            _ => own(self.tokens.verify(token).await),
        }
    }

    /// Whether the caller of an open stream may go on; [`Verified::Unknown`] also if its role or tenant changed.
    pub async fn recheck(&self, caller: &Caller) -> Result<Verified, PortError> {
        self.tokens.recheck(caller).await
    }
}

fn own(verified: Result<Verified, PortError>) -> Result<Caller, Rejection> {
    match verified {
        Ok(Verified::Caller(caller)) => Ok(caller),
        Ok(Verified::Expired) => Err(Rejection::Expired),
        Ok(Verified::Unknown) => Err(Rejection::Invalid),
        Err(error) => Err(Rejection::Port(error)),
    }
}

/// The token of `authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<&str, Rejection> {
    let value = headers.get(AUTHORIZATION).ok_or(Rejection::Missing)?;
    let text = value.to_str().ok().filter(|text| text.len() <= HEADER_MAX + oidc::LENGTH_MAX);
    let (scheme, token) = text.and_then(|text| text.split_once(' ')).ok_or(Rejection::Malformed)?;
    let token = token.trim();
    let short = token.len() <= HEADER_MAX || oidc::is_jwt(token);
    if scheme.eq_ignore_ascii_case("bearer") && short { Ok(token) } else { Err(Rejection::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_credentials() {
        let with = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))]);
        assert_eq!(bearer(&with("Bearer abc")).expect("good"), "abc");
        assert_eq!(bearer(&with("bearer  abc ")).expect("good"), "abc");
        let long = |part: &str| format!("Bearer ey.{part}.x");
        assert!(bearer(&with(&long(&"x".repeat(4000)))).is_ok(), "tokens of a provider may be long");
        for bad in ["abc", "Basic abc", "", &format!("Bearer {}", "x".repeat(2000)), &long(&"x".repeat(10_000))] {
            assert!(matches!(bearer(&with(bad)), Err(Rejection::Malformed)), "{bad}");
        }
        assert!(matches!(bearer(&HeaderMap::new()), Err(Rejection::Missing)));
    }
}
