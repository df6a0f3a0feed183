//! Flags and environment variables, which override the file.

use std::path::PathBuf;

use clap::Args;
use toml::{Table, Value};

use crate::secret::SecretText;

/// Flags, each with an environment variable. Values are strings, so that their errors are reported with the file's.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct Overrides {
    /// TOML file with the rest of the configuration.
    #[arg(long, global = true, env = "STOREPLANE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port for gRPC, grpc-web and HTTP [default: 127.0.0.1:8080].
    #[arg(long, global = true, env = "STOREPLANE_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Address and port for /healthz and /readyz over plain HTTP [default: none].
    #[arg(long, global = true, env = "STOREPLANE_HEALTH_LISTEN", value_name = "ADDRESS")]
    pub health_listen: Option<String>,
    /// Serve plain text on an address that is not loopback: a proxy in front terminates TLS.
    #[arg(long, global = true, env = "STOREPLANE_INSECURE_PLAINTEXT", value_name = "BOOLEAN",
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_plaintext: Option<String>,
    /// Certificate chain (PEM file); with it the server speaks TLS only. Reloaded when it changes.
    #[arg(long, global = true, env = "STOREPLANE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<String>,
    /// Private key of the certificate (PEM file).
    #[arg(long, global = true, env = "STOREPLANE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Authorities (PEM file) that clients' certificates are verified with [default: clients need no certificate].
    #[arg(long, global = true, env = "STOREPLANE_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<String>,
    /// Whether clients need a certificate: required or optional [default: required].
    #[arg(long, global = true, env = "STOREPLANE_TLS_CLIENT_AUTH", value_name = "WHEN")]
    pub tls_client_auth: Option<String>,
    /// URL of the Postgres database.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Direct database URL that bypasses a pooler, for LISTEN and advisory locks [default: the database's URL].
    #[arg(long, global = true, env = "STOREPLANE_LISTEN_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub listen_database_url: Option<String>,
    /// Maximum number of database connections for API calls [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_DATABASE_POOL_SIZE", value_name = "COUNT")]
    pub database_pool_size: Option<String>,
    /// Maximum number of database connections for workers and the reconciler [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_DATABASE_WORKER_POOL_SIZE", value_name = "COUNT")]
    pub database_worker_pool_size: Option<String>,
    /// Maximum number of database connections for watches [default: 5].
    #[arg(long, global = true, env = "STOREPLANE_DATABASE_WATCH_POOL_SIZE", value_name = "COUNT")]
    pub database_watch_pool_size: Option<String>,
    /// Kubeconfig of the cluster for stores.
    #[arg(long, global = true, env = "KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Context in the kubeconfig.
    #[arg(long, global = true, env = "STOREPLANE_KUBE_CONTEXT", value_name = "NAME")]
    pub kube_context: Option<String>,
    /// Where the account may list and watch: cluster or namespaced [default: cluster].
    #[arg(long, global = true, env = "STOREPLANE_KUBE_SCOPE", value_name = "SCOPE")]
    pub kube_scope: Option<String>,
    /// `ClusterRole` that the server binds to its own account in each store's namespace.
    #[arg(long, global = true, env = "STOREPLANE_KUBE_STORE_ROLE", value_name = "NAME")]
    pub kube_store_role: Option<String>,
    /// The server's account for that.
    #[arg(long, global = true, env = "STOREPLANE_KUBE_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME")]
    pub kube_service_account: Option<String>,
    /// Name of this control plane in the cluster's labels [default: storeplane].
    #[arg(long, global = true, env = "STOREPLANE_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Tenant whose operators see the helm releases of all tenants, and foreign ones [default: default].
    #[arg(long, global = true, env = "STOREPLANE_PLATFORM_TENANT", value_name = "NAME")]
    pub platform_tenant: Option<String>,
    /// Path or name of the helm binary [default: helm].
    #[arg(long, global = true, env = "STOREPLANE_HELM_BIN", value_name = "PATH")]
    pub helm_bin: Option<String>,
    /// Maximum number of concurrent helm processes [default: by cores and memory].
    #[arg(long, global = true, env = "STOREPLANE_MAX_HELM_PROCESSES", value_name = "COUNT")]
    pub max_helm_processes: Option<String>,
    /// Time limit of one helm run [default: 180].
    #[arg(long, global = true, env = "STOREPLANE_HELM_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub helm_timeout_seconds: Option<String>,
    /// Maximum number of concurrent operations [default: 256].
    #[arg(long, global = true, env = "STOREPLANE_MAX_OPERATIONS", value_name = "COUNT")]
    pub max_operations: Option<String>,
    /// Duration of an operation's lease without renewal [default: 15].
    #[arg(long, global = true, env = "STOREPLANE_LEASE_SECONDS", value_name = "SECONDS")]
    pub lease_seconds: Option<String>,
    /// How long a shutdown waits for work in progress [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_SHUTDOWN_SECONDS", value_name = "SECONDS")]
    pub shutdown_seconds: Option<String>,
    /// How long events are kept: 12h, 90d [default: 90d].
    #[arg(long, global = true, env = "STOREPLANE_RETENTION_EVENTS", value_name = "AGE")]
    pub retention_events: Option<String>,
    /// How long operations are kept after their end [default: 90d].
    #[arg(long, global = true, env = "STOREPLANE_RETENTION_OPERATIONS", value_name = "AGE")]
    pub retention_operations: Option<String>,
    /// How long audit records are kept, at least 30d [default: forever].
    #[arg(long, global = true, env = "STOREPLANE_RETENTION_AUDIT", value_name = "AGE")]
    pub retention_audit: Option<String>,
    /// Ed25519 private key (PEM file) that signs the audit log's checkpoints [default: one in the database].
    #[arg(long, global = true, env = "STOREPLANE_AUDIT_SIGNING_KEY_FILE", value_name = "FILE")]
    pub audit_signing_key_file: Option<String>,
    /// How often checkpoints of the audit log are signed [default: 1h].
    #[arg(long, global = true, env = "STOREPLANE_AUDIT_CHECKPOINT_INTERVAL", value_name = "PERIOD")]
    pub audit_checkpoint_interval: Option<String>,
    /// Where backups are kept: none, volume or s3 [default: none].
    #[arg(long, global = true, env = "STOREPLANE_BACKUP_STORAGE", value_name = "KIND")]
    pub backup_storage: Option<String>,
    /// The operator's keys that encrypt backups (a file with `AGE-SECRET-KEY-1…` lines).
    #[arg(long, global = true, env = "STOREPLANE_BACKUP_KEY_FILE", value_name = "FILE")]
    pub backup_key_file: Option<String>,
    /// Access key of the bucket for backups.
    #[arg(long, global = true, env = "STOREPLANE_BACKUP_S3_ACCESS_KEY", hide_env_values = true, value_name = "KEY")]
    pub backup_s3_access_key: Option<SecretText>,
    /// Secret key of the bucket for backups; better set as a variable, because all processes see command lines.
    #[arg(long, global = true, env = "STOREPLANE_BACKUP_S3_SECRET_KEY", hide_env_values = true, value_name = "KEY")]
    pub backup_s3_secret_key: Option<SecretText>,
    /// Maximum number of open connections [default: 4096, and at most half of the open files allowed].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX", value_name = "COUNT")]
    pub connections_max: Option<String>,
    /// Maximum number of open connections of one client address [default: 1024].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX_PER_ADDRESS", value_name = "COUNT")]
    pub connections_max_per_address: Option<String>,
    /// Time limit of a new connection's first request [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_FIRST_REQUEST_SECONDS", value_name = "SECONDS")]
    pub connections_first_request_seconds: Option<String>,
    /// Time limit of a request's body [default: 60].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_REQUEST_BODY_SECONDS", value_name = "SECONDS")]
    pub connections_request_body_seconds: Option<String>,
    /// How long a client may leave a part of a response unread [default: 120].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_UNREAD_RESPONSE_SECONDS", value_name = "SECONDS")]
    pub connections_unread_response_seconds: Option<String>,
    /// Age at which clients are asked to reconnect [default: 1800].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX_AGE_SECONDS", value_name = "SECONDS")]
    pub connections_max_age_seconds: Option<String>,
    /// How long calls may continue after that age [default: 300].
    #[arg(long, global = true, env = "STOREPLANE_CONNECTIONS_MAX_AGE_GRACE_SECONDS", value_name = "SECONDS")]
    pub connections_max_age_grace_seconds: Option<String>,
    /// Domain below which shops get their host names [default: localhost].
    #[arg(long, global = true, env = "STOREPLANE_DOMAIN", value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Directory of the charts [default: charts].
    #[arg(long, global = true, env = "STOREPLANE_CHARTS_DIR", value_name = "DIR")]
    pub charts_dir: Option<String>,
    /// Engine of stores that name none [default: the only one].
    #[arg(long, global = true, env = "STOREPLANE_DEFAULT_ENGINE", value_name = "NAME")]
    pub default_engine: Option<String>,
    /// Values files of every store, relative to the chart, comma-separated [default: none, the chart's own values].
    #[arg(long, global = true, env = "STOREPLANE_CHART_VALUES", value_name = "FILES")]
    pub chart_values: Option<String>,
    /// How shops are tested: auto, url or proxy [default: auto].
    #[arg(long, global = true, env = "STOREPLANE_VERIFY_VIA", value_name = "WAY")]
    pub verify_via: Option<String>,
    /// Stores of a tenant for which no quota was set; a number or `unlimited` [default: 50].
    #[arg(long, global = true, env = "STOREPLANE_QUOTA_STORES", value_name = "LIMIT")]
    pub quota_stores: Option<String>,
    /// Stores that one caller creates within 15 minutes; a number or `unlimited` [default: 5].
    #[arg(long, global = true, env = "STOREPLANE_QUOTA_CREATIONS", value_name = "LIMIT")]
    pub quota_creations: Option<String>,
    /// Stores that one caller deletes within 15 minutes; a number or `unlimited` [default: 10].
    #[arg(long, global = true, env = "STOREPLANE_QUOTA_DELETIONS", value_name = "LIMIT")]
    pub quota_deletions: Option<String>,
    /// Backups of a tenant that callers requested [default: 100].
    #[arg(long, global = true, env = "STOREPLANE_QUOTA_BACKUPS", value_name = "LIMIT")]
    pub quota_backups: Option<String>,
    /// Requests of one caller per second, on each server; a number or `unlimited` [default: 50].
    #[arg(long, global = true, env = "STOREPLANE_LIMIT_REQUESTS_PER_SECOND", value_name = "LIMIT")]
    pub limit_requests_per_second: Option<String>,
    /// Requests of one caller at once, on each server [default: 100].
    #[arg(long, global = true, env = "STOREPLANE_LIMIT_REQUEST_BURST", value_name = "COUNT")]
    pub limit_request_burst: Option<String>,
    /// Open streams of one caller, on each server; a number or `unlimited` [default: 100].
    #[arg(long, global = true, env = "STOREPLANE_LIMIT_STREAMS_PER_CALLER", value_name = "LIMIT")]
    pub limit_streams_per_caller: Option<String>,
    /// Open streams in one tenant, on each server; a number or `unlimited` [default: 500].
    #[arg(long, global = true, env = "STOREPLANE_LIMIT_STREAMS_PER_TENANT", value_name = "LIMIT")]
    pub limit_streams_per_tenant: Option<String>,
    /// Failed authentications of one address per minute, on each server; a number or `unlimited` [default: 60].
    #[arg(long, global = true, env = "STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE", value_name = "LIMIT")]
    pub limit_failed_authentications_per_minute: Option<String>,
    /// Origins whose pages may call the API, comma-separated.
    #[arg(long, global = true, env = "STOREPLANE_ALLOWED_ORIGINS", value_name = "ORIGINS")]
    pub allowed_origins: Option<String>,
    /// Networks of the proxies in front of the server, whose `X-Forwarded-For` is believed, comma-separated [default: none].
    #[arg(long, global = true, env = "STOREPLANE_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// The header in which they name their client: x-forwarded-for or forwarded [default: x-forwarded-for].
    #[arg(long, global = true, env = "STOREPLANE_FORWARDED_HEADER", value_name = "NAME")]
    pub forwarded_header: Option<String>,
    /// Log format: pretty or json [default: pretty].
    #[arg(long, global = true, env = "STOREPLANE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Log filter [default: info].
    #[arg(long, global = true, env = "STOREPLANE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Address and port of `/metrics`, for Prometheus [default: none].
    #[arg(long, global = true, env = "STOREPLANE_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,
    /// OTLP endpoint (gRPC) for spans.
    #[arg(long, global = true, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

