//! One port: plain HTTP, grpc-web over HTTP/1.1, and what no door leads to.

use prost::Message;
use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{GetStoreRequest, Store, WatchStoreRequest, WatchStoreResponse, WatchUntil};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Lab, Server, Setup, fresh};

/// Sends a request by HTTP/1.1 and reads until the end: status line with headers, and the body.
async fn http(server: &Server, request: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!("{request}\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let body = answer[end + 4..].to_vec();
    let body = if head.contains("transfer-encoding: chunked") { unchunk(&body) } else { body };
    (head, body)
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    whole
}

/// A call by grpc-web: its messages and its trailers.
async fn grpc_web<T: Message + Default>(
    lab: &Lab,
    token: &str,
    method: &str,
    message: &impl Message,
) -> (Vec<T>, String) {
    let mut body = vec![0];
    body.extend_from_slice(&u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
    body.extend(message.encode_to_vec());
    let request = format!(
        "POST /storeplane.v1.StoreService/{method} HTTP/1.1\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\nauthorization: Bearer {token}"
    );
    let (head, answer) = http(&lab.server, &request, &body).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let (mut messages, mut trailers, mut rest) = (Vec::new(), head, answer.as_slice());
    while rest.len() >= 5 {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        let frame = &rest[5..5 + length];
        if rest[0] & 0x80 == 0 {
            messages.push(T::decode(frame).unwrap());
        } else {
            trailers = String::from_utf8_lossy(frame).to_lowercase();
        }
        rest = &rest[5 + length..];
    }
    (messages, trailers)
}

#[tokio::test]
async fn a_browser_calls_and_watches_by_grpc_web_on_the_same_port() {
    let lab = Lab::start().await;
    let id = fresh("web");
    lab.api.ready(&id).await;
    let token = lab.database.token("default", "viewer").await;

    let get = GetStoreRequest { store_id: id.clone(), ..GetStoreRequest::default() };
    let (stores, trailers) = grpc_web::<Store>(&lab, &token, "GetStore", &get).await;
    assert_eq!(stores[0].store_id, id);
    assert!(trailers.contains("grpc-status:0") || trailers.contains("grpc-status: 0"), "{trailers}");

    let until = WatchUntil::Settled.into();
    let watch = WatchStoreRequest { store_id: id.clone(), until, ..WatchStoreRequest::default() };
    let (updates, trailers) = grpc_web::<WatchStoreResponse>(&lab, &token, "WatchStore", &watch).await;
    let sequences: Vec<_> = updates
        .iter()
        .filter(|update| matches!(update.update, Some(Update::Event(_))))
        .map(|update| update.sequence)
        .collect();
    assert_eq!(sequences, (1..=stores[0].last_sequence).collect::<Vec<_>>());
    assert!(trailers.contains("grpc-status"), "{trailers}");

    let (none, trailers) = grpc_web::<Store>(&lab, "wrong", "GetStore", &get).await;
    assert!(
        none.is_empty() && trailers.contains("grpc-status:16") | trailers.contains("grpc-status: 16"),
        "{trailers}"
    );
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn unknown_paths_are_unknown_to_each_in_its_own_way() {
    let lab = Lab::start().await;
    let (head, _) = http(&lab.server, "GET /no/such/page HTTP/1.1", b"").await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    let call = "POST /storeplane.v1.StoreService/NoSuchCall HTTP/1.1\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1";
    let (head, body) = http(&lab.server, call, b"\0\0\0\0\0").await;
    let all = format!("{head}{}", String::from_utf8_lossy(&body));
    assert!(
        all.contains("grpc-status: 12")
            || all.contains("grpc-status:12")
            || all.contains("grpc-status: 16")
            || all.contains("grpc-status:16"),
        "{all}"
    );
    let (head, _) = http(&lab.server, "GET /healthz HTTP/1.1", b"").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
}

/// Asks until the server has looked at its parts.
async fn readiness(server: &Server, wanted: &str) -> String {
    let mut last = String::new();
    for _ in 0..200 {
        let (head, body) = http(server, "GET /readyz HTTP/1.1", b"").await;
        last = format!("{}\n{}", head.lines().next().unwrap_or_default(), String::from_utf8_lossy(&body));
        if last.contains(wanted) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("readyz never says {wanted:?}: {last}");
}

#[tokio::test]
async fn readyz_names_each_part_that_is_away() {
    let whole = Lab::start().await;
    readiness(&whole.server, "http/1.1 200").await;

    let without_helm = Setup { helm: "/no/such/helm".into(), ..Setup::default() }.start().await;
    let answer = readiness(&without_helm.server, "\"helm\":{\"ok\":false").await;
    assert!(answer.contains("503"), "{answer}");

    let without_cluster = Setup { kubeconfig: "/no/such/kubeconfig".into(), ..Setup::default() }.start().await;
    readiness(&without_cluster.server, "\"kubernetes\":{\"ok\":false").await;

    let database = crate::harness::Database::empty().await;
    let without_schema = Server::start(&Setup::default(), &database).await;
    readiness(&without_schema, "storeplane-server migrate").await;
}

#[tokio::test]
async fn an_idle_server_is_idle() {
    let lab = Lab::start().await;
    readiness(&lab.server, "http/1.1 200").await;
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", lab.server.pid())).unwrap();
        let after = stat.rsplit_once(") ").unwrap().1;
        after.split(' ').skip(11).take(2).map(|part| part.parse::<u64>().unwrap()).sum::<u64>()
    };
    let before = ticks();
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    // 100 ticks are a second of one core. Idle it takes 2 to 4 in this time; a loop that never sleeps takes hundreds.
    let used = ticks() - before;
    assert!(used < 100, "{used} ticks in four idle seconds");
}
