//! From a Connect request to a gRPC request.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, LengthLimitError, Limited, StreamBody};
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use tonic::{Code, Status};

use super::{Call, Codec, gzip};
use crate::grpc::{REQUEST_MAX, status};

const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Maximum number of digits of `grpc-timeout` and `connect-timeout-ms`.
const GRPC_DIGITS: usize = 8;
const CONNECT_DIGITS: usize = 10;

impl Call {
    /// Converts a request to gRPC. An error becomes the status with which its body fails, so that the request is authenticated,
    /// logged and answered like any other.
    pub(super) fn grpc_request(&self, request: Request) -> Request {
        let (mut parts, body) = request.into_parts();
        let (reader, timeout) = match timeout(&parts.headers) {
            Ok(timeout) => (self.reader(&parts.headers), timeout),
            Err(status) => (Err(status), None),
        };
        let headers = &mut parts.headers;
        for name in [ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, PROTOCOL_VERSION, TIMEOUT] {
            headers.remove(name);
        }
        headers.remove(GRPC_TIMEOUT);
        headers.extend(timeout.map(|timeout| (GRPC_TIMEOUT, timeout)));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        parts.version = Version::HTTP_2;
        let frame = async move {
            match reader {
                Ok(reader) => reader.read(body).await.map(Frame::data),
                Err(status) => Err(status),
            }
        };
        Request::from_parts(parts, Body::new(StreamBody::new(stream::once(frame))))
    }

    /// What reads the body, if the method can be called.
    fn reader(&self, headers: &HeaderMap) -> Result<Reader, Status> {
        let version = headers.get(PROTOCOL_VERSION).map(HeaderValue::as_bytes);
        if !matches!(version, None | Some(b"1")) {
            return Err(invalid("connect-protocol-version must be 1".into()));
        }
        let gzip = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(_) => {
                let message = "the content encoding must be gzip or identity".into();
                return Err(status::refused(Code::Unimplemented, "COMPRESSION_NOT_SUPPORTED", message));
            }
        };
        let streams = |method: &&prost_reflect::MethodDescriptor| {
            method.is_client_streaming() || method.is_server_streaming() || matches!(self.codec, Codec::Stream(_))
        };
        if let Some(method) = self.method.as_ref().filter(streams) {
            return Err(no_streams(method));
        }
        let input = self.method.as_ref().map(prost_reflect::MethodDescriptor::input);
        Ok(Reader { json: input.filter(|_| self.codec == Codec::Json), gzip })
    }
}

/// Reads the body of a unary call.
struct Reader {
    /// The message type for JSON; protobuf is passed on unchanged.
    json: Option<MessageDescriptor>,
    gzip: bool,
}

impl Reader {
    /// The message as a gRPC frame.
    async fn read(self, body: Body) -> Result<Bytes, Status> {
        let body = Limited::new(body, REQUEST_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return too_large();
            }
            // It was not complete in time, or its client went away.
            Status::try_from_error(error).unwrap_or_else(|_| invalid("the body ended too early".into()))
        })?;
        let mut body = body.to_bytes();
        if self.gzip {
            let whole = gzip::decompress(&body, REQUEST_MAX).map_err(|_| invalid("the body is not gzip".into()))?;
            body = whole.ok_or_else(too_large)?;
        }
        let Some(descriptor) = self.json else { return frame(&body) };
        frame(&from_json(descriptor, &body)?.encode_to_vec())
    }
}

fn from_json(descriptor: MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, Status> {
    let name = descriptor.name().to_owned();
    let malformed = |error| invalid(format!("the body is not the JSON of a {name}: {error}"));
    let mut json = serde_json::Deserializer::from_slice(body);
    // A misspelt `validate_only` must not create a store.
    let strict = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor, &mut json, &strict).map_err(malformed)?;
    json.end().map_err(malformed)?;
    Ok(message)
}

