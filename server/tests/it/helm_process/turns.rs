//! Limits on concurrent helm runs, and the choice of the binary.

use std::{fs, time::Duration};

use storeplane_server::helm::HelmErrorKind;
use tempfile::TempDir;
use tokio::time::timeout;

use super::stage::{Stage, background, kind, release, script, until};

#[tokio::test]
async fn process_count_stays_within_limit() {
    let stage = Stage::with(|config| config.max_processes = 2);
    let runs: Vec<_> = (0..5)
        .map(|n| {
            let (helm, run) = (stage.helm.clone(), stage.run());
            background(async move { helm.uninstall(&run, &release(&format!("until-signalled-{n}"))).await })
        })
        .collect();
    until("two run", || stage.helm.running() == 2).await;
    stage.tell_to_go_on();
    for run in runs {
        run.await.unwrap().unwrap();
    }
    assert_eq!((stage.helm.running(), stage.helm.peak()), (0, 2));
}

#[tokio::test]
async fn waiting_for_a_permit_can_be_cancelled() {
    let stage = Stage::with(|config| config.max_processes = 1);
    let (first, _) = stage.start("until-signalled", &stage.run()).await;
    for scenario in ["until-signalled", "hangs"] {
        let run = stage.run();
        let waiting = stage.play(scenario, &run);
        tokio::pin!(waiting);
        assert!(timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        run.cancel.cancel();
        assert_eq!(kind(waiting.await), HelmErrorKind::Stopped, "{scenario}");
    }
    stage.tell_to_go_on();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn next_run_of_release_waits_for_dropped_run() {
    let stage = Stage::new();
    let (dropped, helm) = stage.start("ends-in-order", &stage.run()).await;
    dropped.abort();
    let (next, run) = (stage.helm.clone(), stage.run());
    let next = background(async move { next.uninstall(&run, &release("ends-in-order")).await });
    until("another helm runs", || stage.pid("ends-in-order.pid") != helm).await;
    assert!(super::is_gone(helm), "never two for one release");
    assert_eq!(stage.helm.peak(), 1);
    next.abort();
    timeout(super::LONG, stage.helm.drained()).await.unwrap();
}

#[tokio::test]
async fn helm_installed_later_is_found() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("helm");
    let stage = Stage::with(|config| config.binary = link.clone());
    assert_eq!(stage.helm.version().await.unwrap_err().kind(), HelmErrorKind::Missing);
    assert_eq!(kind(stage.play("reports", &stage.run()).await), HelmErrorKind::Missing);

    std::os::unix::fs::symlink(script(), &link).unwrap();

    assert_eq!(stage.helm.version().await.unwrap().to_string(), "3.17.3");
    stage.play("reports", &stage.run()).await.unwrap();
}

#[tokio::test]
async fn unsupported_versions_are_named() {
    for (answer, named) in [("v2.17.0", "helm 2.17.0"), ("v3.16.4", "helm 3.16.4"), ("v5.0.0", "helm 5.0.0")] {
        let stage = Stage::new();
        fs::write(stage.control.path().join("version"), answer).unwrap();
        let error = stage.play("reports", &stage.run()).await.unwrap_err();
        assert_eq!(error.kind(), HelmErrorKind::Unsupported);
        assert!(error.to_string().contains(named), "{error}");
        assert!(!stage.has("env"), "nothing was run with it");
    }
}

#[tokio::test]
async fn other_program_named_helm_is_rejected() {
    let stage = Stage::new();
    fs::write(stage.control.path().join("version"), "a rudder, token=abc").unwrap();
    let error = stage.helm.version().await.unwrap_err();
    assert_eq!(error.kind(), HelmErrorKind::Unsupported);
    assert_eq!(error.failure().details, ["a rudder, token=***"]);
}

#[tokio::test]
async fn non_executable_file_counts_as_missing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("helm");
    fs::copy(script(), &path).unwrap();
    fs::write(&path, "neither a script nor a program").unwrap();
    let stage = Stage::with(|config| config.binary = path);
    let error = stage.helm.version().await.unwrap_err();
    assert_eq!(error.kind(), HelmErrorKind::Missing);
}

#[tokio::test]
async fn invalid_supervisor_is_an_internal_error() {
    for path in ["/nowhere/storeplane-server", "/bin/true"] {
        let stage = Stage::with(|config| config.supervisor = path.into());
        let error = stage.helm.version().await.unwrap_err();
        assert!(matches!(error.kind(), HelmErrorKind::Internal | HelmErrorKind::Killed), "{error}");
    }
}
