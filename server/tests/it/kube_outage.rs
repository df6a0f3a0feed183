//! The API server becomes unavailable and returns; the rollout continues.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::config::Kubeconfig;
use storeplane_core::failure::Reason;
use storeplane_server::kube::{Cluster, ClusterConfig, ClusterErrorKind, RolloutUpdate};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::kube_support::{SETTLES_WITHIN, chart, config, env, impatient, install, kubeconfig, namespace, remove};

/// A connection to the API server that can be cut.
struct Cable {
    on: watch::Sender<bool>,
    kubeconfig: PathBuf,
    _directory: tempfile::TempDir,
    _tasks: TaskTracker,
}

impl Cable {
    async fn plugged() -> Self {
        let mut file = Kubeconfig::read_from(kubeconfig()).expect("the kubeconfig");
        let cluster = file.clusters[0].cluster.as_mut().expect("a cluster");
        let url: http::Uri = cluster.server.clone().expect("an address").parse().expect("a URL");
        let target = url.authority().expect("host and port").to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address");
        cluster.server = Some(format!("https://{here}"));
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = directory.path().join("config");
        std::fs::write(&kubeconfig, serde_json::to_vec(&file).expect("JSON is YAML")).expect("a file");
        let (on, is_on) = watch::channel(true);
        let tasks = TaskTracker::new();
        tasks.spawn(serve(listener, target.into(), is_on, tasks.clone()));
        Self { on, kubeconfig, _directory: directory, _tasks: tasks }
    }

    fn cluster(&self) -> Cluster {
        Cluster::new(ClusterConfig { kubeconfig: Some(self.kubeconfig.clone()), ..config() })
    }
}

/// While it is cut, open connections are closed and new ones fail at once.
async fn serve(listener: TcpListener, target: Arc<str>, on: watch::Receiver<bool>, tasks: TaskTracker) {
    while let Ok((mut inside, _)) = listener.accept().await {
        let (target, mut on) = (Arc::clone(&target), on.clone());
        tasks.spawn(async move {
            if !*on.borrow() {
                return;
            }
            let Ok(mut outside) = TcpStream::connect(&*target).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                _ = on.wait_for(|on| !on) => {}
            }
        });
    }
}

#[tokio::test]
async fn rollout_survives_api_server_outage() {
    let (direct, chart, cable) = (impatient(), chart(), Cable::plugged().await);
    let spec = namespace(&direct).await;
    let cluster = cable.cluster();
    let mut updates = cluster.rollout(&spec.name, &spec.name);
    let first = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time").expect("an update");
    assert!(matches!(first, Ok(RolloutUpdate::Waiting(failure)) if failure.reason == Reason::WorkloadMissing));
    cable.on.send_replace(false);
    let second = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time").expect("an update");
    assert!(matches!(second, Ok(RolloutUpdate::Waiting(failure)) if failure.reason == Reason::ClusterUnreachable));
    install(&env("STOREPLANE_TEST_HELM3"), &spec, chart.path(), &[]).await;
    let silent = tokio::time::timeout(Duration::from_secs(3), updates.next()).await;
    assert!(silent.is_err(), "an outage is said once: {silent:?}");
    cable.on.send_replace(true);
    let all = tokio::time::timeout(SETTLES_WITHIN, updates.collect::<Vec<_>>()).await.expect("in time");
    assert_eq!(all.last(), Some(&Ok(RolloutUpdate::Ready)), "{all:?}");
    remove(&direct, &spec).await;
}

#[tokio::test]
async fn rollout_that_begins_during_outage_reports_it_and_continues() {
    let (direct, cable) = (impatient(), Cable::plugged().await);
    let spec = namespace(&direct).await;
    let cluster = cable.cluster();
    cable.on.send_replace(false);
    let began = std::time::Instant::now();
    while !cluster.circuit().is_open() {
        assert!(began.elapsed() < SETTLES_WITHIN, "the circuit stays closed");
        cluster.check().await.expect_err("no server");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut updates = cluster.rollout(&spec.name, &spec.name);
    let first = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time").expect("an update");
    assert!(matches!(first, Ok(RolloutUpdate::Waiting(failure)) if failure.reason == Reason::ClusterUnreachable));
    assert!(cluster.circuit().is_open());
    cable.on.send_replace(true);
    let second = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time").expect("an update");
    assert!(matches!(second, Ok(RolloutUpdate::Waiting(failure)) if failure.reason == Reason::WorkloadMissing));
    assert!(!cluster.circuit().is_open());
    remove(&direct, &spec).await;
}

#[tokio::test]
async fn short_interruption_is_not_reported() {
    let (direct, chart, cable) = (impatient(), chart(), Cable::plugged().await);
    let spec = namespace(&direct).await;
    let cluster = cable.cluster();
    let updates = cluster.rollout(&spec.name, &spec.name);
    let cuts = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cable.on.send_replace(false);
            cable.on.send_replace(true);
        }
        install(&env("STOREPLANE_TEST_HELM3"), &spec, chart.path(), &[]).await;
    };
    let (all, ()) = tokio::join!(tokio::time::timeout(SETTLES_WITHIN, updates.collect::<Vec<_>>()), cuts);
    let all = all.expect("in time");
    assert_eq!(all.last(), Some(&Ok(RolloutUpdate::Ready)), "{all:?}");
    let outages = all.iter().flatten().filter(
        |update| matches!(update, RolloutUpdate::Waiting(failure) if failure.reason == Reason::ClusterUnreachable),
    );
    assert_eq!(outages.count(), 0);
    remove(&direct, &spec).await;
}

/// Waits until the API server answers: check results are cached for a moment.
async fn until_it_works(cluster: &Cluster) {
    let began = std::time::Instant::now();
    while let Err(error) = cluster.check().await {
        assert!(began.elapsed() < SETTLES_WITHIN, "{error:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn calls_fail_during_outage_and_recover() {
    let cable = Cable::plugged().await;
    let cluster = cable.cluster();
    cable.on.send_replace(false);
    let error = cluster.check().await.expect_err("no server");
    assert_eq!((error.kind(), error.retryable()), (ClusterErrorKind::Unreachable, true));
    assert_eq!(error.failure().reason, Reason::ClusterUnreachable);
    let error = cluster.all_releases().await.expect_err("no server");
    assert_eq!(error.kind(), ClusterErrorKind::Unreachable);
    cable.on.send_replace(true);
    until_it_works(&cluster).await;
}

#[tokio::test]
async fn kubeconfig_created_later_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("later");
    let cluster = Cluster::new(ClusterConfig { kubeconfig: Some(path.clone()), ..config() });
    let error = cluster.check().await.expect_err("no file");
    assert_eq!((error.kind(), error.retryable()), (ClusterErrorKind::Unreachable, true));
    assert!(error.to_string().contains("kubeconfig"), "{error}");
    std::fs::copy(kubeconfig(), &path).expect("a copy");
    until_it_works(&cluster).await;
}
