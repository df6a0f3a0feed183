//! The release state read from records matches helm's, for both majors.

use storeplane_server::kube::ReleaseStatus;

use crate::kube_support::{chart, cluster, env, helm, install, namespace, remove};

async fn release_is_followed(helm_binary: &str) {
    let (cluster, chart) = (cluster(), chart());
    let spec = namespace(&cluster).await;
    let name = spec.name.as_str();
    assert_eq!(cluster.release(name, name).await, Ok(None));
    install(helm_binary, &spec, chart.path(), &["empty=true"]).await;
    let first = cluster.release(name, name).await.expect("an answer").expect("a release");
    assert_eq!((first.status, first.revision, first.last_deployed), (ReleaseStatus::Deployed, 1, Some(1)));
    assert!(first.updated.is_some());
    install(helm_binary, &spec, chart.path(), &["empty=true", "quota=1Gi"]).await;
    let second = cluster.release(name, name).await.expect("an answer").expect("a release");
    assert_eq!((second.status, second.revision), (ReleaseStatus::Deployed, 2));
    let all = cluster.all_releases().await.expect("a listing");
    let listed: Vec<_> = all.iter().filter(|it| it.namespace == name).collect();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_str(), &listed[0].observation), (name, &second));
    helm(helm_binary, &["uninstall", name, "--namespace", name, "--keep-history"]).await;
    let kept = cluster.release(name, name).await.expect("an answer").expect("a release");
    assert_eq!((kept.status, kept.last_deployed), (ReleaseStatus::Uninstalled, Some(1)));
    helm(helm_binary, &["uninstall", name, "--namespace", name]).await;
    assert_eq!(cluster.release(name, name).await, Ok(None));
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn release_state_matches_helm_3() {
    release_is_followed(&env("STOREPLANE_TEST_HELM3")).await;
}

#[tokio::test]
async fn release_state_matches_helm_4() {
    release_is_followed(&env("STOREPLANE_TEST_HELM4")).await;
}
