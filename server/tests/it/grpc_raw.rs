//! HTTP/1.1 and grpc-web by hand, byte by byte, as a browser uses them. And a server without a cluster.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::harness::{Lab, Setup};

/// Time limit of a response.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server whose cluster and helm are unavailable: enough to test the API. Stores stay PROVISIONING.
pub(crate) async fn edge() -> Lab {
    edge_setup().start().await
}

/// The same with backups, whose storage is unavailable as well.
pub(crate) async fn edge_with_backups() -> Lab {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/unreachable_backups.toml");
    edge_setup().with("STOREPLANE_CONFIG", file).start().await
}

/// [`edge`], not started yet.
pub(crate) fn edge_setup() -> Setup {
    Setup { helm: "/no/such/helm".into(), kubeconfig: "/no/such/kubeconfig".into(), ..Setup::default() }
}

/// A response over HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The messages of a grpc-web body, and its trailers.
    pub(crate) fn frames<M: Message + Default>(&self) -> (Vec<M>, HashMap<String, String>) {
        let (mut messages, mut trailers, mut rest) = (Vec::new(), HashMap::new(), self.body.as_slice());
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[1..5].try_into().expect("a length")) as usize;
            let (frame, after) = rest[5..].split_at(length);
            match rest[0] {
                0 => messages.push(M::decode(frame).expect("a message")),
                0x80 => trailers = fields(std::str::from_utf8(frame).expect("text")),
                flag => panic!("a frame with flag {flag}"),
            }
            rest = after;
        }
        (messages, trailers)
    }
}

fn fields(text: &str) -> HashMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()
}

/// A message in a grpc-web frame.
pub(crate) fn frame(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(bytes.len()).expect("a short message").to_be_bytes());
    frame.extend(bytes);
    frame
}

/// Sends a request and leaves the connection open.
pub(crate) async fn send(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.expect("the server listens");
    write(&mut stream, to, line, headers, body).await.expect("the request is sent");
    stream
}

async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    to: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut head = format!("{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    head.extend(headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]));
    head += "\r\n";
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

/// Sends a request (`GET /path`) and reads the whole response.
pub(crate) async fn http(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = TcpStream::connect(to).await.expect("the server listens");
    exchange(stream, to, line, headers, body).await.expect("an answer")
}

/// The same on an open connection, which may be encrypted.
pub(crate) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    write(&mut stream, to, line, headers, body).await?;
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer in time")?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head of text");
    let (first, rest) = head.split_once("\r\n").expect("headers");
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let headers = fields(rest);
    let mut body = bytes[end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
        body = dechunk(&body);
    }
    Ok(Answer { status, headers, body })
}

/// One connection that is reused, as clients' pools do.
pub(crate) struct KeptConnection {
    stream: BufReader<TcpStream>,
    to: SocketAddr,
}

impl KeptConnection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        Self { stream: BufReader::new(TcpStream::connect(to).await.expect("the server listens")), to }
    }

    /// Sends a whole request and then reads its response, of which it returns status and headers.
    pub(crate) async fn call(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_call(line, headers, body).await.expect("an answer")
    }

    /// The same for a connection that the server may close.
    pub(crate) async fn try_call(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let mut head = format!("{line} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.to, body.len());
        head.extend(headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]));
        head += "\r\n";
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body).await?;
        tokio::time::timeout(PATIENCE, self.answer()).await.expect("an answer in time")
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let (mut first, mut rest) = (String::new(), String::new());
        if self.stream.read_line(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !rest.ends_with("\r\n\r\n") && self.stream.read_line(&mut rest).await? > 2 {}
        let (status, headers) = (first.split(' ').nth(1).and_then(|code| code.parse().ok()), fields(&rest));
        let mut body = Vec::new();
        if let Some(length) = headers.get("content-length") {
            body.resize(length.parse().expect("a length"), 0);
            self.stream.read_exact(&mut body).await?;
        } else {
            loop {
                let mut size = String::new();
                self.stream.read_line(&mut size).await?;
                let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
                let mut chunk = vec![0; size + 2];
                self.stream.read_exact(&mut chunk).await?;
                if size == 0 {
                    break;
                }
                body.extend(&chunk[..size]);
            }
        }
        Ok(Answer { status: status.expect("a status"), headers, body })
    }
}

fn dechunk(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).expect("a number"), 16).expect("a number");
        if size == 0 {
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}

/// Calls an RPC over grpc-web.
pub(crate) async fn grpc_web(to: SocketAddr, rpc: &str, headers: &[(&str, &str)], message: &impl Message) -> Answer {
    let mut all = vec![("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
    all.extend(headers);
    http(to, &format!("POST /storeplane.v1.{rpc}"), &all, &frame(message)).await
}
