//! One connection, from its TLS handshake to its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::Limits;
use super::request_body::Timed;
use super::unread::{Guarded, PART, Parts, Socket, Streams, Unread};
use crate::authentication::ClientCertificate;
use crate::grpc::envelope::ConnectionEnd;
use crate::grpc::origin::Peer;
use crate::http::tls::{Encrypted, Tls};
use crate::http::unread;

/// Reflection requests come one after another in one body, for as long as the client wants. They are small.
const OPEN_ENDED: &str = "/grpc.reflection.";
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

/// What every connection gets.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) router: Router,
    pub(super) limits: Limits,
    /// Absent for plain text.
    pub(super) tls: Option<Tls>,
    pub(super) shutdown: CancellationToken,
}

/// Who opened a connection.
struct Client {
    peer: IpAddr,
    /// Verified by TLS.
    certificate: Option<Arc<ClientCertificate>>,
}

impl Connection {
    pub(super) async fn serve(self, stream: TcpStream, peer: IpAddr) {
        let deadline = Instant::now() + self.limits.first_request;
        match &self.tls {
            None => self.requests(stream, Client { peer, certificate: None }, deadline).await,
            Some(tls) => {
                if let Some(stream) = self.handshake(tls, stream, peer, deadline).await {
                    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let certificate = certificate.and_then(|it| ClientCertificate::parse(it)).map(Arc::new);
                    self.requests(*stream, Client { peer, certificate }, deadline).await;
                }
            }
        }
    }

    async fn handshake(&self, tls: &Tls, stream: TcpStream, peer: IpAddr, deadline: Instant) -> Option<Box<Encrypted>> {
        let ended = tokio::select! {
            ended = tokio::time::timeout_at(deadline, tls.accept(stream)) => ended,
            () = self.shutdown.cancelled() => return None,
        };
        match ended {
            Ok(Ok(stream)) => return Some(Box::new(stream)),
            // At this level, because anyone who can connect can cause it.
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake was not completed in time"),
        }
        None
    }

    async fn requests<S>(&self, stream: S, client: Client, first_request: Instant)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { limits, shutdown, .. } = self;
        let router = self.router.clone();
        let (asked, end) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let (seen, in_work) = (Arc::clone(&asked), Arc::new(Semaphore::new(CONCURRENCY)));
        let (token, body_limit) = (end.clone(), limits.request_body);
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectionEnd(token.clone()));
            request.extensions_mut().insert(Peer(client.peer));
            if let Some(certificate) = &client.certificate {
                request.extensions_mut().insert(Arc::clone(certificate));
            }
            let (router, in_work) = (router.clone(), Arc::clone(&in_work));
            async move {
                if request.version() >= Version::HTTP_2 {
                    // A stream that is reset by now, in the same packet as it was opened, ends here and has cost nothing.
                    tokio::task::yield_now().await;
                }
                let _place = in_work.acquire_owned().await;
                let response = answer(router, request, Instant::now() + body_limit).await?;
                Ok::<_, Infallible>(response.map(Parts::of))
            }
        });
        let (builder, unread) = (builder(*limits), Unread::default());
        let socket = TokioIo::new(Socket::new(stream, unread.clone()));
        let connection = builder.serve_connection(socket, TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let unread = || unread.clone();
        let age = limits.max_age.mul_f64(rand::random_range(0.9..1.1));
        tokio::select! {
            _ = Guarded::new(connection.as_mut(), unread(), limits.unread_response) => return,
            () = silence(first_request, &asked) => return,
            () = tokio::time::sleep(age) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    _ = Guarded::new(connection.as_mut(), unread(), limits.unread_response) => return,
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
async fn answer(mut router: Router, request: Request<Incoming>, until: Instant) -> Result<Response, Infallible> {
    let open_ended = request.uri().path().starts_with(OPEN_ENDED);
    let timed = move |body| if open_ended { body } else { Body::new(Timed::new(body, until)) };
    if request.version() >= Version::HTTP_2 {
        return router.call(request.map(|body| timed(Body::new(body)))).await;
    }
    let (parts, body) = request.into_parts();
    let (body, rest) = unread::split(body);
    let mut response = router.call(Request::from_parts(parts, timed(Body::new(body)))).await?;
    if !rest.drained().await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Completes if no request arrived in time; otherwise never.
async fn silence(deadline: Instant, asked: &AtomicBool) {
    tokio::time::sleep_until(deadline).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

fn builder(limits: Limits) -> Builder<Streams> {
    let mut builder = Builder::new(Streams { limit: limits.unread_response });
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.first_request.max(KEEPALIVE));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .max_header_list_size(HEADERS)
        .max_send_buf_size(2 * PART)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}
