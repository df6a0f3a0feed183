//! Interrupted helm runs.

use std::time::Duration;

use serde_json::json;
use storeplane_server::helm::HelmErrorKind;
use tokio::time::sleep;

use super::{
    MAJORS, is,
    lab::{Lab, chart, run},
};

#[tokio::test]
async fn pending_release_of_killed_helm_is_detected_and_repaired() {
    for major in MAJORS {
        let (lab, run) = (Lab::new().await, run());
        let (helm, release) = (lab.helm(major), &lab.release);
        let (fine, blocked) = (chart(json!({})), chart(json!({"blocked": true})));

        let (killed, ()) = tokio::join!(helm.install(&run, release, &blocked), lab.kill_helm("pending-install"));
        is(killed, HelmErrorKind::Killed);
        is(helm.install(&run, release, &fine).await, HelmErrorKind::NameInUse);
        is(helm.upgrade(&run, release, &fine).await, HelmErrorKind::InProgress);
        helm.uninstall(&run, release).await.unwrap();

        helm.install(&run, release, &fine).await.unwrap();
        let (killed, ()) = tokio::join!(helm.upgrade(&run, release, &blocked), lab.kill_helm("pending-upgrade"));
        is(killed, HelmErrorKind::Killed);
        is(helm.upgrade(&run, release, &fine).await, HelmErrorKind::InProgress);
        helm.rollback(&run, release, 1).await.unwrap();
        helm.upgrade(&run, release, &fine).await.unwrap();
        lab.end().await;
    }
}

#[tokio::test]
async fn cancelled_install_is_recorded_as_failed_and_can_be_repeated() {
    for major in MAJORS {
        let (lab, run, run_again) = (Lab::new().await, run(), run());
        let (helm, blocked) = (lab.helm(major), chart(json!({"blocked": true})));
        let cancelled = async {
            while !lab.is_recorded_as("pending-install").await {
                sleep(Duration::from_millis(20)).await;
            }
            run.cancel.cancel();
        };
        let (stopped, ()) = tokio::join!(helm.install(&run, &lab.release, &blocked), cancelled);
        is(stopped, HelmErrorKind::Stopped);
        assert!(lab.is_recorded_as("failed").await, "helm {major} had the time to say so");
        helm.upgrade(&run_again, &lab.release, &chart(json!({}))).await.unwrap();
        lab.end().await;
    }
}
