//! JSON over HTTP by the Connect protocol, byte by byte, and its OpenAPI document.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use prost::Message as _;
use serde_json::{Value, json};
use storeplane_proto::v1::{GetStoreRequest, ListAuditEventsRequest, Store};

use crate::grpc_raw::{Answer, edge, http};
use crate::harness::{Api, Lab, fresh};

/// More than the maximum size of a request.
const TOO_LARGE: usize = 5 * 1024 * 1024;

struct Caller {
    to: SocketAddr,
    authorization: String,
}

impl Caller {
    async fn new(lab: &Lab, role: &str) -> Self {
        let authorization = format!("Bearer {}", lab.database.token("default", role).await);
        Self { to: lab.server.address(), authorization }
    }

    async fn post(&self, rpc: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("authorization", self.authorization.as_str())];
        all.extend(headers);
        http(self.to, &format!("POST /storeplane.v1.{rpc}"), &all, body).await
    }

    async fn json(&self, rpc: &str, request: &Value) -> Answer {
        self.post(rpc, &[("content-type", "application/json")], request.to_string().as_bytes()).await
    }
}

/// HTTP status, code and reason of an error.
fn error(answer: &Answer) -> (u16, String, String) {
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    let body = answer.json();
    let details = body["details"].as_array().expect("details");
    let info = details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo").expect("an ErrorInfo");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert!(!text(&body["message"]).is_empty() && !text(&info["value"]).is_empty(), "{body}");
    (answer.status, text(&body["code"]), text(&info["debug"]["reason"]))
}

fn is_error(answer: &Answer, status: u16, code: &str, reason: &str) {
    assert_eq!(error(answer), (status, code.to_owned(), reason.to_owned()), "{answer:?}");
}

#[tokio::test]
async fn store_is_created_and_read_by_json_and_protobuf() {
    let lab = edge().await;
    let (caller, id) = (Caller::new(&lab, "operator").await, fresh("json"));
    let wanted = json!({"storeId": id, "store": {"displayName": "Tee & Söhne", "admin_email": "owner@example.com"}});
    let mut checked = wanted.clone();
    checked["validateOnly"] = true.into();
    assert_eq!(caller.json("StoreService/CreateStore", &checked).await.status, 200);
    is_error(&caller.json("StoreService/GetStore", &json!({"storeId": id})).await, 404, "not_found", "STORE_NOT_FOUND");

    let created = caller.json("StoreService/CreateStore", &wanted).await;
    assert_eq!((created.status, created.header("content-type")), (200, "application/json"));
    let store = created.json();
    assert_eq!(store["displayName"], "Tee & Söhne");
    assert_eq!(store["state"], "STORE_STATE_PROVISIONING");
    assert!(store.get("deleteTime").is_none(), "fields without a value are omitted: {store}");
    let kept = lab.api.get(&id).await.unwrap();
    assert_eq!((store["uid"].as_str(), store["lastSequence"].as_str()), (Some(&*kept.uid), Some("1")));

    let wanted = GetStoreRequest { store_id: id.clone(), ..GetStoreRequest::default() }.encode_to_vec();
    let headers =
        [("content-type", "application/proto"), ("connect-protocol-version", "1"), ("connect-timeout-ms", "9000")];
    let answer = caller.post("StoreService/GetStore", &headers, &wanted).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/proto"));
    // Its operation may have begun meanwhile.
    let read = Store::decode(answer.body.as_slice()).unwrap();
    assert_eq!((read.uid, read.create_time, read.host), (kept.uid, kept.create_time, kept.host));
    let log = lab.server.log();
    assert!(log.contains("storeplane.v1.StoreService/CreateStore"), "calls are logged as those of gRPC are");
}

#[tokio::test]
async fn errors_have_http_status_and_details() {
    let lab = edge().await;
    let caller = Caller::new(&lab, "operator").await;
    let body = json!({"store_id": "-", "store": {"display_name": "", "admin_email": "x"}});
    let answer = caller.json("StoreService/CreateStore", &body).await;
    assert_eq!((error(&answer).0, error(&answer).1.as_str()), (400, "invalid_argument"));
    let details = answer.json()["details"].clone();
    let bad = details.as_array().unwrap().iter().find(|detail| detail["type"] == "google.rpc.BadRequest").unwrap();
    let fields: Vec<_> = bad["debug"]["fieldViolations"].as_array().unwrap().iter().map(|v| &v["field"]).collect();
    assert_eq!(fields, ["store_id", "store.display_name", "store.admin_email"]);

    let json = [("content-type", "application/json")];
    let get = "StoreService/GetStore";
    is_error(&caller.post(get, &json, b"{\"store_id\"").await, 400, "invalid_argument", "MALFORMED_REQUEST");
    is_error(&caller.post(get, &json, b"{\"storeid\":\"x\"}").await, 400, "invalid_argument", "MALFORMED_REQUEST");
    is_error(&caller.post("StoreService/Nonsense", &json, b"{}").await, 501, "unimplemented", "METHOD_NOT_FOUND");
    let large = vec![b' '; TOO_LARGE];
    is_error(&caller.post(get, &json, &large).await, 429, "resource_exhausted", "REQUEST_TOO_LARGE");
    let headers = [json[0], ("connect-protocol-version", "2")];
    is_error(&caller.post(get, &headers, b"{}").await, 400, "invalid_argument", "MALFORMED_REQUEST");
    let headers = [json[0], ("connect-timeout-ms", "soon")];
    is_error(&caller.post(get, &headers, b"{}").await, 400, "invalid_argument", "TIMEOUT_MALFORMED");
    let headers = [json[0], ("storeplane-tenant", "acme")];
    is_error(&caller.post(get, &headers, b"{}").await, 403, "permission_denied", "PERMISSION_DENIED");
    let headers = [json[0], ("content-encoding", "br")];
    is_error(&caller.post(get, &headers, b"{}").await, 501, "unimplemented", "COMPRESSION_NOT_SUPPORTED");
    let stranger = Caller { authorization: "Bearer nobody".into(), ..caller };
    is_error(&stranger.post(get, &json, b"not JSON").await, 401, "unauthenticated", "TOKEN_INVALID");
}

