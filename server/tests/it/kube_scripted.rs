//! What a healthy API server does not do on request: errors, lost history, refusals, and a container's last log lines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use storeplane_core::failure::Reason;
use storeplane_server::kube::{Cluster, ClusterConfig, ClusterErrorKind, RolloutUpdate};
use storeplane_server::obstacle::ObstacleLimits;
use tokio_util::task::TaskTracker;

use crate::kube_support::SETTLES_WITHIN;

/// The API server's behaviour.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Each listing fails with 500 first, then with 429, and then succeeds.
    Stumbles,
    /// All is ready, and one listing is answered after the others.
    IsReady,
    /// The first watch of Deployments reports that its history is gone; the next listing shows that all is ready.
    ForgetsHistory,
    /// All listings are forbidden.
    Refuses,
    /// Listings are never answered.
    Hangs,
    /// The database exits repeatedly, and logs the password.
    Crashes,
}

struct Server {
    scenario: Scenario,
    asked: Mutex<HashMap<String, u32>>,
}

impl Server {
    fn count(&self, key: String) -> u32 {
        let mut all = self.asked.lock().expect("no panic");
        let count = all.entry(key).or_default();
        *count += 1;
        *count
    }
}

async fn serve(scenario: Scenario) -> (Cluster, Arc<Server>, tempfile::TempDir) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = Arc::new(Server { scenario, asked: Mutex::default() });
    let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&server));
    TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config");
    let file = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
    std::fs::write(&path, file.to_string()).expect("a file");
    let limits = ObstacleLimits { forbidden: Duration::from_secs(1), ..ObstacleLimits::default() };
    let request_timeout = Duration::from_secs(1);
    let config = ClusterConfig { kubeconfig: Some(path), limits, request_timeout, ..ClusterConfig::new("it") };
    (Cluster::new(config), server, directory)
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let kind = path.rsplit('/').next().unwrap_or_default().to_owned();
    if kind == "version" {
        return axum_json(
            &json!({"major": "1", "minor": "36", "gitVersion": "v1.36.1", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        );
    }
    if kind == "log" {
        return "starting\nDB_PASSWORD=hunter2\ncannot log in with c0rrect-horse\n".into_response();
    }
    let watching = query.contains("watch=true");
    let key = format!("{kind}{watching}");
    let asked = server.count(key);
    match (server.scenario, kind.as_str()) {
        (_, "nodes") => list(&[]),
        // The health probe.
        (_, "default") => axum_json(&json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "default"}})),
        (Scenario::Hangs, _) => std::future::pending().await,
        (Scenario::Refuses, _) => refusal(403, "Forbidden"),
        (Scenario::Stumbles, _) if asked == 1 => refusal(500, "InternalError"),
        (Scenario::Stumbles, _) if asked == 2 => refusal(429, "TooManyRequests"),
        (Scenario::IsReady, "statefulsets") if !watching => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            list(&[])
        }
        (Scenario::ForgetsHistory, "deployments") if watching && asked == 1 => {
            format!("{}\n", json!({"type": "ERROR", "object": status(410, "Expired")})).into_response()
        }
        (Scenario::ForgetsHistory, "deployments") if !watching && asked == 1 => list(&[deployment(0)]),
        (Scenario::Crashes, "pods") if watching && asked == 1 => {
            format!("{}\n", json!({"type": "MODIFIED", "object": crashing_pod(4)})).into_response()
        }
        (_, _) if watching => std::future::pending().await,
        (Scenario::Crashes, "statefulsets") => list(&[stateful_set()]),
        (Scenario::Crashes, "pods") => list(&[crashing_pod(3)]),
        (Scenario::Crashes, "secrets") => list(&[json!({"metadata": {"name": "store-db"},
            "data": {"username": "c3RhcnRpbmc=", "password": "YzBycmVjdC1ob3JzZQ=="}})]),
        (_, "deployments") => list(&[deployment(1)]),
        _ => list(&[]),
    }
}

