//! From a TOML table to a [`Config`]: defaults, types and validation.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use storeplane_core::ids::Tenant;
use toml::Table;
use tracing_subscriber::EnvFilter;

use super::section::Section;
use super::{
    Config, ConfigError, Connections, Database, Helm, Kubernetes, Log, LogFormat, Metrics, Retention, RetentionPeriod,
    SecretUrl, SessionPeriods, Telemetry, Tokens, Verify, Via, Worker,
};

use crate::kube::{CopiedSecret, CopiedSecretUse, WatchScope, labels};
use crate::proxies::ForwardedHeader;

/// A helm process takes 60 to 250 MB: at most one per this amount of memory.
const MEMORY_PER_HELM: u64 = 512 * 1024 * 1024;
/// More helm processes per core do not make installs faster: measured with 2, 4 and 8 on two cores.
const HELM_PER_CORE: usize = 2;
/// About a quarter of a year, long enough to investigate a problem.
const RETENTION: RetentionPeriod = RetentionPeriod::days(90);
/// Lifetime of tokens for which none is requested.
const TOKEN_LIFETIME: RetentionPeriod = RetentionPeriod::days(90);
/// Longest lifetime of tokens.
const TOKEN_LIFETIME_MAX: RetentionPeriod = RetentionPeriod::days(365);
/// Longest domain: a host name has 253 characters, of which the store's label may take 63 and a dot.
const DOMAIN_MAX: usize = 253 - 64;

pub(super) fn config(table: Table) -> Result<Config, ConfigError> {
    let mut root = Section::root(table);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let charts = root.section("charts", super::charts::charts);
    let config = Config {
        listen: root.take("listen", listen),
        health_listen: root.optional("health_listen"),
        insecure_plaintext: root.take("insecure_plaintext", false),
        domain: root.checked("domain", "localhost".into(), "must be a domain in lower case", is_domain),
        instance: root.checked(
            "instance",
            "storeplane".into(),
            "must be a DNS label of at most 63 characters",
            |name| is_label(name),
        ),
        platform_tenant: root.checked(
            "platform_tenant",
            Tenant::default().into(),
            "must be the name of a tenant, or empty",
            |name: &String| name.is_empty() || name.parse::<Tenant>().is_ok(),
        ),
        public_url: public_url(&mut root),
        allowed_origins: origins(&mut root),
        trusted_proxies: root.take("trusted_proxies", Vec::new()),
        forwarded_header: root.take("forwarded_header", ForwardedHeader::default()),
        shutdown_seconds: root.checked("shutdown_seconds", 10, "must be 1 to 300", |n| (1..=300).contains(n)),
        tls: root.section("tls", super::tls::read),
        connections: root.section("connections", connections),
        database: root.section("database", database),
        kubernetes: root.section("kubernetes", kubernetes),
        helm: root.section("helm", |section| Helm {
            binary: section.take("binary", PathBuf::from("helm")),
            max_processes: section
                .checked("max_processes", max_helm_processes(), "must be 1 to 64", |n| (1..=64).contains(n)),
            timeout_seconds: section.checked("timeout_seconds", 180, "must be 5 to 1800", |n| (5..=1800).contains(n)),
            pass_env: section.take("pass_env", Vec::new()),
        }),
        worker: root.section("worker", |section| Worker {
            max_operations: section.checked("max_operations", 256, "must be 1 to 10000", |n| (1..=10_000).contains(n)),
            lease_seconds: section.checked("lease_seconds", 15, "must be 3 to 300", |n| (3..=300).contains(n)),
        }),
        retention: root.section("retention", retention),
        audit: root.section("audit", super::audit::read),
        backups: root.section("backups", super::backups::read),
        domains: root.section("domains", super::domains::read),
        verify: root.section("verify", |section| Verify { via: section.take("via", Via::Auto) }),
        limits: root.section("limits", super::limits::read),
        quotas: root.section("quotas", super::quotas::read),
        tokens: root.section("tokens", tokens),
        sessions: root.section("sessions", sessions),
        oidc: root.section("oidc", super::oidc::read),
        obstacles: root.section("obstacles", super::obstacles::read),
        engines: root.section("engines", |section| super::charts::engines(section, &charts)),
        charts,
        log: root.section("log", log),
        metrics: root.section("metrics", |section| Metrics { listen: section.optional("listen") }),
        telemetry: root.section("telemetry", telemetry),
    };
    check(&config, &mut root);
    let problems = root.finish();
    if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
}