impl Overrides {
    /// The overrides as a TOML table. An empty string counts as absent.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        let texts = [
            ("listen", &self.listen),
            ("health_listen", &self.health_listen),
            ("tls.certificate", &self.tls_certificate),
            ("tls.key", &self.tls_key),
            ("tls.client_ca", &self.tls_client_ca),
            ("tls.client_auth", &self.tls_client_auth),
            ("database.url", &self.database_url),
            ("database.listen_url", &self.listen_database_url),
            ("instance", &self.instance),
            ("platform_tenant", &self.platform_tenant),
            ("helm.binary", &self.helm_bin),
            ("domain", &self.domain),
            ("retention.events", &self.retention_events),
            ("retention.operations", &self.retention_operations),
            ("verify.via", &self.verify_via),
            ("forwarded_header", &self.forwarded_header),
            ("log.format", &self.log_format),
            ("log.filter", &self.log),
            ("metrics.listen", &self.metrics_listen),
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
            ("shutdown_seconds", &self.shutdown_seconds),
        ];
        let text = |text: &str| Value::String(text.to_owned());
        set(&mut table, "insecure_plaintext", self.insecure_plaintext.as_deref(), |value| {
            value.parse().map_or_else(|_| text(value), Value::Boolean)
        });
        for (key, value) in
            texts.into_iter().chain(self.kubernetes()).chain(self.charts()).chain(self.audit()).chain(self.backups())
        {
            set(&mut table, key, value.as_deref(), text);
        }
        for (key, value) in numbers.into_iter().chain(self.connections()).chain(self.quotas()) {
            set(&mut table, key, value.as_deref(), |number| {
                number.parse().map_or_else(|_| text(number), Value::Integer)
            });
        }
        for (key, secret) in self.secrets() {
            set(&mut table, key, secret.as_ref().map(SecretText::expose), text);
        }
        for (key, value) in self.lists() {
            set(&mut table, key, value.as_deref(), |list| {
                Value::Array(list.split(',').map(|part| text(part.trim())).collect())
            });
        }
        table
    }

    fn connections(&self) -> [(&'static str, &Option<String>); 7] {
        [
            ("connections.max", &self.connections_max),
            ("connections.max_per_address", &self.connections_max_per_address),
            ("connections.first_request_seconds", &self.connections_first_request_seconds),
            ("connections.request_body_seconds", &self.connections_request_body_seconds),
            ("connections.unread_response_seconds", &self.connections_unread_response_seconds),
            ("connections.max_age_seconds", &self.connections_max_age_seconds),
            ("connections.max_age_grace_seconds", &self.connections_max_age_grace_seconds),
        ]
    }

    fn lists(&self) -> [(&'static str, &Option<String>); 3] {
        [
            ("charts.values", &self.chart_values),
            ("allowed_origins", &self.allowed_origins),
            ("trusted_proxies", &self.trusted_proxies),
        ]
    }

    fn charts(&self) -> [(&'static str, &Option<String>); 2] {
        [("charts.dir", &self.charts_dir), ("charts.default_engine", &self.default_engine)]
    }

    fn audit(&self) -> [(&'static str, &Option<String>); 3] {
        [
            ("retention.audit", &self.retention_audit),
            ("audit.signing_key_file", &self.audit_signing_key_file),
            ("audit.checkpoint_interval", &self.audit_checkpoint_interval),
        ]
    }

    fn secrets(&self) -> [(&'static str, &Option<SecretText>); 2] {
        [("backups.s3.access_key", &self.backup_s3_access_key), ("backups.s3.secret_key", &self.backup_s3_secret_key)]
    }

    fn backups(&self) -> [(&'static str, &Option<String>); 2] {
        [("backups.storage", &self.backup_storage), ("backups.key_file", &self.backup_key_file)]
    }

    fn quotas(&self) -> [(&'static str, &Option<String>); 9] {
        [
            ("limits.requests_per_second", &self.limit_requests_per_second),
            ("limits.request_burst", &self.limit_request_burst),
            ("limits.streams_per_caller", &self.limit_streams_per_caller),
            ("limits.streams_per_tenant", &self.limit_streams_per_tenant),
            ("limits.failed_authentications_per_minute", &self.limit_failed_authentications_per_minute),
            ("quotas.stores", &self.quota_stores),
            ("quotas.creations", &self.quota_creations),
            ("quotas.deletions", &self.quota_deletions),
            ("quotas.backups", &self.quota_backups),
        ]
    }

    fn kubernetes(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("kubernetes.kubeconfig", &self.kubeconfig),
            ("kubernetes.context", &self.kube_context),
            ("kubernetes.scope", &self.kube_scope),
            ("kubernetes.store_role", &self.kube_store_role),
            ("kubernetes.service_account", &self.kube_service_account),
        ]
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
                set(below, key, Some(value), convert);
            }
        }
    }
}
