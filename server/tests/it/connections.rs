//! Connections: silent ones, many cancelled calls, and old ones.

use std::time::{Duration, Instant};

use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{GetStoreRequest, WatchStoreRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use crate::grpc_raw::{KeptConnection, edge, edge_setup, http};
use crate::harness::{Api, fresh, reason};

/// How long the server keeps a connection on which these bytes were sent.
pub(crate) async fn kept(to: std::net::SocketAddr, sent: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let began = Instant::now();
    stream.write_all(sent).await.unwrap();
    let mut buffer = [0; 1024];
    let reading = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(Duration::from_mins(1), reading).await.expect("the server ends the connection");
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
        assert!((1.5..30.0).contains(&kept.as_secs_f64()), "{what}: {kept:?}");
    }
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(to).await.unwrap());
    }
    let answer = tokio::time::timeout(Duration::from_mins(1), http(to, "GET /healthz", &[], b"")).await;
    assert_eq!(answer.expect("served once the silent ones are gone").status, 200);
}

#[tokio::test]
async fn address_with_too_many_connections_gets_no_further_ones() {
    let lab = edge_setup().with("STOREPLANE_CONNECTIONS_MAX_PER_ADDRESS", "3").start().await;
    let to = lab.server.address();
    let (mut open, began) = (Vec::new(), Instant::now());
    while open.len() < 3 {
        // The connection that waited for the server's start may still count.
        assert!(began.elapsed() < Duration::from_mins(1), "{} connections are served", open.len());
        let mut connection = KeptConnection::open(to).await;
        if connection.try_call("GET /healthz", &[], b"").await.is_ok_and(|answer| answer.status == 200) {
            open.push(connection);
        }
    }

    assert!(kept(to, b"").await < Duration::from_secs(9), "closed at once, and not by the time limit");
    assert!(lab.server.log().contains("connections.max_per_address"), "{}", lab.server.log());

    open.clear();
    let began = Instant::now();
    while KeptConnection::open(to).await.try_call("GET /healthz", &[], b"").await.is_err() {
        assert!(began.elapsed() < Duration::from_mins(1), "a free slot is not used again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
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
    let message = tokio::time::timeout(Duration::from_mins(1), watch.message()).await.expect("an event");
    assert!(matches!(message.expect("the watch lives").unwrap().update, Some(Update::Event(_))));
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
    assert!((2.5..30.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(lab.api.get(&id).await.unwrap().store_id, id, "on a new connection");
}

/// Sets how many files a process may have open, and leaves its hard limit alone.
fn limit_files(pid: u32, limit: u32) {
    let arguments = ["--pid".to_owned(), pid.to_string(), format!("--nofile={limit}:")];
    let set = std::process::Command::new("prlimit").args(arguments).output().expect("prlimit of util-linux");
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
}

/// Clock ticks (10 ms each) that a process has used.
pub(crate) fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit_once(") ").unwrap().1;
    after.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn server_without_file_descriptors_waits_and_recovers() {
    let lab = edge().await;
    let (to, pid) = (lab.server.address(), lab.server.pid());
    let mut open = KeptConnection::open(to).await;
    assert_eq!(open.call("GET /healthz", &[], b"").await.status, 200);

    limit_files(pid, 3);
    let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(http(to, "GET /healthz", &[], b""))).collect();
    let began = Instant::now();
    while !lab.server.log().contains("cannot accept connections") {
        assert!(began.elapsed() < Duration::from_mins(1), "{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let before = ticks(pid);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let used = ticks(pid) - before;
    assert!(used < 120, "{used} of 300 ticks used while no connection can be accepted");
    assert_eq!(open.call("GET /healthz", &[], b"").await.status, 200, "an open connection is served");
    let lines = lab.server.log().matches("cannot accept connections").count();
    assert!(lines < 30, "{lines} lines");

    limit_files(pid, 1024);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, 200, "who waited is served");
    }
    assert_eq!(http(to, "GET /healthz", &[], b"").await.status, 200);
}

/// A request's line, headers and body, and the HTTP and gRPC status of its answer.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

#[tokio::test]
async fn connection_is_reusable_after_early_response() {
    let lab = edge().await;
    let token = format!("Bearer {}", lab.database.token("default", "operator").await);
    let (json, web) = (("content-type", "application/json"), ("content-type", "application/grpc-web+proto"));
    let (known, unknown) = (("authorization", token.as_str()), ("authorization", "Bearer nobody"));
    let line = "POST /storeplane.v1.StoreService/ListStores";
    let large = vec![b' '; 5 * 1024 * 1024];
    let mut framed = vec![0];
    framed.extend(u32::try_from(large.len()).unwrap().to_be_bytes());
    framed.extend(&large);

    // Too large for each protocol, without a valid token, with an unknown content type, and for nobody.
    let cases: [Case<'_>; 5] = [
        (line, &[json, known], &large, 429, ""),
        (line, &[web, known], &framed, 200, "8"),
        (line, &[json, unknown], &large, 401, ""),
        (line, &[("content-type", "text/plain"), known], &large, 415, "3"),
        ("POST /nonsense", &[], &large, 404, ""),
    ];
    let mut connection = KeptConnection::open(lab.server.address()).await;
    for (line, headers, body, status, grpc_status) in cases {
        let answer = connection.call(line, headers, body).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (status, grpc_status), "{headers:?}: {answer:?}");
        assert_eq!(answer.header("connection"), "", "{headers:?}");
        let next = connection.call(line, &[json, known], b"{}").await;
        assert_eq!(next.status, if line.ends_with("nonsense") { 404 } else { 200 }, "after {headers:?}");
    }

    let endless = vec![b' '; 24 * 1024 * 1024];
    let head = format!(
        "{line} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: {token}\r\n\
         content-length: {}\r\n\r\n",
        endless.len()
    );
    let stream = TcpStream::connect(lab.server.address()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sending = tokio::spawn(async move {
        write.write_all(head.as_bytes()).await?;
        write.write_all(&endless).await
    });
    let mut answer = [0; 4096];
    let length = tokio::time::timeout(Duration::from_mins(1), read.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
    assert!(answer.starts_with("http/1.1 429") && answer.contains("connection: close"), "{answer}");
    drop(read);
    let _ = sending.await.unwrap();
}
