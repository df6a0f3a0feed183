//! Secrets that the control plane generated, deleted outside the control plane.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api as Objects, ListParams, PostParams};
use storeplane_proto::v1::StoreState;

use super::{FOLLOWED, becomes, belongings, delete_secrets, finish, secrets};
use crate::harness::{Lab, Setup, charts, fresh};

#[tokio::test]
async fn lost_secrets_are_regenerated_if_the_chart_allows_it() {
    let lab = Lab::start().await;
    let id = fresh("nosecret");
    let store = lab.api.ready(&id).await;
    let claims = belongings(&lab, &store).await;
    // Creation times have a resolution of one second.
    tokio::time::sleep(Duration::from_secs(2)).await;

    delete_secrets(&lab, &store, "app.kubernetes.io/managed-by=storeplane").await;
    let degraded = becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    assert_eq!(degraded.reason, "SECRET_MISSING", "{degraded:?}");
    assert!(degraded.message.contains("store-admin, store-db, store-salts"), "{degraded:?}");

    lab.api.retry(&id).await.unwrap();
    let (store_ready, seen) = lab.api.settle(&id).await;
    assert_eq!(store_ready.state(), StoreState::Ready, "{}", seen.text());
    assert!(seen.text().contains("SECRETS_RENEWED SECRETS"), "{}", seen.text());
    // Either the upgrade replaces the pods, or the step ROLLOUT restarts them.
    let newest = secrets(&lab, &store).await.into_iter().filter_map(|it| it.metadata.creation_timestamp).max().unwrap();
    let pods = Objects::<Pod>::namespaced(lab.kubernetes.client().await, &store.namespace);
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        assert!(
            pod.metadata.creation_timestamp.unwrap() >= newest,
            "{:?} is older than its Secrets",
            pod.metadata.name
        );
    }
    let after = belongings(&lab, &store).await;
    assert_eq!(claims.iter().filter(|uid| after.contains(uid)).count(), 2, "the volume claims are kept");
    finish(&lab, &id).await;
}

#[tokio::test]
async fn lost_secrets_fail_retry_by_default() {
    let dir = tempfile::tempdir().unwrap();
    crate::failures::copy(&charts(), dir.path());
    let file = dir.path().join("woocommerce/storeplane.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("lost_secrets: renew", "lost_secrets: refuse")).unwrap();
    let lab = Setup { charts: dir.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("locked");
    let store = lab.api.ready(&id).await;
    let saved = secrets(&lab, &store).await;

    delete_secrets(&lab, &store, "app.kubernetes.io/managed-by=storeplane").await;
    becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await;
    lab.api.retry(&id).await.unwrap();
    let (still, seen) = lab.api.settle(&id).await;
    assert_eq!(
        (still.state(), stdegraded.reason.as_str()),
        (StoreState::Degraded, "SECRET_MISSING"),
        "{}",
        seen.text()
    );
    assert!(seen.text().contains("nothing was removed"), "{}", seen.text());
    assert!(secrets(&lab, &store).await.is_empty(), "no new Secrets are generated");

    // Restored from a backup, without our label.
    let all = Objects::<Secret>::namespaced(lab.kubernetes.client().await, &store.namespace);
    for mut secret in saved {
        secret.metadata = kube::api::ObjectMeta { name: secret.metadata.name, ..Default::default() };
        all.create(&PostParams::default(), &secret).await.unwrap();
    }
    // The store recovers without another call.
    becomes(&lab, &id, StoreState::Ready, FOLLOWED * 2).await;
    finish(&lab, &id).await;
}
