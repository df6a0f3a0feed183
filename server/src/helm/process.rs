//! The server's side of a supervised run: starts the supervisor, forwards lease renewals, and receives the report.

use std::{io, path::Path, process::Stdio, time::Duration};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::protocol::{Report, SUPERVISOR, Spec, SupervisorMessage, millis};
use crate::boottime::BootTime;

/// Maximum length of a supervisor's report, in bytes: two outputs with every byte escaped, and a margin.
const ANSWER_MAX: u64 = 4 * 1024 * 1024;
/// How late a supervisor's report may be before it is killed, and helm with it.
const MARGIN: Duration = Duration::from_secs(5);

/// The lease under which a run happens.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub(super) renewed: watch::Receiver<BootTime>,
    pub(super) silence: Duration,
}

impl Lease {
    /// Until when helm may run according to the last renewal, on the clock of both sides.
    pub(super) fn until_ms(&mut self) -> u64 {
        millis(self.renewed.borrow_and_update().after(self.silence))
    }
}

/// Why there is no report.
#[derive(Debug)]
pub(super) enum Lost {
    /// The supervisor could not be started, or could not start helm.
    Failed(String),
    /// The disk has no room for the run's directory.
    DiskFull,
    /// The supervisor was killed, and helm with it.
    Killed,
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Runs helm to its end. Dropping the future stops helm as well, without waiting for that.
pub(super) async fn supervise(
    supervisor: &Path,
    spec: &Spec,
    lease: Option<Lease>,
    stop: &CancellationToken,
) -> Result<Report, Lost> {
    #[expect(clippy::disallowed_methods, reason = "this is where processes are started")]
    let mut child = Command::new(supervisor)
        .arg0("storeplane-server")
        .arg(SUPERVISOR)
        // Helm's input is in the spec; it must not inherit the server's own secrets.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C in a terminal is for the server, which then stops its helm processes cleanly.
        .process_group(0)
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut session = SupervisorSession {
        grace: Duration::from_millis(spec.grace_ms) + MARGIN,
        deadline: Instant::now() + Duration::from_millis(spec.timeout_ms + spec.grace_ms) + MARGIN,
        stdin,
        lease,
        helm: None,
    };
    let answer = match stdout {
        Some(stdout) => session.run(spec, stdout, stop).await,
        None => Err(Lost::Failed("the supervisor has no output".to_owned())),
    };
    drop(session.stdin.take());
    if answer.is_err() {
        // It may be stuck; helm dies with it.
        let _ = child.start_kill();
    }
    reap(&mut child).await;
    if let (Err(Lost::Killed), Some(helm)) = (&answer, session.helm) {
        reap_orphan(helm).await;
    }
    answer
}

/// The session with one supervisor.
struct SupervisorSession {
    stdin: Option<ChildStdin>,
    lease: Option<Lease>,
    grace: Duration,
    deadline: Instant,
    helm: Option<Pid>,
}

impl SupervisorSession {
    async fn run(&mut self, spec: &Spec, stdout: ChildStdout, stop: &CancellationToken) -> Result<Report, Lost> {
        let mut line = serde_json::to_vec(spec).map_err(io::Error::from)?;
        line.push(b'\n');
        self.send(&line).await;
        let mut words = BufReader::new(stdout.take(ANSWER_MAX)).lines();
        loop {
            tokio::select! {
                message = words.next_line() => match message.ok().flatten().as_deref().map(serde_json::from_str) {
                    Some(Ok(SupervisorMessage::Started(pid))) => self.helm = Some(Pid::from_raw(pid)),
                    Some(Ok(SupervisorMessage::Ended(report))) => return Ok(report),
                    Some(Ok(SupervisorMessage::Failed(cause))) => return Err(Lost::Failed(cause)),
                    Some(Err(_)) | None => return Err(Lost::Killed),
                },
                until = renewed(&mut self.lease), if self.stdin.is_some() => {
                    self.send(format!("{until}\n").as_bytes()).await;
                }
                () = stop.cancelled(), if self.stdin.is_some() => {
                    self.stdin = None;
                    self.deadline = self.deadline.min(Instant::now() + self.grace);
                }
                () = sleep_until(self.deadline) => return Err(Lost::Killed),
            }
        }
    }

    /// A supervisor that cannot be reached is dead or stuck; its silence or the deadline ends the run.
    async fn send(&mut self, line: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            let _ = timeout(MARGIN, stdin.write_all(line)).await;
        }
    }
}

/// Until when helm may run, after the next renewal.
async fn renewed(lease: &mut Option<Lease>) -> u64 {
    if let Some(lease) = lease
        && lease.renewed.changed().await.is_ok()
    {
        return lease.until_ms();
    }
    // Nobody renews it any more.
    std::future::pending().await
}

async fn reap(supervisor: &mut Child) {
    if !matches!(timeout(MARGIN, supervisor.wait()).await, Ok(Ok(_))) {
        let _ = supervisor.start_kill();
        let _ = timeout(MARGIN, supervisor.wait()).await;
    }
}

/// Waits until the kernel has ended a helm whose supervisor was killed, and helm's child processes.
async fn reap_orphan(helm: Pid) {
    let end = Instant::now() + MARGIN;
    while !matches!(killpg(helm, Signal::SIGKILL), Err(Errno::ESRCH)) && Instant::now() < end {
        // If this server is process 1, orphans become its children.
        let _ = waitpid(helm, Some(WaitPidFlag::WNOHANG));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
