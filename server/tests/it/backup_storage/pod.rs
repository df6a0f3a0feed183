//! What a pod does: requests to URLs that it was given.

use axum::body::Body;
use http::header::RANGE;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

pub(super) async fn send(method: Method, url: &str, range: Option<&str>, body: Body) -> Answer {
    let mut request = Request::builder().method(method).uri(url);
    if let Some(range) = range {
        request = request.header(RANGE, range);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(body).expect("a request")).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
    Answer { status: head.status, headers: head.headers, body }
}

pub(super) async fn put(url: &str, content: impl Into<Body>) -> StatusCode {
    send(Method::PUT, url, None, content.into()).await.status
}

pub(super) async fn get(url: &str, range: Option<&str>) -> Answer {
    send(Method::GET, url, range, Body::empty()).await
}