#[tokio::test]
async fn streams_are_rejected_with_explanation() {
    let lab = edge().await;
    let caller = Caller::new(&lab, "viewer").await;
    let answer = caller.json("StoreService/WatchStores", &json!({})).await;
    is_error(&answer, 501, "unimplemented", "STREAMING_NOT_SUPPORTED");
    assert!(answer.json()["message"].as_str().unwrap().contains("grpc-web"), "{answer:?}");

    for kind in ["application/connect+json", "application/connect+proto"] {
        let answer = caller.post("StoreService/WatchStores", &[("content-type", kind)], b"").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, kind));
        assert_eq!(answer.body[0], 2, "the envelope ends the stream");
        let end: Value = serde_json::from_slice(&answer.body[5..]).unwrap();
        assert_eq!(end["error"]["code"], "unimplemented");
    }
}

#[tokio::test]
async fn denied_mutation_is_audited_with_its_target() {
    let lab = edge().await;
    let (caller, id) = (Caller::new(&lab, "viewer").await, fresh("json"));
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let answer = caller.json("StoreService/DeleteStore", &json!({"storeId": id})).await;
    is_error(&answer, 403, "permission_denied", "PERMISSION_DENIED");
    let denied = ListAuditEventsRequest { filter: format!("outcome = DENIED target = {id}"), ..Default::default() };
    let records = lab.api.audit.clone().list_audit_events(denied).await.unwrap().into_inner().audit_events;
    assert_eq!(records.len(), 1, "{records:?}");
}

#[tokio::test]
async fn bodies_may_be_gzip_in_both_directions() {
    let lab = edge().await;
    let (caller, id) = (Caller::new(&lab, "viewer").await, fresh("json"));
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let pack = |body: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip"), ("accept-encoding", "gzip")];
    let answer = caller.post("PlatformService/GetOverview", &headers, &pack(b"{}")).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    let mut text = String::new();
    GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.contains("\"periods\""), "{text}");

    let bomb = pack(&vec![b' '; TOO_LARGE]);
    let answer = caller.post("PlatformService/GetOverview", &headers[..2], &bomb).await;
    is_error(&answer, 429, "resource_exhausted", "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn allowed_origins_may_call_and_openapi_is_public() {
    let lab = edge().await;
    let to = lab.server.address();
    let origin = ("origin", "http://localhost:5173");
    let wanted =
        "authorization,content-type,connect-protocol-version,connect-timeout-ms,traceparent,tracestate,baggage";
    let headers = [origin, ("access-control-request-method", "POST"), ("access-control-request-headers", wanted)];
    let answer = http(to, "OPTIONS /storeplane.v1.StoreService/GetStore", &headers, b"").await;
    assert_eq!(answer.header("access-control-allow-origin"), origin.1);
    let allowed = answer.header("access-control-allow-headers");
    assert!(wanted.split(',').all(|name| allowed.split(',').any(|known| known == name)), "{allowed}");

    let answer = http(to, "GET /openapi.json", &[origin], b"").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), origin.1);
    let document = answer.json();
    assert!(document["paths"]["/storeplane.v1.StoreService/GetStore"]["post"].is_object());
    assert!(document["paths"].get("/storeplane.v1.StoreService/WatchStore").is_none());
    let answer = http(to, "GET /openapi.yaml", &[], b"").await;
    assert_eq!(answer.header("content-type"), "application/yaml");
    assert!(String::from_utf8(answer.body).unwrap().starts_with("components:"));

    let answer = http(to, "POST /grpc.health.v1.Health/Check", &[("content-type", "application/json")], b"{}").await;
    assert!(answer.json()["status"].as_str().is_some_and(|status| status.ends_with("SERVING")), "{answer:?}");
}
