//! The only conversion from the domain's errors to gRPC's: code, message and details.

mod details_of;

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use storeplane_core::error::{DomainError, OutageKind, PortError, Violation};
use storeplane_core::event::{Cursor, Oldest};
use storeplane_core::failure::truncate;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::authentication::Rejection;
use crate::limits::{StreamScope, TooManyStreams};
use crate::oidc::JwtError;

/// `google.rpc.ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "storeplane";
/// The suggested retry delay while the database is unavailable or a server stops.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The same while other audit logs are verified: some seconds for each 100,000 records.
const VERIFICATION_RETRY: Duration = Duration::from_secs(5);
/// Maximum length of an error message, in bytes: it is sent in a header, percent-encoded.
const MESSAGE_MAX: usize = 1000;

/// The status of a port's error. Internal causes are logged, never returned.
pub fn port(error: &PortError) -> Status {
    match error {
        PortError::Refused(refusal) => self::refusal(refusal),
        PortError::Unavailable(outage) => {
            tracing::warn!(error = %chain(outage), "a call found the database unavailable");
            self::outage(outage.kind)
        }
        PortError::ClusterAway(source) => {
            tracing::warn!(error = %chain(&**source), "the cluster is not available");
            unavailable("CLUSTER_UNREACHABLE", "the cluster is not available; nothing was changed")
        }
        PortError::Internal(source) => {
            tracing::error!(error = %chain(&**source), "internal error");
            internal()
        }
    }
}

