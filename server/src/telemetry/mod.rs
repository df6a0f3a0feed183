//! Log and traces.
//!
//! - This file: one log to standard error, human-readable or JSON, and OpenTelemetry spans, exported by OTLP if an
//!   endpoint is configured. Without one, spans still have ids, so that log lines can be matched to a caller's trace.
//! - [`trace`]: W3C `traceparent` in requests and responses, and links from an operation's spans to the request that started it.
//!
//! Spans and log lines never contain bodies or tokens.

pub mod trace;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
pub use trace::link;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Config, LogFormat, SecretUrl};

/// Libraries' log of broken connections, silenced: the task that needed the connection logs the consequence.
/// `log.filter` can name this target to see it.
const QUIET: &str = "sqlx_core::pool=off";
/// Time limit of one export.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit of the last export, at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why log or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is invalid.
    #[error("log.filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter could not be created.
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// Another subscriber is already installed in this process.
    #[error("the log is set up already: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// The log and the traces of this process.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// `log.filter`, after the targets that are silenced by default.
fn filter(wanted: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(format!("{QUIET},{wanted}"))
}

impl Telemetry {
    /// Sets up log and traces for the whole process. Call it inside the runtime, which the exporter uses.
    pub fn init(config: &Config) -> Result<Self, TelemetryError> {
        let provider = provider(config)?;
        let filter = filter(&config.log.filter)?;
        let log = match config.log.format {
            LogFormat::Pretty => fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .boxed(),
            LogFormat::Json => {
                fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr).boxed()
            }
        };
        // Only our own spans, and no events: important events are rows in Postgres.
        let ours = filter_fn(|meta| meta.is_span() && meta.target().starts_with("storeplane"));
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("storeplane"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.and(LevelFilter::INFO));
        tracing_subscriber::registry().with(log.with_filter(filter)).with(spans).try_init()?;
        Ok(Self { provider })
    }

    /// Exports the remaining spans, for at most two seconds.
    pub async fn shutdown(self) {
        let flush = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        match tokio::time::timeout(SHUTDOWN_TIMEOUT * 2, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::debug!(%error, "not all spans were exported"),
            Ok(Err(_)) | Err(_) => tracing::debug!("not all spans were exported in time"),
        }
    }
}

fn provider(config: &Config) -> Result<SdkTracerProvider, ExporterBuildError> {
    let resource = Resource::builder()
        .with_service_name("storeplane-server")
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(opentelemetry::KeyValue::new("storeplane.instance", config.instance.clone()))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    Ok(match &config.telemetry.otlp_endpoint {
        Some(endpoint) => builder.with_batch_exporter(exporter(endpoint)?).build(),
        None => builder.build(),
    })
}

fn exporter(endpoint: &SecretUrl) -> Result<SpanExporter, ExporterBuildError> {
    let builder = SpanExporter::builder().with_tonic().with_endpoint(endpoint.expose()).with_timeout(EXPORT_TIMEOUT);
    if endpoint.scheme() == "https" {
        let tls = tonic::transport::ClientTlsConfig::new().with_native_roots();
        builder.with_tls_config(tls).build()
    } else {
        builder.build()
    }
}
