//! The dashboard on the server's own port: the embedded one, or build instructions.

use storeplane_server::http::dashboard;

use crate::grpc_raw::{Answer, edge, http};
use crate::harness::Lab;

async fn get(lab: &Lab, path: &str, headers: &[(&str, &str)]) -> Answer {
    http(lab.server.address(), &format!("GET {path}"), headers, b"").await
}

/// Addresses of scripts and styles in a page.
fn assets(html: &str) -> Vec<String> {
    let pieces = html.split('"').filter(|piece| piece.starts_with("/assets/"));
    pieces.map(str::to_owned).collect()
}

#[tokio::test]
async fn port_serves_dashboard_or_build_instructions() {
    let lab = edge().await;

    let html = ("accept", "text/html,*/*;q=0.8");
    let root = get(&lab, "/", &[html]).await;

    let text = String::from_utf8(root.body.clone()).unwrap();
    assert_eq!((root.status, root.header("cache-control")), (200, "no-cache"));
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(root.header(name), value, "{root:?}");
    }
    let policy = root.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    if !dashboard::is_built_in() {
        assert!(text.contains("dev/web build"), "{text}");
        assert_eq!(get(&lab, "/stores/tea", &[html]).await.status, 404);
        return;
    }
    assert_eq!(root.header("content-type"), "text/html; charset=utf-8");
    let deep = get(&lab, "/stores/tea?tab=events", &[html]).await;
    assert_eq!((deep.status, deep.header("content-type")), (200, "text/html; charset=utf-8"));
    let found = assets(&text);
    assert!(!found.is_empty(), "{text}");
    for asset in found {
        let plain = get(&lab, &asset, &[]).await;
        assert_eq!((plain.status, plain.header("cache-control")), (200, "public, max-age=31536000, immutable"));
        assert!(!plain.header("etag").is_empty());
        let small = get(&lab, &asset, &[("accept-encoding", "gzip, deflate, br")]).await;
        assert_eq!(small.header("content-encoding"), "br", "{asset}");
        assert!(small.body.len() < plain.body.len(), "{asset}");
        let known = get(&lab, &asset, &[("if-none-match", plain.header("etag"))]).await;
        assert_eq!((known.status, known.body.len()), (304, 0));
    }
}

#[tokio::test]
async fn head_matches_get() {
    let lab = edge().await;
    for path in ["/", "/assets/none.js", "/healthz"] {
        let got = get(&lab, path, &[]).await;
        let head = http(lab.server.address(), &format!("HEAD {path}"), &[], b"").await;
        assert_eq!((head.status, head.body.len()), (got.status, 0), "{path}");
        for name in ["content-type", "content-length", "cache-control"] {
            assert_eq!(head.header(name), got.header(name), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let lab = edge().await;
    for path in ["/assets/none.js", "/robots.txt", "/nonsense.v1.Service/Method", "/wp-login.php", "/../etc/passwd"] {
        assert_eq!(get(&lab, path, &[]).await.status, 404, "{path}");
    }
}
