//! A proxy in front of the API server that sees and counts each request about a namespace, and can answer in its place: before
//! it is executed, after it was, or not for a while. Its clients need no credentials.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Proxy;

/// The requests of a namespace so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// All of them.
    pub(crate) requests: usize,
    /// Those that change something.
    pub(crate) writes: usize,
}

/// Which request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The n-th from now on.
    Request(usize),
    /// The n-th that changes something.
    Write(usize),
    /// The one after the first that changes something.
    AfterWrite,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intervention {
    /// It is executed, and its response is held until it is released.
    Hold,
    /// It and the next one get this response without being executed.
    Refuse(u16),
    /// It is executed, but gets this response.
    Deny(u16),
}

/// A prepared intervention.
#[derive(Clone)]
pub(crate) struct Set {
    applied: watch::Receiver<bool>,
    go: watch::Sender<bool>,
}

struct Armed {
    which: Which,
    intervention: Intervention,
    seen: Seen,
    left: usize,
    applied: watch::Sender<bool>,
    go: watch::Receiver<bool>,
}

/// An intervention for one request.
struct Due {
    intervention: Intervention,
    applied: watch::Sender<bool>,
    go: watch::Receiver<bool>,
}

#[derive(Default)]
struct Book {
    seen: HashMap<String, Seen>,
    armed: HashMap<String, Armed>,
}

type Upstream = Client<HttpsConnector<HttpConnector>, Body>;

#[derive(Clone)]
struct Shared {
    book: Arc<Mutex<Book>>,
    upstream: Upstream,
    authority: String,
    /// The account's token, for clients without credentials.
    authorization: HeaderValue,
}

pub(crate) struct Gate {
    /// The kubeconfig that uses the proxy.
    pub(crate) kubeconfig: PathBuf,
    /// In front of the proxy: the API server is unreachable while it is cut.
    pub(crate) wire: Proxy,
    book: Arc<Mutex<Book>>,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Gate {
    pub(crate) async fn before(kubeconfig: &Path) -> Self {
        let config = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("valid");
        let tls = config.rustls_client_config().expect("credentials");
        // HTTP/1.1: each watch has a connection, so that many stores do not wait for streams.
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let authority = config.cluster_url.authority().expect("an address").to_string();
        let book = Arc::<Mutex<Book>>::default();
        let upstream = Client::builder(TokioExecutor::new()).build(connector);
        let token = config.auth_info.token.as_ref().expect("an account with a token");
        let authorization = format!("Bearer {}", token.expose_secret()).parse().expect("a header");
        let shared = Shared { book: Arc::clone(&book), upstream, authority, authorization };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let wire = Proxy::to(listener.local_addr().expect("an address").to_string()).await;
        let router = axum::Router::new().fallback(pass).with_state(shared);
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kubeconfig");
        let file = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", wire.address)}}],
            "users": [{"name": "c", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
        std::fs::write(&path, file.to_string()).expect("a file");
        Self { kubeconfig: path, wire, book, task, _dir: dir }
    }

    /// The requests about a namespace since the last call.
    pub(crate) fn take_seen(&self, namespace: &str) -> Seen {
        self.book.lock().expect("no panic").seen.remove(namespace).unwrap_or_default()
    }

    /// Prepares an intervention for one request about a namespace.
    pub(crate) fn set(&self, namespace: &str, which: Which, intervention: Intervention) -> Set {
        let (applied, heard) = watch::channel(false);
        let (go, let_go) = watch::channel(false);
        let left = if matches!(intervention, Intervention::Refuse(_)) { 2 } else { 1 };
        let armed = Armed { which, intervention, seen: Seen::default(), left, applied, go: let_go };
        self.book.lock().expect("no panic").armed.insert(namespace.to_owned(), armed);
        Set { applied: heard, go }
    }

    /// Drops an intervention that has not happened yet.
    pub(crate) fn clear(&self, namespace: &str) {
        self.book.lock().expect("no panic").armed.remove(namespace);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Set {
    pub(crate) fn has_struck(&self) -> bool {
        *self.applied.borrow()
    }

    /// Waits until it happened, for at most `within`.
    pub(crate) async fn applied(&mut self, within: Duration) -> bool {
        let _ = tokio::time::timeout(within, self.applied.wait_for(|applied| *applied)).await;
        self.has_struck()
    }

    /// Releases a held response.
    pub(crate) fn release(&self) {
        self.go.send_replace(true);
    }
}

async fn pass(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    // A task of its own: a received request is executed even if its client is killed.
    tokio::spawn(answer(shared, parts, body)).await.expect("no panic")
}

async fn answer(shared: Shared, parts: http::request::Parts, body: Bytes) -> Response {
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    let intervention = namespace(parts.uri.path(), &body).and_then(|namespace| intervene(&shared, &namespace, changes));
    if let Some(Due { intervention: Intervention::Refuse(code), applied, .. }) = &intervention {
        applied.send_replace(true);
        return refusal(*code);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut onward = http::Request::builder()
        .method(parts.method)
        .uri(format!("https://{}{path}", shared.authority))
        .body(Body::from(body))
        .expect("a request");
    for (name, value) in &parts.headers {
        if ![header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(name) {
            onward.headers_mut().append(name, value.clone());
        }
    }
    onward.headers_mut().insert(header::AUTHORIZATION, shared.authorization.clone());
    let answer = shared.upstream.request(onward).await;
    if let Some(Due { intervention, applied, mut go }) = intervention {
        // Not before it was executed: the test goes on from here.
        applied.send_replace(true);
        match intervention {
            Intervention::Hold => drop(go.wait_for(|go| *go).await),
            Intervention::Deny(code) | Intervention::Refuse(code) => return refusal(code),
        }
    }
    answer.map_or_else(|_| refusal(503), |answer| answer.map(Body::new))
}

/// Counts a request, and returns its intervention.
fn intervene(shared: &Shared, namespace: &str, changes: bool) -> Option<Due> {
    let mut book = shared.book.lock().expect("no panic");
    let count = |seen: &mut Seen| {
        seen.requests += 1;
        seen.writes += usize::from(changes);
    };
    count(book.seen.entry(namespace.to_owned()).or_default());
    let armed = book.armed.get_mut(namespace)?;
    let written = armed.seen.writes > 0;
    count(&mut armed.seen);
    let due = match armed.which {
        Which::Request(n) => armed.seen.requests >= n,
        Which::Write(n) => changes && armed.seen.writes >= n,
        Which::AfterWrite => written,
    };
    if !due {
        return None;
    }
    armed.left -= 1;
    let due_now = Due { intervention: armed.intervention, applied: armed.applied.clone(), go: armed.go.clone() };
    if armed.left == 0 {
        book.armed.remove(namespace);
    }
    Some(due_now)
}

/// The namespace that a request is about.
fn namespace(path: &str, body: &Bytes) -> Option<String> {
    if let Some((_, rest)) = path.split_once("/namespaces/") {
        return rest.split('/').next().map(str::to_owned);
    }
    let made: Value = serde_json::from_slice(body).ok()?;
    (path.ends_with("/namespaces")).then(|| made["metadata"]["name"].as_str().map(str::to_owned))?
}

fn refusal(code: u16) -> Response {
    let (reason, message) = match code {
        409 => (
            "Conflict",
            "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again",
        ),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        500 => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
        _ => ("ServiceUnavailable", "the server is currently unable to handle the request"),
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    let code = StatusCode::from_u16(code).expect("a code");
    let mut answer = (code, [(header::CONTENT_TYPE, "application/json")], status.to_string()).into_response();
    if code == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
