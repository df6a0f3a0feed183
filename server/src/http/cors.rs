//! The origins that may call over grpc-web and Connect: the server's own, configured ones, and, if the server
//! listens on loopback only, loopback origins (a front end in development).

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::{Config, is_loopback};
use crate::grpc::auth::TENANT;
use crate::grpc::origin::REQUEST_ID;

/// How long browsers may cache a preflight response.
const MAX_AGE: Duration = Duration::from_hours(1);

const REQUEST_HEADERS: [HeaderName; 12] = [
    AUTHORIZATION,
    TENANT,
    CONTENT_TYPE,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    REQUEST_ID,
];

const RESPONSE_HEADERS: [HeaderName; 4] = [
    REQUEST_ID,
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// Same-origin requests need no permission and get none.
pub(super) fn layer(config: &Config) -> CorsLayer {
    let development = config.listen.ip().is_loopback();
    let origins = config.allowed_origins.clone();
    let allowed = AllowOrigin::predicate(move |origin, _| is_allowed(origin, &origins, development));
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(MAX_AGE)
}

fn is_allowed(origin: &HeaderValue, origins: &[String], development: bool) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    origins.iter().any(|allowed| allowed == "*" || allowed == origin)
        || (development && url::Url::parse(origin).is_ok_and(|url| is_loopback(&url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configured_and_loopback_origins_are_allowed() {
        let allowed = |origin: &'static str, development| {
            is_allowed(&HeaderValue::from_static(origin), &["https://shops.example.com".into()], development)
        };
        assert!(allowed("https://shops.example.com", false));
        assert!(allowed("http://localhost:5173", true) && allowed("http://[::1]:1", true));
        assert!(!allowed("http://localhost:5173", false));
        for stranger in
            ["https://evil.example.com", "http://localhost.evil.com", "null", "https://shops.example.com.evil"]
        {
            assert!(!allowed(stranger, true), "{stranger}");
        }
    }
}
