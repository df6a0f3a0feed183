//! HTTP/2 frames by hand: a library refuses to send what an attacker sends.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
/// `SETTINGS_INITIAL_WINDOW_SIZE`
pub(super) const WINDOW: u16 = 4;
/// The error codes `CANCEL` and `ENHANCE_YOUR_CALM`.
pub(super) const CANCEL: u32 = 8;
pub(super) const CALM: u32 = 11;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Largest frame that a server must accept.
pub(super) const FRAME_MAX: usize = 16 * 1024;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Preface and settings.
pub(super) fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let settings: Vec<u8> =
        settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    [PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()
}

/// A header block, without compression.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            let mut rest = text.len();
            if rest < 127 {
                block.push(u8::try_from(rest).unwrap());
            } else {
                block.push(127);
                rest -= 127;
                while rest >= 128 {
                    block.push(u8::try_from(rest % 128).unwrap() | 128);
                    rest /= 128;
                }
                block.push(u8::try_from(rest).unwrap());
            }
            block.extend(text.bytes());
        }
    }
    block
}

/// A header block as one HEADERS frame, and CONTINUATION frames if it is large.
pub(super) fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = block.chunks(FRAME_MAX).collect();
    let last = parts.len() - 1;
    let mut frames = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        let end = if at == last { END_HEADERS } else { 0 };
        let (kind, flags) = if at == 0 { (HEADERS, flags | end) } else { (CONTINUATION, end) };
        frames.extend(frame(kind, flags, stream, part));
    }
    frames
}

/// What a server sent on one connection until it closed it.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The error code of its GOAWAY.
    pub(super) goaway: Option<u32>,
    /// Streams that it reset, by error code.
    pub(super) resets: BTreeMap<u32, usize>,
    /// Streams that it answered completely.
    pub(super) answered: usize,
    /// Whether it closed the connection, as opposed to the attacker.
    pub(super) closed: bool,
}

/// A connection from an address that is not the bystander's.
pub(super) async fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 2], 0).into())?;
    socket.connect(to).await
}

/// A connection whose answers are read in the background.
pub(super) struct Connection {
    write: OwnedWriteHalf,
    reading: JoinHandle<Received>,
    ended_streams: Arc<AtomicUsize>,
}

impl Connection {
    /// Opens it and sends these bytes. `None` if the server closes it at once.
    pub(super) async fn open(to: SocketAddr, first: &[u8]) -> Option<Self> {
        let (read, write) = connect(to).await.ok()?.into_split();
        let ended_streams = Arc::<AtomicUsize>::default();
        let reading = tokio::spawn(read_all(read, Arc::clone(&ended_streams)));
        let mut connection = Self { write, reading, ended_streams };
        connection.send(first).await.then_some(connection)
    }

    /// False once the server has closed it.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        !self.reading.is_finished() && self.write.write_all(bytes).await.is_ok()
    }

    /// Sends this again and again until so many streams have ended, or the connection, or patience. What the server sent.
    pub(super) async fn send_until_ended(
        mut self,
        streams: usize,
        bytes: &[u8],
        pause: Duration,
        patience: Duration,
    ) -> Received {
        let until = tokio::time::Instant::now() + patience;
        while self.ended_streams.load(Ordering::Relaxed) < streams && tokio::time::Instant::now() < until {
            if !self.send(bytes).await {
                // The rest of what it sent is still being read.
                return self.ended(patience).await;
            }
            tokio::time::sleep(pause).await;
        }
        self.ended(Duration::ZERO).await
    }

    /// Waits for its end by the server, for at most `patience`.
    pub(super) async fn ended(self, patience: Duration) -> Received {
        let Self { write, mut reading, .. } = self;
        if let Ok(received) = tokio::time::timeout(patience, &mut reading).await {
            return Received { closed: true, ..received.unwrap() };
        }
        drop(write);
        reading.await.unwrap()
    }
}

async fn read_all(mut read: OwnedReadHalf, ended_streams: Arc<AtomicUsize>) -> Received {
    let (mut received, mut ended) = (Received::default(), HashSet::new());
    let mut head = [0; 9];
    while read.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if read.read_exact(&mut payload).await.is_err() {
            break;
        }
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        let ends = head[3] == RST_STREAM || matches!(head[3], DATA | HEADERS) && head[4] & END_STREAM != 0;
        // An answer before the request's end is followed by a reset of the same stream.
        if ends && ended.insert(u32::from_be_bytes([head[5], head[6], head[7], head[8]])) {
            ended_streams.fetch_add(1, Ordering::Relaxed);
        }
        match head[3] {
            GOAWAY => received.goaway = Some(code(4)),
            RST_STREAM => *received.resets.entry(code(0)).or_default() += 1,
            DATA | HEADERS if ends => received.answered += 1,
            _ => {}
        }
    }
    received
}
