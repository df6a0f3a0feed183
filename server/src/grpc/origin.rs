//! Determines where each request came from, before its caller is authenticated: a part of the request's extensions, as
//! `Arc<Origin>`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use storeplane_core::audit::Origin;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Layer, Service};
use tracing::Span;
use uuid::Uuid;

use crate::proxies::Proxies;
use crate::telemetry::trace;

/// Metadata that identifies a request in logs: the caller's, or a new one; every response repeats it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The user agent of grpc-web, where browsers set `user-agent` themselves.
const WEB_USER_AGENT: HeaderName = HeaderName::from_static("x-user-agent");

/// The address of the connection on which a request arrived; a part of each request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Adds the origin to each request.
#[derive(Debug, Clone)]
pub struct OriginLayer {
    proxies: Arc<Proxies>,
}

impl OriginLayer {
    /// With the proxies whose statements are believed.
    pub fn new(proxies: Proxies) -> Self {
        Self { proxies: Arc::new(proxies) }
    }
}

impl<S> Layer<S> for OriginLayer {
    type Service = WithOrigin<S>;

    fn layer(&self, inner: S) -> WithOrigin<S> {
        WithOrigin { inner, proxies: Arc::clone(&self.proxies) }
    }
}

/// A service whose requests have an origin.
#[derive(Debug, Clone)]
pub struct WithOrigin<S> {
    inner: S,
    proxies: Arc<Proxies>,
}

impl<S: NamedService> NamedService for WithOrigin<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for WithOrigin<S>
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

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let connection = request.extensions().get::<Peer>().map(|peer| peer.0);
        let origin = origin(&self.proxies, connection, request.headers());
        let span = Span::current();
        span.record("request_id", origin.request_id.as_str());
        span.record("peer", origin.peer.map(tracing::field::display));
        let id = HeaderValue::from_str(&origin.request_id).ok();
        request.extensions_mut().insert(Arc::new(origin));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            response.headers_mut().extend(id.map(|id| (REQUEST_ID, id)));
            Ok(response)
        })
    }
}

/// The origin of a request that arrived on a connection from this address.
pub fn origin(proxies: &Proxies, connection: Option<IpAddr>, headers: &HeaderMap) -> Origin {
    let text = |name| headers.get(name).map(|value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()));
    let request_id = text(REQUEST_ID).and_then(|id| Origin::request_id(&id));
    Origin {
        peer: connection.map(|address| proxies.client(address, headers)),
        user_agent: Origin::user_agent(&text(USER_AGENT).or_else(|| text(WEB_USER_AGENT)).unwrap_or_default()),
        trace_id: trace::id(headers).map(|id| id.to_string()).unwrap_or_default(),
        request_id: request_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_read_from_connection_and_metadata() {
        let headers = |pairs: &[(HeaderName, &[u8])]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value).expect("a header")))
                .collect()
        };
        let (proxies, address) = (Proxies::default(), "::ffff:192.0.2.1".parse().ok());
        let all = headers(&[
            (USER_AGENT, "grpcurl/1.9 \u{202e}\u{ff}".as_bytes()),
            (REQUEST_ID, b"my-request"),
            (HeaderName::from_static("traceparent"), b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            (HeaderName::from_static("x-forwarded-for"), b"203.0.113.9"),
        ]);
        let expected = Origin {
            peer: "192.0.2.1".parse().ok(),
            user_agent: "grpcurl/1.9 \u{fffd}\u{ff}".into(),
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            request_id: "my-request".into(),
        };
        assert_eq!(origin(&proxies, address, &all), expected);

        let poor = origin(&proxies, None, &headers(&[(REQUEST_ID, b"two words"), (WEB_USER_AGENT, b"grpc-web/0.1")]));
        assert_eq!((poor.peer, poor.user_agent.as_str(), poor.trace_id.as_str()), (None, "grpc-web/0.1", ""));
        assert!(poor.request_id.parse::<Uuid>().is_ok(), "{}", poor.request_id);
    }
}
