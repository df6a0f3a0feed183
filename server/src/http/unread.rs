//! What an answered request left unread of its body, over HTTP/1.1.
//!
//! A server that closes a connection with unread bytes resets it, and a client that still sends may lose the answer, or use
//! the connection again and lose the next call. So the rest is read, within limits, before the answer is sent; beyond the
//! limits the answer says that the connection closes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use crate::grpc::REQUEST_MAX;

/// Most bytes that are read for nobody: enough for a request that is a few times too large.
const BYTES_MAX: usize = 4 * REQUEST_MAX;
/// Longest time for that.
const TIME_MAX: Duration = Duration::from_secs(10);

/// A body, and a handle on what its reader leaves of it.
pub(super) fn split<B: Body + Unpin>(body: B) -> (Watched<B>, Rest<B>) {
    let (left, rest) = oneshot::channel();
    (Watched { body: Some(body), left: Some(left) }, Rest(rest))
}

/// A body that is handed to [`Rest`] when its reader drops it before its end.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: Option<B>,
    left: Option<oneshot::Sender<B>>,
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            // It has ended: nothing is left.
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(left)) = (self.body.take(), self.left.take()) {
            let _ = left.send(body);
        }
    }
}

/// Gets what is left of a body.
#[derive(Debug)]
pub(super) struct Rest<B>(oneshot::Receiver<B>);

impl<B: Body + Unpin> Rest<B> {
    /// Reads what is left. False if that is too much, or takes too long. A body that is still being read is left alone.
    pub(super) async fn drained(mut self) -> bool {
        let Ok(mut body) = self.0.try_recv() else { return true };
        let reading = async {
            let mut read = 0;
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                read += frame.data_ref().map_or(0, Buf::remaining);
                if read > BYTES_MAX {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(TIME_MAX, reading).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures::{StreamExt as _, stream};
    use http_body_util::StreamBody;

    use super::*;

    fn body(frames: usize, bytes: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin + std::fmt::Debug {
        let frame = Bytes::from(vec![b' '; bytes]);
        StreamBody::new(stream::iter(vec![frame; frames]).map(|bytes| Ok(Frame::data(bytes))))
    }

    #[tokio::test]
    async fn rest_of_a_body_is_read_up_to_a_limit() {
        for (frames, bytes, read, drained) in [
            (0, 0, 0, true),
            (3, 10, 0, true),
            (3, 10, 1, true),
            (3, 10, 3, true),
            (5, REQUEST_MAX, 0, false),
            (5, REQUEST_MAX, 1, true),
        ] {
            let (mut watched, rest) = split(body(frames, bytes));
            for _ in 0..read {
                watched.frame().await.expect("a frame").expect("no error");
            }
            drop(watched);
            assert_eq!(rest.drained().await, drained, "{read} of {frames} frames of {bytes} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_body_is_abandoned() {
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let (watched, rest) = split(silent);
        drop(watched);
        assert!(!rest.drained().await);
    }

    #[tokio::test]
    async fn body_that_is_still_read_is_left_alone() {
        let (mut watched, rest) = split(body(2, 1));
        assert!(rest.drained().await);
        assert!(watched.frame().await.is_some());
    }
}
