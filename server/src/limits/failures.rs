//! Failed authentications of each address. An address with too many waits before it may try again, without a question to Postgres.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, MonotonicClock};
use governor::{Quota, RateLimiter};

use super::{Keyed, has_place};

/// The failures of addresses.
#[derive(Debug)]
pub(super) struct Failures {
    limiter: Option<Keyed<IpAddr>>,
    /// Until when addresses have to wait. Contains only keys of the limiter.
    waiting: Mutex<HashMap<IpAddr, Instant>>,
}

impl Failures {
    /// So many per minute, also at once; `None` for no limit.
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> Self {
        let limiter = |rate| RateLimiter::hashmap_with_clock(Quota::per_minute(rate), MonotonicClock);
        Self { limiter: per_minute.map(limiter), waiting: Mutex::default() }
    }

    /// Whether the address may try to authenticate. Otherwise, when it may.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Duration> {
        let until = self.waiting().get(&address).copied();
        match until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// Counts a failure.
    pub(super) fn count(&self, address: IpAddr) {
        let Some(limiter) = self.limiter.as_ref().filter(|limiter| has_place(limiter)) else { return };
        if let Err(refusal) = limiter.check_key(&address) {
            let wait = refusal.wait_time_from(MonotonicClock.now());
            self.waiting().insert(address, Instant::now() + wait);
        }
    }

    /// Forgets addresses without recent failures.
    pub(super) fn sweep(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let now = Instant::now();
        self.waiting().retain(|_, until| *until > now);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_with_too_many_failures_waits_and_others_do_not() {
        let failures = Failures::new(NonZeroU32::new(3));
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..3 {
            failures.count(one);
            assert_eq!(failures.check(one), Ok(()));
        }
        failures.count(one);
        let wait = failures.check(one).expect_err("it waits");
        assert!(wait > Duration::from_secs(10) && wait <= Duration::from_secs(20), "{wait:?}: three a minute");
        assert_eq!(failures.check(other), Ok(()));
        failures.sweep();
        assert!(failures.check(one).is_err(), "an address that waits is not forgotten");
        failures.waiting().insert(one, Instant::now());
        assert_eq!(failures.check(one), Ok(()), "its time is over");
        failures.sweep();
        assert!(failures.waiting().is_empty());
    }
}
