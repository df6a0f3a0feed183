//! Applies to every call of every service: its deadline, the size of its metadata, and an `ErrorInfo` on each error,
//! including those that tonic creates.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::status;

/// Maximum size of a request's metadata, counted as in HTTP/2: gRPC's usual limit.
const METADATA_MAX: usize = 16 * 1024;
/// HTTP/2 adds this to each field's name and value.
const FIELD_OVERHEAD: usize = 32;
/// Time limit until a response begins. `WaitOperation` may take five minutes.
const ANSWER_MAX: Duration = Duration::from_mins(6);
/// Maximum deadline; a longer one is shortened to it.
const DEADLINE_MAX: Duration = Duration::from_hours(24 * 365);

/// Cancelled when the connection of a request ends; a part of each request's extensions.
#[derive(Debug, Clone)]
pub struct ConnectionEnd(pub CancellationToken);

/// Wraps a service in an envelope.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnvelopeLayer;

impl<S> Layer<S> for EnvelopeLayer {
    type Service = Enveloped<S>;

    fn layer(&self, inner: S) -> Enveloped<S> {
        Enveloped { inner }
    }
}

/// A service with its envelope.
#[derive(Debug, Clone)]
pub struct Enveloped<S> {
    inner: S,
}

impl<S: NamedService> NamedService for Enveloped<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Enveloped<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let deadline = match check(request.headers()) {
            Ok(deadline) => deadline,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        let end = request.extensions().get::<ConnectionEnd>().cloned();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let latest = Instant::now() + ANSWER_MAX;
            let until = deadline.map_or(latest, |deadline| deadline.min(latest));
            let Ok(answered) = tokio::time::timeout_at(until, answer).await else {
                return Ok(status::deadline_exceeded().into_http());
            };
            let response = match answered {
                Ok(response) => response,
                Err(never) => match never {},
            };
            match Status::from_header_map(response.headers()) {
                Some(status) if status.code() == Code::Ok => Ok(response),
                Some(status) => Ok(status::complete_request(status).into_http()),
                None => Ok(response.map(|body| Body::new(EnvelopeBody::new(body, deadline, end)))),
            }
        })
    }
}

/// The deadline of a request, after checking its metadata.
fn check(headers: &HeaderMap) -> Result<Option<Instant>, Status> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD).sum();
    if size > METADATA_MAX {
        return Err(status::metadata_too_large(size, METADATA_MAX));
    }
    let Some(text) = headers.get("grpc-timeout") else { return Ok(None) };
    let timeout = text.to_str().ok().and_then(timeout).ok_or_else(status::timeout_malformed)?;
    Ok((timeout < DEADLINE_MAX).then(|| Instant::now() + timeout))
}

/// `grpc-timeout`: up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = (1..=8).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = Some(number).filter(|_| digits)?.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The body of a response: it ends with a status at the deadline and with its connection, and its status is complete.
struct EnvelopeBody {
    body: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    connection: Option<ConnectionEnd>,
    /// Waits for the connection's end; created when the body first has to wait.
    ending: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    ended: bool,
}

impl EnvelopeBody {
    fn new(body: Body, deadline: Option<Instant>, connection: Option<ConnectionEnd>) -> Self {
        let deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
        Self { body, deadline, connection, ending: None, ended: false }
    }

    /// The status with which the body must end now, if it must.
    fn cut(&mut self, cx: &mut Context<'_>) -> Option<Status> {
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return Some(status::deadline_exceeded());
        }
        if let Some(ConnectionEnd(token)) = self.connection.take() {
            self.ending = Some(Box::pin(token.cancelled_owned()));
        }
        let ended = self.ending.as_mut().is_some_and(|ending| ending.as_mut().poll(cx).is_ready());
        ended.then(status::connection_ended)
    }

    fn end(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }
}

impl http_body::Body for EnvelopeBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let failed = frame.trailers_ref().and_then(Status::from_header_map);
                match failed.filter(|status| status.code() != Code::Ok) {
                    Some(status) => self.end(&status::complete(status)),
                    None => Poll::Ready(Some(Ok(frame))),
                }
            }
            Poll::Ready(Some(Err(error))) => self.end(&status::complete(error)),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.cut(cx) {
                Some(status) => self.end(&status),
                None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn endless() -> Body {
        Body::new(http_body_util::StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Status>>()))
    }

    async fn end_of(mut body: EnvelopeBody) -> Code {
        let last = body.frame().await.expect("the end").expect("a frame");
        assert!(body.frame().await.is_none(), "nothing follows the status");
        Status::from_header_map(last.trailers_ref().expect("trailers")).expect("a status").code()
    }

    #[tokio::test(start_paused = true)]
    async fn stream_ends_at_deadline_and_with_its_connection() {
        let deadline = Instant::now() + Duration::from_secs(5);
        assert_eq!(end_of(EnvelopeBody::new(endless(), Some(deadline), None)).await, Code::DeadlineExceeded);
        let token = CancellationToken::new();
        let body = EnvelopeBody::new(endless(), None, Some(ConnectionEnd(token.clone())));
        let ending = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            token.cancel();
        };
        assert_eq!(tokio::join!(end_of(body), ending).0, Code::Unavailable);
    }

    #[test]
    fn grpc_timeouts_are_parsed() {
        assert_eq!(timeout("15S"), Some(Duration::from_secs(15)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        for bad in ["", "S", "15", "-1S", "+1S", "999999999S", "1x", "abc", "1é"] {
            assert_eq!(timeout(bad), None, "{bad}");
        }
    }

    #[test]
    fn oversized_metadata_is_rejected() {
        let mut headers = HeaderMap::new();
        headers.insert("x-long", "a".repeat(METADATA_MAX).parse().expect("ascii"));
        assert_eq!(check(&headers).expect_err("too large").code(), Code::ResourceExhausted);
        headers.insert("x-long", "a".repeat(METADATA_MAX - 100).parse().expect("ascii"));
        assert_eq!(check(&headers).expect("fits"), None);
    }
}
