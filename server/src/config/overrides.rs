//! Flags and environment: whatever is given here wins over the file.

use std::path::PathBuf;

use clap::Args;
use toml::{Table, Value};

/// Flags, each with its variable. Values are texts: what is wrong with them is reported together with the file's.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Overrides {
    /// TOML file with the rest of the configuration.
    #[arg(long, global = true, env = "STOREPLANE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port for gRPC, grpc-web and HTTP [default: 127.0.0.1:8080].
    #[arg(long, global = true, env = "STOREPLANE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// URL of the Postgres database.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// The same past a pooler, for LISTEN and advisory locks [default: the database's URL].
    #[arg(long, global = true, env = "STOREPLANE_LISTEN_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub listen_database_url: Option<String>,
    /// Most database connections for API calls [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_DATABASE_POOL_SIZE", value_name = "COUNT")]
    pub database_pool_size: Option<String>,
    /// Most database connections for workers and the reconciler [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_DATABASE_WORKER_POOL_SIZE", value_name = "COUNT")]
    pub database_worker_pool_size: Option<String>,
    /// Most database connections for watches [default: 5].
    #[arg(long, global = true, env = "STOREPLANE_DATABASE_WATCH_POOL_SIZE", value_name = "COUNT")]
    pub database_watch_pool_size: Option<String>,
    /// Kubeconfig of the cluster for stores.
    #[arg(long, global = true, env = "KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Context in the kubeconfig.
    #[arg(long, global = true, env = "STOREPLANE_KUBE_CONTEXT", value_name = "NAME")]
    pub kube_context: Option<String>,
    /// Name of this control plane in the cluster's labels [default: storeplane].
    #[arg(long, global = true, env = "STOREPLANE_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Helm's path or name [default: helm].
    #[arg(long, global = true, env = "STOREPLANE_HELM_BIN", value_name = "PATH")]
    pub helm_bin: Option<String>,
    /// Most helm processes at once [default: by cores and memory].
    #[arg(long, global = true, env = "STOREPLANE_MAX_HELM_PROCESSES", value_name = "COUNT")]
    pub max_helm_processes: Option<String>,
    /// How long one helm run may take [default: 180].
    #[arg(long, global = true, env = "STOREPLANE_HELM_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub helm_timeout_seconds: Option<String>,
    /// Most operations worked on at once [default: 256].
    #[arg(long, global = true, env = "STOREPLANE_MAX_OPERATIONS", value_name = "COUNT")]
    pub max_operations: Option<String>,
    /// How long an operation stays claimed without a renewal [default: 15].
    #[arg(long, global = true, env = "STOREPLANE_LEASE_SECONDS", value_name = "SECONDS")]
    pub lease_seconds: Option<String>,
    /// How long a shutdown waits for what is going on [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_SHUTDOWN_SECONDS", value_name = "SECONDS")]
    pub shutdown_seconds: Option<String>,
    /// How long events are kept: 12h, 90d [default: 90d].
    #[arg(long, global = true, env = "STOREPLANE_RETENTION_EVENTS", value_name = "AGE")]
    pub retention_events: Option<String>,
    /// How long operations are kept after their end [default: 90d].
    #[arg(long, global = true, env = "STOREPLANE_RETENTION_OPERATIONS", value_name = "AGE")]
    pub retention_operations: Option<String>,
    /// Most connections at a time [default: 4096, and no more than half of the open files allowed].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX", value_name = "COUNT")]
    pub connections_max: Option<String>,
    /// How long a new connection may take to ask for something [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_FIRST_REQUEST_SECONDS", value_name = "SECONDS")]
    pub connections_first_request_seconds: Option<String>,
    /// Age at which clients are asked to connect anew [default: 1800].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX_AGE_SECONDS", value_name = "SECONDS")]
    pub connections_max_age_seconds: Option<String>,
    /// How long calls may go on at that age [default: 300].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX_AGE_GRACE_SECONDS", value_name = "SECONDS")]
    pub connections_max_age_grace_seconds: Option<String>,
    /// Domain below which shops get their host names [default: localhost].
    #[arg(long, global = true, env = "STOREPLANE_DOMAIN", value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Directory of the charts [default: charts].
    #[arg(long, global = true, env = "STOREPLANE_CHARTS_DIR", value_name = "DIR")]
    pub charts_dir: Option<String>,
    /// Values files under every store, relative to the chart, with commas between [default: values-local.yaml].
    #[arg(long, global = true, env = "STOREPLANE_CHART_VALUES", value_name = "FILES")]
    pub chart_values: Option<String>,
    /// How shops are asked whether they sell: auto, url or proxy [default: auto].
    #[arg(long, global = true, env = "STOREPLANE_VERIFY_VIA", value_name = "WAY")]
    pub verify_via: Option<String>,
    /// Most stores of a tenant [default: no limit].
    #[arg(long, global = true, env = "STOREPLANE_STORES_PER_TENANT", value_name = "COUNT")]
    pub stores_per_tenant: Option<String>,
    /// Origins whose pages may call over grpc-web, with commas between.
    #[arg(long, global = true, env = "STOREPLANE_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    pub allowed_origins: Option<String>,
    /// pretty or json [default: pretty].
    #[arg(long, global = true, env = "STOREPLANE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What is logged [default: info].
    #[arg(long, global = true, env = "STOREPLANE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Where spans are sent by OTLP over gRPC.
    #[arg(long, global = true, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

