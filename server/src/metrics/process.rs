//! The metrics of the process itself, under the names that all Prometheus clients use.

use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

use super::Metrics;

/// Reads them. Values that the system does not provide are omitted.
pub(super) fn read(metrics: &Metrics) {
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let times = [usage.user_time(), usage.system_time()].map(|time| {
            let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
            Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default()) + Duration::from_micros(micros)
        });
        metrics.process_cpu.set([], times.iter().sum::<Duration>().as_secs_f64());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kibibytes) = resident(&status) {
        metrics.process_memory.with([]).set(kibibytes * 1024.0);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them is the folder itself.
        metrics.process_open_fds.with([]).set(number(open.count().saturating_sub(1)));
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        metrics.process_max_fds.with([]).set(number(usize::try_from(soft).unwrap_or(usize::MAX)));
    }
}

/// The resident memory in kibibytes, from `/proc/self/status`.
fn resident(status: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

/// A count as a metric's value.
#[expect(clippy::cast_precision_loss, reason = "counts of files, processes and rows are far below 2^53")]
pub fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_metrics_are_read() {
        let metrics = Metrics::create();
        read(&metrics);
        let served = metrics.encode(super::super::Format::Prometheus);
        for name in ["process_cpu_seconds_total", "process_open_fds", "process_max_fds"] {
            assert!(served.contains(&format!("\n{name} ")), "{name}: {served}");
        }
        assert!(metrics.process_memory.with([]).get() > 1e6, "{served}");
        assert_eq!(resident("VmPeak:\t  9 kB\nVmRSS:\t  1234 kB\n"), Some(1234.0));
    }
}
