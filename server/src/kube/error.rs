//! Why a request to the cluster failed, and whether retrying may help.

use std::time::Duration;

use ::kube::Error as ClientError;
use ::kube::core::Status;
use ::kube::runtime::watcher;
use storeplane_core::error::PortError;
use storeplane_core::failure::{DETAIL_LINE_MAX, Failure, Reason, truncate};

use crate::obstacle::{Obstacle, messages};
use crate::redact::redact;

/// The kind of failure, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClusterErrorKind {
    /// No answer: no connection, a broken one, or a timeout; or the kubeconfig is not usable yet.
    Unreachable,
    /// The API server is temporarily unable (429, 5xx).
    Overloaded,
    /// The API server does not accept our credentials (401). They are read again before the next request.
    Unauthorized,
    /// RBAC forbids it (403).
    Forbidden,
    /// Admission rejects the object: a policy, a webhook, a quota, Pod Security.
    Denied,
    /// An admission webhook cannot be called.
    WebhookUnavailable,
    /// The object was changed concurrently.
    Conflict,
    /// The namespace carries a higher fence: the caller has lost its operation and must stop.
    Fenced,
    /// The object exists and is not ours.
    NotOurs,
    /// The namespace is being deleted; the same request works once it is gone.
    Terminating,
    /// A namespace was not deleted in time.
    Stuck,
    /// The API server rejected the object itself (400, 422 and the like).
    Rejected,
    /// The object does not exist.
    NotFound,
    /// The history that a watch or a page needs is gone (410): list again.
    Gone,
    /// The response is not valid.
    Unintelligible,
}

impl ClusterErrorKind {
    /// The account may not use the namespace, or no longer: one that is being deleted loses its `RoleBinding` first.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Self::Forbidden | Self::NotFound | Self::Terminating)
    }
}

/// A failed request to the cluster. Its text contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    kind: ClusterErrorKind,
    message: String,
    /// The known cause that the API server's message names, if any.
    refused: Option<Reason>,
    retry_after: Option<Duration>,
    details: Vec<String>,
}

impl ClusterError {
    pub(super) fn new(kind: ClusterErrorKind, message: impl Into<String>) -> Self {
        let message = truncate(redact(&message.into(), []), DETAIL_LINE_MAX);
        Self { kind, message, refused: None, retry_after: None, details: Vec::new() }
    }

    pub(super) fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// The namespace in which RBAC refused the request, according to the API server's message.
    pub(super) fn refused_in(&self) -> Option<&str> {
        let (_, rest) =
            self.message.split_once(" in the namespace \"").filter(|_| self.kind == ClusterErrorKind::Forbidden)?;
        rest.split_once('"').map(|(namespace, _)| namespace)
    }

    /// The kind of failure, for programs.
    pub fn kind(&self) -> ClusterErrorKind {
        self.kind
    }

    /// Whether the same request may succeed later without any other change.
    pub fn retryable(&self) -> bool {
        self.obstacle() == Obstacle::Passing
    }

