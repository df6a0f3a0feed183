//! From the domain's errors to gRPC's: code, text, and the details that programs read. The only such place.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use storeplane_core::error::{DomainError, PortError, Violation};
use storeplane_core::event::Oldest;
use storeplane_core::failure::truncate;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::opaque;

/// `google.rpc.ErrorInfo.domain` of every error.
pub const DOMAIN: &str = "storeplane";
/// When a caller should try again while the database is away, or another replica should be tried.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest text of an error, in bytes: it travels in a header, percent-encoded.
const MESSAGE_MAX: usize = 1000;

/// The status of what a port did not do. Internal causes go to the log, never to the caller.
pub fn port(error: &PortError) -> Status {
    match error {
        PortError::Refused(refusal) => self::refusal(refusal),
        PortError::Unavailable(source) => {
            tracing::warn!(error = %chain(&**source), "the database is not available");
            unavailable(
                "DATABASE_UNAVAILABLE",
                "the database is not available; with a request_id it is safe to ask again",
            )
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

/// The status of a refused command.
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
        DomainError::AlreadyExists { name } => {
            details.set_resource_info("store", name, "", &message);
            Code::AlreadyExists
        }
        DomainError::StoreQuotaExceeded { tenant, limit } => {
            tell("limit", limit.to_string());
            details.add_quota_failure_violation(format!("tenant/{tenant}"), &message);
            Code::ResourceExhausted
        }
        DomainError::HostTaken { host } => {
            details.set_resource_info("host", host, "", &message);
            Code::AlreadyExists
        }
        DomainError::StaleEtag { actual } => {
            tell("etag", actual.clone());
            details.add_precondition_failure_violation("ETAG", "store", &message);
            Code::Aborted
        }
        DomainError::IllegalMove { from: state, .. }
        | DomainError::NotRetryable { state }
        | DomainError::CredentialsNotThere { state } => {
            tell("state", state.as_str().to_owned());
            details.add_precondition_failure_violation("STATE", "store", &message);
            Code::FailedPrecondition
        }
        DomainError::NotCancellable { operation } => {
            details.add_precondition_failure_violation("KIND", format!("operation/{operation}"), &message);
            Code::FailedPrecondition
        }
        DomainError::PermissionDenied { role, needed } => {
            tell("role", (*role).to_owned());
            tell("needed", (*needed).to_owned());
            Code::PermissionDenied
        }
        DomainError::CursorExpired { oldest } => {
            tell("oldest", place(*oldest));
            Code::OutOfRange
        }
    };
    details.set_error_info(refusal.reason(), DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

/// As the request of a watch has it.
fn place(oldest: Oldest) -> String {
    match oldest {
        Oldest::Sequence(sequence) => sequence.to_string(),
        Oldest::Cursor(cursor) => opaque::cursor(cursor),
    }
}

fn field(violation: &Violation) -> FieldViolation {
    FieldViolation::new(&violation.field, &violation.description)
}

/// A caller that is not known: no token, an unknown one, or a revoked one.
pub fn unauthenticated(reason: &'static str, message: &'static str) -> Status {
    plain(Code::Unauthenticated, reason, message)
}

/// Something is away for now.
pub fn unavailable(reason: &'static str, message: &'static str) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(RETRY_AFTER));
    details.set_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(Code::Unavailable, message, details)
}

/// A bug. The log has the rest.
pub fn internal() -> Status {
    plain(Code::Internal, "INTERNAL", "internal error; the server's log has the cause under this request's trace id")
}

/// There is no such method.
pub fn unknown_method() -> Status {
    plain(
        Code::Unimplemented,
        "METHOD_NOT_FOUND",
        "there is no such method; the server's reflection lists those there are",
    )
}

/// The caller's time is up.
pub fn deadline_exceeded() -> Status {
    plain(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline of the call has passed")
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
