//! W3C trace context: from requests to operations, and from operations to the worker's spans.

use std::collections::HashMap;

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Makes `span` part of the caller's trace, if the request has one, and returns the span's context.
pub fn continue_from(span: &Span, headers: &HeaderMap) -> Option<SpanContext> {
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    if parent.span().span_context().is_valid() {
        // Fails only without a tracer, or if the span has already started: then there is nothing to continue.
        let _ = span.set_parent(parent);
    }
    let context = span.context().span().span_context().clone();
    context.is_valid().then_some(context)
}

/// The trace of the current request: that of its span, or the one that its caller names.
pub fn id(headers: &HeaderMap) -> Option<TraceId> {
    let span = Span::current().context().span().span_context().clone();
    let named = || TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    let context = if span.is_valid() { span } else { named().span().span_context().clone() };
    context.is_valid().then(|| context.trace_id())
}

/// The `traceparent` of the current span, stored with an operation.
pub fn current() -> Option<String> {
    let context = Span::current().context().span().span_context().clone();
    context
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8()))
}

/// Links `span` to the request that started its operation. A link and not a child, because the operation outlives the request.
pub fn link(span: &Span, traceparent: &str) {
    if let Some(context) = parse(traceparent) {
        span.add_link(context);
    }
}

/// The context of a `traceparent`; `None` if it is invalid.
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let context = context.span().span_context().clone();
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn request_continues_caller_trace() {
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
        tracing::subscriber::with_default(subscriber, || {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), PARENT.parse().unwrap())]);
            let span = tracing::info_span!("request");
            let id = continue_from(&span, &headers).map(|context| context.trace_id().to_string());
            assert_eq!(id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
            let kept = span.in_scope(current).expect("the span has a context");
            assert!(kept.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && kept != PARENT, "{kept}");

            let fresh = tracing::info_span!("request");
            let id = continue_from(&fresh, &HeaderMap::new()).expect("has a context").trace_id().to_string();
            assert!(id.len() == 32 && id != "0af7651916cd43dd8448eb211c80319c");
        });
    }

    #[test]
    fn invalid_traceparent_is_ignored() {
        assert!(parse(PARENT).is_some());
        for garbage in ["", "00-0-0-0", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "x"] {
            assert!(parse(garbage).is_none(), "{garbage}");
        }
    }
}