    /// True if the API server does not work, whatever it is asked: there is no answer, or a 429 or 5xx without a known cause, such as a
    /// webhook. All other errors are about one request.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self.kind, ClusterErrorKind::Unreachable | ClusterErrorKind::Overloaded) && self.refused.is_none()
    }

    /// How long it may last.
    pub fn obstacle(&self) -> Obstacle {
        use ClusterErrorKind as Kind;
        match self.kind {
            Kind::Unreachable
            | Kind::Overloaded
            | Kind::Unauthorized
            | Kind::WebhookUnavailable
            | Kind::Conflict
            | Kind::Terminating
            | Kind::Gone => Obstacle::Passing,
            Kind::Forbidden
            | Kind::Denied
            | Kind::Fenced
            | Kind::NotOurs
            | Kind::Stuck
            | Kind::Rejected
            | Kind::NotFound
            | Kind::Unintelligible => Obstacle::Refused,
        }
    }

    /// The delay that the API server requested.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The failure for display.
    pub fn failure(&self) -> Failure {
        use ClusterErrorKind as Kind;
        let by_kind = match self.kind {
            Kind::Unreachable | Kind::Overloaded | Kind::Gone => Reason::ClusterUnreachable,
            Kind::Unauthorized | Kind::Forbidden => Reason::ClusterForbidden,
            Kind::Denied => Reason::PolicyDenied,
            Kind::WebhookUnavailable => Reason::WebhookUnavailable,
            Kind::NotOurs => Reason::NotOurs,
            Kind::Terminating | Kind::Stuck => Reason::NamespaceStuck,
            Kind::Rejected | Kind::NotFound => Reason::CreationRefused,
            Kind::Conflict => Reason::ReleaseConflict,
            Kind::Fenced | Kind::Unintelligible => Reason::Internal,
        };
        Failure::new(self.refused.unwrap_or(by_kind), self.message.clone()).with_details(self.details.iter().cloned())
    }

    /// For API callers: the cluster is temporarily unavailable, or it is an internal error.
    pub(super) fn into_port(self) -> PortError {
        if self.retryable() || self.kind == ClusterErrorKind::Forbidden {
            PortError::ClusterAway(Box::new(self))
        } else {
            PortError::Internal(Box::new(self))
        }
    }

    /// `what` is the request as in the message: "read the namespace store-demo".
    pub(super) fn from_client(what: &str, error: &ClientError) -> Self {
        match error {
            ClientError::Api(status) => Self::from_status(what, status),
            ClientError::SerdeError(_) | ClientError::FromUtf8(_) | ClientError::LinesCodecMaxLineLengthExceeded => {
                Self::new(ClusterErrorKind::Unintelligible, format!("could not {what}: the response is invalid"))
            }
            ClientError::BuildRequest(cause) => {
                Self::new(ClusterErrorKind::Rejected, format!("could not {what}: {cause}"))
            }
            other => {
                let cause = root_cause(other);
                Self::new(ClusterErrorKind::Unreachable, format!("could not {what}: the API server: {cause}"))
            }
        }
    }

    pub(super) fn from_watch(what: &str, error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(cause)
            | watcher::Error::WatchStartFailed(cause)
            | watcher::Error::WatchFailed(cause) => Self::from_client(what, cause),
            watcher::Error::WatchError(status) => Self::from_status(what, status),
            watcher::Error::NoResourceVersion => {
                Self::new(ClusterErrorKind::Unintelligible, format!("could not {what}: an object without version"))
            }
        }
    }

    fn from_status(what: &str, status: &Status) -> Self {
        use ClusterErrorKind as Kind;
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let terminating = causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
            || status.message.contains("because it is being terminated");
        let refusal = messages::refusal(&status.message).filter(|_| !terminating && status.code >= 400);
        let kind = match (status.code, status.reason.as_str()) {
            _ if terminating => Kind::Terminating,
            _ if refusal.is_some_and(|it| it.reason == Reason::WebhookUnavailable) => Kind::WebhookUnavailable,
            _ if refusal.is_some_and(|it| it.obstacle == Obstacle::Progress) => Kind::Overloaded,
            _ if refusal.is_some_and(|it| it.reason != Reason::ClusterForbidden) => Kind::Denied,
            (401, _) => Kind::Unauthorized,
            (403, _) => Kind::Forbidden,
            (404, _) => Kind::NotFound,
            (409, _) => Kind::Conflict,
            (410, _) | (_, "Expired" | "Gone") => Kind::Gone,
            (408 | 429 | 500..=599, _) => Kind::Overloaded,
            (400..=499, _) => Kind::Rejected,
            _ => Kind::Overloaded,
        };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let mut error = Self::new(kind, format!("could not {what}: {}", status.message));
        error.refused = refusal.map(|refusal| refusal.reason);
        error.retry_after = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
        error
    }
}

