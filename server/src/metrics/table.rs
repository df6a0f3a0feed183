//! The table of all metrics. To add one: a line here, and its row in `docs/operations.md`; a test reports what is missing.

use prometheus_client::registry::Registry;

use super::Readers;
use super::family::{Counters, Gauges, Histograms, Kind, SecondCounters, TracedHistograms};

/// Seconds of a call: from an answer out of a cache to a slow one.
const CALL: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Seconds of an operation or a step: from a simulated cluster to an operation's time limit.
const WORK: &[f64] = &[0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// Seconds of a helm run, up to its default time limit.
const HELM: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0];
/// Seconds between a commit and its delivery.
const LAG: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds of the wait for a database connection, up to its time limit.
const WAIT: &[f64] = &[0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 3.0];
/// Seconds of a round of the reconciler.
const ROUND: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The quotas and limits that `storeplane_limited_total` counts by.
pub(super) const LIMITS: [&str; 12] = [
    "stores",
    "plans",
    "cpu",
    "memory",
    "storage",
    "creations",
    "deletions",
    "backups",
    "requests",
    "streams_per_caller",
    "streams_per_tenant",
    "failed_authentications",
];

/// A metric's entry in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// The name as it is served.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it measures.
    pub help: &'static str,
}

/// One table with everything about each metric.
macro_rules! metrics {
    ($(#[doc = $help:literal] $field:ident: $kind:ident = $name:literal [$($label:literal),*] $($buckets:ident)?;)+) => {
        /// Every metric of this process.
        #[derive(Debug)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: $kind<{ <[&str]>::len(&[$($label),*]) }>,)+
            pub(super) registry: Registry,
            pub(super) readers: Readers,
        }

        impl Metrics {
            /// All metrics, in the order in which they are served.
            pub const ALL: &[Definition] = &[$(Definition {
                name: $name,
                kind: <$kind<{ <[&str]>::len(&[$($label),*]) }> as Kind<_>>::TYPE,
                labels: &[$($label),*],
                help: $help,
            }),+];

            /// Metrics without values.
            pub(super) fn new() -> Self {
                let mut registry = Registry::default();
                $(
                    let $field = $kind::new([$($label),*], metrics!(@ $($buckets)?));
                    // The encoder appends a counter's suffix, and the full stop of the description.
                    let name = $name.strip_suffix("_total").unwrap_or($name);
                    $field.register(&mut registry, name, $help.trim().trim_end_matches('.'));
                )+
                Self { $($field,)+ registry, readers: Readers::default() }
            }
        }
    };
    (@) => { &[] };
    (@ $buckets:ident) => { $buckets };
}

