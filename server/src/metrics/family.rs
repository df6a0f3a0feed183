//! Metrics with labels. Names and values of labels are constants of the program: so their number is bounded, and no id of a
//! store, a tenant or an operation can become one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::TraceId;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge as AnyGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use storeplane_core::ports::Clock as _;

use crate::system::SystemClock;

/// The labels of one time series: names and values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A value that goes up and down.
pub type Gauge = AnyGauge<f64, AtomicU64>;

/// Something in progress, which a gauge counts until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct InProgress(Gauge);

impl InProgress {
    /// Counts it from now on.
    pub fn begin(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What the table of metrics needs of each kind.
pub(super) trait Kind<const N: usize> {
    /// Prometheus' name of the kind.
    const TYPE: &'static str;
    /// An empty metric.
    fn new(labels: [&'static str; N], buckets: &'static [f64]) -> Self;
    /// Adds it to what is served.
    fn register(&self, registry: &mut Registry, name: &str, help: &str);
}

/// Counters, one for each combination of label values.
#[derive(Debug)]
pub struct Counters<const N: usize> {
    labels: [&'static str; N],
    family: Family<Labels<N>, Counter>,
}

/// Counters of seconds whose totals are read from elsewhere, such as the kernel.
#[derive(Debug)]
pub struct SecondCounters<const N: usize> {
    labels: [&'static str; N],
    family: Family<Labels<N>, Counter<f64, AtomicU64>>,
}

/// Gauges, one for each combination of label values.
#[derive(Debug)]
pub struct Gauges<const N: usize> {
    labels: [&'static str; N],
    family: Family<Labels<N>, Gauge>,
}

/// Histograms, one for each combination of label values.
#[derive(Debug)]
pub struct Histograms<const N: usize> {
    labels: [&'static str; N],
    family: Family<Labels<N>, Histogram, Buckets>,
}

/// Histograms with trace exemplars (`OpenMetrics` only), one for each combination of label values.
#[derive(Debug)]
pub struct TracedHistograms<const N: usize> {
    labels: [&'static str; N],
    family: Family<Labels<N>, HistogramWithExemplars<Trace>, Buckets>,
}

impl<const N: usize> Counters<N> {
    /// The counter with these label values.
    pub fn with(&self, values: [&'static str; N]) -> Counter {
        self.family.get_or_create_owned(&pairs(self.labels, values))
    }
}

impl<const N: usize> SecondCounters<N> {
    /// Sets the counter with these label values.
    pub fn set(&self, values: [&'static str; N], seconds: f64) {
        let counter = self.family.get_or_create_owned(&pairs(self.labels, values));
        counter.inner().store(seconds.to_bits(), Ordering::Relaxed);
    }
}

impl<const N: usize> Gauges<N> {
    /// The gauge with these label values.
    pub fn with(&self, values: [&'static str; N]) -> Gauge {
        self.family.get_or_create_owned(&pairs(self.labels, values))
    }

    /// Removes all values: they are unknown.
    pub fn clear(&self) {
        self.family.clear();
    }
}

impl<const N: usize> Histograms<N> {
    /// The histogram with these label values.
    pub fn with(&self, values: [&'static str; N]) -> Histogram {
        self.family.get_or_create_owned(&pairs(self.labels, values))
    }

    /// Adds a duration to the histogram with these label values.
    pub fn observe(&self, values: [&'static str; N], took: Duration) {
        self.with(values).observe(took.as_secs_f64());
    }
}

impl<const N: usize> TracedHistograms<N> {
    /// Adds a duration to the histogram with these label values, with the trace as its exemplar.
    pub fn observe(&self, values: [&'static str; N], took: Duration, trace: Option<TraceId>) {
        let now = trace.map(|_| SystemClock.now().into());
        let histogram = self.family.get_or_create_owned(&pairs(self.labels, values));
        histogram.observe(took.as_secs_f64(), trace.map(Trace), now);
    }

    /// Shows the histogram with these label values before its first observation.
    pub fn init(&self, values: [&'static str; N]) {
        drop(self.family.get_or_create_owned(&pairs(self.labels, values)));
    }
}

fn pairs<const N: usize>(labels: [&'static str; N], values: [&'static str; N]) -> Labels<N> {
    let mut values = values.into_iter();
    labels.map(|label| (label, values.next().unwrap_or_default()))
}

/// The label of an exemplar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Trace(TraceId);

impl EncodeLabelSet for Trace {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> std::fmt::Result {
        [("trace_id", self.0.to_string())].encode(encoder)
    }
}

/// Makes histograms.
#[derive(Debug, Clone, Copy)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

impl MetricConstructor<HistogramWithExemplars<Trace>> for Buckets {
    fn new_metric(&self) -> HistogramWithExemplars<Trace> {
        HistogramWithExemplars::new(self.0.iter().copied())
    }
}

/// Implements [`Kind`] for one of the types above.
macro_rules! kind {
    ($name:ident, $type:literal, $family:expr) => {
        impl<const N: usize> Kind<N> for $name<N> {
            const TYPE: &'static str = $type;

            fn new(labels: [&'static str; N], buckets: &'static [f64]) -> Self {
                let family: fn(&'static [f64]) -> _ = $family;
                Self { labels, family: family(buckets) }
            }

            fn register(&self, registry: &mut Registry, name: &str, help: &str) {
                registry.register(name, help, self.family.clone());
            }
        }
    };
}

kind!(Counters, "counter", |_| Family::default());
kind!(SecondCounters, "counter", |_| Family::default());
kind!(Gauges, "gauge", |_| Family::default());
kind!(Histograms, "histogram", |buckets| Family::new_with_constructor(Buckets(buckets)));
kind!(TracedHistograms, "histogram", |buckets| Family::new_with_constructor(Buckets(buckets)));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauge_counts_what_is_in_progress() {
        let gauge = Gauge::default();
        let (one, other) = (InProgress::begin(gauge.clone()), InProgress::begin(gauge.clone()));
        assert!((gauge.get() - 2.0).abs() < f64::EPSILON);
        drop(one);
        assert!((gauge.get() - 1.0).abs() < f64::EPSILON);
        drop(other);
        assert!(gauge.get().abs() < f64::EPSILON);
    }
}
