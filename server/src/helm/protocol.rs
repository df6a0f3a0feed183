//! The messages between server and supervisor. The server writes one [`Spec`] as a line of JSON, then one decimal
//! number per line: the lease's deadline in milliseconds of [`now`]. Closing that pipe means: stop helm.
//! The supervisor answers with lines of JSON, one [`SupervisorMessage`] each.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The first argument that makes this binary a supervisor.
pub(super) const SUPERVISOR: &str = "helm-supervisor";
/// The first argument that makes this binary tie its life to its parent's and then execute helm.
pub(super) const EXEC: &str = "helm-exec";
/// Prefix of the latter's own errors, to distinguish them from helm's.
pub(super) const EXEC_ERROR: &str = "storeplane could not run helm: ";

/// The clock of both sides: it includes suspended time, as leases do, and cannot be set.
pub(super) fn now() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?))
}

/// Whole milliseconds, as transmitted.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What to run and for how long.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// Helm's complete environment.
    pub(super) env: BTreeMap<String, String>,
    /// Helm's standard input.
    pub(super) input: String,
    /// A directory to remove after helm has ended.
    pub(super) scratch: PathBuf,
    pub(super) timeout_ms: u64,
    /// The lease's deadline until a renewal arrives; `None`: there is no lease.
    pub(super) lease_until_ms: Option<u64>,
    /// From SIGTERM to SIGKILL.
    pub(super) grace_ms: u64,
    /// Bytes kept of each output: its beginning and its end.
    pub(super) keep_first: usize,
    pub(super) keep_last: usize,
}

/// A message of the supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SupervisorMessage {
    /// Helm's process id, which is also its group's.
    Started(i32),
    /// The final message: helm and everything it started has ended.
    Ended(Report),
    /// The final message: helm could not be started or supervised, and is not running.
    Failed(String),
}

/// How helm ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) exit: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) killed: Option<KillReason>,
    pub(super) millis: u64,
    pub(super) peak_rss_kib: u64,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Report {
    pub(super) fn never_started(reason: KillReason) -> Self {
        Self {
            exit: None,
            signal: None,
            killed: Some(reason),
            millis: 0,
            peak_rss_kib: 0,
            stdout: String::new(),
            stderr: String::new(),
        }
    }
}

/// Why the supervisor stopped helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KillReason {
    /// The server's pipe closed: it requested the end, or died.
    Asked,
    /// The time limit was reached.
    Timeout,
    /// No renewal arrived in time.
    LeaseExpired,
}

impl KillReason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Timeout => "timeout",
            Self::LeaseExpired => "lease_expired",
        }
    }
}
