//! A proxy for the API server that counts requests and can answer in its place.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use kube::client::Body;
use serde_json::json;

use storeplane_server::kube::Cluster;

use super::Account;

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) kubeconfig: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    status: Arc<AtomicU16>,
    forbidden: Arc<Mutex<Option<&'static str>>>,
    log: Arc<Mutex<Option<String>>>,
    client: kube::Client,
    _directory: Arc<tempfile::TempDir>,
}

impl Gateway {
    /// In front of the tests' API server, for the usual instance.
    pub(crate) async fn open() -> Self {
        Self::open_for(&Account::usual()).await
    }

    /// It passes requests on with the account's credentials.
    pub(crate) async fn open_for(account: &Account) -> Self {
        let client = Cluster::new(account.config()).client().await.expect("a client");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = directory.path().join("config");
        let file = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
        std::fs::write(&kubeconfig, file.to_string()).expect("a file");
        let (asked, status, forbidden, log) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let gateway = Self { kubeconfig, asked, status, forbidden, log, client, _directory: Arc::new(directory) };
        let router = axum::Router::new().fallback(forward).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        gateway
    }

    /// From now on every request gets this status; with 0 the API server's own response. Existing watches
    /// continue.
    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// From now on requests that begin with this (`GET /api/v1/pods?`) are forbidden.
    pub(crate) fn forbid(&self, request: &'static str) {
        *self.forbidden.lock().expect("no panic") = Some(request);
    }

    /// From now on every container has this log: simulated nodes have none.
    pub(crate) fn answer_logs_with(&self, text: impl Into<String>) {
        *self.log.lock().expect("no panic") = Some(text.into());
    }

    /// The requests since the last call, as `GET /api/v1/namespaces?…`.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("no panic"))
    }
}

async fn forward(State(gateway): State<Gateway>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let is_forbidden = gateway.forbidden.lock().expect("no panic").is_some_and(|beginning| line.starts_with(beginning));
    let status = if is_forbidden { 403 } else { gateway.status.load(Ordering::Relaxed) };
    gateway.asked.lock().expect("no panic").push(line);
    let log = gateway.log.lock().expect("no panic").clone();
    if let Some(log) = log.filter(|_| request.uri().path().ends_with("/log")) {
        return log.into_response();
    }
    if let Ok(status) = StatusCode::from_u16(status) {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status.as_u16(),
            "message": "the gateway says no", "reason": ""});
        return (status, axum::Json(body)).into_response();
    }
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    for hop in [header::HOST, header::CONNECTION, header::CONTENT_LENGTH] {
        parts.headers.remove(hop);
    }
    match gateway.client.send(http::Request::from_parts(parts, Body::from(body.to_vec()))).await {
        Ok(answer) => {
            let (mut parts, body) = answer.into_parts();
            parts.headers.remove(header::TRANSFER_ENCODING);
            Response::from_parts(parts, axum::body::Body::new(body))
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
