//! An OCI registry for pulls: the part of the distribution API that `helm pull` uses, over plain HTTP, with a login.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

const USER: &str = "reader:a password of tests only";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What is stored, by tag or digest: its media type and its bytes.
type Content = HashMap<String, (&'static str, Vec<u8>)>;

/// A registry with one chart.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Registry {
    /// Serves this package in the repository `charts/NAME`.
    pub(crate) async fn serve(version: &str, package: Vec<u8>) -> Self {
        let config = json!({"name": "sample", "version": version, "apiVersion": "v2"}).to_string().into_bytes();
        let describe =
            |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": describe(CONFIG, &config),
            "layers": [describe(CHART, &package)],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut content = Content::new();
        content.insert(version.to_owned(), (MANIFEST, manifest.clone()));
        for (kind, bytes) in [(MANIFEST, manifest), (CONFIG, config), (CHART, package)] {
            content.insert(sha256(&bytes), (kind, bytes));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .route("/v2/", get(|headers: HeaderMap| async move { refusal(&headers).unwrap_or_default() }))
            .route("/v2/charts/{name}/{kind}/{reference}", get(answer))
            .with_state(Arc::new(content));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("a registry") });
        Self { address, task }
    }

    /// Writes a file with the login, as `helm registry login` does.
    pub(crate) fn write_login(&self, file: &Path) {
        let login = json!({"auths": {self.address.to_string(): {"auth": STANDARD.encode(USER)}}});
        std::fs::write(file, login.to_string()).expect("a file");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let expected = format!("Basic {}", STANDARD.encode(USER));
    if headers.get(header::AUTHORIZATION).is_some_and(|value| *value == *expected) {
        return None;
    }
    Some((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"test\"")]).into_response())
}

async fn answer(
    State(content): State<Arc<Content>>,
    UrlPath((_, _, reference)): UrlPath<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    match content.get(&reference) {
        Some((kind, bytes)) => {
            let digest = header::HeaderName::from_static("docker-content-digest");
            ([(header::CONTENT_TYPE, (*kind).to_owned()), (digest, sha256(bytes))], bytes.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `sha256:` and the digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}
