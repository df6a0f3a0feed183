//! Why something failed or waits, in the form in which everybody sees it: rows, events, errors, the dashboard.

use serde::{Deserialize, Serialize};

/// A stable cause, `UPPER_SNAKE` on the wire. The order of declaration is the rank: when several are observed,
/// the first one is the cause and the others are its consequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Reason {
    /// The namespace or release belongs to somebody else.
    NotOurs,
    /// The store's namespace is gone, or going, and everything in it with it.
    NamespaceMissing,
    /// Helm knows the store's release no more.
    ReleaseMissing,
    /// Secrets that the control plane made are gone.
    SecretMissing,
    /// The helm binary is missing or cannot be run.
    HelmMissing,
    /// The helm binary has a version that is not supported.
    HelmUnsupported,
    /// The API server refused our credentials or our right to do something.
    ClusterForbidden,
    /// The API server could not be reached, or answered that it is overloaded.
    ClusterUnreachable,
    /// The chart or its values were refused: template, schema or API validation.
    ChartRejected,
    /// A ResourceQuota or LimitRange forbids the pods.
    QuotaExceeded,
    /// Pod Security forbids the pods.
    PodSecurityViolation,
    /// The API server refused to create pods or volumes for another reason.
    CreationRefused,
    /// No node can take a pod.
    Unschedulable,
    /// A volume claim is not bound.
    VolumeNotBound,
    /// An image cannot be pulled.
    ImagePullFailed,
    /// A container needs a Secret or ConfigMap that is missing.
    ContainerConfigError,
    /// A container ends again and again.
    CrashLoop,
    /// A container used more memory than it may.
    OutOfMemory,
    /// A container runs and does not become ready.
    NotReady,
    /// The release is in the way of what was asked: pending or half removed by somebody else.
    ReleaseConflict,
    /// Helm ended with an error that matches none of the known ones.
    HelmFailed,
    /// Helm was killed because it ran longer than it may.
    HelmTimeout,
    /// A namespace does not go away, because something in it has a finalizer that nobody answers.
    NamespaceStuck,
    /// The shop answers wrongly, or does not sell.
    VerificationFailed,
    /// The time for the operation is up, and nothing above was seen.
    DeadlineExceeded,
    /// Somebody cancelled the operation.
    Cancelled,
    /// The control plane itself was wrong; its log says how.
    Internal,
}

