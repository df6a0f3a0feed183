use axum::body::to_bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName};

use super::*;

/// A small dashboard, embedded like the real one.
#[derive(Embed)]
#[folder = "src/http/dashboard/fixture"]
struct Fixture;

/// An empty one.
#[derive(Embed)]
#[folder = "src/http/dashboard/no-such-folder"]
#[allow_missing = true]
struct Nothing;

fn get(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
    answer_from::<Fixture>(&Method::GET, path, &headers)
}

fn header(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.expect("a body").to_vec()).expect("text")
}

#[tokio::test]
async fn every_page_is_the_dashboard_with_a_fresh_nonce() {
    let mut nonces = Vec::new();
    let router = include_str!("../../../../web-client/src/router.tsx");
    let paths = router.split("path: '").skip(1).map(|rest| rest.split('\'').next().expect("a path").replace('$', ""));
    let paths: Vec<_> = paths.chain(["/index.html".to_owned()]).collect();
    assert!(paths.len() > 6, "{paths:?}");
    for path in &paths {
        let response = get(path, &[(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")]);
        assert_eq!((response.status(), header(&response, CACHE_CONTROL)), (StatusCode::OK, "no-cache"), "{path}");
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        let policy = header(&response, CONTENT_SECURITY_POLICY).to_owned();
        let nonce = policy.split_once("'nonce-").expect("a nonce").1.split_once('\'').expect("its end").0.to_owned();
        let html = text(response).await;
        assert!(html.contains(&format!("nonce=\"{nonce}\"")) && !html.contains(NONCE), "{html}");
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        nonces.push(nonce);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), paths.len());
}

#[test]
fn only_dashboard_routes_are_pages_and_only_for_browsers() {
    for path in ["/livez", "/metrics", "/version", "/readyz/", "/v1/stores", "/storesx", "/stores/", "/create/x", "//"]
    {
        assert_eq!(get(path, &[(ACCEPT, "text/html")]).status(), StatusCode::NOT_FOUND, "{path}");
    }
    for accepted in ["*/*", "application/json", ""] {
        assert_eq!(get("/stores", &[(ACCEPT, accepted)]).status(), StatusCode::NOT_FOUND, "{accepted}");
    }
}

#[tokio::test]
async fn browser_on_unknown_path_gets_not_found_page() {
    let page = get("/nowhere", &[(ACCEPT, "text/html,*/*")]);
    assert_eq!((page.status(), header(&page, CONTENT_TYPE)), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"));
    assert_eq!(header(&get("/nowhere", &[]), CONTENT_TYPE), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn assets_are_immutable_and_sent_in_smallest_accepted_encoding() {
    let path = "/assets/main-1a2b3c4d.js";
    for (accepted, encoding, body) in [
        ("gzip, deflate, br", "br", "as brotli"),
        ("gzip;q=0.8, br;q=0", "gzip", "as gzip"),
        ("GZIP", "gzip", "as gzip"),
        ("identity", "", "console.log(1)"),
        ("", "", "console.log(1)"),
    ] {
        let response = get(path, &[(ACCEPT_ENCODING, accepted)]);
        assert_eq!(header(&response, CONTENT_ENCODING), encoding, "{accepted}");
        assert_eq!(header(&response, CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(header(&response, CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(header(&response, VARY), "accept-encoding");
        assert_eq!(text(response).await.trim(), body);
    }
    let style = get("/assets/main-1a2b3c4d.css", &[(ACCEPT_ENCODING, "br")]);
    assert_eq!(header(&style, CONTENT_ENCODING), "", "there is no other form of it");
    assert_eq!(header(&style, CONTENT_TYPE), "text/css; charset=utf-8");
}

#[tokio::test]
async fn matching_etag_gives_not_modified() {
    let path = "/favicon.svg";
    let first = get(path, &[]);
    assert_eq!(header(&first, CACHE_CONTROL), "no-cache");
    let etag = header(&first, ETAG).to_owned();
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let again = get(path, &[(IF_NONE_MATCH, &known)]);
        assert_eq!((again.status(), header(&again, ETAG)), (StatusCode::NOT_MODIFIED, etag.as_str()));
        assert_eq!(text(again).await, "");
    }
    assert_eq!(get(path, &[(IF_NONE_MATCH, "\"other\"")]).status(), StatusCode::OK);
    let script = |accepted| header(&get("/assets/main-1a2b3c4d.js", &[(ACCEPT_ENCODING, accepted)]), ETAG).to_owned();
    assert_ne!(script("br"), script("gzip"), "each form has its own tag");
}

#[test]
fn missing_asset_is_not_found() {
    for path in [
        "/assets/none.js",
        "/assets/",
        "/assets/stores",
        "/robots.txt",
        "/../Cargo.toml",
        "/assets/../index.html",
        "/.git/config",
    ] {
        let response = get(path, &[]);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, HeaderName::from_static("x-content-type-options")), "nosniff");
    }
    assert_eq!(answer_from::<Fixture>(&Method::POST, "/", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn server_without_dashboard_explains_how_to_build_it() {
    let root = answer_from::<Nothing>(&Method::GET, "/", &HeaderMap::new());
    assert_eq!(root.status(), StatusCode::OK);
    assert!(text(root).await.contains("`dev/web build`"));
    assert_eq!(answer_from::<Nothing>(&Method::GET, "/stores", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
}