metrics! {
    /// Calls of storeplane's services that ended, with the status that the client got. Health checks and reflection are not counted.
    rpc_requests: Counters = "storeplane_rpc_requests_total" ["service", "method", "code"];
    /// Duration of calls, except streams.
    rpc_duration: TracedHistograms = "storeplane_rpc_duration_seconds" ["service", "method", "code"] CALL;
    /// Calls in progress, including open streams.
    rpc_in_flight: Gauges = "storeplane_rpc_in_flight" ["service", "method"];
    /// Operations that ended.
    operations: Counters = "storeplane_operations_total" ["kind", "outcome"];
    /// Operations that failed, by the reason that the store shows.
    operation_failures: Counters = "storeplane_operation_failures_total" ["kind", "reason"];
    /// Time from the request of an operation to its end.
    operation_duration: Histograms = "storeplane_operation_duration_seconds" ["kind", "outcome"] WORK;
    /// Time from CreateStore to READY.
    store_time_to_ready: TracedHistograms = "storeplane_store_time_to_ready_seconds" [] WORK;
    /// Duration of the steps of operations, including their retries.
    step_duration: Histograms = "storeplane_step_duration_seconds" ["kind", "step", "outcome"] WORK;
    /// Retries of steps, by the reason of the failed attempt.
    step_retries: Counters = "storeplane_step_retries_total" ["kind", "step", "reason"];
    /// Operations that this server held and lost: EXPIRED if it could not renew the lease in time, otherwise SUPERSEDED.
    lease_losses: Counters = "storeplane_lease_losses_total" ["cause"];
    /// Active operations that no server holds. From Postgres, the same on every server.
    operations_queued: Gauges = "storeplane_operations_queued" ["kind"];
    /// Age of the oldest of them: since its lease expired, otherwise since its request.
    operations_queued_age: Gauges = "storeplane_operations_queued_oldest_age_seconds" ["kind"];
    /// Active operations that a server holds. From Postgres, the same on every server.
    operations_running: Gauges = "storeplane_operations_running" ["kind"];
    /// Stores that are not DELETED, of all tenants. From Postgres, the same on every server.
    stores: Gauges = "storeplane_stores" ["state"];
    /// Backups that ended: COMPLETE or FAILED.
    backups: Counters = "storeplane_backups_total" ["outcome"];
    /// Test restores that ended: PASSED or FAILED.
    restore_tests: Counters = "storeplane_restore_tests_total" ["outcome"];
    /// Encrypted size of the backups that were completed, in bytes.
    backup_bytes: Counters = "storeplane_backup_bytes_total" [];
    /// Stores whose last complete backup is older than two intervals. From Postgres, the same on every server.
    backups_overdue: Gauges = "storeplane_backups_overdue" [];
    /// Stores whose configuration differs from what is recorded of them. From Postgres, the same on every server.
    stores_drifted: Gauges = "storeplane_stores_drifted" [];
    /// Running helm processes that hold one of the permits (`helm.max_processes`): all but `helm version`.
    helm_processes: Gauges = "storeplane_helm_processes" [];
    /// Maximum number of them.
    helm_processes_max: Gauges = "storeplane_helm_processes_max" [];
    /// Helm runs that wait for others to end.
    helm_runs_waiting: Gauges = "storeplane_helm_runs_waiting" [];
    /// Duration of helm runs, without their wait.
    helm_run_duration: Histograms = "storeplane_helm_run_duration_seconds" ["command", "outcome"] HELM;
    /// Open watches: of one store, of all stores of a tenant, or of a rollout.
    watchers: Gauges = "storeplane_watchers" ["scope"];
    /// Time from an event to its distribution to the watchers of this server.
    watch_publish_lag: Histograms = "storeplane_watch_publish_lag_seconds" [] LAG;
    /// Time from an event to its delivery into a watch's stream; slow clients make it longer.
    watch_delivery_lag: Histograms = "storeplane_watch_delivery_lag_seconds" ["scope"] LAG;
    /// Open database connections.
    database_connections: Gauges = "storeplane_database_connections" ["pool", "state"];
    /// Maximum number of database connections.
    database_connections_max: Gauges = "storeplane_database_connections_max" ["pool"];
    /// Requests that wait for a database connection.
    database_waiters: Gauges = "storeplane_database_waiters" ["pool"];
    /// Duration of the wait for a database connection.
    database_wait: Histograms = "storeplane_database_wait_seconds" ["pool"] WAIT;
    /// Requests that got no database connection in time.
    database_timeouts: Counters = "storeplane_database_wait_timeouts_total" ["pool"];
    /// Postgres' clock minus this server's.
    database_clock_offset: Gauges = "storeplane_database_clock_offset_seconds" [];
    /// 1 on the server that reconciles stores with the cluster, otherwise 0.
    reconciler_leader: Gauges = "storeplane_reconciler_leader" [];
    /// When this server last compared all stores with the cluster, as a Unix time; 0 if it never did.
    reconciler_last_round: Gauges = "storeplane_reconciler_last_round_timestamp_seconds" [];
    /// Duration of complete comparisons.
    reconciler_round_duration: Histograms = "storeplane_reconciler_round_duration_seconds" [] ROUND;
    /// Calls that were refused by a quota of their tenant or a limit of this server.
    limited: Counters = "storeplane_limited_total" ["limit"];
    /// 1 if the dependency was usable at its last probe, otherwise 0.
    dependency_up: Gauges = "storeplane_dependency_up" ["dependency"];
    /// 1 while the dependency's circuit breaker is open or half-open, otherwise 0.
    circuit_open: Gauges = "storeplane_circuit_open" ["dependency"];
    /// 1, with the version of this server.
    build_info: Gauges = "storeplane_build_info" ["version"];
    /// Processor time of the server, without helm.
    process_cpu: SecondCounters = "process_cpu_seconds_total" [];
    /// Memory of the server, without helm.
    process_memory: Gauges = "process_resident_memory_bytes" [];
    /// Open file descriptors.
    process_open_fds: Gauges = "process_open_fds" [];
    /// Maximum number of open file descriptors.
    process_max_fds: Gauges = "process_max_fds" [];
    /// When the server started, as a Unix time.
    process_start_time: Gauges = "process_start_time_seconds" [];
}