fn axum_json(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

fn list(items: &[Value]) -> Response {
    axum_json(&json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": items}))
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn refusal(code: u16, reason: &str) -> Response {
    (StatusCode::from_u16(code).expect("a code"), axum_json(&status(code, reason))).into_response()
}

fn deployment(available: i32) -> Value {
    json!({"metadata": {"name": "store", "uid": "d", "resourceVersion": "4", "annotations": {"meta.helm.sh/release-name": "shop"}},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": available}})
}

fn stateful_set() -> Value {
    json!({"metadata": {"name": "store-db", "uid": "s", "annotations": {"meta.helm.sh/release-name": "shop"}},
        "spec": {"replicas": 1, "selector": {}, "template": {}, "serviceName": "store-db"}, "status": {"replicas": 1}})
}

fn crashing_pod(restarts: i32) -> Value {
    json!({"metadata": {"name": "store-db-0", "uid": "p", "resourceVersion": "3",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "store-db", "uid": "s", "controller": true}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "db", "image": "db", "imageID": "", "ready": false,
            "restartCount": restarts, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}]}})
}

async fn updates(scenario: Scenario) -> Vec<Result<RolloutUpdate, storeplane_server::kube::ClusterError>> {
    updates_and_requests(scenario).await.0
}

/// Also the kinds that were requested, each followed by whether it was watched.
async fn updates_and_requests(
    scenario: Scenario,
) -> (Vec<Result<RolloutUpdate, storeplane_server::kube::ClusterError>>, Vec<String>) {
    let (cluster, server, _directory) = serve(scenario).await;
    let all = cluster.rollout("store-shop", "shop").collect::<Vec<_>>();
    let all = tokio::time::timeout(SETTLES_WITHIN, all).await.expect("in time");
    let requests = server.asked.lock().expect("no panic").keys().cloned().collect();
    (all, requests)
}

#[tokio::test]
async fn server_errors_and_timeouts_are_retried() {
    let all = updates(Scenario::Stumbles).await;
    assert_eq!(all.last(), Some(&Ok(RolloutUpdate::Ready)), "{all:?}");
}

#[tokio::test]
async fn ready_release_is_listed_and_not_watched() {
    let (all, requests) = updates_and_requests(Scenario::IsReady).await;
    assert_eq!(all.last(), Some(&Ok(RolloutUpdate::Ready)), "{all:?}");
    assert!(requests.contains(&"deploymentsfalse".to_owned()), "{requests:?}");
    assert!(!requests.iter().any(|request| request.ends_with("true")), "{requests:?}");
}

#[tokio::test]
async fn expired_watch_is_listed_again() {
    let all = updates(Scenario::ForgetsHistory).await;
    assert_eq!(all.last(), Some(&Ok(RolloutUpdate::Ready)), "{all:?}");
    assert!(!all.iter().flatten().any(|update| matches!(update, RolloutUpdate::Waiting(_))), "{all:?}");
}

#[tokio::test]
async fn lasting_forbidden_ends_the_watch() {
    let all = updates(Scenario::Refuses).await;
    let Some(Err(error)) = all.last() else { panic!("{all:?}") };
    assert_eq!((error.kind(), error.failure().reason), (ClusterErrorKind::Forbidden, Reason::ClusterForbidden));
}

#[tokio::test]
async fn unresponsive_api_server_is_an_outage() {
    let (cluster, _server, _directory) = serve(Scenario::Hangs).await;
    let first = tokio::time::timeout(SETTLES_WITHIN, cluster.rollout("store-shop", "shop").next()).await;
    let first = first.expect("in time").expect("an update");
    assert!(matches!(first, Ok(RolloutUpdate::Waiting(failure)) if failure.reason == Reason::ClusterUnreachable));
    let error = cluster.all_namespaces().await.expect_err("no answer");
    assert_eq!(error.kind(), ClusterErrorKind::Unreachable);
    assert!(error.to_string().contains("no answer"), "{error}");
}

#[tokio::test]
async fn crash_is_reported_with_last_log_lines_and_without_password() {
    let all = updates(Scenario::Crashes).await;
    let Some(Ok(RolloutUpdate::Failed(failure))) = all.last() else { panic!("{all:?}") };
    assert_eq!(failure.reason, Reason::CrashLoop);
    let details = failure.details.join("\n");
    assert!(details.ends_with("starting\nDB_PASSWORD=***\ncannot log in with ***"), "{details}");
    assert!(!format!("{all:?}").contains("hunter2") && !format!("{all:?}").contains("c0rrect-horse"));
}
