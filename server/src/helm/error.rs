//! How helm failed.

use storeplane_core::failure::{Failure, Reason};

use crate::obstacle::Obstacle;

/// How a helm run failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HelmError {
    kind: HelmErrorKind,
    message: String,
    details: Vec<String>,
}

/// The kind of failure. See the known texts for what leads to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HelmErrorKind {
    /// The helm binary does not exist or is not executable.
    Missing,
    /// Helm's version is not supported.
    Unsupported,
    /// An object of the chart already exists and does not belong to the release.
    NotOurs,
    /// The release or the revision does not exist, or no deployed revision can be upgraded.
    ReleaseNotFound,
    /// The release already exists.
    NameInUse,
    /// The release is pending: another helm process is changing it, or was killed while doing so.
    InProgress,
    /// Some objects of the release could not be deleted; helm does not say why.
    Incomplete,
    /// The namespace does not exist.
    NamespaceMissing,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The chart, its templates or its schema reject these values.
    ChartRejected,
    /// The API server rejects an object: unknown kind, invalid field.
    ObjectRejected,
    /// An admission policy or webhook denies an object.
    PolicyDenied,
    /// An admission webhook cannot be called.
    WebhookUnavailable,
    /// The API server rejects a change of an immutable field.
    Immutable,
    /// A volume claim cannot grow: its storage class does not allow it.
    NotExpandable,
    /// Pod Security rejects an object.
    PodSecurity,
    /// A quota or limit range rejects an object.
    Quota,
    /// The API server rejects our credentials, or RBAC forbids the request.
    Forbidden,
    /// The API server is unreachable.
    Unreachable,
    /// The API server is temporarily unable: too many requests, internal error, timeout.
    Overloaded,
    /// An object changed during the run.
    Conflict,
    /// The server's disk is full.
    DiskFull,
    /// Helm exceeded its time limit and was stopped.
    TimedOut,
    /// The lease was not renewed in time, so helm was stopped.
    LeaseLost,
    /// The caller cancelled.
    Stopped,
    /// Helm or its supervisor was killed from outside: by the kernel for lack of memory, or by a person.
    Killed,
    /// The server could not start or supervise helm.
    Internal,
    /// No known text matches.
    Unknown,
}

impl HelmErrorKind {
    /// Whether the same run may succeed later without any other change.
    pub fn is_retryable(self) -> bool {
        self.obstacle() == Obstacle::Passing
    }

    /// How long it may last.
    pub fn obstacle(self) -> Obstacle {
        match self {
            Self::InProgress
            | Self::Incomplete
            | Self::NamespaceTerminating
            | Self::Unreachable
            | Self::Overloaded
            | Self::Conflict
            | Self::DiskFull
            | Self::TimedOut
            | Self::Killed
            | Self::Internal
            | Self::WebhookUnavailable
            | Self::Unknown => Obstacle::Passing,
            Self::Missing
            | Self::Unsupported
            | Self::NotOurs
            | Self::ReleaseNotFound
            | Self::NameInUse
            | Self::NamespaceMissing
            | Self::ChartRejected
            | Self::ObjectRejected
            | Self::Immutable
            | Self::NotExpandable
            | Self::PodSecurity
            | Self::Quota
            | Self::Forbidden
            | Self::PolicyDenied
            | Self::LeaseLost
            | Self::Stopped => Obstacle::Refused,
        }
    }

    fn reason(self) -> Reason {
        match self {
            Self::Missing => Reason::HelmMissing,
            Self::Unsupported => Reason::HelmUnsupported,
            Self::NotOurs => Reason::NotOurs,
            Self::ReleaseNotFound | Self::NameInUse | Self::InProgress | Self::Conflict => Reason::ReleaseConflict,
            Self::NamespaceMissing | Self::NamespaceTerminating => Reason::CreationRefused,
            Self::PolicyDenied => Reason::PolicyDenied,
            Self::WebhookUnavailable => Reason::WebhookUnavailable,
            Self::ChartRejected | Self::ObjectRejected | Self::Immutable => Reason::ChartRejected,
            Self::NotExpandable => Reason::VolumeNotExpandable,
            Self::PodSecurity => Reason::PodSecurityViolation,
            Self::Quota => Reason::QuotaExceeded,
            Self::Forbidden => Reason::ClusterForbidden,
            Self::Unreachable | Self::Overloaded => Reason::ClusterUnreachable,
            Self::TimedOut => Reason::HelmTimeout,
            Self::Stopped => Reason::Cancelled,
            Self::Incomplete | Self::DiskFull | Self::LeaseLost | Self::Killed | Self::Unknown => Reason::HelmFailed,
            Self::Internal => Reason::Internal,
        }
    }

    /// The end of a sentence that begins with helm's task.
    fn phrase(self) -> &'static str {
        match self {
            Self::Missing => "helm is missing or cannot be run",
            Self::Unsupported => "this version of helm is not supported",
            Self::NotOurs => "an object with that name does not belong to the release",
            Self::ReleaseNotFound => "the release or revision does not exist",
            Self::NameInUse => "the release already exists",
            Self::InProgress => "another operation on the release is in progress or was killed",
            Self::Incomplete => "not all objects could be deleted",
            Self::NamespaceMissing => "the namespace does not exist",
            Self::NamespaceTerminating => "the namespace is being deleted",
            Self::ChartRejected => "the chart rejects these values",
            Self::ObjectRejected => "the API server rejects an object of the chart",
            Self::PolicyDenied => "an admission policy or webhook denies an object of the chart",
            Self::WebhookUnavailable => "an admission webhook cannot be called",
            Self::Immutable => "an existing object has a field that cannot be changed",
            Self::NotExpandable => "a volume cannot grow",
            Self::PodSecurity => "Pod Security rejects an object of the chart",
            Self::Quota => "the namespace's quota is used up",
            Self::Forbidden => "the API server does not allow it",
            Self::Unreachable => "the API server cannot be reached",
            Self::Overloaded => "the API server is temporarily unable to respond",
            Self::Conflict => "an object changed at the same time",
            Self::DiskFull => "the server's disk is full",
            Self::TimedOut => "helm exceeded its time limit",
            Self::LeaseLost => "the lease was not renewed in time",
            Self::Stopped => "it was cancelled",
            Self::Killed => "helm was killed from outside",
            Self::Internal => "the server could not run helm",
            Self::Unknown => "helm failed",
        }
    }
}

impl HelmError {
    /// `what` is helm's task, `cause` its own error line; both and the details are redacted.
    pub(super) fn new(kind: HelmErrorKind, what: &str, cause: Option<&str>, details: Vec<String>) -> Self {
        let phrase = kind.phrase();
        let message = cause.map_or_else(|| format!("{what}: {phrase}"), |cause| format!("{what}: {phrase} ({cause})"));
        Self { kind, message, details }
    }

    /// The kind of failure.
    pub fn kind(&self) -> HelmErrorKind {
        self.kind
    }

    /// Whether the same run may succeed later without any other change.
    pub fn retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// The failure for display.
    pub fn failure(&self) -> Failure {
        Failure::new(self.kind.reason(), self.message.clone()).with_details(self.details.iter().cloned())
    }
}
