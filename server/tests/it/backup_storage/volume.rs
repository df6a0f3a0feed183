//! What only the listener of a volume does.

use std::time::Duration;

use axum::body::Body;
use futures::stream;
use http::{Method, StatusCode};

use super::fixture::{Fixture, PART};
use super::pod::{put, send};

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn parts_have_a_length_within_the_limit() {
    let fixture = Fixture::volume();
    let (storage, object) = (fixture.storage(), "acme/1/2/database.zst.age".parse().expect("a key"));
    let upload = storage.begin_upload(&object, 1, HOUR).await.expect("begun");
    let url = &upload.urls[0];
    assert_eq!(put(url, vec![0; PART + 1]).await, StatusCode::PAYLOAD_TOO_LARGE);
    let unknown = Body::from_stream(stream::iter([Ok::<_, std::io::Error>("x")]));
    assert_eq!(put(url, unknown).await, StatusCode::LENGTH_REQUIRED);
    assert!(storage.complete_upload(&object, &upload.id).await.is_err(), "nothing was stored");
    assert_eq!(put(url, vec![0; PART]).await, StatusCode::OK);
    assert_eq!(send(Method::POST, url, None, Body::empty()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    storage.complete_upload(&object, &upload.id).await.expect("completed");
    let download = storage.download_url(&object, HOUR).await.expect("signed");
    let head = send(Method::HEAD, &download, None, Body::empty()).await;
    assert_eq!((head.status, head.headers["content-length"].to_str().ok()), (StatusCode::OK, Some("5242880")));
}

#[tokio::test]
async fn nothing_is_served_without_a_signature() {
    let fixture = Fixture::volume();
    let Fixture::Volume { config, .. } = &fixture else { unreachable!("it is a volume") };
    std::fs::write(config.path.join("key.txt"), "hunter2").expect("written");
    for path in ["/", "/key.txt", "/objects/../key.txt", "/objects/%2e%2e/key.txt", "/healthz", "/uploads/a/b/1"] {
        for method in [Method::GET, Method::PUT] {
            let answer = send(method.clone(), &format!("{}{path}", config.url), None, Body::empty()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"), "{method} {path}");
        }
    }
}
