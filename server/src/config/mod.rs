//! Configuration: flags and environment over one TOML file over defaults.
//!
//! [`Config`] is what the rest of the server uses: complete, validated, printable. [`Overrides`] are the flags and environment
//! variables. All errors are reported together, each with its key.
//!
//! To add a key: a field here with its default, a line in `read`, and, if it needs one, a flag in `overrides`.

mod audit;
mod backup_schedule;
mod backups;
mod charts;
mod domains;
mod engines;
mod limits;
mod obstacles;
mod oidc;
mod overrides;
mod plugins;
mod quotas;
mod read;
mod restore_tests;
mod section;
mod service_account;
mod tls;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use audit::Audit;
pub use backup_schedule::{BackupSchedule, PlanSchedule};
pub use backups::{BackupBucket, BackupVolume, Backups, SnapshotMode, StorageKind};
pub use charts::{ChartSource, Charts, Engine};
pub use domains::{CertificateIssuer, Domains, IssuerKind, VerificationFiles};
pub use engines::{CatalogError, ChartReader};
pub use limits::Limits;
pub use obstacles::Obstacles;
pub use oidc::{Algorithm, Oidc, OidcClient, RoleName, is_confidential};
pub use overrides::Overrides;
pub use quotas::Quotas;
pub use restore_tests::RestoreTests;
pub use service_account::ServiceAccount;
pub use storeplane_core::retention_period::RetentionPeriod;
pub use tls::{ClientAuth, Identity, Selector, Tls};
pub use url::{SecretUrl, is_loopback};

use storeplane_core::token::Lifetimes;

use crate::kube::{CopiedSecret, WatchScope};
use crate::proxies::{ForwardedHeader, Network, Proxies};

/// The effective configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Address and port for gRPC, grpc-web and HTTP.
    pub listen: SocketAddr,
    /// Address and port for `/healthz` and `/readyz` over plain HTTP, for probes that have no client certificate; default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_listen: Option<SocketAddr>,
    /// Serves plain text on an address that is not loopback, because a proxy in front terminates TLS.
    pub insecure_plaintext: bool,
    /// Domain below which shops get their host names.
    pub domain: String,
    /// Distinguishes this control plane's namespaces from another's in the same cluster.
    pub instance: String,
    /// The tenant whose operators see the releases of all tenants, and foreign ones; empty (in the file): none.
    pub platform_tenant: String,
    /// The origin under which browsers reach the dashboard, if it differs from what they send as `Host`, or an identity provider redirects to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Additional origins whose pages may call the API; `*` for all. Loopback origins are allowed if `listen` is loopback.
    pub allowed_origins: Vec<String>,
    /// Networks of the proxies in front of the server, whose statements about their clients' addresses are believed.
    pub trusted_proxies: Vec<Network>,
    /// The header with which they make them.
    pub forwarded_header: ForwardedHeader,
    /// How long a shutdown waits for work in progress.
    pub shutdown_seconds: u64,
    /// TLS of the API; default: plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Limits of client connections.
    pub connections: Connections,
    /// Postgres.
    pub database: Database,
    /// The cluster.
    pub kubernetes: Kubernetes,
    /// The helm binary.
    pub helm: Helm,
    /// Limits of the worker.
    pub worker: Worker,
    /// Retention periods.
    pub retention: Retention,
    /// The audit log.
    pub audit: Audit,
    /// Backups of stores.
    pub backups: Backups,
    /// Custom domains of stores.
    pub domains: Domains,
    /// How shops are tested.
    pub verify: Verify,
    /// Limits of each server.
    pub limits: Limits,
    /// Quotas of tenants for which none were set.
    pub quotas: Quotas,
    /// Lifetimes of API tokens.
    pub tokens: Tokens,
    /// Lifetimes of browsers' sessions.
    pub sessions: SessionPeriods,
    /// The identity provider; default: none, tokens are the only credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,
    /// How long obstacles may last.
    pub obstacles: Obstacles,
    /// Where charts are, and settings common to all engines.
    pub charts: Charts,
    /// Engines by name.
    pub engines: BTreeMap<String, Engine>,
    /// The log.
    pub log: Log,
    /// Prometheus metrics.
    pub metrics: Metrics,
    /// OpenTelemetry.
    pub telemetry: Telemetry,
}

/// `[connections]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// Maximum number of open connections; further ones wait to be accepted.
    pub max: usize,
    /// Maximum number of open connections of one client address (an IPv6 /64 counts as one); further ones are closed.
    pub max_per_address: usize,
    /// Time limit of a new connection's first request, including its TLS handshake.
    pub first_request_seconds: u64,
    /// Time limit of a request's body.
    pub request_body_seconds: u64,
    /// How long a client may leave a part of a response unread.
    pub unread_response_seconds: u64,
    /// Age at which clients are asked to reconnect, so that they find new replicas. Each connection's differs by up to 10 %.
    pub max_age_seconds: u64,
    /// How long calls in progress may continue after that age.
    pub max_age_grace_seconds: u64,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The database's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// Direct URL, if `url` leads through a pooler in transaction mode (PgBouncer): for LISTEN, advisory locks,
    /// migrations and commands. Setting it tells the server that there is a pooler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_url: Option<SecretUrl>,
    /// Maximum number of connections for API calls.
    pub pool_size: u32,
    /// Maximum number of connections for workers, the reconciler and retention.
    pub worker_pool_size: u32,
    /// Maximum number of connections for watches.
    pub watch_pool_size: u32,
}

