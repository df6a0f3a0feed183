//! Helm as a process: whatever dies, hangs or floods, nothing is left behind and the caller gets the result.
//! `fake_helm.sh` replaces helm, with a named scenario per release name; the supervisor is the real one.
#![cfg(test)]

mod outputs;
mod stage;
mod turns;

use std::{fs, io::Write as _, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use stage::{LONG, SUPERVISOR, Stage, is_gone, kind, script, until};
use storeplane_server::boottime::BootTime;
use storeplane_server::helm::{HelmErrorKind, Run};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn hanging_helm_is_stopped_at_time_limit() {
    let stage = Stage::new();
    let run = Run { timeout: Duration::from_millis(300), ..stage.run() };
    assert_eq!(kind(stage.play("hangs", &run).await), HelmErrorKind::TimedOut);
    stage.is_clean("hangs").await;
}

#[tokio::test]
async fn helm_that_ignores_sigterm_is_killed() {
    let stage = Stage::with(|config| config.grace = Duration::from_millis(100));
    let run = stage.run();
    let (task, _) = stage.start("ignores-sigterm", &run).await;
    run.cancel.cancel();
    assert_eq!(kind(task.await.unwrap()), HelmErrorKind::Stopped);
    stage.is_clean("ignores-sigterm").await;
}

#[tokio::test]
async fn cancellation_lets_helm_exit_cleanly() {
    let stage = Stage::new();
    let run = stage.run();
    let (task, _) = stage.start("ends-in-order", &run).await;
    run.cancel.cancel();
    let error = task.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), HelmErrorKind::Stopped);
    assert_eq!(error.failure().details, ["Error: context canceled"]);
    stage.is_clean("ends-in-order").await;
}

#[tokio::test]
async fn helm_ends_without_lease_renewals() {
    let stage = Stage::new();
    let run = Run { silence: Duration::from_millis(300), ..stage.run() };
    assert_eq!(kind(stage.play("hangs", &run).await), HelmErrorKind::LeaseLost);
    stage.is_clean("hangs").await;
}

#[tokio::test]
async fn lost_lease_never_starts_helm() {
    let stage = Stage::new();
    let run = Run { silence: Duration::ZERO, ..stage.run() };
    assert_eq!(kind(stage.play("reports", &run).await), HelmErrorKind::LeaseLost);
    assert!(!stage.has("env"), "helm never ran");
    stage.is_clean("reports").await;
}

#[tokio::test]
async fn renewed_lease_keeps_helm_running() {
    let stage = Stage::new();
    let silence = Duration::from_secs(3);
    let run = Run { silence, ..stage.run() };
    let (task, _) = stage.start("until-signalled", &run).await;
    let started = Instant::now();
    while started.elapsed() < silence + Duration::from_millis(500) {
        stage.renewed.send_replace(BootTime::now());
        sleep(Duration::from_millis(50)).await;
    }
    stage.tell_to_go_on();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn dropped_run_leaves_no_process() {
    let stage = Stage::new();
    let (task, _) = stage.start("hangs", &stage.run()).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    timeout(LONG, stage.helm.drained()).await.unwrap();
    stage.is_clean("hangs").await;
}

#[tokio::test]
async fn helm_ends_with_its_supervisor() {
    let stage = Stage::new();
    let (task, helm) = stage.start("ignores-sigterm", &stage.run()).await;
    kill(stage.pid("ignores-sigterm.supervisor"), Signal::SIGKILL).unwrap();
    assert_eq!(kind(task.await.unwrap()), HelmErrorKind::Killed);
    assert!(is_gone(helm), "it is gone before the caller hears of it");
    stage.is_clean("ignores-sigterm").await;
}

#[tokio::test]
async fn stuck_supervisor_does_not_block_the_server() {
    let stage = Stage::with(|config| config.grace = Duration::ZERO);
    let run = stage.run();
    let (task, helm) = stage.start("hangs", &run).await;
    kill(stage.pid("hangs.supervisor"), Signal::SIGSTOP).unwrap();
    run.cancel.cancel();
    assert_eq!(kind(task.await.unwrap()), HelmErrorKind::Killed);
    assert!(is_gone(helm));
    stage.is_clean("hangs").await;
}

#[tokio::test]
async fn killed_helm_is_distinguished_from_failed_helm() {
    let stage = Stage::new();
    let error = stage.play("dies-half-way", &stage.run()).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (HelmErrorKind::Killed, true));
    stage.is_clean("dies-half-way").await;
}

#[tokio::test]
async fn supervisor_survives_signal_to_whole_group() {
    let stage = Stage::new();
    let (task, _) = stage.start("until-signalled", &stage.run()).await;
    kill(stage.pid("until-signalled.supervisor"), Signal::SIGTERM).unwrap();
    kill(stage.pid("until-signalled.supervisor"), Signal::SIGINT).unwrap();
    stage.tell_to_go_on();
    task.await.unwrap().unwrap();
}

/// The kernel closes a dead server's pipes; this closes them without killing a server.
#[tokio::test]
async fn helm_ends_with_the_server() {
    let (control, scratch) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let spec = serde_json::json!({
        "program": script(), "args": ["uninstall", "--", "hangs"], "input": "", "scratch": scratch.path(),
        "env": {"KUBECONFIG": control.path(), "PATH": std::env::var("PATH").unwrap()},
        "timeout_ms": 600_000, "lease_until_ms": null, "grace_ms": 60_000, "keep_first": 10, "keep_last": 10,
    });
    #[expect(clippy::disallowed_methods, reason = "the test plays the server")]
    let mut supervisor = std::process::Command::new(SUPERVISOR)
        .arg("helm-supervisor")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(supervisor.stdin.as_ref().unwrap(), "{spec}").unwrap();
    let file = control.path().join("hangs.pid");
    until("helm runs", || file.exists()).await;

    drop((supervisor.stdin.take(), supervisor.stdout.take()));

    let helm = Pid::from_raw(fs::read_to_string(file).unwrap().trim().parse().unwrap());
    until("helm is gone", || is_gone(helm)).await;
    assert!(supervisor.wait().unwrap().success());
    assert!(!scratch.path().exists(), "the supervisor removes what the server cannot");
}
