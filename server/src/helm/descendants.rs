//! Processes that helm started and left behind, possibly in other process groups. The supervisor inherits them,
//! because it is the nearest subreaper, and it has no other children.

use std::time::Duration;

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

/// How often they are looked for, two milliseconds apart: killed ones may leave children of their own.
const ROUNDS: u32 = 250;

/// Kills and reaps them. A process in an uninterruptible sleep may outlive this.
pub(super) fn kill_descendants() {
    for _ in 0..ROUNDS {
        for pid in children() {
            // One that has already exited is fine.
            let _ = kill(pid, Signal::SIGKILL);
        }
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => break,
                Ok(_) | Err(Errno::EINTR) => {}
                // No children.
                Err(_) => return,
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn children() -> Vec<Pid> {
    let id = getpid();
    let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}