/// The innermost error: "Connection refused" without its wrappers.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, message: &str) -> ClusterError {
        let status = Status::failure(message, "").with_code(code);
        ClusterError::from_client("create the namespace store-demo", &ClientError::Api(status.boxed()))
    }

    #[test]
    fn responses_are_classified() {
        use ClusterErrorKind as Kind;
        for (code, kind, retryable, is_outage) in [
            (400, Kind::Rejected, false, false),
            (401, Kind::Unauthorized, true, false),
            (403, Kind::Forbidden, false, false),
            (404, Kind::NotFound, false, false),
            (409, Kind::Conflict, true, false),
            (410, Kind::Gone, true, false),
            (422, Kind::Rejected, false, false),
            (429, Kind::Overloaded, true, true),
            (500, Kind::Overloaded, true, true),
            (503, Kind::Overloaded, true, true),
        ] {
            let error = answer(code, "no");
            assert_eq!((error.kind(), error.retryable(), error.is_outage()), (kind, retryable, is_outage), "{code}");
        }
        assert!(ClusterError::new(Kind::Unreachable, "connection refused").is_outage());
        // About one request, although the code says otherwise.
        for text in ["failed calling webhook \"a.example.com\": EOF", "status unknown for quota: q"] {
            assert!(!answer(500, text).is_outage(), "{text}");
        }
    }

    #[test]
    fn terminating_namespace_is_not_a_permission_error() {
        let error = answer(
            403,
            "secrets \"x\" is forbidden: unable to create new content in namespace a because it is being terminated",
        );
        assert_eq!(error.kind(), ClusterErrorKind::Terminating);
        assert_eq!(error.failure().reason, Reason::NamespaceStuck);
    }

    #[test]
    fn admission_denial_differs_from_rbac_and_unavailable_webhook() {
        use ClusterErrorKind as Kind;
        let rbac =
            "namespaces is forbidden: User \"storeplane\" cannot create resource \"namespaces\" at the cluster scope";
        let webhook =
            "admission webhook \"validation.gatekeeper.sh\" denied the request: [owner] label owner is missing";
        let policy =
            "namespaces \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no owner";
        let away = "Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: EOF";
        for (code, text, kind, reason) in [
            (403, rbac, Kind::Forbidden, Reason::ClusterForbidden),
            (403, webhook, Kind::Denied, Reason::PolicyDenied),
            (400, webhook, Kind::Denied, Reason::PolicyDenied),
            (422, policy, Kind::Denied, Reason::PolicyDenied),
            (403, "secrets \"a\" is forbidden: exceeded quota: q", Kind::Denied, Reason::QuotaExceeded),
            (500, away, Kind::WebhookUnavailable, Reason::WebhookUnavailable),
        ] {
            let error = answer(code, text);
            assert_eq!((error.kind(), error.failure().reason), (kind, reason), "{text}");
            assert_eq!(error.retryable(), kind == Kind::WebhookUnavailable, "{text}");
        }
        assert!(answer(500, away).to_string().contains("check.example.com"), "the webhook is named");
    }

    #[test]
    fn namespace_of_a_refusal_is_known() {
        let refused = answer(
            403,
            "secrets is forbidden: User \"u\" cannot list resource \"secrets\" in API group \"\" in the namespace \"store-demo\"",
        );
        assert_eq!(refused.refused_in(), Some("store-demo"));
        assert_eq!(
            answer(
                403,
                "nodes is forbidden: User \"u\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
            )
            .refused_in(),
            None
        );
        assert_eq!(answer(404, "not found in the namespace \"store-demo\"").refused_in(), None);
    }

    #[test]
    fn error_text_names_the_request() {
        let error = answer(403, "no rights");
        assert_eq!(error.to_string(), "could not create the namespace store-demo: no rights");
        assert_eq!(error.failure().reason, Reason::ClusterForbidden);
    }
}
