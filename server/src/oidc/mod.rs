//! `OpenID` Connect: callers with tokens of an identity provider.
//!
//! - [`jws`]: a token's form and signature. [`claims`]: for whom it is, and which user it makes. Both are pure.
//! - [`provider`]: the provider's metadata and keys, cached. [`fetch`]: requests to it.
//! - [`login`]: sign-in of a browser.

mod claims;
mod fetch;
mod jws;
mod login;
mod provider;

use std::sync::Arc;
use std::time::{Duration, Instant};

use storeplane_core::access::Access;
use storeplane_core::identity::{Caller, Credential, Proof, Role};
use storeplane_core::ids::Tenant;
use storeplane_core::ports::Clock;

use self::claims::Audience;
use self::fetch::Fetcher;
use self::jws::Unverified;
pub(crate) use self::jws::{LENGTH_MAX, is_jwt};
pub use self::login::{Attempt, LoginError};
use self::provider::{Provider, Unavailable};
use crate::config;
use crate::https::CaError;

/// Why a token of the provider is not accepted. Callers are told little; the log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It cannot be read.
    #[error("it is malformed")]
    Malformed,
    /// `alg` is not configured.
    #[error("its algorithm is not accepted")]
    Algorithm,
    /// It has a purpose or an extension that is not supported.
    #[error("its type is not accepted")]
    Type,
    /// It names no key.
    #[error("it names no key")]
    KeyId,
    /// The provider does not publish its key.
    #[error("its key is unknown")]
    UnknownKey,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// It is another provider's.
    #[error("its issuer is another one")]
    Issuer,
    /// It is for another application.
    #[error("its audience is another one")]
    Audience,
    /// It answers another sign-in.
    #[error("its nonce is another one")]
    Nonce,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It names no user.
    #[error("it has no usable subject")]
    Subject,
    /// The user's email address, which is the name, is not verified.
    #[error("its email address is not verified")]
    EmailNotVerified,
    /// No role is configured for this user.
    #[error("none of its roles is configured")]
    NoRole,
    /// No tenant is configured for this user.
    #[error("its tenant is missing or not configured")]
    NoTenant,
    /// The provider's keys cannot be read.
    #[error("the identity provider's keys cannot be read")]
    Unavailable,
}

impl From<Unavailable> for JwtError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// The user of a token, as the configuration maps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Issuer and subject.
    pub credential: Credential,
    /// The actor in the audit log.
    pub name: String,
    /// The tenant.
    pub tenant: Tenant,
    /// The role.
    pub role: Role,
}

impl From<User> for Caller {
    /// Without an end: who uses this gives it one.
    fn from(User { credential, name, tenant, role }: User) -> Self {
        let access = Access::whole(tenant);
        Self { credential, name, access, role, expires: None, proof: Proof::Signed, origin: Arc::default() }
    }
}

/// Verifies tokens of the configured provider. Cheap to clone.
#[derive(Clone)]
pub struct Oidc {
    config: Arc<config::Oidc>,
    provider: Arc<Provider>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

impl Oidc {
    /// Does not ask the provider yet: it may be unavailable.
    pub fn new(config: config::Oidc, clock: Arc<dyn Clock>) -> Result<Self, CaError> {
        let fetcher = Fetcher::new(config.ca_file.as_deref())?;
        let provider = Arc::new(Provider::new(&config, fetcher));
        Ok(Self { config: Arc::new(config), provider, clock })
    }

    /// The caller with this bearer token.
    pub async fn verify(&self, token: &str) -> Result<Caller, JwtError> {
        let (user, lifetime) = self.user(token, &Audience::Api).await?;
        Ok(Caller { expires: Instant::now().checked_add(lifetime), ..user.into() })
    }

    /// The user of a token, and how much longer it is accepted.
    async fn user(&self, token: &str, audience: &Audience<'_>) -> Result<(User, Duration), JwtError> {
        let token = Unverified::parse(token, &self.config.algorithms)?;
        let published = self.provider.published(Some((&token.key_id, token.algorithm))).await?;
        let key = published.keys.find(&token.key_id, token.algorithm).ok_or(JwtError::UnknownKey)?;
        let claims = token.verify(key)?;
        let now = self.clock.now().unix_timestamp();
        let end = claims::check(&claims, &self.config, audience, now)?;
        let user = claims::user(&claims, &self.config)?;
        Ok((user, Duration::from_secs(u64::try_from(end.saturating_sub(now)).unwrap_or_default())))
    }
}
