//! Ends what a client does not read: a connection whose socket accepts no more bytes, and over HTTP/2 a response whose flow-control
//! window stays closed. Without this limit their messages would stay in memory for as long as the client pleases.
//!
//! hyper asks a body for its next part once the one before is in its buffer, which drains as the client reads; so a part that stays
//! the last one for too long is not read. Over HTTP/2 each response has a task of its own, which is dropped then: the stream is reset,
//! and the connection's other streams continue.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Longest part of a response that is handed over at once, and so the most that one stream buffers twice.
pub(super) const PART: usize = 32 * 1024;

/// Bytes that a connection may read before others get a turn: thousands of small frames.
const TURN: usize = 64 * 1024;

tokio::task_local! {
    /// What the response of this task has handed over.
    static UNREAD: Unread;
}

/// Since when something is waiting for the client. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Option<Instant>>>);

impl Unread {
    /// Something was handed over: unless it is `done`, it waits for the client from now on.
    fn progressed(&self, done: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (!done).then(Instant::now);
    }

    /// Nothing more can be handed over until the client reads.
    fn blocked(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }

    fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends until it is done, or until the client has read nothing for `limit`.
#[derive(Debug)]
pub(super) struct Guarded<F> {
    sending: Pin<Box<F>>,
    unread: Unread,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Guarded<F> {
    pub(super) fn new(sending: F, unread: Unread, limit: Duration) -> Self {
        Self { sending: Box::pin(sending), unread, limit, timer: None }
    }
}

impl<F: Future> Future for Guarded<F> {
    /// `None` if the client did not read.
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { sending, unread, limit, timer } = self.get_mut();
        if let Poll::Ready(done) = sending.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        let Some(since) = unread.since() else {
            *timer = None;
            return Poll::Pending;
        };
        let deadline = since + *limit;
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

/// Starts a task for each response over HTTP/2, which ends when its client does not read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    pub(super) limit: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    #[expect(clippy::disallowed_methods, reason = "it ends with its connection, for which the shutdown waits")]
    fn execute(&self, response: F) {
        let unread = Unread::default();
        let response = Guarded::new(UNREAD.scope(unread.clone(), response), unread, self.limit);
        tokio::spawn(async move {
            if response.await.is_none() {
                tracing::debug!("a response was ended: its client does not read it");
            }
        });
    }
}

/// A response's body in parts, each of which the client must take in time.
#[derive(Debug)]
pub(super) struct Parts {
    body: Body,
    /// What is left of the last frame.
    rest: Bytes,
}

impl Parts {
    pub(super) fn of(body: Body) -> Body {
        Body::new(Self { body, rest: Bytes::new() })
    }
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            // It asks for more, so the client has read what came before, but for at most one part.
            let _ = UNREAD.try_with(|unread| unread.progressed(true));
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let length = self.rest.len().min(PART);
        let part = self.rest.split_to(length);
        let _ = UNREAD.try_with(|unread| unread.progressed(false));
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(rest.saturating_add(hint.lower()));
        if let Some(upper) = hint.upper().and_then(|upper| upper.checked_add(rest)) {
            whole.set_upper(upper);
        }
        whole
    }
}

/// A connection's socket. It notes while it accepts no more bytes, and lets other connections have their turn.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    unread: Unread,
    /// Bytes read in this turn.
    read: usize,
}