/// The status while the database is unusable.
fn outage(kind: OutageKind) -> Status {
    let (code, advice) = match kind {
        OutageKind::TooSlow => (Code::ResourceExhausted, "narrow the filter, or try again later"),
        _ => (Code::Unavailable, "with a request_id it is safe to try again"),
    };
    let mut details = ErrorDetails::with_error_info(kind.reason(), DOMAIN, HashMap::new());
    // The same query would take as long again.
    if kind != OutageKind::TooSlow {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    Status::with_error_details(code, format!("{}; {advice}", kind.describe()), details)
}

/// The status of a rejected command.
pub fn refusal(refusal: &DomainError) -> Status {
    let mut details = ErrorDetails::new();
    let message = truncate(refusal.to_string(), MESSAGE_MAX);
    let mut metadata = HashMap::new();
    let mut tell = |key: &str, value: String| metadata.insert(key.to_owned(), value);
    let code = match refusal {
        DomainError::Invalid(violations) => {
            details.set_bad_request(violations.iter().map(field).collect::<Vec<_>>());
            Code::InvalidArgument
        }
        DomainError::RequestIdReused => {
            details.add_bad_request_violation("request_id", "must not have been used for another request");
            Code::InvalidArgument
        }
        DomainError::NotFound { kind, name } => {
            details.set_resource_info(*kind, name, "", &message);
            Code::NotFound
        }
        DomainError::AlreadyExists { name } | DomainError::HostTaken { host: name } => {
            let kind = if matches!(refusal, DomainError::HostTaken { .. }) { "host" } else { "store" };
            details.set_resource_info(kind, name, "", &message);
            Code::AlreadyExists
        }
        DomainError::Quota(error) => details_of::quota(error, &message, &mut details, &mut tell),
        DomainError::Token(error) => details_of::token(error, &message, &mut details, &mut tell),
        DomainError::Tenant(error) => details_of::tenant(error, &message, &mut details, &mut tell),
        DomainError::Rollout(error) => details_of::rollout(error, &message, &mut details, &mut tell),
        DomainError::StaleEtag { actual } => {
            tell("etag", actual.clone());
            details.add_precondition_failure_violation("ETAG", "store", &message);
            Code::Aborted
        }
        DomainError::PermissionDenied { role, needed } | DomainError::OtherTenant { role, needed } => {
            tell("role", (*role).to_owned());
            tell("needed", (*needed).to_owned());
            Code::PermissionDenied
        }
        DomainError::StoreOutsideScope { .. } => Code::PermissionDenied,
        DomainError::CursorExpired { oldest } => {
            if let Oldest::Sequence(sequence) = oldest {
                tell("oldest", sequence.to_string());
            }
            Code::OutOfRange
        }
        unmet => details_of::precondition(unmet, &message, &mut details, &mut tell),
    };
    details.set_error_info(refusal.reason(), DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

/// A watch of all stores cannot resume from its cursor, but from this one.
pub fn cursor_expired(oldest: &str) -> Status {
    let refusal = DomainError::CursorExpired { oldest: Oldest::Cursor(Cursor::default()) };
    let metadata = HashMap::from([("oldest".to_owned(), oldest.to_owned())]);
    let details = ErrorDetails::with_error_info(refusal.reason(), DOMAIN, metadata);
    Status::with_error_details(Code::OutOfRange, refusal.to_string(), details)
}

fn field(violation: &Violation) -> FieldViolation {
    FieldViolation::new(&violation.field, &violation.description)
}

/// The caller is unknown: no token, an unknown one, or a revoked one.
pub fn unauthenticated(reason: &'static str, message: &'static str) -> Status {
    plain(Code::Unauthenticated, reason, message)
}

/// The caller is unknown, for this reason. It does not tell what was wrong with a token of the provider: the log does.
pub fn rejection(rejection: &Rejection) -> Status {
    match rejection {
        Rejection::Missing => unauthenticated("TOKEN_MISSING", "send the metadata `authorization: Bearer <token>`"),
        Rejection::Malformed => unauthenticated("TOKEN_MALFORMED", "authorization must be `Bearer <token>`"),
        Rejection::Invalid => unauthenticated("TOKEN_INVALID", "the token is unknown or was revoked"),
        Rejection::Expired => token_expired(),
        Rejection::UnknownCertificate => unauthenticated(
            "CERTIFICATE_UNKNOWN",
            "no entry of tls.identities matches the client certificate, or it has expired; send the metadata `authorization: Bearer <token>`",
        ),
        Rejection::SessionEnded => unauthenticated("SESSION_ENDED", "the session has ended; sign in again"),
        Rejection::CrossOrigin => plain(
            Code::PermissionDenied,
            "CROSS_ORIGIN",
            "a session's cookie is accepted only from pages of this server; behind a proxy, set public_url",
        ),
        Rejection::Provider(error) => provider(*error),
        Rejection::Port(error) => port(error),
    }
}

fn provider(error: JwtError) -> Status {
    tracing::debug!(%error, "a token of the identity provider is refused");
    match error {
        JwtError::Expired => {
            unauthenticated("TOKEN_EXPIRED", "the token has expired; get a new one from the identity provider")
        }
        JwtError::NoRole | JwtError::NoTenant => plain(
            Code::PermissionDenied,
            "IDENTITY_NOT_MAPPED",
            "the identity provider knows you, but no role and tenant are configured for you; ask an administrator",
        ),
        JwtError::Unavailable => {
            unavailable("IDENTITY_PROVIDER_UNAVAILABLE", "the identity provider's keys cannot be read; try again later")
        }
        _ => unauthenticated(
            "TOKEN_INVALID",
            "the token is not one that this server accepts; its log has the reason, at level debug",
        ),
    }
}

/// The token has expired.
pub fn token_expired() -> Status {
    unauthenticated("TOKEN_EXPIRED", "the token has expired; an administrator can create another one")
}

/// The caller makes more requests than its rate allows.
pub fn too_many_requests(wait: Duration) -> Status {
    limited("REQUEST_RATE_EXCEEDED", &next("this caller makes too many requests", wait), wait)
}

/// Too many authentications from this address failed.
pub fn too_many_failures(wait: Duration) -> Status {
    limited("AUTHENTICATION_RATE_EXCEEDED", &next("too many authentications from this address failed", wait), wait)
}

/// This server verifies as many audit logs as it may at a time.
pub fn too_many_verifications() -> Status {
    limited(
        "VERIFICATIONS_EXCEEDED",
        "this server verifies as many audit logs as it may at a time; try again later",
        VERIFICATION_RETRY,
    )
}

fn limited(reason: &'static str, message: &str, wait: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(wait));
    details.set_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

fn next(message: &str, wait: Duration) -> String {
    format!("{message}; the next one is possible in {} ms", wait.as_millis() + 1)
}

/// The caller, or its tenant, has as many open streams as it may.
pub fn too_many_streams(refusal: TooManyStreams) -> Status {
    let TooManyStreams { scope, limit } = refusal;
    let message = format!(
        "this {} has {limit} open streams already, the limit of this server",
        if scope == StreamScope::Caller { "caller" } else { "tenant" }
    );
    let mut details = ErrorDetails::new();
    details.add_quota_failure_violation(scope.name(), &message);
    let metadata = HashMap::from([("limit".to_owned(), limit.to_string())]);
    details.set_error_info("STREAM_LIMIT_EXCEEDED", DOMAIN, metadata);
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// Something is temporarily unavailable.
pub fn unavailable(reason: &'static str, message: &'static str) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    details.set_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(Code::Unavailable, message, details)
}

/// A request that was rejected before its handler, because of the caller.
pub fn refused(code: Code, reason: &'static str, message: String) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, truncate(message, MESSAGE_MAX), details)
}

/// A bug. The details are logged.
pub fn internal() -> Status {
    plain(Code::Internal, "INTERNAL", "internal error; the server's log has the cause under this request's trace id")
}

/// The method does not exist.
pub fn unknown_method() -> Status {
    plain(Code::Unimplemented, "METHOD_NOT_FOUND", "unknown method; server reflection lists all methods")
}

/// The health service does not know this name.
pub fn unknown_service() -> Status {
    plain(Code::NotFound, "SERVICE_UNKNOWN", "unknown service; Health/List lists all services")
}

/// The caller's deadline has passed.
pub fn deadline_exceeded() -> Status {
    plain(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline of the call has passed")
}

/// The stream's connection reached its maximum age.
pub fn connection_ended() -> Status {
    unavailable("CONNECTION_AGED", "the connection reached its maximum age; resume on a new one")
}

/// A request exceeds the metadata limit.
pub fn metadata_too_large(size: usize, limit: usize) -> Status {
    let message = format!("the metadata has {size} bytes; the limit is {limit}");
    with_info(Code::ResourceExhausted, "METADATA_TOO_LARGE", message)
}

/// `grpc-timeout` is malformed.
pub fn timeout_malformed() -> Status {
    plain(Code::InvalidArgument, "TIMEOUT_MALFORMED", "grpc-timeout must be up to 8 digits and one of H, M, S, m, u, n")
}

/// The metadata `storeplane-tenant` is malformed.
pub fn tenant_malformed(rule: &str) -> Status {
    with_info(Code::InvalidArgument, "TENANT_MALFORMED", format!("the metadata `storeplane-tenant` {rule}"))
}

/// A request that is neither gRPC nor grpc-web.
pub fn unsupported_http(message: &'static str) -> Status {
    plain(Code::InvalidArgument, "NOT_GRPC", message)
}

/// The status of a request that never reached a handler, or that a handler rejected, with an `ErrorInfo` added if necessary. For a request that
/// tonic cannot read, the code is the one that the gRPC specification requires: the fault is the caller's.
pub fn complete_request(status: Status) -> Status {
    if status.get_details_error_info().is_some() {
        return status;
    }
    let text = status.message();
    let (code, reason, message) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            (Code::ResourceExhausted, "REQUEST_TOO_LARGE", format!("the request is too large: {text}"))
        }
        Code::Internal => (Code::InvalidArgument, "MALFORMED_REQUEST", format!("the request cannot be read: {text}")),
        Code::Unimplemented if text.contains("compressed") => {
            (Code::Unimplemented, "COMPRESSION_NOT_SUPPORTED", "requests can be compressed with gzip only".to_owned())
        }
        Code::Unimplemented => return unknown_method(),
        _ => return complete(status),
    };
    let mut complete = with_info(code, reason, message);
    *complete.metadata_mut() = status.metadata().clone();
    complete
}

/// The same status with an `ErrorInfo` added if necessary; its reason is then the name of its code.
pub fn complete(status: Status) -> Status {
    if status.get_details_error_info().is_some() {
        return status;
    }
    let mut complete = with_info(status.code(), super::log::name(status.code()), status.message().to_owned());
    *complete.metadata_mut() = status.metadata().clone();
    complete
}

fn with_info(code: Code, reason: &'static str, message: String) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, truncate(message, MESSAGE_MAX), details)
}

fn plain(code: Code, reason: &'static str, message: &'static str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

/// An error with its causes, for the log.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| Error::source(*error));
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests;
