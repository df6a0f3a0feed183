//! HTTP on the same port, around the gRPC services: CORS, the Connect protocol, its OpenAPI document, the
//! dashboard, and responses to unknown paths.

mod connect;
pub mod connections;
mod cors;
pub mod dashboard;
mod openapi;
mod unread;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prost_reflect::{DescriptorError, DescriptorPool};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use self::connect::Connect;
use self::dashboard::accepts_encoding;
use crate::config::Config;
use crate::grpc::status;
use crate::health::{Health, Part, is_serving};

/// What `/readyz` checks.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// The components.
    pub parts: Vec<Part>,
    /// Once cancelled, the server is no longer ready.
    pub shutdown: CancellationToken,
}

/// Everything that is served: the gRPC services and the plain paths.
pub fn router(services: Router, readiness: Readiness, config: &Config) -> Result<Router, DescriptorError> {
    let api = DescriptorPool::decode(storeplane_proto::FILE_DESCRIPTOR_SET)?;
    let services = services.route_layer(from_fn_with_state(Connect::new(&api)?, connect::serve));
    let plain = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/storeplane.v1.binpb", get(descriptors))
        .with_state(readiness);
    Ok(services.merge(plain).merge(openapi::router(&api)).fallback(other).layer(cors::layer(config)))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let parts: Map<String, Value> = readiness
        .parts
        .iter()
        .map(|part| {
            let health = match &*part.state.borrow() {
                Health::Usable => json!({"ok": true}),
                Health::Away(why) => json!({"ok": false, "why": why}),
            };
            (part.name.to_owned(), health)
        })
        .collect();
    let stopping = readiness.shutdown.is_cancelled();
    let ok = is_serving(&readiness.parts) && !stopping;
    let why = stopping.then_some("the server stops");
    let answer = json!({"ready": ok, "why": why, "parts": parts});
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, axum::Json(answer)).into_response()
}

/// For gRPC and grpc-web an unknown path is an unknown method, otherwise it may be a page or a file of the dashboard.
async fn other(request: Request) -> Response {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/grpc") {
        return dashboard::answer(request.method(), request.uri().path(), request.headers());
    }
    let web = kind.starts_with("application/grpc-web");
    let mut response = status::unknown_method().into_http::<tonic::body::Body>().map(Body::new);
    if web {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web+proto"));
    }
    response
}

/// The API as a `FileDescriptorSet`, for client generators and for `grpcurl -protoset`.
async fn descriptors() -> Response {
    ([(CONTENT_TYPE, "application/x-protobuf")], storeplane_proto::FILE_DESCRIPTOR_SET).into_response()
}
