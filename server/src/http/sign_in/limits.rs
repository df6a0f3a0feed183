//! Failed sign-ins. They count with the failed authentications of the API: in the audit log, and against the limit of an address.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use storeplane_core::audit::Origin;

use super::Refused;
use crate::grpc::origin::{Peer, origin};
use crate::limits::Limits;
use crate::postgres::AuthFailures;
use crate::proxies::Proxies;

/// Reason of an answer to an address that has to wait.
const WAIT: &str = "AUTHENTICATION_RATE_EXCEEDED";
/// Reason of an answer to an unknown token or code.
pub(super) const INVALID: &str = "TOKEN_INVALID";

/// Limits and counts failed sign-ins. Clones share the counts.
#[derive(Debug, Clone)]
pub struct SignInLimits {
    limits: Limits,
    failures: AuthFailures,
    proxies: Arc<Proxies>,
}

/// One sign-in.
pub(super) struct AdmittedSignIn<'a> {
    limits: &'a SignInLimits,
    origin: Arc<Origin>,
}

impl SignInLimits {
    /// With the API's limits and counts, and the proxies whose statements are believed.
    pub fn new(limits: Limits, failures: AuthFailures, proxies: Proxies) -> Self {
        Self { limits, failures, proxies: Arc::new(proxies) }
    }

    /// Where a request came from.
    pub(super) fn origin(&self, request: &Request) -> Arc<Origin> {
        let connection = request.extensions().get::<Peer>().map(|peer| peer.0);
        Arc::new(origin(&self.proxies, connection, request.headers()))
    }

    /// Admits a sign-in, unless too many from its address failed.
    pub(super) fn admit(&self, request: &Request) -> Result<AdmittedSignIn<'_>, Refused> {
        let origin = self.origin(request);
        if origin.peer.is_some_and(|address| self.limits.may_authenticate(address).is_err()) {
            self.failures.count(&origin, WAIT);
            let message = "too many authentications from this address failed; try again later";
            return Err(Refused(StatusCode::TOO_MANY_REQUESTS, WAIT, message));
        }
        Ok(AdmittedSignIn { limits: self, origin })
    }
}

impl AdmittedSignIn<'_> {
    /// Counts an answer of 401. Only unknown tokens and codes are guesses, and count against the address.
    pub(super) fn refused(&self, Refused(code, reason, _): &Refused) {
        match (*code, *reason) {
            (StatusCode::UNAUTHORIZED, INVALID) => self.failed(INVALID),
            (StatusCode::UNAUTHORIZED, reason) => self.recorded(reason),
            _ => {}
        }
    }

    /// Where it comes from.
    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// Counts a failure in the audit log only: it was no guess.
    pub(super) fn recorded(&self, reason: &str) {
        self.limits.failures.count(&self.origin, reason);
    }

    /// Counts a failure against the address.
    pub(super) fn failed(&self, reason: &str) {
        self.limits.failures.count(&self.origin, reason);
        if let Some(address) = self.origin.peer {
            self.limits.limits.authentication_failed(address);
        }
    }
}
