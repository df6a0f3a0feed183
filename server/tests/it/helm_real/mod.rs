//! The real helm 3 and helm 4 against a real API server: the recorded error texts still
//! apply, and each major handles the other's releases.
#![cfg(test)]

mod lab;
mod pending;

use std::fs;

use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota};
use kube::api::DeleteParams;
use lab::{Lab, chart, run};
use serde_json::json;
use storeplane_server::helm::{Chart, HelmError, HelmErrorKind, Release};
use tempfile::TempDir;

const MAJORS: [&str; 2] = ["3", "4"];

#[track_caller]
fn is(result: Result<(), HelmError>, kind: HelmErrorKind) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
}

#[tokio::test]
async fn both_majors_are_recognised() {
    let lab = Lab::new().await;
    for major in MAJORS {
        let version = lab.helm(major).version().await.unwrap();
        assert_eq!(version.major.to_string(), major);
    }
    lab.end().await;
}

#[tokio::test]
async fn release_lifecycle_from_install_to_uninstall() {
    for major in MAJORS {
        let (lab, run) = (Lab::new().await, run());
        let (helm, release) = (lab.helm(major), &lab.release);
        is(helm.uninstall(&run, release).await, HelmErrorKind::ReleaseNotFound);
        is(helm.upgrade(&run, release, &chart(json!({}))).await, HelmErrorKind::ReleaseNotFound);
        helm.install(&run, release, &chart(json!({"text": "one"}))).await.unwrap();
        is(helm.install(&run, release, &chart(json!({}))).await, HelmErrorKind::NameInUse);
        helm.upgrade(&run, release, &chart(json!({"text": "two"}))).await.unwrap();
        assert_eq!(lab.text("text").await, "two");
        helm.rollback(&run, release, 1).await.unwrap();
        assert_eq!(lab.text("text").await, "one");
        is(helm.rollback(&run, release, 99).await, HelmErrorKind::ReleaseNotFound);
        helm.uninstall(&run, release).await.unwrap();
        is(helm.uninstall(&run, release).await, HelmErrorKind::ReleaseNotFound);
        assert!(lab.api::<ConfigMap>().get_opt("sample").await.unwrap().is_none());
        lab.end().await;
    }
}

#[tokio::test]
async fn each_major_upgrades_other_majors_releases_and_reverts_manual_changes() {
    for (first, second) in [("3", "4"), ("4", "3")] {
        let (lab, run) = (Lab::new().await, run());
        lab.helm(first).install(&run, &lab.release, &chart(json!({"replicas": 2}))).await.unwrap();
        for (major, replicas) in [(second, 3), (first, 4), (second, 2)] {
            lab.scale(7).await;
            lab.helm(major).upgrade(&run, &lab.release, &chart(json!({"replicas": replicas}))).await.unwrap();
            assert_eq!(lab.replicas().await, replicas, "after helm {major}");
        }
        lab.helm(first).uninstall(&run, &lab.release).await.unwrap();
        lab.end().await;
    }
}

#[tokio::test]
async fn values_are_passed_verbatim_and_later_files_win() {
    let text = "a=b,c.d[0] \"'`$(id)` {{ .Release.Name }} | & ; \\ \t\n--set x=y ✓ null";
    for major in MAJORS {
        let lab = Lab::new().await;
        let folder = TempDir::new().unwrap();
        let files = [("a, \"b\".yaml", "{text: file, file: first}"), ("second.yaml", "file: second")];
        let mut chart = chart(json!({"text": text}));
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
            chart.values_files.push(folder.path().join(name));
        }
        lab.helm(major).install(&run(), &lab.release, &chart).await.unwrap();
        assert_eq!((lab.text("text").await.as_str(), lab.text("file").await.as_str()), (text, "second"));
        lab.end().await;
    }
}

#[tokio::test]
async fn refusals_are_classified() {
    for major in MAJORS {
        let (lab, run) = (Lab::new().await, run());
        let (helm, release) = (lab.helm(major), &lab.release);
        let nowhere = Release { namespace: format!("{}-gone", release.namespace), name: release.name.clone() };
        is(helm.install(&run, &nowhere, &chart(json!({}))).await, HelmErrorKind::NamespaceMissing);
        is(helm.install(&run, release, &chart(json!({"replicas": "many"}))).await, HelmErrorKind::ChartRejected);
        let missing = Chart { dir: "/nowhere/chart".into(), ..chart(json!({})) };
        is(helm.install(&run, release, &missing).await, HelmErrorKind::ChartRejected);

        lab.create(&lab.api::<ConfigMap>(), json!({"metadata": {"name": "sample"}})).await;
        is(helm.install(&run, release, &chart(json!({}))).await, HelmErrorKind::NotOurs);
        lab.api::<ConfigMap>().delete("sample", &DeleteParams::default()).await.unwrap();

        let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"persistentvolumeclaims": "0"}}});
        lab.create(&lab.api::<ResourceQuota>(), quota).await;
        is(helm.install(&run, release, &chart(json!({"claim": true}))).await, HelmErrorKind::Quota);
        lab.end().await;
    }
}

#[tokio::test]
async fn unavailable_api_server_is_retryable() {
    let lab = Lab::new().await;
    let kubeconfig = lab.home.path().join("kubeconfig");
    let content = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "away",
        "clusters": [{"name": "away", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "away", "user": {}}],
        "contexts": [{"name": "away", "context": {"cluster": "away", "user": "away"}}],
    });
    fs::write(&kubeconfig, content.to_string()).unwrap();
    for major in MAJORS {
        let helm = lab.helm_at(major, kubeconfig.clone());
        let error = helm.uninstall(&run(), &lab.release).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (HelmErrorKind::Unreachable, true), "{error}");
    }
    lab.end().await;
}
