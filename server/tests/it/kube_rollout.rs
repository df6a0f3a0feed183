//! Rollouts on simulated nodes: ready, or the real reason why not.

use std::time::{Duration, Instant};

use storeplane_core::failure::{Failure, Reason};
use storeplane_server::kube::{Cluster, RolloutUpdate};

use crate::kube_support::{chart, cluster, env, impatient, install, namespace, remove, settle};

async fn rolled_out(cluster: Cluster, values: &[&str]) -> (RolloutUpdate, Vec<String>) {
    let chart = chart();
    let spec = namespace(&cluster).await;
    install(&env("STOREPLANE_TEST_HELM3"), &spec, chart.path(), values).await;
    let settled = settle(&cluster, &spec.name, &spec.name).await;
    remove(&cluster, &spec).await;
    settled
}

async fn failed(values: &[&str]) -> (Failure, Duration) {
    let start = Instant::now();
    let (RolloutUpdate::Failed(failure), _) = rolled_out(impatient(), values).await else { panic!("it must fail") };
    (failure, start.elapsed())
}

#[tokio::test]
async fn release_becomes_ready_and_reports_every_resource() {
    let (last, lines) = rolled_out(cluster(), &[]).await;
    assert_eq!(last, RolloutUpdate::Ready);
    for line in ["StatefulSet store-db 1/1", "Deployment store 1/1", "PersistentVolumeClaim data-store-db-0 Bound"] {
        assert!(lines.iter().any(|it| it == line), "{line} is not in {lines:?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("Ingress store store-it-")), "{lines:?}");
    // Pods and workloads have separate watches: a workload may be complete before its last pod is seen to be Ready.
    assert!(lines.iter().any(|line| line.starts_with("Pod store-db-0 ")), "{lines:?}");
    // A busy machine may need more than 0.7 s to bind a volume, which is reported, and ends.
    let mut blocked = lines.iter().filter(|line| line.starts_with("waiting"));
    assert!(blocked.all(|line| line == "waiting: VOLUME_NOT_BOUND"), "{lines:?}");
}

#[tokio::test]
async fn ready_release_is_reported_immediately() {
    let (cluster, chart) = (impatient(), chart());
    let spec = namespace(&cluster).await;
    install(&env("STOREPLANE_TEST_HELM4"), &spec, chart.path(), &[]).await;
    assert_eq!(settle(&cluster, &spec.name, &spec.name).await.0, RolloutUpdate::Ready);
    let start = Instant::now();
    assert_eq!(settle(&cluster, &spec.name, &spec.name).await.0, RolloutUpdate::Ready);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn upgrade_is_ready_when_its_new_pods_are() {
    let (cluster, chart) = (impatient(), chart());
    let spec = namespace(&cluster).await;
    let helm = env("STOREPLANE_TEST_HELM3");
    install(&helm, &spec, chart.path(), &[]).await;
    assert_eq!(settle(&cluster, &spec.name, &spec.name).await.0, RolloutUpdate::Ready);
    install(&helm, &spec, chart.path(), &["image=example.com/shop:2"]).await;
    let (last, lines) = settle(&cluster, &spec.name, &spec.name).await;
    assert_eq!(last, RolloutUpdate::Ready, "{lines:?}");
    let pods =
        kube::Api::<k8s_openapi::api::core::v1::Pod>::namespaced(crate::kube_support::plain_client().await, &spec.name);
    let staying = pods.list(&kube::api::ListParams::default()).await.expect("pods").items;
    let staying = staying.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let images: Vec<_> = staying.filter_map(|pod| pod.spec.as_ref()?.containers.first()?.image.clone()).collect();
    assert_eq!(images, ["example.com/shop:2", "example.com/shop:2"]);
    remove(&cluster, &spec).await;
}

#[tokio::test]
async fn exceeded_quota_is_the_cause() {
    let (failure, took) = failed(&["quota=32Mi"]).await;
    assert_eq!(failure.reason, Reason::QuotaExceeded, "{failure:?}");
    assert!(failure.message.contains("exceeded quota: store"), "{failure:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
}

#[tokio::test]
async fn pod_security_violation_is_the_cause() {
    let (failure, took) = failed(&["privileged=true"]).await;
    assert_eq!(failure.reason, Reason::PodSecurityViolation, "{failure:?}");
    assert!(failure.message.contains("allowPrivilegeEscalation"), "{failure:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
}

#[tokio::test]
async fn missing_storage_class_is_the_cause() {
    let (failure, took) = failed(&["storageClass=missing"]).await;
    assert_eq!(failure.reason, Reason::VolumeNotBound, "{failure:?}");
    assert!(failure.message.contains("data-store-db-0"), "{failure:?}");
    assert!(failure.message.contains("\"missing\" not found"), "{failure:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
}

#[tokio::test]
async fn unsatisfiable_node_selector_is_the_cause() {
    let (failure, took) = failed(&["node=nowhere"]).await;
    assert_eq!(failure.reason, Reason::Unschedulable, "{failure:?}");
    // The database comes first once the scheduler has looked at its volume.
    let told = failure.details.iter().chain([&failure.message]).any(|text| text.contains("store-db-0"));
    assert!(told, "{failure:?}");
    assert!(took < Duration::from_mins(1), "{took:?}");
}

#[tokio::test]
async fn concurrent_rollouts_share_connections_and_become_ready() {
    let (cluster, chart) = (cluster(), chart());
    let helm = env("STOREPLANE_TEST_HELM3");
    let mut specs = Vec::new();
    for _ in 0..20 {
        specs.push(namespace(&cluster).await);
    }
    let rollouts = specs.iter().map(|spec| settle_with_install(&helm, chart.path(), &cluster, spec));
    let outcomes = futures::StreamExt::collect::<Vec<_>>(futures::StreamExt::buffer_unordered(
        futures::stream::iter(rollouts),
        20,
    ))
    .await;
    assert!(outcomes.iter().all(|last| *last == RolloutUpdate::Ready), "{outcomes:?}");
    for spec in &specs {
        remove(&cluster, spec).await;
    }
}

async fn settle_with_install(
    helm: &str,
    chart: &std::path::Path,
    cluster: &Cluster,
    spec: &storeplane_server::kube::NamespaceSpec,
) -> RolloutUpdate {
    // The watch begins before any object exists: it must not report ready.
    let (settled, ()) = tokio::join!(settle(cluster, &spec.name, &spec.name), install(helm, spec, chart, &[]));
    settled.0
}
