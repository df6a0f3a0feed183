//! grpc-web over HTTP/1.1, as a browser uses it.

use std::collections::HashMap;

use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{
    GetStoreRequest, ListStoresRequest, Store, WatchStoreRequest, WatchStoreResponse, WatchUntil,
};

use crate::grpc_raw::{edge, edge_setup, grpc_web, http};
use crate::harness::{Api, Lab, fresh};

async fn authorization(lab: &Lab) -> String {
    format!("Bearer {}", lab.database.token("default", "viewer").await)
}

#[tokio::test]
async fn unary_calls_and_error_details_work() {
    let lab = edge().await;
    let (id, token) = (fresh("web"), authorization(&lab).await);
    let store = lab.api.create(Api::wanted(&id)).await.unwrap();
    let to = lab.server.address();
    let headers = [("authorization", token.as_str())];

    let wanted = GetStoreRequest { store_id: id, ..GetStoreRequest::default() };
    let answer = grpc_web(to, "StoreService/GetStore", &headers, &wanted).await;
    let (messages, trailers) = answer.frames::<Store>();
    assert_eq!((answer.status, trailers["grpc-status"].as_str()), (200, "0"));
    assert!(answer.header("content-type").starts_with("application/grpc-web"), "{answer:?}");
    assert_eq!(messages[0].uid, store.uid);

    let refused = ListStoresRequest { page_size: -1, ..ListStoresRequest::default() };
    let answer = grpc_web(to, "StoreService/ListStores", &headers, &refused).await;
    let status = status(&answer.headers, &answer.frames::<Store>().1);
    assert_eq!(status["grpc-status"], "3");
    assert!(!status["grpc-status-details-bin"].is_empty());

    let answer = grpc_web(to, "StoreService/GetStore", &[], &wanted).await;
    assert_eq!(self::status(&answer.headers, &answer.frames::<Store>().1)["grpc-status"], "16");
}

/// The status is in the trailers, or in the headers of a response without a body.
fn status(headers: &HashMap<String, String>, trailers: &HashMap<String, String>) -> HashMap<String, String> {
    if trailers.is_empty() { headers.clone() } else { trailers.clone() }
}

#[tokio::test]
async fn watch_ends_at_client_deadline() {
    let lab = edge().await;
    let (id, token) = (fresh("web"), authorization(&lab).await);
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let headers = [("authorization", token.as_str()), ("grpc-timeout", "3S")];
    let watch = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };

    let began = std::time::Instant::now();
    let answer = grpc_web(lab.server.address(), "StoreService/WatchStore", &headers, &watch).await;

    let took = began.elapsed().as_millis();
    assert!((2900..30_000).contains(&took), "{took} ms");
    let (messages, trailers) = answer.frames::<WatchStoreResponse>();
    assert_eq!(trailers["grpc-status"], "4", "DEADLINE_EXCEEDED");
    let updates: Vec<_> = messages.into_iter().filter_map(|message| message.update).collect();
    assert!(matches!(&updates[0], Update::Snapshot(store) if store.store_id == id), "{updates:?}");
    assert!(matches!(&updates[1], Update::Event(event) if event.sequence == 1), "{updates:?}");
    assert!(updates.contains(&Update::CaughtUp(storeplane_proto::v1::WatchCaughtUp {})), "{updates:?}");
}

#[tokio::test]
async fn watch_of_ready_store_ends_with_ok() {
    let lab = Lab::start().await;
    let (id, token) = (fresh("web"), authorization(&lab).await);
    let store = lab.api.ready(&id).await;
    let headers = [("authorization", token.as_str())];
    let until = WatchUntil::Settled.into();
    let watch = WatchStoreRequest { store_id: id.clone(), until, ..WatchStoreRequest::default() };

    let answer = grpc_web(lab.server.address(), "StoreService/WatchStore", &headers, &watch).await;

    let (messages, trailers) = answer.frames::<WatchStoreResponse>();
    assert_eq!(trailers["grpc-status"], "0");
    let events = messages.iter().filter(|message| matches!(message.update, Some(Update::Event(_))));
    let sequences: Vec<_> = events.map(|message| message.sequence).collect();
    assert_eq!(sequences, (1..=store.last_sequence).collect::<Vec<_>>());
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn cors_allows_only_configured_origins() {
    let lab = edge_setup().with("STOREPLANE_ALLOWED_ORIGINS", "https://shops.example.com").start().await;
    let to = lab.server.address();
    let preflight = |origin: &'static str| async move {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,x-grpc-web"),
        ];
        http(to, "OPTIONS /storeplane.v1.StoreService/GetStore", &headers, b"").await
    };
    for origin in ["https://shops.example.com", "http://localhost:5173", "http://127.0.0.1:8080"] {
        let answer = preflight(origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(answer.header("access-control-allow-headers").contains("authorization"), "{answer:?}");
    }
    let answer = preflight("https://evil.example.com").await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "{answer:?}");

    let wanted = GetStoreRequest { store_id: "none".into(), ..GetStoreRequest::default() };
    let headers = [("origin", "https://shops.example.com")];
    let answer = grpc_web(to, "StoreService/GetStore", &headers, &wanted).await;
    assert!(answer.header("access-control-expose-headers").contains("grpc-status-details-bin"), "{answer:?}");
}
