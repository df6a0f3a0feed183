//! The process between the server and helm. It has one thread, so that helm's parent-death signal means its own
//! death, and waits in one `poll` for the server's messages, helm's outputs and the next deadline.

use std::{
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        resource::{UsageWho, getrusage},
        signal::{SigSet, Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, getpid},
};

use super::{
    descendants,
    inbox::Inbox,
    protocol::{EXEC, KillReason, Report, Spec, SupervisorMessage, millis, now},
    stream::{Stream, feed, nonblocking},
};

/// How long outputs are read after helm's end, if another process still holds them open.
const DRAIN: Duration = Duration::from_millis(250);
/// How soon helm's end is noticed while its outputs are open, and once they are closed.
const TICK: Duration = Duration::from_millis(100);
const SHORT_TICK: Duration = Duration::from_millis(2);

/// Reads a [`Spec`] and executes it.
pub(super) fn main() -> ExitCode {
    let mut inbox = Inbox::default();
    let Some(spec) = inbox.spec() else {
        return ExitCode::FAILURE;
    };
    let last = match supervise(&spec, inbox) {
        Ok(report) => SupervisorMessage::Ended(report),
        Err(error) => SupervisorMessage::Failed(error.to_string()),
    };
    // The server removes it as well, unless it died.
    let _ = std::fs::remove_dir_all(&spec.scratch);
    send(&last);
    ExitCode::SUCCESS
}

fn supervise(spec: &Spec, inbox: Inbox) -> io::Result<Report> {
    let lease = spec.lease_until_ms.map(Duration::from_millis);
    if lease.is_some_and(|until| now().is_ok_and(|now| now >= until)) {
        return Ok(Report::never_started(KillReason::LeaseExpired));
    }
    Supervisor::start(spec, inbox)?.run()
}

fn send(message: &SupervisorMessage) {
    if let Ok(mut line) = serde_json::to_vec(message) {
        line.push(b'\n');
        // If the server died, nobody reads the report; helm has ended all the same.
        let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
    }
}

struct Supervisor {
    helm: Child,
    group: Pid,
    input: Option<ChildStdin>,
    unsent: Vec<u8>,
    stdout: Stream,
    stderr: Stream,
    inbox: Inbox,
    started: Duration,
    end: Duration,
    lease_end: Option<Duration>,
    grace: Duration,
    killed: Option<(KillReason, Duration)>,
}

impl Supervisor {
    fn start(spec: &Spec, inbox: Inbox) -> io::Result<Self> {
        // The server alone decides when helm ends: signals to the whole group (a terminal's, an init's) are ignored.
        SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT]).thread_block()?;
        prctl::set_child_subreaper(true)?;
        let started = now()?;
        #[expect(clippy::disallowed_methods, reason = "this is where processes are started")]
        let mut helm = Command::new("/proc/self/exe")
            .arg(EXEC)
            .arg(getpid().to_string())
            .arg(&spec.program)
            .args(&spec.args)
            .env_clear()
            .envs(&spec.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let group = Pid::from_raw(helm.id().cast_signed());
        send(&SupervisorMessage::Started(group.as_raw()));
        let input = helm.stdin.take();
        if let Some(input) = &input {
            nonblocking(input.as_fd())?;
        }
        let end = started + Duration::from_millis(spec.timeout_ms);
        Ok(Self {
            group,
            input,
            unsent: spec.input.clone().into_bytes(),
            stdout: Stream::new(helm.stdout.take().map(Into::into), spec)?,
            stderr: Stream::new(helm.stderr.take().map(Into::into), spec)?,
            helm,
            inbox,
            started,
            end,
            lease_end: spec.lease_until_ms.map(Duration::from_millis),
            grace: Duration::from_millis(spec.grace_ms),
            killed: None,
        })
    }

    fn run(&mut self) -> io::Result<Report> {
        while !self.has_ended()? {
            self.wait(if self.is_read() { SHORT_TICK } else { TICK }, !self.inbox.is_closed())?;
            self.lease_end = self.lease_end.map(|end| end.max(self.inbox.lease().unwrap_or_default()));
            self.enforce()?;
        }
        // The dead leader still holds the group's number, so this signals no other group.
        let _ = killpg(self.group, Signal::SIGKILL);
        let status = self.helm.wait()?;
        descendants::kill_descendants();
        let ended = now()?;
        while !self.is_read() && now()? < ended + DRAIN {
            self.wait(SHORT_TICK, false)?;
        }
        Ok(Report {
            exit: status.code(),
            signal: status.signal(),
            killed: self.killed.map(|(reason, _)| reason),
            millis: millis(ended.saturating_sub(self.started)),
            peak_rss_kib: getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| usage.max_rss().cast_unsigned()),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        })
    }

    /// Whether both outputs are read to their end.
    fn is_read(&self) -> bool {
        !self.stdout.is_open() && !self.stderr.is_open()
    }

    /// Whether helm has exited; it is not reaped yet.
    fn has_ended(&self) -> io::Result<bool> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.group), flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Stops helm when its time has come, with SIGTERM first and SIGKILL after the grace period.
    fn enforce(&mut self) -> io::Result<()> {
        let now = now()?;
        let (reason, signal) = match self.killed {
            Some((_, by_force)) if now < by_force => return Ok(()),
            Some((reason, _)) => (reason, Signal::SIGKILL),
            None if self.lease_end.is_some_and(|end| now >= end) => (KillReason::LeaseExpired, Signal::SIGTERM),
            None if now >= self.end => (KillReason::Timeout, Signal::SIGTERM),
            None if self.inbox.is_closed() => (KillReason::Asked, Signal::SIGTERM),
            None => return Ok(()),
        };
        // After SIGKILL, the only option is to repeat it.
        self.killed = Some((reason, now + if signal == Signal::SIGTERM { self.grace } else { TICK }));
        match killpg(self.group, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_deadline(&self) -> Duration {
        match (self.killed, self.lease_end) {
            (Some((_, by_force)), _) => by_force,
            (None, Some(lease_end)) => lease_end.min(self.end),
            (None, None) => self.end,
        }
    }

    fn wait(&mut self, tick: Duration, listen: bool) -> io::Result<()> {
        let left = self.next_deadline().saturating_sub(now()?).min(tick) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let stdin = io::stdin();
        let mut fds = Vec::with_capacity(4);
        if listen {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        fds.extend([&self.stdout, &self.stderr].iter().filter_map(|stream| stream.poll_fd()));
        fds.extend(self.input.as_ref().map(|input| PollFd::new(input.as_fd(), PollFlags::POLLOUT)));
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if listen && fds.first().and_then(PollFd::any) == Some(true) {
            self.inbox.read()?;
        }
        drop(fds);
        self.stdout.read();
        self.stderr.read();
        feed(&mut self.input, &mut self.unsent);
        Ok(())
    }
}

impl Drop for Supervisor {
    /// An internal error must not leave helm running.
    fn drop(&mut self) {
        // Not if the group's number may already be reused.
        if matches!(self.helm.try_wait(), Ok(None)) {
            let _ = killpg(self.group, Signal::SIGKILL);
            let _ = self.helm.wait();
        }
    }
}
