//! How a step fails, and the meaning of each layer's errors for it.

use std::time::Duration;

use storeplane_core::error::PortError;
use storeplane_core::failure::{Failure, Reason};

use crate::charts::{ChartError, ChartFilesError};
use crate::helm::{HelmError, HelmErrorKind};
use crate::kube::{ClusterError, ClusterErrorKind};
use crate::postgres::FenceError;

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum StepError {
    /// It was stopped: cancelled, shut down, or the lease is lost.
    Stopped,
    /// The operation's time is up.
    OutOfTime,
    /// Another worker owns the operation.
    Lost,
    /// It may succeed later; `after` is the delay that the API server requested.
    Retry {
        /// Why it did not succeed.
        failure: Failure,
        /// How often this may happen in a row.
        tries: RetryLimit,
        /// Minimum delay.
        after: Option<Duration>,
    },
    /// It cannot succeed without intervention.
    Failed(Failure),
}

/// How often a step may be retried for the same kind of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryLimit {
    /// Until the operation's time is up: something is unavailable and will recover.
    UntilDeadline,
    /// A few times: it is unknown whether retrying helps.
    Bounded,
}

/// Number of attempts of a step that fails for an unknown reason.
pub(super) const FEW: u32 = 3;

impl From<ClusterError> for StepError {
    fn from(error: ClusterError) -> Self {
        match error.kind() {
            ClusterErrorKind::Fenced => Self::Lost,
            _ if error.retryable() => {
                Self::Retry { failure: error.failure(), tries: RetryLimit::UntilDeadline, after: error.retry_after() }
            }
            _ => Self::Failed(error.failure()),
        }
    }
}

impl From<HelmError> for StepError {
    fn from(error: HelmError) -> Self {
        use HelmErrorKind as Kind;
        let again = |tries| Self::Retry { failure: error.failure(), tries, after: None };
        match error.kind() {
            Kind::Stopped => Self::Stopped,
            Kind::LeaseLost => Self::Lost,
            Kind::Unreachable
            | Kind::Overloaded
            | Kind::WebhookUnavailable
            | Kind::NamespaceTerminating
            | Kind::Conflict
            | Kind::DiskFull => again(RetryLimit::UntilDeadline),
            kind if kind.is_retryable() => again(RetryLimit::Bounded),
            _ => Self::Failed(error.failure()),
        }
    }
}

impl From<ChartError> for StepError {
    fn from(error: ChartError) -> Self {
        let failure = Failure::new(Reason::ChartRejected, sentence(&error.to_string()));
        match error {
            ChartError::Postgres(PortError::Unavailable(_)) => {
                Self::Retry { failure, tries: RetryLimit::UntilDeadline, after: None }
            }
            // Another server may be about to store it; a full disk may be emptied.
            ChartError::Missing { .. } | ChartError::Files(ChartFilesError::Io(_)) => {
                Self::Retry { failure, tries: RetryLimit::Bounded, after: None }
            }
            _ => Self::Failed(failure),
        }
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str())).unwrap_or_default()
}

impl From<FenceError> for StepError {
    fn from(error: FenceError) -> Self {
        match error {
            // Writes that failed for too long have cost the lease.
            FenceError::Lost | FenceError::Port(PortError::Unavailable(_)) => Self::Lost,
            FenceError::Port(error) => {
                tracing::error!(error = ?error, "an operation's progress cannot be stored");
                Self::Failed(Failure::new(
                    Reason::Internal,
                    "The control plane could not store the operation's progress.",
                ))
            }
        }
    }
}
