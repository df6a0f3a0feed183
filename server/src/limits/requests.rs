//! Requests per second of each caller.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use super::{Keyed, has_place};

/// The rates of callers, by [`storeplane_core::identity::Credential::key`].
#[derive(Debug)]
pub(super) struct Requests {
    limiter: Option<Keyed<Uuid>>,
}

impl Requests {
    /// So many per second, and so many at once after a pause; `None` for no limit.
    pub(super) fn new(per_second: Option<NonZeroU32>, burst: NonZeroU32) -> Self {
        let quota = |rate| Quota::per_second(rate).allow_burst(burst);
        let limiter = per_second.map(|rate| RateLimiter::hashmap_with_clock(quota(rate), MonotonicClock));
        Self { limiter }
    }

    /// Counts a request. Otherwise, when the next one is possible.
    pub(super) fn admit(&self, caller: Uuid) -> Result<(), Duration> {
        let Some(limiter) = self.limiter.as_ref().filter(|limiter| has_place(limiter)) else { return Ok(()) };
        limiter.check_key(&caller).map_err(|refusal| refusal.wait_time_from(MonotonicClock.now()))
    }

    /// Forgets callers who may make a whole burst.
    pub(super) fn sweep(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_rate_and_burst() {
        let number = |number| NonZeroU32::new(number).expect("not 0");
        let requests = Requests::new(Some(number(1)), number(3));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let admitted = |caller| (0..10).filter(|_| requests.admit(caller).is_ok()).count();
        assert_eq!((admitted(one), admitted(other)), (3, 3));
        let wait = requests.admit(one).expect_err("limited");
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        requests.sweep();
        assert!(requests.admit(one).is_err(), "a caller at its limit is not forgotten");
        let unlimited = Requests::new(None, number(1));
        assert!((0..1000).all(|_| unlimited.admit(one).is_ok()));
    }
}
