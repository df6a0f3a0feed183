//! From a gRPC response to a Connect response.

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use prost_reflect::DynamicMessage;
use tonic::{Code, Status};

use super::{Call, Codec, error, gzip};
use crate::grpc::status;

/// Bytes before the message in a gRPC frame: the compression flag and the length.
const FRAME_HEADER: usize = 5;
/// Flag of the last envelope of a Connect stream.
const END_STREAM: u8 = 2;

impl Call {
    /// Converts a response to Connect.
    pub(super) async fn connect_response(self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let mut headers = metadata(&parts.headers, "");
        let status = Status::from_header_map(&parts.headers);
        let answered = match status.filter(|status| status.code() != Code::Ok) {
            Some(status) => Err(status),
            None => self.message(body, &mut headers).await,
        };
        let (code, kind, body) = match answered {
            Ok(body) => (StatusCode::OK, self.kind(), body),
            Err(status) if self.streams() => {
                (StatusCode::OK, self.kind(), end_stream(&error::body(&status, &self.details)))
            }
            Err(status) => {
                let body = error::body(&status, &self.details).to_string().into();
                (error::wire(status.code()).1, "application/json", body)
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        let packed = gzip::compress(&body).filter(|_| self.takes_gzip && !self.streams());
        headers.extend(packed.as_ref().map(|_| (CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
        (code, headers, packed.unwrap_or(body)).into_response()
    }

    fn kind(&self) -> &'static str {
        match self.codec {
            Codec::Json => "application/json",
            Codec::Proto => "application/proto",
            Codec::Stream(kind) => kind,
        }
    }

    fn streams(&self) -> bool {
        matches!(self.codec, Codec::Stream(_))
    }

    /// The message in the caller's encoding. Trailing metadata goes to `headers`.
    async fn message(&self, body: Body, headers: &mut HeaderMap) -> Result<Bytes, Status> {
        let body = body.collect().await.map_err(|error| {
            tracing::warn!(%error, "an answer ended too early");
            status::internal()
        })?;
        if let Some(trailers) = body.trailers() {
            headers.extend(metadata(trailers, "trailer-"));
            match Status::from_header_map(trailers) {
                Some(status) if status.code() != Code::Ok => return Err(status),
                _ => {}
            }
        }
        let mut frame = body.to_bytes();
        let message = if frame.len() < FRAME_HEADER { Bytes::new() } else { frame.split_off(FRAME_HEADER) };
        match (&self.method, self.codec) {
            (Some(method), Codec::Json) => to_json(DynamicMessage::decode(method.output(), message)),
            _ => Ok(message),
        }
    }
}

fn to_json(message: Result<DynamicMessage, prost::DecodeError>) -> Result<Bytes, Status> {
    let json = message.map_err(|error| error.to_string());
    let json = json.and_then(|message| serde_json::to_vec(&message).map_err(|error| error.to_string()));
    json.map(Bytes::from).map_err(|error| {
        tracing::error!(error, "an answer cannot be written as JSON");
        status::internal()
    })
}

/// A handler's metadata without gRPC's and HTTP's own headers.
fn metadata(headers: &HeaderMap, prefix: &str) -> HeaderMap {
    let own = |name: &HeaderName| {
        [CONTENT_TYPE, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING].contains(name) || name.as_str().starts_with("grpc-")
    };
    let named = |name: &HeaderName| HeaderName::from_bytes(format!("{prefix}{name}").as_bytes()).ok();
    let kept = headers.iter().filter(|(name, _)| !own(name));
    kept.filter_map(|(name, value)| named(name).map(|name| (name, value.clone()))).collect()
}

/// The only envelope of a failed stream.
fn end_stream(error: &serde_json::Value) -> Bytes {
    let json = serde_json::json!({"error": error}).to_string();
    let mut envelope = BytesMut::with_capacity(json.len() + FRAME_HEADER);
    envelope.put_u8(END_STREAM);
    envelope.put_u32(u32::try_from(json.len()).unwrap_or(u32::MAX));
    envelope.put_slice(json.as_bytes());
    envelope.freeze()
}