fn frame(message: &[u8]) -> Result<Bytes, Status> {
    let length = u32::try_from(message.len()).map_err(|_| too_large())?;
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// `connect-timeout-ms` as a `grpc-timeout`.
fn timeout(headers: &HeaderMap) -> Result<Option<HeaderValue>, Status> {
    let Some(text) = headers.get(TIMEOUT) else { return Ok(None) };
    let text = text.to_str().unwrap_or_default();
    let digits = (1..=CONNECT_DIGITS).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    let ms = text.parse::<u64>().ok().filter(|_| digits);
    let ms = ms.ok_or_else(|| {
        let message = format!("connect-timeout-ms must be a number of at most {CONNECT_DIGITS} digits");
        status::refused(Code::InvalidArgument, "TIMEOUT_MALFORMED", message)
    })?;
    let text = if text.len() <= GRPC_DIGITS { format!("{ms}m") } else { format!("{}S", ms / 1000) };
    Ok(HeaderValue::from_str(&text).ok())
}

fn no_streams(method: &prost_reflect::MethodDescriptor) -> Status {
    let message = format!(
        "{} cannot be called by the Connect protocol's streams: methods that stream are served by gRPC and grpc-web, \
         all others by application/json and application/proto as well",
        method.name()
    );
    status::refused(Code::Unimplemented, "STREAMING_NOT_SUPPORTED", message)
}

fn invalid(message: String) -> Status {
    status::refused(Code::InvalidArgument, "MALFORMED_REQUEST", message)
}

fn too_large() -> Status {
    let message = format!("the request is too large: the limit is {REQUEST_MAX} bytes");
    status::refused(Code::ResourceExhausted, "REQUEST_TOO_LARGE", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout_of(text: &'static str) -> Result<Option<String>, Code> {
        let headers = HeaderMap::from_iter([(TIMEOUT, HeaderValue::from_static(text))]);
        let timeout = timeout(&headers).map_err(|status| status.code())?;
        Ok(timeout.map(|value| value.to_str().expect("text").to_owned()))
    }

    #[test]
    fn connect_timeouts_become_grpc_timeouts() {
        assert_eq!(timeout(&HeaderMap::new()).expect("none"), None);
        assert_eq!(timeout_of("0"), Ok(Some("0m".into())));
        assert_eq!(timeout_of("99999999"), Ok(Some("99999999m".into())));
        assert_eq!(timeout_of("9999999999"), Ok(Some("9999999S".into())));
        for bad in ["", "-1", "+1", "1s", "1.5", "12345678901", "x"] {
            assert_eq!(timeout_of(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }

    #[test]
    fn json_accepts_both_field_names_and_rejects_unknown_fields() {
        let pool = prost_reflect::DescriptorPool::decode(storeplane_proto::FILE_DESCRIPTOR_SET).expect("descriptors");
        let read = |json: &str| {
            let descriptor = pool.get_message_by_name("storeplane.v1.CreateStoreRequest").expect("a message");
            from_json(descriptor, json.as_bytes()).map(|message| message.encode_to_vec())
        };
        let snake = read(r#"{"store_id":"tea","validate_only":true,"cleanup_policy":"CLEANUP_POLICY_KEEP"}"#);
        let camel = read(r#"{"storeId":"tea","validateOnly":true,"cleanupPolicy":1}"#);
        assert_eq!(snake.expect("in order"), camel.expect("in order"));
        for bad in
            ["", "[]", "{", "{} {}", r#"{"valdate_only":true}"#, r#"{"store_id":7}"#, r#"{"cleanup_policy":"X"}"#]
        {
            let status = read(bad).expect_err(bad);
            assert_eq!(status.code(), Code::InvalidArgument, "{bad}");
            assert!(status.message().starts_with("the body is not the JSON of a CreateStoreRequest: "), "{status:?}");
        }
    }

    mod fuzz {
        use std::sync::LazyLock;

        use axum::http::header::ACCEPT;
        use proptest::prelude::*;
        use prost_reflect::DescriptorPool;
        use storeplane_fuzz::{Outcome, check};

        use super::super::*;
        use crate::http::connect::Connect;

        static POOL: LazyLock<DescriptorPool> =
            LazyLock::new(|| DescriptorPool::decode(storeplane_proto::FILE_DESCRIPTOR_SET).expect("descriptors"));

        /// Bodies of `CreateStore`: arbitrary bytes, JSON around its fields, and gzip of both.
        fn bodies() -> impl Strategy<Value = (bool, Vec<u8>)> {
            let fields = prop::sample::select(vec![
                "\"store_id\"",
                "\"storeId\"",
                "\"validate_only\"",
                "\"store\"",
                "\"unknown\"",
                "\"display_name\"",
                "true",
                "null",
                "7",
                "1e999",
                "{",
                "}",
                "[",
                "]",
                ":",
                ":",
                ",",
                "\"tea\"",
                "\"\\ud800\"",
                " ",
            ]);
            let soup = prop::collection::vec(fields, 0..12).prop_map(|words| words.concat().into_bytes());
            let valid = ("[a-z]{1,8}", any::<bool>())
                .prop_map(|(id, only)| format!("{{\"store_id\":\"{id}\",\"validate_only\":{only}}}").into_bytes());
            let deep = (1..300_usize).prop_map(|depth| "{\"store\":".repeat(depth).into_bytes());
            let plain = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), soup, valid, deep];
            (any::<bool>(), plain).prop_map(|(packed, body)| {
                let spaced = [body.as_slice(), &vec![b' '; 2000]].concat();
                if packed {
                    (true, gzip::compress(&spaced).map_or(body, |packed| packed.to_vec()))
                } else {
                    (false, body)
                }
            })
        }

        /// The gRPC frame that a request becomes.
        fn frame_of(headers: &[(HeaderName, &'static str)], body: &[u8]) -> Result<Bytes, Status> {
            static CONNECT: LazyLock<Connect> = LazyLock::new(|| Connect::new(&POOL).expect("descriptors"));
            let mut request = Request::post("/storeplane.v1.StoreService/CreateStore");
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            let request = request.body(Body::from(body.to_vec())).expect("a request");
            let call = Call::of(&CONNECT, &request).expect("a Connect call");
            let body = call.grpc_request(request).into_body().collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime
                .block_on(body)
                .map(http_body_util::Collected::to_bytes)
                .map_err(|error| Status::from_error(error.into()))
        }

        /// The message type, for whether a frame holds one of its messages.
        fn is_message(frame: &[u8]) -> bool {
            let descriptor = POOL.get_message_by_name("storeplane.v1.CreateStoreRequest").expect("a message");
            frame.get(5..).is_some_and(|message| DynamicMessage::decode(descriptor, message).is_ok())
        }

        fn length(frame: &[u8]) -> usize {
            frame.get(1..5).and_then(|four| four.try_into().ok()).map_or(0, |four| u32::from_be_bytes(four) as usize)
        }

        #[test]
        fn json_becomes_one_frame_with_a_message_or_an_error() {
            check("Connect JSON", &bodies(), |(packed, body)| {
                let encoding = if packed { "gzip" } else { "identity" };
                let read = frame_of(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, encoding)], &body);
                if let Ok(frame) = &read {
                    prop_assert!(frame.first() == Some(&0) && length(frame) + 5 == frame.len() && is_message(frame));
                    prop_assert!(!String::from_utf8_lossy(&body).contains("unknown"), "an unknown field is accepted");
                } else if let Err(status) = &read {
                    prop_assert!(
                        status.code() == Code::InvalidArgument && status.message().len() <= 4096,
                        "{status:?}"
                    );
                }
                Ok(Outcome::of(&read))
            });
        }

        #[test]
        fn protobuf_is_passed_on_unchanged() {
            check("Connect protobuf", &bodies(), |(packed, body)| {
                let read = frame_of(&[(CONTENT_TYPE, "application/proto"), (ACCEPT, "*/*")], &body);
                let frame = read.as_ref().map_err(|status| TestCaseError::fail(format!("{status:?}")))?;
                prop_assert_eq!(frame.get(5..), Some(body.as_slice()), "packed: {}", packed);
                prop_assert_eq!(length(frame), body.len());
                Ok(Outcome::of(&read))
            });
        }

        #[test]
        fn envelope_streams_are_refused_whatever_they_contain() {
            let enveloped = (any::<u8>(), any::<u32>(), bodies())
                .prop_map(|(flag, length, (_, body))| [&[flag], &length.to_be_bytes()[..], &body].concat());
            check("Connect stream", &(enveloped, any::<bool>()), |(body, json)| {
                let kind = if json { "application/connect+json" } else { "application/connect+proto" };
                let status = frame_of(&[(CONTENT_TYPE, kind)], &body).expect_err("streams are not served");
                prop_assert_eq!(status.code(), Code::Unimplemented);
                Ok(Outcome::Refused)
            });
        }
    }
}
