//! A stand-in until the exporter lands.

/// Links a span.
pub fn link(_: &tracing::Span, _: &str) {}
