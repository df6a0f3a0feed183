//! Prometheus metrics of this process. Below everything that records them, as the log is.
//!
//! - This file: [`metrics()`], the metrics of the process, and their text.
//! - [`table`]: the list of all metrics. [`family`]: metrics with labels, which are constants.
//! - [`operation_end`] and [`backup_end`]: what the end of an operation, and of a backup, adds. [`process`]: memory, processor time and files. [`http`]: `/metrics`.
//!   `runbooks` tests alerts and dashboard against the table.
//!
//! What is known at any time (pools, processes) is read when it is asked for, by [`Metrics::before_scrape`]. What Postgres knows is
//! read at intervals by [`crate::postgres::Sampler`], whoever asks and however often.

mod backup_end;
mod family;
pub mod http;
mod operation_end;
mod process;
mod restore_test_end;
#[cfg(test)]
mod runbooks;
mod table;

use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus_client::encoding::{prometheus_text, text};
use storeplane_core::backup::BackupState;
use storeplane_core::backup::restore_test::RestoreTestState;
use storeplane_core::failure::Reason;
use storeplane_core::operation::{OperationKind, OperationState};
use storeplane_core::ports::Clock as _;

pub use backup_end::BackupEnd;
pub use family::{Counters, Gauge, Gauges, Histograms, InProgress, SecondCounters, TracedHistograms};
pub use operation_end::OperationEnd;
pub use process::number;
pub use restore_test_end::RestoreTestEnd;
pub use table::{Definition, Metrics};

use crate::system::SystemClock;

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::create);

type Reader = Box<dyn Fn(&Metrics) + Send + Sync>;

/// What reads current values before each answer.
#[derive(Default)]
struct Readers(Mutex<Vec<Reader>>);

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    &METRICS
}

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format.
    Prometheus,
    /// `OpenMetrics`: the same with exemplars.
    OpenMetrics,
}

impl Metrics {
    /// Metrics with their first values: a rate needs a value before the first event.
    fn create() -> Self {
        let metrics = Self::new();
        for kind in OperationKind::ALL {
            for outcome in [OperationState::Succeeded, OperationState::Failed, OperationState::Cancelled] {
                drop(metrics.operations.with([kind.as_str(), outcome.as_str()]));
            }
            for reason in Reason::ALL {
                drop(metrics.operation_failures.with([kind.as_str(), reason.as_str()]));
            }
        }
        for outcome in [BackupState::Complete, BackupState::Failed] {
            drop(metrics.backups.with([outcome.as_str()]));
        }
        for outcome in [RestoreTestState::Passed, RestoreTestState::Failed] {
            drop(metrics.restore_tests.with([outcome.as_str()]));
        }
        drop(metrics.backup_bytes.with([]));
        for cause in ["EXPIRED", "SUPERSEDED"] {
            drop(metrics.lease_losses.with([cause]));
        }
        for limit in table::LIMITS {
            drop(metrics.limited.with([limit]));
        }
        for scope in ["store", "stores"] {
            metrics.watchers.with([scope]).set(0.0);
        }
        for gauge in [&metrics.reconciler_leader, &metrics.reconciler_last_round, &metrics.helm_runs_waiting] {
            gauge.with([]).set(0.0);
        }
        metrics.store_time_to_ready.init([]);
        metrics.build_info.with([env!("CARGO_PKG_VERSION")]).set(1.0);
        metrics.process_start_time.with([]).set(unix_time());
        metrics
    }

    /// Calls `read` before each answer.
    pub fn before_scrape(&self, read: impl Fn(&Self) + Send + Sync + 'static) {
        self.readers.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(read));
    }

    /// All metrics as text.
    pub fn encode(&self, format: Format) -> String {
        let mut text = String::new();
        let encoded = match format {
            Format::Prometheus => prometheus_text::encode(&mut text, &self.registry),
            Format::OpenMetrics => text::encode(&mut text, &self.registry),
        };
        // Writing to a string does not fail.
        debug_assert!(encoded.is_ok(), "a metric cannot be encoded");
        text
    }

    /// All metrics as text, with current values.
    fn scrape(&self, format: Format) -> String {
        process::read(self);
        for read in self.readers.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            read(self);
        }
        self.encode(format)
    }
}

/// The current time in seconds since 1970.
pub fn unix_time() -> f64 {
    (SystemClock.now() - time::OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_guide_lists_every_metric() {
        let guide = include_str!("../../../docs/operations.md");
        for Definition { name, kind, labels, help } in Metrics::ALL {
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            let row = format!("| `{name}` | {kind} | {} | {} |", labels.join(", "), help.trim());
            assert!(guide.contains(&row), "docs/operations.md lacks the row:\n{row}");
        }
        let rows = guide.lines().filter(|line| line.starts_with("| `storeplane_") || line.starts_with("| `process_"));
        assert_eq!(rows.count(), Metrics::ALL.len(), "docs/operations.md lists a metric that does not exist");
    }

    #[test]
    fn names_follow_prometheus_rules() {
        for Definition { name, kind, labels, .. } in Metrics::ALL {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
            assert!(*kind != "histogram" || name.ends_with("_seconds"), "{name}");
            let ids = ["store", "store_id", "tenant", "operation", "uid", "caller"];
            assert!(labels.iter().all(|label| !ids.contains(label)), "{name}: the values of {labels:?} are unbounded");
        }
    }

    #[test]
    fn trace_exemplars_are_in_openmetrics_only() {
        let metrics = Metrics::create();
        let trace = opentelemetry::trace::TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        let values = ["storeplane.v1.StoreService", "GetStore", "OK"];
        metrics.rpc_duration.observe(values, std::time::Duration::from_millis(3), Some(trace));
        let bucket = |text: &str| {
            let line = text.lines().find(|line| line.contains("le=\"0.005\"") && line.contains("GetStore"));
            line.expect("a bucket").split_once("} 1").expect("one call").1.to_owned()
        };
        let text = metrics.encode(Format::OpenMetrics);
        let exemplar = " # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.003 ";
        assert!(bucket(&text).starts_with(exemplar) && text.ends_with("# EOF\n"), "{text}");
        let text = metrics.encode(Format::Prometheus);
        assert!(bucket(&text).is_empty() && !text.contains("trace_id"), "{text}");
    }
}