/// Rules about several sections.
fn check(config: &Config, root: &mut Section) {
    if config.insecure_plaintext && config.tls.is_some() {
        root.fail("insecure_plaintext", "must not be set together with tls.certificate");
    }
    let api = ("listen", Some(config.listen));
    let health = ("health_listen", config.health_listen);
    let metrics = ("metrics.listen", config.metrics.listen);
    let backups = ("backups.volume.listen", config.backups.volume.as_ref().map(|volume| volume.listen));
    let pairs =
        [(health, api), (metrics, api), (metrics, health), (backups, api), (backups, health), (backups, metrics)];
    for ((key, address), (other, taken)) in pairs {
        if let (Some(address), Some(taken)) = (address, taken)
            && overlap(address, taken)
        {
            root.fail(key, format!("must not overlap with {other}, which is {taken} (is {address})"));
        }
    }
    if config.public_url.is_none() && config.oidc.as_ref().is_some_and(|oidc| oidc.client.is_some()) {
        root.fail("public_url", "is missing: oidc.client needs it");
    }
    if config.retention.operations < config.quotas.window {
        let window = config.quotas.window;
        root.fail("retention.operations", format!("must be at least quotas.window, which is {window}"));
    }
    // Otherwise they are found when the charts are read.
    if !config.engines.is_empty()
        && let Err(problem) = config.charts.default_of(&config.engines)
    {
        root.fail("charts.default_engine", problem);
    }
}

/// True if a server may be unable to listen on both addresses: the same port, of one IP address or of all. Port 0 is any free port.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && one.port() != 0 && (a == b || a.is_unspecified() || b.is_unspecified())
}

fn connections(section: &mut Section) -> Connections {
    let mut seconds = |key, default, most: u64| {
        section.checked(key, default, &format!("must be 1 to {most}"), |n| (1..=most).contains(n))
    };
    Connections {
        first_request_seconds: seconds("first_request_seconds", 10, 300),
        request_body_seconds: seconds("request_body_seconds", 60, 3600),
        unread_response_seconds: seconds("unread_response_seconds", 120, 3600),
        max_age_seconds: seconds("max_age_seconds", 1800, 604_800),
        max_age_grace_seconds: seconds("max_age_grace_seconds", 300, 3600),
        max: section.checked("max", 4096, "must be 1 to 100000", |n| (1..=100_000).contains(n)),
        max_per_address: section.checked("max_per_address", 1024, "must be 1 to 100000", |n| (1..=100_000).contains(n)),
    }
}

fn database(section: &mut Section) -> Database {
    let mut url = |key: &str| {
        let url: SecretUrl = section.optional(key)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            section.fail(key, format!("must begin with postgres:// (is {}://…)", url.scheme()));
        }
        Some(url)
    };
    Database {
        url: url("url"),
        listen_url: url("listen_url"),
        pool_size: section.checked("pool_size", 10, "must be 2 to 500", |n| (2..=500).contains(n)),
        worker_pool_size: section.checked("worker_pool_size", 10, "must be 2 to 500", |n| (2..=500).contains(n)),
        watch_pool_size: section.checked("watch_pool_size", 5, "must be 2 to 500", |n| (2..=500).contains(n)),
    }
}

fn retention(section: &mut Section) -> Retention {
    Retention {
        events: section.take("events", RETENTION),
        operations: section.take("operations", RETENTION),
        audit: super::audit::retention(section),
    }
}

fn tokens(section: &mut Section) -> Tokens {
    let max_lifetime =
        section.checked("max_lifetime", TOKEN_LIFETIME_MAX, "must be at least 1m", |it| *it >= RetentionPeriod::MINUTE);
    let default = TOKEN_LIFETIME.min(max_lifetime);
    let rule = format!("must be at least 1m and at most max_lifetime, which is {max_lifetime}");
    let fits = |lifetime: &RetentionPeriod| (RetentionPeriod::MINUTE..=max_lifetime).contains(lifetime);
    Tokens { lifetime: section.checked("lifetime", default, &rule, fits), max_lifetime }
}

