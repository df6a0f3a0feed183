//! One log line, one span and the metrics of each request, whatever its outcome: answered, failed, cancelled, panicked.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use opentelemetry::trace::{SpanContext, TraceId};
use storeplane_core::failure::truncate;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument, Span, field};

use super::call::Call;
use super::status;
use crate::telemetry::trace;

/// Maximum length of a method in a log line: unknown ones are arbitrary text.
const METHOD_MAX: usize = 100;

/// Logs the requests of a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogLayer;

impl<S> Layer<S> for LogLayer {
    type Service = Logged<S>;

    fn layer(&self, inner: S) -> Logged<S> {
        Logged { inner }
    }
}

/// A service whose requests are logged.
#[derive(Debug, Clone)]
pub struct Logged<S> {
    inner: S,
}

impl<S: NamedService> NamedService for Logged<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Logged<S>
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
        let (span, trace) = span(&request);
        let call = Call::begin(request.uri().path(), trace);
        let mut line = Line { span: span.clone(), call, code: None };
        let answer = span.in_scope(|| self.inner.call(request));
        let answer = AssertUnwindSafe(answer).catch_unwind().instrument(span);
        Box::pin(async move {
            let response = match answer.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(panic) => {
                    line.span.in_scope(|| tracing::error!(panic = panic_text(&*panic), "a handler panicked"));
                    status::internal().into_http()
                }
            };
            line.code = code(response.headers());
            Ok(response.map(|body| Body::new(LoggedBody { body, line })))
        })
    }
}

/// The span of a request, and its trace if that is sampled.
fn span(request: &Request<Body>) -> (Span, Option<TraceId>) {
    let method = truncate(request.uri().path().trim_start_matches('/').to_owned(), METHOD_MAX);
    let span = tracing::info_span!(
        "request",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = field::Empty,
        rpc.system = "grpc",
        rpc.grpc.status_code = field::Empty,
        method,
        tenant = field::Empty,
        caller = field::Empty,
        store_id = field::Empty,
        trace_id = field::Empty,
        request_id = field::Empty,
        peer = field::Empty,
    );
    let context = trace::continue_from(&span, request.headers());
    if let Some(context) = &context {
        span.record("trace_id", field::display(context.trace_id()));
    }
    let sampled = context.filter(SpanContext::is_sampled);
    (span, sampled.map(|context| context.trace_id()))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("?")
}

fn code(headers: &HeaderMap) -> Option<Code> {
    Status::from_header_map(headers).map(|status| status.code())
}

/// Writes the log line when it is dropped, so that every outcome is logged.
struct Line {
    span: Span,
    call: Call,
    code: Option<Code>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // Dropped early: the caller disconnected, or its deadline passed.
        let code = self.code.unwrap_or(Code::Cancelled);
        let status = name(code);
        let ms = u64::try_from(self.call.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.call.end(status);
        self.span.record("rpc.grpc.status_code", code as i32);
        let _inside = self.span.enter();
        match code {
            Code::Internal | Code::Unknown | Code::DataLoss => {
                self.span.record("otel.status_code", "ERROR");
                tracing::error!(status, ms, "request");
            }
            Code::Unavailable => tracing::warn!(status, ms, "request"),
            _ => tracing::info!(status, ms, "request"),
        }
    }
}

/// A body that reads the status from its trailers.
struct LoggedBody {
    body: Body,
    line: Line,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let span = self.line.span.clone();
        let frame = span.in_scope(|| Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.line.code = code(trailers);
                }
            }
            Poll::Ready(Some(Err(error))) => self.line.code = Some(error.code()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The code as gRPC writes it.
pub(super) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
