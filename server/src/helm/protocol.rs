//! What server and supervisor say to each other. The server writes one [`Spec`] as a line of JSON, then one decimal
//! number a line: until when the lease is good, in milliseconds of [`now`]. The end of that pipe means: stop helm.
//! The supervisor answers with lines of JSON, one [`SupervisorMessage`] each.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The first argument that makes this binary a supervisor.
pub(super) const SUPERVISOR: &str = "helm-supervisor";
/// The first argument that makes this binary tie its life to its parent's and then become helm.
pub(super) const EXEC: &str = "helm-exec";
/// How the second one's own error texts begin, so that nobody takes them for helm's.
pub(super) const EXEC_ERROR: &str = "storeplane could not run helm: ";

/// The clock of both sides: it counts the time in which the machine slept, as leases do, and cannot be set.
pub(super) fn now() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?))
}

/// Whole milliseconds, as they travel.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What to run and for how long.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// The whole environment of helm.
    pub(super) env: BTreeMap<String, String>,
    /// What helm reads on its standard input.
    pub(super) input: String,
    /// A directory that goes away with helm.
    pub(super) scratch: PathBuf,
    pub(super) timeout_ms: u64,
    /// Until when the lease is good, unless there is news; none: nobody has a lease on this.
    pub(super) lease_until_ms: Option<u64>,
    /// From SIGTERM to SIGKILL.
    pub(super) grace_ms: u64,
    /// Bytes kept of each output: its beginning and its end.
    pub(super) keep_first: usize,
    pub(super) keep_last: usize,
}

/// What the supervisor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SupervisorMessage {
    /// Helm's process id, which is its group's as well.
    Started(i32),
    /// The last word: helm and everything it started is gone.
    Ended(Report),
    /// The last word: helm could not be started, or not be watched, and is gone.
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

/// Why the supervisor ended helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KillReason {
    /// The pipe from the server closed: it asked for the end, or died.
    Asked,
    /// The time was up.
    Timeout,
    /// Nobody said in time that the lease was renewed.
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
