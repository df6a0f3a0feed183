//! How long to wait before asking a cluster again that did not answer.

use std::time::Duration;

use rand::Rng as _;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Doubles from 100 ms to 5 s. Each pause is a random part (half to all) of that, so that many who lost the same
/// server do not come back as one.
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
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = (self.next * 2).min(LONGEST);
        pause
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            assert!(backoff.next_pause() <= LONGEST);
        }
        assert!(backoff.next_pause() >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.next_pause() <= FIRST);
    }
}
