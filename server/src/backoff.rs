//! Delays between retries.

use std::time::Duration;

use rand::Rng as _;

/// Delays that double up to a maximum. Each has jitter (half to all of its value), so that clients that lost the same server do
/// not reconnect simultaneously.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Resets the delay after a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    /// The next delay.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.longest);
        wait
    }

    /// Waits for the next delay.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_maximum_and_reset() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(first, longest);
        for doubled in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let (wait, whole) = (backoff.next(), Duration::from_millis(doubled));
            assert!(whole / 2 <= wait && wait <= whole, "{wait:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= first);
    }
}
