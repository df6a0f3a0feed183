//! Connections: silent ones, many cancelled calls, and old ones.

use std::time::{Duration, Instant};

use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{GetStoreRequest, WatchStoreRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use crate::grpc_raw::{edge, edge_setup, http};
use crate::harness::{Api, fresh, reason};

/// How long the server keeps a connection on which these bytes were sent.
async fn kept(to: std::net::SocketAddr, sent: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let began = Instant::now();
    stream.write_all(sent).await.unwrap();
    let mut buffer = [0; 1024];
    let reading = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server ends the connection");
    began.elapsed()
}

#[tokio::test]
async fn silent_connection_is_closed_and_does_not_block_others() {
    let lab = edge_setup()
        .with("STOREPLANE_CONNECTIONS_FIRST_REQUEST_SECONDS", "2")
        .with("STOREPLANE_CONNECTIONS_MAX", "8")
        .start()
        .await;
    let to = lab.server.address();

    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let only_settings = [preface.as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let (nothing, half, settings, line) =
        tokio::join!(kept(to, b""), kept(to, &preface[..12]), kept(to, &only_settings), kept(to, b"GET /healthz HT"),);

    for (what, kept) in
        [("nothing", nothing), ("half a preface", half), ("only settings", settings), ("half a line", line)]
    {
        assert!((1.5..8.0).contains(&kept.as_secs_f64()), "{what}: {kept:?}");
    }
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(to).await.unwrap());
    }
    let answer = tokio::time::timeout(Duration::from_secs(10), http(to, "GET /healthz", &[], b"")).await;
    assert_eq!(answer.expect("served once the silent ones are gone").status, 200);
}

#[tokio::test]
async fn burst_of_cancelled_calls_does_not_end_watch_on_same_connection() {
    let lab = edge().await;
    let id = fresh("burst");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let request = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };
    let mut watch = lab.api.stores.clone().watch_store(request).await.unwrap().into_inner();
    while !matches!(watch.message().await.unwrap().unwrap().update, Some(Update::CaughtUp(_))) {}

    for _ in 0..10 {
        let calls = (0..100).map(|_| {
            let (mut stores, store_id) = (lab.api.stores.clone(), id.clone());
            async move {
                let request = GetStoreRequest { store_id, ..GetStoreRequest::default() };
                let _ = tokio::time::timeout(Duration::from_micros(300), stores.get_store(request)).await;
            }
        });
        futures::future::join_all(calls).await;
    }

    lab.api.delete(&id).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), watch.message()).await.expect("an event");
    assert!(matches!(told.expect("the watch lives").unwrap().update, Some(Update::Event(_))));
}

#[tokio::test]
async fn aged_connection_ends_watches_with_status_and_calls_continue() {
    let lab = edge_setup()
        .with("STOREPLANE_CONNECTIONS_MAX_AGE_SECONDS", "2")
        .with("STOREPLANE_CONNECTIONS_MAX_AGE_GRACE_SECONDS", "2")
        .start()
        .await;
    let id = fresh("old");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let request = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };
    let mut watch = lab.api.stores.clone().watch_store(request).await.unwrap().into_inner();
    let began = Instant::now();

    let end = loop {
        match watch.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended in order"),
            Err(status) => break status,
        }
    };

    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "CONNECTION_AGED"), "{end:?}");
    assert!((2.5..9.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(lab.api.get(&id).await.unwrap().store_id, id, "on a new connection");
}
