//! Where a request came from: its address behind trusted proxies, and its id, over every protocol.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use storeplane_proto::v1::{GetStoreRequest, Store};
use tonic::Request;

use crate::grpc_raw::{edge_setup, grpc_web, http};
use crate::harness::{Lab, Setup};

/// The finished requests in a server's log, by their id.
fn logged(lab: &Lab) -> HashMap<String, Value> {
    let lines = lab.server.log();
    let requests = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    requests.filter_map(|line| Some((line["span"]["request_id"].as_str()?.to_owned(), line["span"].clone()))).collect()
}

/// Calls without a token, over each protocol, with `x-forwarded-for`. Returns the ids with which they were answered.
async fn call(to: SocketAddr, forwarded: &str) -> [String; 3] {
    let headers = |id| [("x-forwarded-for", forwarded), ("x-request-id", id)];
    let mut request = Request::new(GetStoreRequest { store_id: "tea".into(), ..GetStoreRequest::default() });
    for (name, value) in headers("by-grpc") {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let channel = tonic::transport::Channel::from_shared(format!("http://{to}")).unwrap().connect_lazy();
    let mut stores = storeplane_proto::v1::store_service_client::StoreServiceClient::new(channel);
    let status = stores.get_store(request).await.unwrap_err();
    let grpc = status.metadata().get("x-request-id").expect("an id").to_str().unwrap().to_owned();

    let wanted = GetStoreRequest { store_id: "tea".into(), ..GetStoreRequest::default() };
    let web = grpc_web(to, "StoreService/GetStore", &headers("by-grpc-web"), &wanted).await;
    let id = web.header("x-request-id").to_owned();
    let web = if id.is_empty() { web.frames::<Store>().1["x-request-id"].clone() } else { id };

    let mut json_headers = vec![("content-type", "application/json")];
    json_headers.extend(headers("two words"));
    let body = json!({"storeId": "tea"}).to_string();
    let line = "POST /storeplane.v1.StoreService/GetStore";
    let connect = http(to, line, &json_headers, body.as_bytes()).await.header("x-request-id").to_owned();
    [grpc, web, connect]
}

async fn peers(setup: Setup, forwarded: &str) -> Vec<String> {
    let lab = setup.with("STOREPLANE_LOG_FORMAT", "json").start().await;
    let ids = call(lab.server.address(), forwarded).await;
    assert_eq!((ids[0].as_str(), ids[1].as_str()), ("by-grpc", "by-grpc-web"));
    assert!(ids[2].parse::<uuid::Uuid>().is_ok(), "a new id instead of {ids:?}");
    let began = Instant::now();
    let mut logged = logged(&lab);
    while ids.iter().any(|id| !logged.contains_key(id)) {
        assert!(began.elapsed() < Duration::from_mins(1), "not all requests are logged: {logged:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        logged = self::logged(&lab);
    }
    ids.iter().map(|id| logged[id]["peer"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn address_is_that_of_the_connection_unless_a_trusted_proxy_names_another() {
    let forwarded = "203.0.113.9, 192.0.2.1, 10.1.2.3";
    assert_eq!(peers(edge_setup(), forwarded).await, ["127.0.0.1"; 3]);
    let trusting = edge_setup().with("STOREPLANE_TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8");
    assert_eq!(peers(trusting, forwarded).await, ["192.0.2.1"; 3]);
}