/// `[kubernetes]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kubernetes {
    /// Kubeconfig; default: `~/.kube/config`, then the pod's service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig; default: its current context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Where the account may list and watch.
    pub scope: WatchScope,
    /// `ClusterRole` that the server binds to its own account in each store's namespace; default: none is bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_role: Option<String>,
    /// The server's account for that, as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
    /// Further labels of every store's namespace, for policies that demand them.
    pub namespace_labels: BTreeMap<String, String>,
    /// Further annotations of every store's namespace.
    pub namespace_annotations: BTreeMap<String, String>,
    /// Secrets of other namespaces that every store's namespace gets a copy of.
    pub copied_secrets: Vec<CopiedSecret>,
}

/// `[helm]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Helm {
    /// A path, or a name to look up on `PATH`.
    pub binary: PathBuf,
    /// Maximum number of concurrent helm processes.
    pub max_processes: usize,
    /// Time limit of one helm run.
    pub timeout_seconds: u64,
    /// Variables of the server's environment that helm gets too, for the kubeconfig's credential plugins.
    pub pass_env: Vec<String>,
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// Maximum number of operations that this process executes at a time.
    pub max_operations: usize,
    /// Duration of a lease without renewal.
    pub lease_seconds: u64,
}

/// `[retention]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// How long events are kept. A watch from an earlier position expires.
    pub events: RetentionPeriod,
    /// How long operations are kept after their end. A store's last one is kept as long as the store.
    pub operations: RetentionPeriod,
    /// How long audit records are kept; default: forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<RetentionPeriod>,
}

/// `[verify]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verify {
    /// How requests reach a shop.
    pub via: Via,
}

/// How requests reach a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Its URL if that reaches the shop, otherwise the API server's service proxy.
    Auto,
    /// Only its URL: ingress and DNS are part of the test.
    Url,
    /// The API server's service proxy only.
    Proxy,
}

/// `[tokens]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Lifetime of tokens for which none is requested.
    pub lifetime: RetentionPeriod,
    /// Longest lifetime of a token.
    pub max_lifetime: RetentionPeriod,
}

/// `[sessions]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SessionPeriods {
    /// How long a session lasts without use. An open dashboard uses it.
    pub idle: RetentionPeriod,
    /// How long it lasts in any case.
    pub max: RetentionPeriod,
}

impl From<Tokens> for Lifetimes {
    fn from(tokens: Tokens) -> Self {
        let duration =
            |period: RetentionPeriod| std::time::Duration::from(period).try_into().unwrap_or(time::Duration::MAX);
        Self { default: duration(tokens.lifetime), max: duration(tokens.max_lifetime) }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Human-readable or JSON.
    pub format: LogFormat,
    /// Log filter: `info`, or `info,storeplane_server::worker=debug`.
    pub filter: String,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One human-readable line per event.
    Pretty,
    /// One JSON object per event.
    Json,
}

/// `[metrics]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// Address and port of `/metrics`, which needs no token; default: no metrics are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Telemetry {
    /// OTLP endpoint (gRPC) for spans; default: spans are not exported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<SecretUrl>,
}

/// All errors of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the file that `overrides` name, if any, and applies `overrides`.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = match &overrides.config {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError(vec![format!("STOREPLANE_CONFIG {}: {error}", path.display())]))?,
            None => String::new(),
        };
        Self::parse(&file, overrides)
    }

    /// The same for a file's content.
    pub fn parse(file: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut table: toml::Table = file.parse().map_err(|error: toml::de::Error| {
            ConfigError(vec![format!("the file is not TOML: {}", error.to_string().trim_end())])
        })?;
        section::overlay(&mut table, overrides.table());
        read::config(table)
    }

    /// The database's URL.
    pub fn database_url(&self) -> Result<&SecretUrl, ConfigError> {
        self.database.url.as_ref().ok_or_else(|| ConfigError(vec!["database.url (DATABASE_URL): is missing".into()]))
    }

    /// The URL for sessions, which bypasses a pooler.
    pub fn session_url(&self) -> Result<&SecretUrl, ConfigError> {
        self.database.listen_url.as_ref().map_or_else(|| self.database_url(), Ok)
    }

    /// The trusted proxies.
    pub fn proxies(&self) -> Proxies {
        Proxies { trusted: self.trusted_proxies.clone(), header: self.forwarded_header }
    }

    /// The configuration as TOML, with secrets masked.
    pub fn print(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[cfg(test)]
mod tests;
