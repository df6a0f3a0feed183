//! Accepts and serves connections within limits: their number, their idle time and their age.
//!
//! Replaces tonic's server, which has no limit for silent sockets, answers a passed deadline with
//! CANCELLED, and closes an aged connection without GOAWAY.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::StreamExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpIncoming;
use tower::Service as _;

use super::unread;
use crate::grpc::envelope::ConnectionEnd;

/// Maximum number of concurrent requests of a connection; further ones wait. A watch counts until it begins.
const CONCURRENCY: usize = 256;
/// Maximum number of open streams of a connection, mostly watches.
const STREAMS: u32 = 1024;
/// Maximum number of streams that a client may reset before the server has handled them: as many as it may open, because
/// opening and cancelling them all is legitimate.
const RESET_STREAMS: usize = STREAMS as usize;
/// Maximum metadata that is read at all; [`crate::grpc::envelope`] rejects less than this with a status.
const HEADERS: u32 = 64 * 1024;
/// Idle time after which a keepalive ping is sent.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Time limit of the ping's answer.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long streams may take to send their last status after their connection's end.
const FAREWELL: Duration = Duration::from_secs(5);
/// First and longest delay after accepting failed because of missing file descriptors or memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of connections; further ones wait in the listener's queue.
    pub connections: usize,
    /// Time from a connection's start to the end of its first request's head.
    pub first_request: Duration,
    /// Age at which a connection accepts no further requests; each one's differs by up to 10 %.
    pub max_age: Duration,
    /// How long its requests may continue after that.
    pub max_age_grace: Duration,
}

/// Serves until `shutdown`, and then until all connections have ended.
pub async fn serve(incoming: TcpIncoming, router: Router, limits: Limits, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let free = Arc::new(Semaphore::new(limits.connections));
    let accepting = accept(incoming, &free, |stream, place| {
        let connection = Connection { router: router.clone(), limits, shutdown: shutdown.clone() };
        connections.spawn(async move {
            connection.serve(stream).await;
            drop(place);
        });
    });
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    mut incoming: TcpIncoming,
    free: &Arc<Semaphore>,
    mut begin: impl FnMut(TcpStream, tokio::sync::OwnedSemaphorePermit),
) {
    let mut wait = BACKOFF.0;
    loop {
        let Ok(place) = Arc::clone(free).acquire_owned().await else { return };
        match incoming.next().await {
            Some(Ok(stream)) => {
                wait = BACKOFF.0;
                begin(stream, place);
            }
            Some(Err(error)) if is_about_one_connection(&error) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept connections; waiting");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
            }
            None => return,
        }
    }
}

/// True if accepting the next connection may succeed.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput | NotConnected
    )
}

struct Connection {
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Self { router, limits, shutdown } = self;
        let (asked, end) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let (seen, in_work) = (Arc::clone(&asked), Arc::new(Semaphore::new(CONCURRENCY)));
        let token = end.clone();
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectionEnd(token.clone()));
            let (router, in_work) = (router.clone(), Arc::clone(&in_work));
            async move {
                let _place = in_work.acquire_owned().await;
                answer(router, request).await
            }
        });
        let builder = builder(limits);
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let age = limits.max_age.mul_f64(rand::random_range(0.9..1.1));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = silence(limits.first_request, &asked) => return,
            () = tokio::time::sleep(age) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(limits.max_age_grace) => {}
                }
            }
            () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        if shutdown.is_cancelled() {
            // Requests in progress end by themselves: the shutdown decides how long to wait.
            let _ = connection.await;
        } else {
            end.cancel();
            let _ = tokio::time::timeout(FAREWELL, connection).await;
        }
    }
}

/// Answers a request. Over HTTP/1.1 what is left of its body is read first.
async fn answer(mut router: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    if request.version() >= Version::HTTP_2 {
        return router.call(request.map(Body::new)).await;
    }
    let (parts, body) = request.into_parts();
    let (body, rest) = unread::split(body);
    let mut response = router.call(Request::from_parts(parts, Body::new(body))).await?;
    if !rest.drained().await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Completes if no request arrived in time; otherwise never.
async fn silence(time: Duration, asked: &AtomicBool) {
    tokio::time::sleep(time).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.first_request.max(KEEPALIVE));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}

/// Leaves half of the process' file descriptors for everything else: helm, Postgres, the cluster.
pub fn affordable(connections: usize) -> usize {
    let soft =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).map_or(u64::MAX, |limits| limits.0);
    let affordable = usize::try_from(soft / 2).unwrap_or(usize::MAX).max(1);
    if affordable < connections {
        tracing::warn!(
            connections = affordable,
            wanted = connections,
            "the limit on open files allows fewer connections"
        );
    }
    connections.min(affordable)
}
