//! The time limit of a request's body.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Code;

use crate::grpc::status;

/// A body that fails when it is not complete in time. The service reads the failure as a gRPC status.
#[derive(Debug)]
pub(super) struct Timed {
    body: Body,
    deadline: Instant,
    /// Created when the body first has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    pub(super) fn new(body: Body, deadline: Instant) -> Self {
        Self { body, deadline, timer: None }
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() && Instant::now() < self.deadline {
            return frame;
        }
        // Bytes that arrive one at a time may never be waited for, but count as late.
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            return frame;
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.as_mut().poll(cx).is_pending() {
            return frame;
        }
        self.body = Body::empty();
        let message = "the request's body was not complete in time".to_owned();
        let status = status::refused(Code::DeadlineExceeded, "REQUEST_BODY_TIMEOUT", message);
        Poll::Ready(Some(Err(axum::Error::new(status))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A body of `count` bytes, one every `pause`.
    fn drip(count: usize, pause: Duration) -> Body {
        let bytes = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))
        });
        Body::new(StreamBody::new(Box::pin(bytes)))
    }

    #[tokio::test(start_paused = true)]
    async fn body_must_be_complete_in_time() {
        let second = Duration::from_secs(1);
        for (count, pause, complete) in [
            (0, second, true),
            (5, second, true),
            (9, second, true),
            (11, second, false),
            (1_000_000, Duration::from_millis(1), false),
            (1, 100 * second, false),
        ] {
            let began = Instant::now();
            let read = Timed::new(drip(count, pause), began + LIMIT).collect().await;
            assert_eq!(read.is_ok(), complete, "{count} bytes, one every {pause:?}");
            let Err(error) = read else { continue };
            assert!(began.elapsed() <= LIMIT + second, "{:?}", began.elapsed());
            let status = tonic::Status::from_error(Box::new(error));
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        }
    }
}
