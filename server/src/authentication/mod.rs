//! Who sends a request: API tokens, tokens of the identity provider, browser sessions, and client certificates. In this order:
//!
//! - A bearer token wins over anything else. It is recognized by its form: a JSON Web Token is the provider's, anything else is ours.
//! - A session's cookie counts without one, if the request comes from the server's own pages ([`cookie`]).
//! - A client certificate counts if there is neither, and the configuration names it ([`certificate`]).

mod certificate;
mod cookie;

use std::sync::Arc;

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, Request, Uri};
use storeplane_core::error::PortError;
use storeplane_core::identity::{Caller, Proof};
use storeplane_core::ports::Clock;

pub use self::certificate::ClientCertificate;
use self::certificate::Identities;
pub(crate) use self::cookie::FETCH_SITE;
pub use self::cookie::{Cookie, CrossOrigin, Scheme, own_page};
use crate::config::Identity;
use crate::oidc::{self, JwtError, Oidc};
use crate::postgres::{Pool, Sessions, Tokens, Verified};

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
    /// The request has no credential but a client certificate that matches no identity, or has expired.
    UnknownCertificate,
    /// The session has ended.
    SessionEnded,
    /// The request has a session's cookie, but does not come from a page of this server.
    CrossOrigin,
    /// A token of the identity provider is not accepted.
    Provider(JwtError),
    /// The database is unavailable.
    Port(PortError),
}

/// What a request shows of its caller.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    headers: &'a HeaderMap,
    uri: &'a Uri,
    certificate: Option<&'a ClientCertificate>,
}

impl<'a> Evidence<'a> {
    /// That of a request.
    pub fn of<B>(request: &'a Request<B>) -> Self {
        let certificate = request.extensions().get::<Arc<ClientCertificate>>().map(AsRef::as_ref);
        Self { headers: request.headers(), uri: request.uri(), certificate }
    }
}

/// Authenticates requests, and checks the callers of open streams again. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    tokens: Tokens,
    sessions: Sessions,
    oidc: Option<Oidc>,
    public_url: Option<Arc<str>>,
    identities: Identities,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("oidc", &self.oidc).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Accepts our own tokens and sessions.
    pub fn new(tokens: Tokens, sessions: Sessions, clock: Arc<dyn Clock>) -> Self {
        Self { tokens, sessions, oidc: None, public_url: None, identities: Identities::default(), clock }
    }

    /// Accepts a provider's tokens as well.
    #[must_use]
    pub fn with_provider(self, oidc: Option<Oidc>) -> Self {
        Self { oidc, ..self }
    }

    /// With the dashboard's origin, if it is not what requests name.
    #[must_use]
    pub fn with_public_url(self, public_url: Option<&str>) -> Self {
        Self { public_url: public_url.map(Arc::from), ..self }
    }

    /// Accepts the client certificates of these services as well.
    #[must_use]
    pub fn with_identities(self, identities: &[Identity]) -> Self {
        Self { identities: Identities::new(identities), ..self }
    }

    /// The same, with the same caches, through another pool.
    #[must_use]
    pub fn on(&self, pool: &Pool) -> Self {
        Self { tokens: self.tokens.on(pool.clone()), sessions: self.sessions.on(pool.clone()), ..self.clone() }
    }

    /// Our own tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The sessions of browsers.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The identity provider.
    pub fn oidc(&self) -> Option<&Oidc> {
        self.oidc.as_ref()
    }

    /// The dashboard's origin, if it is configured.
    pub fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// The caller of a request.
    pub async fn caller(&self, evidence: Evidence<'_>) -> Result<Caller, Rejection> {
        let Evidence { headers, uri, certificate } = evidence;
        if headers.contains_key(AUTHORIZATION) {
            let token = bearer(headers)?;
            return match &self.oidc {
                Some(oidc) if oidc::is_jwt(token) => oidc.verify(token).await.map_err(Rejection::Provider),
                _ => self.token(token).await,
            };
        }
        let has_cookie = [Scheme::Https, Scheme::Http].iter().any(|it| Cookie::Session.read(*it, headers).is_some());
        if let (false, Some(certificate)) = (has_cookie, certificate) {
            return self.service(certificate, evidence);
        }
        if !has_cookie {
            return Err(Rejection::Missing);
        }
        let scheme = own_page(headers, uri, self.public_url()).map_err(|CrossOrigin| Rejection::CrossOrigin)?;
        let secret = Cookie::Session.read(scheme, headers).ok_or(Rejection::Missing)?;
        match self.sessions.verify(secret).await {
            Ok(Verified::Caller(caller)) => Ok(caller),
            Ok(Verified::Expired | Verified::Unknown) => Err(Rejection::SessionEnded),
            Err(error) => Err(Rejection::Port(error)),
        }
    }

    /// The service with this certificate. Browsers present certificates to requests of any page, so theirs must come from ours.
    fn service(
        &self,
        certificate: &ClientCertificate,
        Evidence { headers, uri, .. }: Evidence<'_>,
    ) -> Result<Caller, Rejection> {
        let by_browser = headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE);
        if by_browser && own_page(headers, uri, self.public_url()).is_err() {
            return Err(Rejection::CrossOrigin);
        }
        self.identities.caller(certificate, self.clock.now()).ok_or(Rejection::UnknownCertificate)
    }

    /// The caller with one of our tokens.
    pub async fn token(&self, token: &str) -> Result<Caller, Rejection> {
        own(self.tokens.verify(token).await)
    }

    /// The caller as whom a one-time code signs in; `take` uses it up.
    pub async fn code(&self, code: &str, take: bool) -> Result<Caller, Rejection> {
        own(if take { self.tokens.take_code(code).await } else { self.tokens.read_code(code).await })
    }

    /// True if the database must be asked who the caller is: it has a token of our own, or a session, that this server did not verify lately.
    pub fn needs_lookup(&self, Evidence { headers, .. }: Evidence<'_>) -> bool {
        if headers.contains_key(AUTHORIZATION) {
            let own = |token: &&str| self.oidc.is_none() || !oidc::is_jwt(token);
            return bearer(headers).ok().filter(own).is_some_and(|token| !self.tokens.is_known(token));
        }
        let cookies = [Scheme::Https, Scheme::Http].into_iter().filter_map(|it| Cookie::Session.read(it, headers));
        cookies.into_iter().any(|secret| !self.sessions.is_known(secret))
    }

    /// Whether the caller of an open stream may go on; [`Verified::Unknown`] also if its role or tenant changed.
    pub async fn recheck(&self, caller: &Caller) -> Result<Verified, PortError> {
        match caller.proof {
            Proof::Session(session) => self.sessions.recheck(session, caller).await,
            Proof::Secret(_) | Proof::Signed => self.tokens.recheck(caller).await,
        }
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
