//! Limits of this server, in memory: no caller and no address takes it, or its database, from the others. Quotas, which hold across
//! servers, are in [`crate::postgres`].
//!
//! [`requests`]: requests per second of a caller. [`streams`]: open streams. [`failures`]: failed authentications of an address.

mod failures;
mod requests;
mod streams;

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use storeplane_core::identity::Caller;
use storeplane_core::quota::Limit;
use tokio_util::sync::CancellationToken;

pub use self::streams::{StreamPermit, StreamScope, TooManyStreams};
use self::{failures::Failures, requests::Requests, streams::Streams};
use crate::config;
use crate::metrics::metrics;

/// Interval between removals of what is known about callers and addresses that are idle.
const SWEEP: Duration = Duration::from_mins(1);

/// The limits. Clones share what is counted.
#[derive(Debug, Clone)]
pub struct Limits {
    config: config::Limits,
    requests: Arc<Requests>,
    streams: Streams,
    failures: Arc<Failures>,
}

impl Limits {
    /// As configured.
    pub fn new(config: config::Limits) -> Self {
        Self {
            requests: Arc::new(Requests::new(rate(config.requests_per_second), config.request_burst)),
            streams: Streams::new(config.streams_per_caller, config.streams_per_tenant),
            failures: Arc::new(Failures::new(rate(config.failed_authentications_per_minute))),
            config,
        }
    }

    /// The configured limits.
    pub fn config(&self) -> &config::Limits {
        &self.config
    }

    /// Counts a request of a caller. Otherwise, when the next one is possible.
    pub fn admit_request(&self, caller: &Caller) -> Result<(), Duration> {
        self.requests.admit(caller.credential.key()).inspect_err(|_| count("requests"))
    }

    /// Counts an open stream until the permit is dropped.
    pub fn open_stream(&self, caller: &Caller) -> Result<StreamPermit, TooManyStreams> {
        self.streams.open(caller).inspect_err(|refusal| count(refusal.scope.name()))
    }

    /// The number of open streams of the caller, and of the tenant in which it acts.
    pub fn open_streams(&self, caller: &Caller) -> (usize, usize) {
        self.streams.counts(caller)
    }

    /// Whether an address may try to authenticate. Otherwise, when it may.
    pub fn may_authenticate(&self, address: IpAddr) -> Result<(), Duration> {
        self.failures.check(client(address)).inspect_err(|_| count("failed_authentications"))
    }

    /// Counts a failed authentication.
    pub fn authentication_failed(&self, address: IpAddr) {
        self.failures.count(client(address));
    }

    /// Forgets idle callers and addresses once a minute.
    pub async fn sweep_until(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.requests.sweep();
            self.failures.sweep();
        }
    }
}

fn count(limit: &'static str) {
    metrics().limited.with([limit]).inc();
}

/// A rate for governor; `None` for no limit.
fn rate(limit: Limit) -> Option<NonZeroU32> {
    limit.number().and_then(|number| NonZeroU32::new(u32::try_from(number).unwrap_or(u32::MAX)))
}

/// Whoever has one IPv6 address has a whole /64.
pub fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// What is limited, by key.
type Keyed<K> = governor::RateLimiter<
    K,
    governor::state::keyed::HashMapStateStore<K>,
    governor::clock::MonotonicClock,
    governor::middleware::NoOpMiddleware<std::time::Instant>,
>;

/// Maximum number of keys of a limiter: idle ones are removed before, and further ones are not limited.
const KEYS_MAX: usize = 100_000;

/// Whether there is a place for one more key.
fn has_place<K: std::hash::Hash + Eq + Clone>(limiter: &Keyed<K>) -> bool {
    if limiter.len() >= KEYS_MAX {
        limiter.retain_recent();
    }
    limiter.len() < KEYS_MAX
}