impl<S> Socket<S> {
    pub(super) fn new(stream: S, unread: Unread) -> Self {
        Self { stream, unread, read: 0 }
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Ready(_) => self.unread.progressed(true),
            Poll::Pending => self.unread.blocked(),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= TURN {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read = if read.is_pending() { 0 } else { self.read + (buffer.filled().len() - before) };
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush with nothing to send says nothing about the client.
        if flushed.is_pending() { self.note(flushed) } else { flushed }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    /// A second less.
    const ALMOST: Duration = Duration::from_secs(9);

    async fn frames(body: &mut Body, count: usize) {
        for _ in 0..count {
            body.frame().await.expect("a frame").expect("no error");
        }
    }

    /// Runs `sending` as a response's task.
    async fn guarded<F: Future>(sending: F) -> Option<F::Output> {
        let unread = Unread::default();
        Guarded::new(UNREAD.scope(unread.clone(), sending), unread, LIMIT).await
    }

    #[tokio::test]
    async fn body_is_handed_over_in_parts_and_unchanged() {
        for length in [0, 1, PART, PART + 1, 3 * PART] {
            let whole: Bytes = (0..=255_u8).cycle().take(length).collect::<Vec<_>>().into();
            let mut body = Parts::of(Body::from(whole.clone()));
            assert_eq!(http_body::Body::size_hint(&body).exact(), Some(length as u64));
            let mut read = Vec::new();
            while let Some(frame) = body.frame().await {
                let part = frame.expect("no error").into_data().expect("data");
                assert!(part.len() <= PART);
                read.extend(part);
                assert_eq!(http_body::Body::size_hint(&body).exact(), Some((length - read.len()) as u64));
            }
            assert_eq!(read, whole);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn response_that_is_not_read_ends_and_others_continue() {
        let long = || Parts::of(Body::from(vec![0; 4 * PART]));
        let began = Instant::now();
        let stuck = guarded(async {
            frames(&mut long(), 2).await;
            std::future::pending::<()>().await;
        });
        assert_eq!(stuck.await, None);
        assert_eq!(began.elapsed(), LIMIT);

        let slow = guarded(async {
            let mut body = long();
            for _ in 0..4 {
                frames(&mut body, 1).await;
                tokio::time::sleep(ALMOST).await;
            }
        });
        assert_eq!(slow.await, Some(()), "a slow reader has time for each part");

        let quiet = guarded(async {
            let mut body = Parts::of(Body::new(http_body_util::StreamBody::new(futures::stream::pending::<
                Result<Frame<Bytes>, std::convert::Infallible>,
            >())));
            let _ = tokio::time::timeout(10 * LIMIT, body.frame()).await;
        });
        assert_eq!(quiet.await, Some(()), "a watch without events is not unread");
    }

    #[tokio::test]
    async fn connection_that_sends_much_gives_others_a_turn() {
        let (mut client, server) = tokio::io::duplex(4 * TURN);
        client.write_all(&vec![0; 4 * TURN]).await.expect("room");
        let mut socket = Socket::new(server, Unread::default());
        let turns = std::cell::Cell::new(0);
        let others = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let reading = async {
            let (mut total, mut buffer) = (0, [0; 4096]);
            while total < 4 * TURN {
                total += socket.read(&mut buffer).await.expect("bytes");
            }
        };
        tokio::select! {
            biased;
            () = reading => {}
            () = others => {}
        }
        assert!(turns.get() >= 3, "the other task had {} turns", turns.get());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_whose_socket_is_full_ends() {
        let (mut client, server) = tokio::io::duplex(1024);
        let unread = Unread::default();
        let mut socket = Socket::new(server, unread.clone());
        let sending = async {
            socket.write_all(&[0; 1024]).await.expect("room");
            tokio::time::sleep(10 * LIMIT).await;
            socket.write_all(&[0; 1024]).await.expect("read in time");
            socket.write_all(&[0; 1024]).await.expect("never read");
        };
        let reading = async {
            tokio::time::sleep(10 * LIMIT + ALMOST).await;
            client.read_exact(&mut [0; 1024]).await.expect("bytes");
            std::future::pending::<()>().await;
        };
        let began = Instant::now();
        tokio::select! {
            ended = Guarded::new(sending, unread, LIMIT) => assert_eq!(ended, None),
            () = reading => {}
        }
        assert_eq!(began.elapsed(), 11 * LIMIT + ALMOST);
    }
}
