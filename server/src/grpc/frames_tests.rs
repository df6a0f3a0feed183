//! gRPC frames and grpc-web bodies, as the layers around every service read them.

mod fuzz {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use http::Request;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;
    use prost::Message as _;
    use storeplane_fuzz::{Outcome, check};
    use storeplane_proto::health::HealthCheckRequest;
    use storeplane_proto::health::health_server::HealthServer;
    use tonic::codec::CompressionEncoding::Gzip;
    use tonic::{Code, Status};
    use tonic_web::GrpcWebLayer;
    use tower::{Layer as _, ServiceExt as _};

    use crate::grpc::content_type::ContentTypeLayer;
    use crate::grpc::envelope::EnvelopeLayer;
    use crate::grpc::{OPEN_REQUEST_MAX, health};

    /// Frames: a flag, a length that may be wrong, and a message that may be one. Or any bytes.
    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let message = prop_oneof![
            3 => "[a-z.]{0,12}".prop_map(|service| HealthCheckRequest { service }.encode_to_vec()),
            1 => Just(HealthCheckRequest::default().encode_to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ];
        let flag = prop_oneof![6 => Just(0_u8), 1 => Just(1_u8), 1 => any::<u8>()];
        let wrong = prop_oneof![6 => Just(0_i64), 1 => -3..3_i64, 1 => Just(i64::from(u32::MAX))];
        let frame = (flag, wrong, message).prop_map(|(flag, wrong, message)| {
            let length = i64::try_from(message.len()).unwrap_or_default() + wrong;
            let length = u32::try_from(length.clamp(0, i64::from(u32::MAX))).unwrap_or_default();
            [&[flag], &length.to_be_bytes()[..], &message].concat()
        });
        let frames = prop::collection::vec(frame, 0..3).prop_map(|frames| frames.concat());
        prop_oneof![1 => prop::collection::vec(any::<u8>(), 0..60), 6 => frames]
    }

    /// Whether the body begins with a whole message, by the rules of the protocol, and whether that is all.
    fn first_message(body: &[u8]) -> Option<bool> {
        let (head, rest) = body.split_at_checked(5).filter(|(head, _)| head.first() == Some(&0))?;
        let length = u32::from_be_bytes(head.get(1..)?.try_into().ok()?);
        let (message, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        HealthCheckRequest::decode(message).ok().map(|_| rest.is_empty())
    }

    /// The status of a call.
    fn call(content_type: &str, body: Vec<u8>) -> Status {
        let (_, service) = health::service(&[]);
        let service = HealthServer::new(service).max_decoding_message_size(OPEN_REQUEST_MAX).accept_compressed(Gzip);
        let service = ContentTypeLayer.layer(GrpcWebLayer::new().layer(EnvelopeLayer.layer(service)));
        let request = Request::post("/grpc.health.v1.Health/Check").version(http::Version::HTTP_2);
        let request =
            request.header("content-type", content_type).header("te", "trailers").header("accept", content_type);
        let body = tonic::body::Body::new(http_body_util::Full::new(Bytes::from(body)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let response = service.oneshot(request.body(body).expect("a request")).await.expect("an answer");
            if let Some(status) = Status::from_header_map(response.headers()) {
                return status;
            }
            let body = response.into_body().collect().await.expect("a body");
            if let Some(status) = body.trailers().and_then(Status::from_header_map) {
                return status;
            }
            // In grpc-web the trailers are the last frame.
            let mut bytes = body.to_bytes().to_vec();
            if content_type.contains("text") {
                // Each frame is encoded on its own, so padding may occur in between.
                bytes = bytes.chunks(4).flat_map(|four| STANDARD.decode(four).expect("base64")).collect();
            }
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            let code = text.split("grpc-status:").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a status");
            Status::new(Code::from_bytes(code.trim().as_bytes()), "")
        })
    }

    fn judge(body: &[u8], status: &Status) -> Result<Outcome, TestCaseError> {
        // No service is known by these names; the request was understood nevertheless.
        let understood = matches!(status.code(), Code::Ok | Code::NotFound);
        let first = first_message(body);
        prop_assert!(!understood || first.is_some(), "{status:?} without a message");
        // tonic answers the first message of a unary call, and may or may not read what follows.
        prop_assert!(understood || first != Some(true), "{status:?} to a valid request");
        prop_assert!(status.code() != Code::Unknown, "{:?}", status);
        Ok(if understood { Outcome::Accepted } else { Outcome::Refused })
    }

    #[test]
    fn one_whole_frame_is_a_request() {
        check("gRPC frames", &bodies(), |body| judge(&body, &call("application/grpc", body.clone())));
    }

    #[test]
    fn one_whole_frame_is_a_grpc_web_request() {
        check("grpc-web body", &bodies(), |body| judge(&body, &call("application/grpc-web+proto", body.clone())));
    }

    #[test]
    fn grpc_web_text_is_decoded() {
        check("grpc-web text", &bodies(), |body| {
            judge(&body, &call("application/grpc-web-text+proto", STANDARD.encode(&body).into_bytes()))
        });
    }
}
