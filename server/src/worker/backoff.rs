//! How long to wait before a step is tried again.

use std::time::Duration;

/// First wait.
const FIRST: Duration = Duration::from_millis(250);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(15);

/// Waits that double, with a jitter that keeps workers apart.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The next wait: between half and all of the doubled last one, and not less than `at_least`. `jitter` is 0 to 1.
    pub(super) fn next(&mut self, at_least: Option<Duration>, jitter: f64) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0).max(at_least.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next(None, 1.0)).collect();
        assert_eq!(waits[0], FIRST);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits[9], LONGEST);
    }

    #[test]
    fn the_server_may_ask_for_more() {
        assert_eq!(Backoff::default().next(Some(Duration::from_secs(5)), 0.0), Duration::from_secs(5));
    }
}
