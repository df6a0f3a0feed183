//! The real clock and random source. No other code reads either.

use rand::Rng;
use storeplane_core::ports::{Clock, Ids};
use time::OffsetDateTime;
use uuid::Uuid;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else gets")]
    fn now(&self) -> OffsetDateTime {
        // Postgres stores microseconds: a time sent to clients before it is stored must be equal afterwards.
        (OffsetDateTime::now_utc() + crate::failpoints::clock_offset()).truncate_to_microsecond()
    }
}

/// Ids and random words from the operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn random_text(&self, length: usize) -> String {
        let mut random = rand::rng();
        (0..length).filter_map(|_| char::from_digit(random.random_range(0..36), 36)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_has_postgres_precision() {
        assert!((0..100).all(|_| SystemClock.now().nanosecond().is_multiple_of(1000)));
    }

    #[test]
    fn random_tokens_are_long_and_unique() {
        let (a, b) = (RandomIds.random_text(40), RandomIds.random_text(40));
        assert!(a != b && a.len() == 40 && a.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_eq!(RandomIds.uuid().get_version_num(), 7);
    }
}
