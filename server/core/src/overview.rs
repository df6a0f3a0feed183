//! An overview of a caller's stores: counts, rates and durations over a window of equal periods.

use time::{Duration, OffsetDateTime};

use crate::access::Access;
use crate::error::DomainError;
use crate::event::Event;
use crate::operation::Operation;
use crate::quota::QuotaUse;
use crate::state::State;

/// Number of periods in a window.
pub const PERIODS: i32 = 24;
/// Maximum number of operations and of events in an overview.
pub const SHOWN: u64 = 20;

const WINDOW_DEFAULT: Duration = Duration::hours(24);
const WINDOW_MIN: Duration = Duration::hours(1);
const WINDOW_MAX: Duration = Duration::days(90);

/// The stores and the time range of an overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverviewQuery {
    /// Whose stores.
    pub access: Access,
    /// Whose creations and deletions are counted for its quotas.
    pub caller: String,
    /// Now.
    pub now: OffsetDateTime,
    /// The beginning of the first period.
    pub start: OffsetDateTime,
    /// The length of a period, in whole microseconds, the database's precision.
    pub period: Duration,
}

impl OverviewQuery {
    /// Validates the window of GetOverview. Periods begin at multiples of their length since 1970, so that they are
    /// stable between calls; `now` is in the last one.
    pub fn check(access: &Access, caller: &str, window: Duration, now: OffsetDateTime) -> Result<Self, DomainError> {
        let window = if window.is_zero() { WINDOW_DEFAULT } else { window };
        if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) {
            return Err(DomainError::field(
                "window",
                "must be from 1 hour (3600s) to 90 days (7776000s), or 0 for 24 hours",
            ));
        }
        let period = window.whole_microseconds() / i128::from(PERIODS);
        let since = now - OffsetDateTime::UNIX_EPOCH;
        let current = since.whole_microseconds().div_euclid(period) * period;
        let start = current - period * i128::from(PERIODS - 1);
        let micros = |micros: i128| Duration::microseconds(i64::try_from(micros).unwrap_or(i64::MAX));
        Ok(Self {
            access: access.clone(),
            caller: caller.to_owned(),
            now,
            start: OffsetDateTime::UNIX_EPOCH.saturating_add(micros(start)),
            period: micros(period),
        })
    }

    /// The end of the last period.
    pub fn end(&self) -> OffsetDateTime {
        self.start.saturating_add(self.period * PERIODS)
    }

    /// Empty periods.
    pub fn periods(&self) -> Vec<Period> {
        let begin = |index| self.start.saturating_add(self.period * index);
        (0..PERIODS).map(|index| Period { start: begin(index), counts: Counts::default() }).collect()
    }
}

/// Counts over a time range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Stores requested.
    pub created: i64,
    /// Stores that became READY for the first time.
    pub ready: i64,
    /// Operations that failed.
    pub failed: i64,
    /// Stores that became DELETED.
    pub deleted: i64,
    /// Median time from CreateStore to READY of the stores that became READY.
    pub median_time_to_ready: Option<Duration>,
}

/// A period; it ends where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its beginning.
    pub start: OffsetDateTime,
    /// Its counts.
    pub counts: Counts,
}

/// An overview of a caller's stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Stores by state, without DELETED ones and without states that have no store.
    pub states: Vec<(State, i64)>,
    /// Stores without a recent backup; see [`Store::is_backup_overdue`](crate::store::Store::is_backup_overdue).
    pub backup_overdue_count: i64,
    /// Stores whose configuration has drifted; see [`Store::is_drifted`](crate::store::Store::is_drifted).
    pub drifted_count: i64,
    /// The periods of the window, oldest first.
    pub periods: Vec<Period>,
    /// Median time from CreateStore to READY over the window.
    pub median_time_to_ready: Option<Duration>,
    /// Active operations, oldest first; at most [`SHOWN`].
    pub active: Vec<Operation>,
    /// Total number of active operations.
    pub active_count: i64,
    /// The last state changes, newest first; at most [`SHOWN`].
    pub recent: Vec<Event>,
    /// The use of every quota of the tenant that is limited. A caller that sees only some stores gets only what counts itself.
    pub quotas: Vec<QuotaUse>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Tenant;

    fn check(window: Duration, now: i64) -> Result<OverviewQuery, DomainError> {
        let now = OffsetDateTime::from_unix_timestamp(now).expect("in range");
        OverviewQuery::check(&Access::whole(Tenant::default()), "ci", window, now + Duration::nanoseconds(1))
    }

    #[test]
    fn periods_are_aligned_to_fixed_boundaries() {
        // 2026-11-21 10:59:59 and 11:00:00.
        let (before, after) = (1_795_258_799, 1_795_258_800);
        let (earlier, later) =
            (check(Duration::ZERO, before).expect("good"), check(Duration::ZERO, after).expect("good"));
        assert_eq!(earlier.period, Duration::HOUR);
        assert_eq!(earlier.end().unix_timestamp(), after);
        assert_eq!(later.start - earlier.start, Duration::HOUR);
        assert_eq!(check(Duration::ZERO, before - 3000).expect("good").start, earlier.start);
        let periods = later.periods();
        assert_eq!((periods.len(), periods.last().map(|last| last.start.unix_timestamp())), (24, Some(after)));
    }

    #[test]
    fn now_is_in_last_period_of_any_window() {
        for window in
            [Duration::hours(1), Duration::seconds(3601), Duration::days(90), Duration::nanoseconds(86_400_000_000_001)]
        {
            let now = 1_795_258_799;
            let query = check(window, now).expect("good");
            let last = query.end() - query.period;
            assert!((last.unix_timestamp()..=query.end().unix_timestamp()).contains(&now), "{window}: {query:?}");
        }
    }

    #[test]
    fn window_is_between_one_hour_and_90_days() {
        for bad in
            [Duration::seconds(3599), Duration::seconds(-1), Duration::days(90) + Duration::NANOSECOND, Duration::MAX]
        {
            let Err(DomainError::Invalid(violations)) = check(bad, 0) else { panic!("{bad} is accepted") };
            assert_eq!(violations.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(), ["window"]);
        }
    }
}