/// The use of a session is recorded once a minute: a shorter idle time could end one that is used.
fn sessions(section: &mut Section) -> SessionPeriods {
    let default = RetentionPeriod::HALF_DAY;
    let max = section.checked("max", default, "must be at least 1m", |it| *it >= RetentionPeriod::MINUTE);
    let rule = format!("must be at least 5m and at most max, which is {max}");
    let least = max.min(RetentionPeriod::from(std::time::Duration::from_mins(5)));
    let idle = section.checked("idle", RetentionPeriod::HOUR.min(max), &rule, |it| (least..=max).contains(it));
    SessionPeriods { idle, max }
}

fn kubernetes(section: &mut Section) -> Kubernetes {
    let copied_secrets: Vec<CopiedSecret> = section.take("copied_secrets", Vec::new());
    let tls = copied_secrets.iter().filter(|secret| secret.purpose == CopiedSecretUse::Tls).count();
    if tls > 1 {
        section.fail("copied_secrets", "may have one with use = \"tls\"");
    }
    let mut names: Vec<_> = copied_secrets.iter().map(|secret| secret.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        section.fail("copied_secrets", "must have names that differ: they share a namespace");
    }
    let namespace_labels: BTreeMap<String, String> = section.take("namespace_labels", BTreeMap::new());
    let namespace_annotations: BTreeMap<String, String> = section.take("namespace_annotations", BTreeMap::new());
    for (key, map) in [("namespace_labels", &namespace_labels), ("namespace_annotations", &namespace_annotations)] {
        let reserved = |name: &&String| name.starts_with("storeplane.io/") || *name == labels::MANAGED_BY;
        if let Some(name) = map.keys().find(reserved) {
            section.fail(key, format!("must not set {name}, which the control plane sets"));
        }
    }
    if section.has("store_role") != section.has("service_account") {
        section.fail("store_role", "must be set together with service_account");
    }
    Kubernetes {
        scope: section.take("scope", WatchScope::Cluster),
        store_role: section.optional("store_role"),
        service_account: section.optional("service_account"),
        kubeconfig: section.optional("kubeconfig"),
        context: section.optional("context"),
        namespace_labels,
        namespace_annotations,
        copied_secrets,
    }
}

fn origins(root: &mut Section) -> Vec<String> {
    let origins: Vec<String> = root.take("allowed_origins", Vec::new());
    for origin in origins.iter().filter(|origin| *origin != "*") {
        let good = url::Url::parse(origin)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == *origin);
        if !good {
            root.fail("allowed_origins", format!("must be origins such as https://shops.example.com (has {origin})"));
        }
    }
    origins
}

/// Without a trailing slash, as browsers send origins.
fn public_url(root: &mut Section) -> Option<String> {
    let url: String = root.optional("public_url")?;
    let good = url::Url::parse(&url)
        .is_ok_and(|it| super::is_confidential(&it) && it.origin().ascii_serialization() == url.trim_end_matches('/'));
    if !good {
        root.fail("public_url", format!("must be an https:// URL without a path (is {url})"));
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn log(section: &mut Section) -> Log {
    let filter: String = section.take("filter", "info".into());
    if let Err(error) = EnvFilter::builder().parse(&filter) {
        section.fail("filter", format!("{error} (is {filter})"));
    }
    Log { format: section.take("format", LogFormat::Pretty), filter }
}

fn telemetry(section: &mut Section) -> Telemetry {
    let endpoint: Option<SecretUrl> = section.optional("otlp_endpoint");
    if let Some(url) = &endpoint
        && !matches!(url.scheme(), "http" | "https")
    {
        section.fail("otlp_endpoint", format!("must begin with http:// or https:// (is {}://…)", url.scheme()));
    }
    Telemetry { otlp_endpoint: endpoint }
}

/// True for a DNS label: at most 63 lower-case letters, digits and hyphens.
pub(super) fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[expect(clippy::ptr_arg, reason = "the type that is read is String")]
fn is_domain(text: &String) -> bool {
    text.len() <= DOMAIN_MAX && text.split('.').all(is_label)
}

fn max_helm_processes() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let by_memory = memory().and_then(|bytes| usize::try_from(bytes / MEMORY_PER_HELM).ok()).unwrap_or(usize::MAX);
    (cores * HELM_PER_CORE).min(by_memory).clamp(1, 64)
}

/// Memory of the machine, or of the container if that is less.
fn memory() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes: u64 =
        machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_whitespace().next()?.parse().ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some((kilobytes * 1024).min(limit.unwrap_or(u64::MAX)))
}
