//! Accepts only requests that gRPC services understand: POST with a supported content type. Others get an HTTP error
//! that also carries the gRPC status in its headers.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt as _};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Layer, Service};

use super::status;

/// Lets only gRPC and grpc-web requests through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ContentTypeLayer;

impl<S> Layer<S> for ContentTypeLayer {
    type Service = ContentTyped<S>;

    fn layer(&self, inner: S) -> ContentTyped<S> {
        ContentTyped { inner }
    }
}

/// A service that receives only gRPC and grpc-web requests.
#[derive(Debug, Clone)]
pub(super) struct ContentTyped<S> {
    inner: S,
}

impl<S: NamedService> NamedService for ContentTyped<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for ContentTyped<S>
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
        if request.method() != Method::POST {
            let mut response = status::unsupported_http("only POST is served here").into_http();
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return std::future::ready(Ok(in_http(response))).boxed();
        }
        let given = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let Some(kind) = given.and_then(|given| canonical(given, request.version())) else {
            let mut response = status::unsupported_http(
                "the content type must be application/grpc, application/grpc-web or application/json",
            )
            .into_http();
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return std::future::ready(Ok(in_http(response))).boxed();
        };
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        self.inner.call(request).boxed()
    }
}

/// Not a gRPC response, although it carries a gRPC status.
fn in_http(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The content type without parameters, if it is supported. gRPC itself requires HTTP/2.
fn canonical(given: &str, version: Version) -> Option<&'static str> {
    const GRPC: [&str; 2] = ["application/grpc", "application/grpc+proto"];
    const WEB: [&str; 4] = [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
    ];
    let kind = given.split(';').next().unwrap_or_default().trim();
    let of = |kinds: &'static [&str]| kinds.iter().copied().find(|known| known.eq_ignore_ascii_case(kind));
    of(&WEB).or_else(|| of(&GRPC).filter(|_| version == Version::HTTP_2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_type_parameters_are_ignored_and_other_types_rejected() {
        let over = |given| canonical(given, Version::HTTP_2);
        assert_eq!(over("application/grpc-web+proto; charset=utf-8"), Some("application/grpc-web+proto"));
        assert_eq!(over("Application/GRPC"), Some("application/grpc"));
        for bad in ["", "application/json", "application/grpc+json", "application/grpcx", "text/html"] {
            assert_eq!(over(bad), None, "{bad}");
        }
        assert_eq!(canonical("application/grpc", Version::HTTP_11), None);
        assert!(canonical("application/grpc-web", Version::HTTP_11).is_some());
    }
}
