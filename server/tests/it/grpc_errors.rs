//! Every error carries an `ErrorInfo`, whatever its origin: one line of the table per origin.

use std::io::Write as _;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use storeplane_proto::v1::{GetStoreRequest, ListStoresRequest};
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Service as _, ServiceExt as _};

use crate::grpc_raw::{edge, frame};
use crate::harness::{Lab, fields, reason};

const GET: &str = "/storeplane.v1.StoreService/GetStore";
const LIST: &str = "/storeplane.v1.StoreService/ListStores";
const CREATE: &str = "/storeplane.v1.StoreService/CreateStore";
const CHECK: &str = "/grpc.health.v1.Health/Check";

struct Caller {
    channel: Channel,
    token: String,
}

impl Caller {
    async fn of(lab: &Lab) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", lab.server.address())).unwrap();
        Self { channel: endpoint.connect_lazy(), token: lab.database.token("default", "operator").await }
    }

    /// One HTTP/2 request with these headers in addition to the usual ones; an empty value removes a header.
    async fn send(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (Response<()>, Status) {
        let mut request = Request::post(path).body(Body::new(Full::from(body))).unwrap();
        let authorization = format!("Bearer {}", self.token);
        let usual = [("content-type", "application/grpc"), ("te", "trailers"), ("authorization", &authorization)];
        for (name, value) in usual.iter().chain(headers) {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name.clone(), value.parse().unwrap());
            if value.is_empty() {
                request.headers_mut().remove(name);
            }
        }
        let mut channel = self.channel.clone();
        let response = channel.ready().await.unwrap().call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
        let status = Status::from_header_map(&parts.headers).or_else(|| Status::from_header_map(&trailers));
        (Response::from_parts(parts, ()), status.unwrap_or_else(|| panic!("{path} has no status")))
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A frame of these bytes, compressed or not.
fn framed(flag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    frame.extend(bytes);
    frame
}

#[tokio::test]
async fn every_error_has_error_info() {
    use Code::{InvalidArgument, NotFound, ResourceExhausted, Unauthenticated, Unimplemented};
    let lab = edge().await;
    let caller = Caller::of(&lab).await;
    let empty = || frame(&GetStoreRequest::default());
    let (too_large, too_long) = ("x".repeat(5 * 1024 * 1024), "x".repeat(20_000));
    let large = || frame(&ListStoresRequest { filter: too_large.clone(), ..ListStoresRequest::default() });
    let packed = [("grpc-encoding", "gzip")];
    for (path, headers, body, code, wanted) in [
        (LIST, &[("grpc-timeout", "abc")][..], empty(), InvalidArgument, "TIMEOUT_MALFORMED"),
        (LIST, &[("x-long", too_long.as_str())], empty(), ResourceExhausted, "METADATA_TOO_LARGE"),
        (GET, &[], b"hello, is this a shop?".to_vec(), InvalidArgument, "MALFORMED_REQUEST"),
        (GET, &[], framed(0, b"\xff\xff\xff"), InvalidArgument, "MALFORMED_REQUEST"),
        (GET, &[], vec![0, 0, 0, 0, 9, 1], InvalidArgument, "MALFORMED_REQUEST"),
        (GET, &[], Vec::new(), InvalidArgument, "MALFORMED_REQUEST"),
        (GET, &[], framed(1, b"abc"), InvalidArgument, "MALFORMED_REQUEST"),
        (GET, &packed, framed(1, b"not gzip"), InvalidArgument, "MALFORMED_REQUEST"),
        (GET, &[("grpc-encoding", "zstd")], empty(), Unimplemented, "COMPRESSION_NOT_SUPPORTED"),
        (LIST, &[], large(), ResourceExhausted, "REQUEST_TOO_LARGE"),
        (LIST, &packed, framed(1, &gzip(&vec![0; 64 << 20])), ResourceExhausted, "REQUEST_TOO_LARGE"),
        ("/storeplane.v1.StoreService/Nonsense", &[], empty(), Unimplemented, "METHOD_NOT_FOUND"),
        ("/nonsense.v1.Service/Method", &[], empty(), Unimplemented, "METHOD_NOT_FOUND"),
        ("/grpc.health.v1.Health/Nonsense", &[], empty(), Unimplemented, "METHOD_NOT_FOUND"),
        (GET, &[("authorization", "")], empty(), Unauthenticated, "TOKEN_MISSING"),
        (GET, &[("authorization", "Basic x")], empty(), Unauthenticated, "TOKEN_MALFORMED"),
        (GET, &[("authorization", "Bearer spt_nonsense")], empty(), Unauthenticated, "TOKEN_INVALID"),
        (GET, &[("content-type", "text/plain")], empty(), InvalidArgument, "NOT_GRPC"),
        (GET, &[("content-type", "")], empty(), InvalidArgument, "NOT_GRPC"),
        (GET, &[], empty(), InvalidArgument, "INVALID_REQUEST"),
        (CREATE, &[], framed(0, &[0x28, 9]), InvalidArgument, "INVALID_REQUEST"),
        (
            GET,
            &[],
            frame(&GetStoreRequest { store_id: "none".into(), ..GetStoreRequest::default() }),
            NotFound,
            "STORE_NOT_FOUND",
        ),
        (CHECK, &[], framed(0, b"\x0a\x04none"), NotFound, "SERVICE_UNKNOWN"),
        (CHECK, &[], b"nonsense".to_vec(), InvalidArgument, "MALFORMED_REQUEST"),
    ] {
        let (_, status) = caller.send(path, headers, body).await;
        assert_eq!((status.code(), reason(&status).as_str()), (code, wanted), "{path} {headers:?}: {status:?}");
        assert_eq!(status.get_details_error_info().unwrap().domain, "storeplane");
    }
    let log = lab.server.log();
    assert!(!log.contains("ERROR"), "none of this is the server's fault: {log}");
}

#[tokio::test]
async fn passed_deadline_is_deadline_exceeded() {
    let lab = edge().await;
    let token = format!("Bearer {}", lab.database.token("default", "viewer").await);
    // By hand: a tonic client would end the call itself.
    let headers = [("authorization", token.as_str()), ("grpc-timeout", "1n")];
    let to = lab.server.address();
    let answer =
        crate::grpc_raw::grpc_web(to, "StoreService/ListStores", &headers, &ListStoresRequest::default()).await;
    let parse = |(name, value): (&String, &String)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
    let status = Status::from_header_map(&answer.headers.iter().map(parse).collect()).unwrap();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn http_level_errors_have_grpc_codes() {
    let lab = edge().await;
    let caller = Caller::of(&lab).await;

    let (text, _) = caller.send(GET, &[("content-type", "text/plain")], Vec::new()).await;
    let (packed, _) = caller.send(GET, &[("grpc-encoding", "zstd")], frame(&GetStoreRequest::default())).await;
    let got = crate::grpc_raw::http(lab.server.address(), &format!("GET {GET}"), &[], b"").await;

    assert_eq!(text.status(), 415);
    assert_eq!(packed.headers()["grpc-accept-encoding"], "gzip,identity");
    assert_eq!((got.status, got.header("allow"), got.header("grpc-status")), (405, "POST", "3"));
}

#[tokio::test]
async fn invalid_cleanup_policy_is_reported_with_other_violations() {
    let lab = edge().await;
    let caller = Caller::of(&lab).await;
    let request = storeplane_proto::v1::CreateStoreRequest { cleanup_policy: 9, ..Default::default() };
    let (_, status) = caller.send(CREATE, &[], framed(0, &request.encode_to_vec())).await;
    assert_eq!(fields(&status), ["store.display_name", "store.admin_email", "cleanup_policy"]);
}

#[tokio::test]
async fn messages_may_be_gzip_and_up_to_4_mib() {
    let lab = edge().await;
    let caller = Caller::of(&lab).await;
    let request = ListStoresRequest { filter: "x".repeat(3 << 20), ..ListStoresRequest::default() };
    let headers = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")];

    let (_, large) = caller.send(LIST, &headers, framed(1, &gzip(&request.encode_to_vec()))).await;
    let empty = ListStoresRequest::default();
    let (answer, status) = caller.send(LIST, &headers, framed(1, &gzip(&empty.encode_to_vec()))).await;

    assert_eq!(reason(&large), "INVALID_REQUEST", "it was read, and its filter is too long");
    assert_eq!((status.code(), &answer.headers()["grpc-encoding"]), (Code::Ok, &"gzip".parse().unwrap()));
}
