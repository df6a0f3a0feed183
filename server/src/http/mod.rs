//! HTTP on the same port, around the gRPC services: TLS and connections, CORS, the Connect protocol, its OpenAPI
//! document, sign-in of browsers, the dashboard, and responses to unknown paths.

mod connect;
pub mod connections;
mod cors;
pub mod dashboard;
mod openapi;
mod sign_in;
pub mod tls;
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
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use self::connect::Connect;
use self::dashboard::accepts_encoding;
pub use self::sign_in::{SignIn, SignInLimits};
use self::tls::{CertificateStatus, Tls};
use crate::circuit::{Circuit, CircuitStatus};
use crate::config::Config;
use crate::grpc::status;
use crate::health::{Health, Part, is_serving};

/// What `/readyz` checks.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// The components.
    pub parts: Vec<Part>,
    /// The circuit breakers, which are reported only.
    pub circuits: Vec<Circuit>,
    /// The server's certificate, which is reported only.
    pub tls: Option<Tls>,
    /// Once cancelled, the server is no longer ready.
    pub shutdown: CancellationToken,
}

/// Everything that is served: the gRPC services and the plain paths.
pub fn router(
    services: Router,
    readiness: Readiness,
    sign_in: SignIn,
    config: &Config,
) -> Result<Router, DescriptorError> {
    let api = DescriptorPool::decode(storeplane_proto::FILE_DESCRIPTOR_SET)?;
    let services = services.route_layer(from_fn_with_state(Connect::new(&api)?, connect::serve));
    let plain = probes(readiness).route("/storeplane.v1.binpb", get(descriptors));
    let plain = plain.merge(sign_in::router(sign_in));
    Ok(services.merge(plain).merge(openapi::router(&api)).fallback(other).layer(cors::layer(config)))
}

/// What probes ask for: `/healthz` and `/readyz`.
pub fn probes(readiness: Readiness) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(readiness)
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
    let circuits: Map<String, Value> = readiness.circuits.iter().map(circuit).collect();
    let mut answer = json!({"ready": ok, "why": why, "parts": parts, "circuits": circuits});
    if let (Some(tls), Value::Object(fields)) = (&readiness.tls, &mut answer) {
        fields.insert("tls".into(), certificate(&tls.certificate()));
    }
    let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, axum::Json(answer)).into_response()
}

/// Without its cause: `parts` says what anyone may know.
fn circuit(circuit: &Circuit) -> (String, Value) {
    let CircuitStatus { state, since, .. } = circuit.status();
    (circuit.name().to_owned(), json!({"state": state.as_str(), "seconds": since.as_secs()}))
}

/// The state of the certificate. It never makes the server unready: no other replica would be better off.
fn certificate(status: &CertificateStatus) -> Value {
    let expires = status.expires.format(&Rfc3339).unwrap_or_default();
    let why = status.rejected.then_some("the new certificate cannot be used; the log has the cause");
    json!({"certificate_expires": expires, "why": why})
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