impl Reason {
    /// The wire form, for example `IMAGE_PULL_FAILED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOurs => "NOT_OURS",
            Self::NamespaceMissing => "NAMESPACE_MISSING",
            Self::ReleaseMissing => "RELEASE_MISSING",
            Self::SecretMissing => "SECRET_MISSING",
            Self::HelmMissing => "HELM_MISSING",
            Self::HelmUnsupported => "HELM_UNSUPPORTED",
            Self::ClusterForbidden => "CLUSTER_FORBIDDEN",
            Self::ClusterUnreachable => "CLUSTER_UNREACHABLE",
            Self::ChartRejected => "CHART_REJECTED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::PodSecurityViolation => "POD_SECURITY_VIOLATION",
            Self::CreationRefused => "CREATION_REFUSED",
            Self::Unschedulable => "UNSCHEDULABLE",
            Self::VolumeNotBound => "VOLUME_NOT_BOUND",
            Self::ImagePullFailed => "IMAGE_PULL_FAILED",
            Self::ContainerConfigError => "CONTAINER_CONFIG_ERROR",
            Self::CrashLoop => "CRASH_LOOP",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::NotReady => "NOT_READY",
            Self::ReleaseConflict => "RELEASE_CONFLICT",
            Self::HelmFailed => "HELM_FAILED",
            Self::HelmTimeout => "HELM_TIMEOUT",
            Self::NamespaceStuck => "NAMESPACE_STUCK",
            Self::VerificationFailed => "VERIFICATION_FAILED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Cancelled => "CANCELLED",
            Self::Internal => "INTERNAL",
        }
    }

    /// What a person can do about it, in one sentence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NotOurs => {
                "Find out whose namespace or release it is: its owner can move it out of the way, or you can choose another store id."
            }
            Self::NamespaceMissing => {
                "Its data is lost unless you have a backup: retry the store for a new, empty shop of the same name, or delete it."
            }
            Self::ReleaseMissing => {
                "Retry the store: it is installed again over what is there, and its volumes and Secrets are kept."
            }
            Self::SecretMissing => {
                "Restore the named Secrets from a backup; without one, retry the store, which renews them where its chart allows that."
            }
            Self::HelmMissing => {
                "Install helm 3.17 or newer on the server, or set STOREPLANE_HELM_BIN, then retry the store."
            }
            Self::HelmUnsupported => "Install helm 3.17 or newer, or helm 4, then retry the store.",
            Self::ClusterForbidden => {
                "Give the server's account the rights in docs/operations.md, then retry the store."
            }
            Self::ClusterUnreachable => {
                "Check the API server and the kubeconfig; the operation goes on by itself when it answers."
            }
            Self::ChartRejected => "Correct the chart or the values that the message names, then retry the store.",
            Self::QuotaExceeded => {
                "Raise the namespace's quota in the plan, or choose a larger plan, then retry the store."
            }
            Self::PodSecurityViolation => {
                "Make the pod meet the restricted Pod Security Standard, then retry the store."
            }
            Self::CreationRefused => {
                "Read the API server's message in the details, remove the cause, then retry the store."
            }
            Self::Unschedulable => "Add nodes or lower the plan's requests; the pods are placed as soon as one fits.",
            Self::VolumeNotBound => "Check that the storage class exists and has a provisioner that works.",
            Self::ImagePullFailed => {
                "Check the image's name, tag and the registry's credentials, then retry the store."
            }
            Self::ContainerConfigError => {
                "Create the Secret or ConfigMap that the message names, then retry the store."
            }
            Self::CrashLoop => {
                "Read the container's last log lines in the details, correct the cause, then retry the store."
            }
            Self::OutOfMemory => "Choose a larger plan or raise the memory limit, then retry the store.",
            Self::NotReady => "Read the readiness probe's answer in the details.",
            Self::ReleaseConflict => "See who else works on the release with `helm history`, then retry the store.",
            Self::HelmFailed => "Read helm's message in the details, remove the cause, then retry the store.",
            Self::HelmTimeout => "Check the API server's load and its admission webhooks, then retry the store.",
            Self::NamespaceStuck => {
                "Let the controller that owns the named finalizer do its work, or remove the finalizer by hand."
            }
            Self::VerificationFailed => {
                "Read the request and the answer in the details, correct the shop, then retry the store."
            }
            Self::DeadlineExceeded => "See the last observed state in the details, then retry the store.",
            Self::Cancelled => "Retry the store if it is wanted after all.",
            Self::Internal => "Report it with the operation's id; the server's log has the cause.",
        }
    }
}

impl std::str::FromStr for Reason {
    type Err = serde::de::value::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(text))
    }
}

/// One ranked cause: what it is, one sentence about it, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable cause.
    pub reason: Reason,
    /// One sentence with the names involved. Holds no secret.
    pub message: String,
    /// What was observed, the most telling first: lines of text without secrets, at most [`DETAILS_MAX`].
    pub details: Vec<String>,
}

/// Most lines of observed facts kept with a failure.
pub const DETAILS_MAX: usize = 20;
/// Longest line of observed facts, in bytes.
pub const DETAIL_LINE_MAX: usize = 500;

impl Failure {
    /// A failure without observed facts.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: Vec::new() }
    }

    /// The same failure with what was observed; lines beyond [`DETAILS_MAX`] and text beyond [`DETAIL_LINE_MAX`] are cut.
    #[must_use]
    pub fn with_details<T: Into<String>>(mut self, details: impl IntoIterator<Item = T>) -> Self {
        let room = DETAILS_MAX.saturating_sub(self.details.len());
        self.details.extend(details.into_iter().take(room).map(|line| truncate(line.into(), DETAIL_LINE_MAX)));
        self
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        self.reason.remedy()
    }
}

/// Cuts a text to at most `max` bytes at a character's boundary, and marks the cut with `…`.
pub fn truncate(mut text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_the_serialized_form() {
        for reason in [
            Reason::NotOurs,
            Reason::SecretMissing,
            Reason::PodSecurityViolation,
            Reason::OutOfMemory,
            Reason::Internal,
        ] {
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.as_str().into()));
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(truncate("äöü".into(), 5), "ä…");
        assert_eq!(truncate("short".into(), 5), "short");
    }
}
