//! Configuration: flags and environment over one TOML file over defaults.
//!
//! [`Config`] is what the rest of the server sees: complete, checked, printable. [`Overrides`] are the flags and the
//! environment. Everything that is wrong is reported at once, each with its key.
//!
//! To add a key: a field here with its default, a line in `read`, and, if it needs one, a flag in `overrides`.

mod engines;
mod obstacles;
mod overrides;
mod read;
mod retention_period;
mod section;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use engines::{CatalogError, catalog};
pub use obstacles::Obstacles;
pub use overrides::Overrides;
pub use retention_period::RetentionPeriod;
pub use url::SecretUrl;

use crate::kube::CopiedSecret;

/// The effective configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Address and port for gRPC, grpc-web and HTTP.
    pub listen: SocketAddr,
    /// Domain below which shops get their host names.
    pub domain: String,
    /// Sets this control plane's namespaces apart from another's in the same cluster.
    pub instance: String,
    /// Further origins whose pages may call over grpc-web; `*` for all. Loopback origins may, when `listen` is loopback.
    pub allowed_origins: Vec<String>,
    /// How long a shutdown waits for what is going on.
    pub shutdown_seconds: u64,
    /// What connections may do.
    pub connections: Connections,
    /// Postgres.
    pub database: Database,
    /// The cluster.
    pub kubernetes: Kubernetes,
    /// The helm binary.
    pub helm: Helm,
    /// How operations are worked on.
    pub worker: Worker,
    /// How long things are kept.
    pub retention: Retention,
    /// How shops are asked whether they sell.
    pub verify: Verify,
    /// How much there may be.
    pub limits: Limits,
    /// How long what stands in a store's way may last.
    pub obstacles: Obstacles,
    /// Where charts are, and what engines have in common.
    pub charts: Charts,
    /// Engines by name.
    pub engines: BTreeMap<String, Engine>,
    /// The log.
    pub log: Log,
    /// OpenTelemetry.
    pub telemetry: Telemetry,
}

/// `[connections]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// Most at a time; further ones wait to be accepted.
    pub max: usize,
    /// How long a new one may take to ask for something.
    pub first_request_seconds: u64,
    /// Age at which clients are asked to connect anew, so that they find new replicas. Each one's own differs by up to a tenth.
    pub max_age_seconds: u64,
    /// How long what goes on at that age may still go on.
    pub max_age_grace_seconds: u64,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Database {
    /// The database's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretUrl>,
    /// URL past the pooler, where `url` leads through one in transaction mode (PgBouncer): for LISTEN, advisory locks,
    /// migrations and commands. Setting it tells the server that there is a pooler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_url: Option<SecretUrl>,
    /// Most connections for API calls.
    pub pool_size: u32,
    /// Most connections for workers, the reconciler and retention.
    pub worker_pool_size: u32,
    /// Most connections for watches.
    pub watch_pool_size: u32,
}

/// `[kubernetes]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kubernetes {
    /// Kubeconfig; without one `~/.kube/config`, then the pod's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in it; without one its current context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
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
    /// A path, or a name that is looked up on `PATH`.
    pub binary: PathBuf,
    /// Most helm processes at once.
    pub max_processes: usize,
    /// How long one helm run may take.
    pub timeout_seconds: u64,
    /// Variables of the server's environment that helm gets too, for the kubeconfig's credential plugins.
    pub pass_env: Vec<String>,
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// Most operations that this process works on at once.
    pub max_operations: usize,
    /// How long an operation stays claimed without a renewal.
    pub lease_seconds: u64,
}

/// `[retention]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// How long events are kept. A watch from before them begins anew.
    pub events: RetentionPeriod,
    /// How long operations are kept after their end. A store's last one always is.
    pub operations: RetentionPeriod,
}

/// `[verify]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verify {
    /// The way to a shop.
    pub via: Via,
}

/// The way to a shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Its URL where the server gets to the shop by it, else the API server's service proxy.
    Auto,
    /// Its URL only: ingress and DNS are a part of what is proved.
    Url,
    /// The API server's service proxy only.
    Proxy,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Most stores of a tenant, DELETED ones not counted; without one there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stores_per_tenant: Option<NonZeroU32>,
}

/// `[charts]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charts {
    /// Directory of the charts.
    pub dir: PathBuf,
    /// Values files of engines that name none; relative to the chart.
    pub values: Vec<PathBuf>,
    /// Plan of stores that name none, where the engine has it.
    pub default_plan: String,
    /// Engine of stores that name none.
    pub default_engine: String,
}

/// `[engines.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// The chart's directory; relative to `charts.dir`.
    pub chart: PathBuf,
    /// Values files under every store of this engine; relative to the chart.
    pub values: Vec<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// What is logged: `info`, or `info,storeplane_server::worker=debug`.
    pub filter: String,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    Pretty,
    /// One JSON object an event.
    Json,
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Telemetry {
    /// Where spans are sent by OTLP over gRPC; without one they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<SecretUrl>,
}

/// Everything that is wrong with a configuration.
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
    /// Reads the file that `overrides` name, if they do, and puts them over it.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let file = match &overrides.config {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigError(vec![format!("STOREPLANE_CONFIG {}: {error}", path.display())]))?,
            None => String::new(),
        };
        Self::parse(&file, overrides)
    }

    /// The same with the file's text.
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

    /// The URL of a session of its own, past any pooler.
    pub fn session_url(&self) -> Result<&SecretUrl, ConfigError> {
        self.database.listen_url.as_ref().map_or_else(|| self.database_url(), Ok)
    }

    /// All of it as TOML, with secrets masked.
    pub fn print(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[cfg(test)]
mod tests;