impl Overrides {
    /// The same as the file would say it. An empty text is as good as none.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        let texts = [
            ("listen", &self.listen),
            ("database.url", &self.database_url),
            ("database.listen_url", &self.listen_database_url),
            ("kubernetes.kubeconfig", &self.kubeconfig),
            ("kubernetes.context", &self.kube_context),
            ("instance", &self.instance),
            ("helm.binary", &self.helm_bin),
            ("domain", &self.domain),
            ("charts.dir", &self.charts_dir),
            ("retention.events", &self.retention_events),
            ("retention.operations", &self.retention_operations),
            ("verify.via", &self.verify_via),
            ("log.format", &self.log_format),
            ("log.filter", &self.log),
            ("telemetry.otlp_endpoint", &self.otlp_endpoint),
        ];
        let numbers = [
            ("database.pool_size", &self.database_pool_size),
            ("database.worker_pool_size", &self.database_worker_pool_size),
            ("database.watch_pool_size", &self.database_watch_pool_size),
            ("helm.max_processes", &self.max_helm_processes),
            ("helm.timeout_seconds", &self.helm_timeout_seconds),
            ("worker.max_operations", &self.max_operations),
            ("worker.lease_seconds", &self.lease_seconds),
            ("limits.stores_per_tenant", &self.stores_per_tenant),
            ("shutdown_seconds", &self.shutdown_seconds),
            ("connections.max", &self.connections_max),
            ("connections.first_request_seconds", &self.connections_first_request_seconds),
            ("connections.max_age_seconds", &self.connections_max_age_seconds),
            ("connections.max_age_grace_seconds", &self.connections_max_age_grace_seconds),
        ];
        let lists = [("charts.values", &self.chart_values), ("allowed_origins", &self.allowed_origins)];
        let text = |text: &str| Value::String(text.to_owned());
        for (key, value) in texts {
            set(&mut table, key, value.as_deref(), text);
        }
        for (key, value) in numbers {
            set(&mut table, key, value.as_deref(), |number| {
                number.parse().map_or_else(|_| text(number), Value::Integer)
            });
        }
        for (key, value) in lists {
            set(&mut table, key, value.as_deref(), |list| {
                Value::Array(list.split(',').map(|part| text(part.trim())).collect())
            });
        }
        table
    }
}

fn set(table: &mut Table, key: &str, value: Option<&str>, convert: impl Fn(&str) -> Value) {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return };
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), convert(value));
        }
        Some((section, key)) => {
            let below = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(below) = below {
                below.insert(key.to_owned(), convert(value));
            }
        }
    }
}
