//! `/metrics`, on a port of its own: without a token, for the operator's network only.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use prometheus_client::encoding::prometheus_text;

use super::{Format, metrics};

const OPEN_METRICS: &str = "application/openmetrics-text";

/// What is served.
pub fn router() -> Router {
    Router::new().route("/metrics", get(answer))
}

async fn answer(headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = wanted(accept);
    let kind = match format {
        Format::Prometheus => HeaderValue::from_static(prometheus_text::CONTENT_TYPE),
        Format::OpenMetrics => HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    };
    ([(CONTENT_TYPE, kind)], metrics().scrape(format)).into_response()
}

/// `OpenMetrics` if the client prefers it to plain text, otherwise Prometheus' text format.
fn wanted(accept: &str) -> Format {
    let preference = |wanted: &str| {
        let parts = accept.split(',').map(|part| part.split(';').map(str::trim));
        let weights = parts.filter_map(|mut part| {
            let kind = part.next()?;
            let weight = part.find_map(|parameter| parameter.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok());
            weight.filter(|_: &f32| kind.eq_ignore_ascii_case(wanted))
        });
        weights.fold(0.0, f32::max)
    };
    let open = preference(OPEN_METRICS);
    if open > 0.0 && open >= preference("text/plain") { Format::OpenMetrics } else { Format::Prometheus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_chooses_the_format() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let open = [prometheus, "application/openmetrics-text", "text/plain;q=0.1, Application/OpenMetrics-Text"];
        assert!(open.iter().all(|accept| wanted(accept) == Format::OpenMetrics));
        let plain = ["", "*/*", "text/html", "text/plain", "text/plain, application/openmetrics-text;q=0.5"];
        assert!(plain.iter().all(|accept| wanted(accept) == Format::Prometheus));
        assert_eq!(wanted("application/openmetrics-text;q=0"), Format::Prometheus);
    }
}
