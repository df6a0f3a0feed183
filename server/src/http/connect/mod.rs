//! The Connect protocol for unary calls: `POST /package.Service/Method` with JSON or protobuf as the body, for callers without gRPC.
//!
//! A request is rewritten into a gRPC request and passed to the same services, so that authentication, limits, log, audit
//! log and errors are those of gRPC. An invalid body is reported through the body: the service reads it as a status.
//!
//! - This file: what counts as a Connect call. [`request`]: Connect to gRPC. [`response`]: gRPC to Connect.
//! - [`error`]: codes and error bodies. [`gzip`]: compressed bodies.
//!
//! Streaming methods are answered with `unimplemented`: gRPC and grpc-web serve them.

mod error;
mod gzip;
mod request;
mod response;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
pub(super) use error::wire;
use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};

/// The callable methods, and the messages that errors contain.
#[derive(Debug, Clone)]
pub(super) struct Connect {
    /// By path.
    methods: Arc<HashMap<String, MethodDescriptor>>,
    details: DescriptorPool,
}

impl Connect {
    /// For the methods of these descriptors.
    pub(super) fn new(api: &DescriptorPool) -> Result<Self, DescriptorError> {
        let details = DescriptorPool::decode(tonic_types::pb::FILE_DESCRIPTOR_SET)?;
        let methods = api.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods = methods.map(|method| (path(&method), method)).collect();
        Ok(Self { methods: Arc::new(methods), details })
    }
}

/// The path prefix of methods.
pub(super) fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Serves a Connect call through the gRPC services, and passes every other request on unchanged.
pub(super) async fn serve(State(connect): State<Connect>, request: Request, next: Next) -> Response {
    let Some(call) = Call::of(&connect, &request) else { return next.run(request).await };
    let response = next.run(call.grpc_request(request)).await;
    call.connect_response(response).await
}

/// The encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Json,
    Proto,
    /// The stream encoding of Connect, which is not supported, by content type.
    Stream(&'static str),
}

impl Codec {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" => Some(Self::Json),
            "application/proto" => Some(Self::Proto),
            "application/connect+json" => Some(Self::Stream("application/connect+json")),
            "application/connect+proto" => Some(Self::Stream("application/connect+proto")),
            _ => None,
        }
    }
}

/// One Connect call.
#[derive(Debug)]
struct Call {
    /// `None` if the method does not exist: the service reports that.
    method: Option<MethodDescriptor>,
    codec: Codec,
    takes_gzip: bool,
    details: DescriptorPool,
}

impl Call {
    fn of(connect: &Connect, request: &Request) -> Option<Self> {
        let codec = Codec::of(request.headers()).filter(|_| *request.method() == Method::POST)?;
        let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok());
        Some(Self {
            method: connect.methods.get(request.uri().path()).cloned(),
            codec,
            takes_gzip: accepted.is_some_and(|accepted| super::accepts_encoding(accepted, "gzip")),
            details: connect.details.clone(),
        })
    }
}
