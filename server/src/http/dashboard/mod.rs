//! The dashboard: the files of `web-client/dist`, embedded at compile time.
//!
//! - `/assets/…` have a hash in their names and are immutable; other files (a `.` in the path) are revalidated.
//! - Paths of [`PAGES`] are pages of the dashboard: browsers (`accept: text/html`) get `index.html`.
//! - Any other path is 404, so that a mistyped probe or script fails; a browser gets the dashboard's own
//!   "Page not found" with that status.
//! - `FILE.br` and `FILE.gz`, created by the dashboard's build, are the compressed forms of `FILE`.

mod headers;

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};
use storeplane_core::ports::Ids;

pub(super) use self::headers::accepts as accepts_encoding;
use crate::system::RandomIds;

/// The dashboard's routes, as in `web-client/src/router.tsx`; one that ends with `/` has pages below it.
const PAGES: [&str; 11] = [
    "",
    "stores",
    "stores/",
    "create",
    "backups",
    "rollouts",
    "rollouts/",
    "activity",
    "releases",
    "tenants",
    "tokens",
];
/// Placeholder for a response's nonce in `index.html`.
const NONCE: &str = "__CSP_NONCE__";
/// Random letters and digits of a nonce: 165 bits.
const NONCE_LENGTH: usize = 32;
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// Encodings by preference, smallest first, with the file extension of each.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

const MISSING: &str = "\
This is a storeplane server. The dashboard is not built into it: `dev/web build` builds it (with Node 24), then `cargo build` \
takes it in; `make up` and images/server/Dockerfile do both.

gRPC and grpc-web are served here all the same; `grpcurl -plaintext HOST:PORT list` shows what there is.
";

#[derive(Embed)]
#[folder = "../web-client/dist"]
#[allow_missing = true]
struct Dist;

/// True if the dashboard was built when this server was compiled.
pub fn is_built_in() -> bool {
    index::<Dist>().is_some()
}

/// The server's version and a hash of its dashboard.
pub fn version() -> String {
    let server = env!("CARGO_PKG_VERSION");
    index::<Dist>().map_or_else(|| server.to_owned(), |index| format!("{server}+{:.8}", mark(&index)))
}

/// The response to a request that no other handler serves.
pub(super) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    answer_from::<Dist>(method, path, headers)
}

fn answer_from<F: Embed>(method: &Method, path: &str, headers: &HeaderMap) -> Response {
    let path = path.strip_prefix('/').unwrap_or(path);
    let nonce = RandomIds.random_text(NONCE_LENGTH);
    let no_cache = [(CACHE_CONTROL, ASK_AGAIN)];
    let is_file = path.contains('.') || path.starts_with("assets/");
    let mut response = if !matches!(*method, Method::GET | Method::HEAD) {
        not_found()
    } else if is_file && path != "index.html" {
        file::<F>(path, headers)
    } else if index::<F>().is_none() && path.is_empty() {
        (no_cache, MISSING).into_response()
    } else if takes_html(headers) {
        let status = if is_page(path) { StatusCode::OK } else { StatusCode::NOT_FOUND };
        page::<F>(status, &nonce)
    } else {
        not_found()
    };
    headers::protect(response.headers_mut(), &nonce);
    response
}

fn is_page(path: &str) -> bool {
    let page = |page: &&str| match page.strip_suffix('/') {
        Some(folder) => path.strip_prefix(folder).is_some_and(|below| below.len() > 1 && below.starts_with('/')),
        None => path == *page,
    };
    path == "index.html" || PAGES.iter().any(page)
}

fn takes_html(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accepted| accepted.to_str().ok())
        .is_some_and(|accepted| accepted.contains("text/html"))
}

fn page<F: Embed>(status: StatusCode, nonce: &str) -> Response {
    let Some(index) = index::<F>() else { return not_found() };
    let html = String::from_utf8_lossy(&index.data).replace(NONCE, nonce);
    let headers = [(CACHE_CONTROL, ASK_AGAIN), (VARY, HeaderValue::from_static("accept"))];
    (status, headers, axum::response::Html(html)).into_response()
}

fn file<F: Embed>(path: &str, headers: &HeaderMap) -> Response {
    let Some(plain) = F::get(path) else { return not_found() };
    let (file, encoding) = smallest::<F>(path, headers).unwrap_or((plain, None));
    let etag = format!("\"{}\"", mark(&file));
    let known = is_known(headers, &etag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body(file.data).into_response() };
    let answer = response.headers_mut();
    answer.insert(CACHE_CONTROL, if path.starts_with("assets/") { FOR_EVER } else { ASK_AGAIN });
    answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    answer.extend(HeaderValue::from_str(&etag).ok().map(|etag| (ETAG, etag)));
    if !known {
        answer.insert(CONTENT_TYPE, HeaderValue::from_static(headers::media_type(path)));
        answer.extend(encoding.map(|encoding| (CONTENT_ENCODING, HeaderValue::from_static(encoding))));
    }
    response
}

fn index<F: Embed>() -> Option<EmbeddedFile> {
    F::get("index.html")
}

/// The smallest form of a file that the caller accepts.
fn smallest<F: Embed>(path: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    ENCODINGS.into_iter().find_map(|(encoding, end)| {
        let taken = headers::accepts(accepted, encoding);
        taken.then(|| F::get(&format!("{path}{end}"))).flatten().map(|file| (file, Some(encoding)))
    })
}

/// True if the caller already has this file. Compressing proxies turn our `ETag` into a weak one.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    known.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
}

fn body(data: Cow<'static, [u8]>) -> Body {
    match data {
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    }
}

/// A file's content hash, 32 characters.
fn mark(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    format!("{:032x}", hash.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes)))
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

#[cfg(test)]
mod tests;
