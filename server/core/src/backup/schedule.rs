//! When a store's next scheduled backup is due, and which backups are no longer kept. Pure: times come from outside.
//!
//! A store is backed up at fixed points in time, one interval apart. Where the first one lies within the interval follows from the store's
//! uid, so that the backups of many stores are spread over it, and are the same on all servers.

use std::collections::{BTreeMap, HashSet};

use time::{Date, Duration, OffsetDateTime};

use super::BackupTrigger;
use crate::backup_policy::{BackupPolicy, Interval};
use crate::condition::{BACKUP_OVERDUE, Condition, ConditionKind, ConditionStatus};
use crate::ids::{BackupId, StoreUid};

/// How long after its end a failed backup is tried again, unless the interval is shorter.
pub const RETRY_AFTER: Duration = Duration::HOUR;
/// How long failed backups are kept.
pub const KEEP_FAILED: Duration = Duration::days(14);
/// A store without a backup for this many intervals is overdue.
const OVERDUE_INTERVALS: i32 = 2;

/// How often a store is backed up, and how long its backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchedulePolicy {
    /// The interval; `None`: there are no scheduled backups.
    pub every: Option<Duration>,
    /// How long all backups are kept.
    pub keep: Duration,
    /// For how many weeks after that the newest backup of each week is kept.
    pub keep_weekly: u32,
    /// How long backups are kept after the deletion of their store.
    pub keep_deleted: Duration,
}

/// The policy of each plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    /// That of all others.
    pub default: SchedulePolicy,
    /// Those of some plans, by name.
    pub plans: BTreeMap<String, SchedulePolicy>,
}

/// What decides when a store is backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// When it became READY.
    pub ready_at: OffsetDateTime,
    /// When its last complete backup was requested, whatever its trigger.
    pub complete: Option<OffsetDateTime>,
    /// When its last complete scheduled backup was requested.
    pub scheduled: Option<OffsetDateTime>,
    /// When its last scheduled backup ended, if that one failed.
    pub failed: Option<OffsetDateTime>,
}

/// A complete backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: BackupId,
    /// Why it was made.
    pub trigger: BackupTrigger,
    /// When it was requested.
    pub created_at: OffsetDateTime,
}

impl Policies {
    /// The policy of a store with this plan: what was set for the store, and the plan's for the rest.
    pub fn of(&self, plan: &str, own: &BackupPolicy) -> SchedulePolicy {
        let plan = *self.plans.get(plan).unwrap_or(&self.default);
        SchedulePolicy {
            every: own.every.map_or(plan.every, Interval::duration),
            keep: own.keep_days.map_or(plan.keep, |days| Duration::days(days.into())),
            keep_weekly: own.keep_weekly.unwrap_or(plan.keep_weekly),
            keep_deleted: plan.keep_deleted,
        }
    }
}

impl SchedulePolicy {
    /// When the store's next scheduled backup is due; `None`: never. Points in time that were missed are caught up by one backup.
    pub fn next_due(&self, store: StoreUid, history: &History) -> Option<OffsetDateTime> {
        let every = self.every?;
        let due = next_point(every, store, history.scheduled.unwrap_or(history.ready_at))?;
        let retry = |failed: OffsetDateTime| failed.checked_add(every.min(RETRY_AFTER));
        Some(history.failed.and_then(retry).map_or(due, |retry| due.max(retry)))
    }

    /// True if the store has had no complete backup for too long.
    pub fn is_overdue(&self, history: &History, now: OffsetDateTime) -> bool {
        let last = history.complete.unwrap_or(history.ready_at);
        self.every.is_some_and(|every| now - last > every * OVERDUE_INTERVALS)
    }

    /// Which of a store's complete backups are no longer kept. `deleted_at` is set if the store is deleted.
    ///
    /// - All backups of a deleted store are kept for `keep_deleted`, and then none.
    /// - Of a store that is not deleted, the last complete backup is kept, and those that callers requested.
    /// - Others are kept for `keep`; then the newest one of each ISO week, until it is `keep_weekly` weeks ago.
    pub fn expired(&self, deleted_at: Option<OffsetDateTime>, backups: &[Kept], now: OffsetDateTime) -> Vec<BackupId> {
        if let Some(deleted_at) = deleted_at {
            let gone = now - deleted_at >= self.keep_deleted;
            return if gone { backups.iter().map(|backup| backup.id).collect() } else { Vec::new() };
        }
        let mut newest_first = backups.to_vec();
        newest_first.sort_by_key(|backup| std::cmp::Reverse((backup.created_at, backup.id.0)));
        let last = newest_first.first().map(|backup| backup.id);
        let mut weeks = HashSet::new();
        let mut stands_for_its_week = |backup: &Kept| {
            let week = week(backup.created_at);
            let is_recent = self.keep_weekly > 0 && week >= week_before(now, self.keep_weekly);
            is_recent && weeks.insert(week)
        };
        newest_first.retain(|backup| backup.trigger.is_automatic() && now - backup.created_at >= self.keep);
        newest_first.retain(|backup| !stands_for_its_week(backup) && Some(backup.id) != last);
        newest_first.into_iter().map(|backup| backup.id).collect()
    }
}

/// The condition `BackedUp` of a store with this last complete backup.
pub fn condition(last: Option<BackupId>, overdue: bool, now: OffsetDateTime) -> Condition {
    let (status, message) = match (overdue, last) {
        (true, Some(last)) => {
            (ConditionStatus::False, format!("The last complete backup, {last}, is older than two intervals."))
        }
        (true, None) => (ConditionStatus::False, "There is no complete backup.".to_owned()),
        (false, Some(_)) => (ConditionStatus::True, "There is a complete backup.".to_owned()),
        (false, None) => (ConditionStatus::Unknown, "There is no complete backup yet.".to_owned()),
    };
    let reason = if overdue { BACKUP_OVERDUE } else { "" };
    Condition { kind: ConditionKind::BackedUp, status, reason: reason.to_owned(), message, since: now }
}

/// The store's first point in time after `time`; `None` if that is beyond the calendar.
fn next_point(every: Duration, store: StoreUid, time: OffsetDateTime) -> Option<OffsetDateTime> {
    let every = every.whole_seconds().max(1);
    let hash = blake3::hash(store.0.as_bytes());
    let number = u64::from_le_bytes(*hash.as_bytes().first_chunk()?);
    let offset = i64::try_from(number % every.unsigned_abs()).ok()?;
    let passed = (time.unix_timestamp() - offset).div_euclid(every);
    let next = passed.checked_add(1)?.checked_mul(every)?.checked_add(offset)?;
    OffsetDateTime::from_unix_timestamp(next).ok()
}

/// The Monday with which an ISO week begins, in UTC.
fn week(time: OffsetDateTime) -> Date {
    let day = time.to_offset(time::UtcOffset::UTC).date();
    day.saturating_sub(Duration::days(day.weekday().number_days_from_monday().into()))
}

fn week_before(now: OffsetDateTime, weeks: u32) -> Date {
    week(now).saturating_sub(Duration::weeks(weeks.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const DAY: i64 = 86_400;
    const NOW: i64 = 20_000 * DAY;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    fn store(number: u128) -> StoreUid {
        StoreUid(Uuid::from_u128(number))
    }

    fn policy(every: i64) -> SchedulePolicy {
        SchedulePolicy {
            every: Some(Duration::seconds(every)),
            keep: Duration::days(14),
            keep_weekly: 8,
            keep_deleted: Duration::days(30),
        }
    }

    fn ready(ready_at: i64) -> History {
        History { ready_at: at(ready_at), complete: None, scheduled: None, failed: None }
    }

    fn made(trigger: BackupTrigger, ages: impl IntoIterator<Item = i64>) -> Vec<Kept> {
        let kept = |(number, age): (u128, i64)| Kept {
            id: BackupId(Uuid::from_u128(number)),
            trigger,
            created_at: at(NOW - age),
        };
        (0..).zip(ages).map(kept).collect()
    }

    /// Ages in days of what is left, youngest first.
    fn left(policy: &SchedulePolicy, backups: &[Kept]) -> Vec<i64> {
        let expired = policy.expired(None, backups, at(NOW));
        let kept = backups.iter().filter(|backup| !expired.contains(&backup.id));
        let mut ages: Vec<_> = kept.map(|backup| (at(NOW) - backup.created_at).whole_days()).collect();
        ages.sort_unstable();
        ages
    }

    #[test]
    fn plan_has_its_own_policy() {
        let plans = BTreeMap::from([("large".to_owned(), policy(3600))]);
        let policies = Policies { default: policy(DAY), plans };
        let every = |plan| policies.of(plan, &BackupPolicy::default()).every;
        assert_eq!((every("large"), every("small")), (policy(3600).every, policy(DAY).every));
    }

    #[test]
    fn store_changes_only_what_it_sets_of_its_plans_policy() {
        let policies = Policies { default: policy(DAY), plans: BTreeMap::new() };
        let own = BackupPolicy { keep_days: Some(3), ..BackupPolicy::default() };
        assert_eq!(policies.of("small", &own), SchedulePolicy { keep: Duration::days(3), ..policy(DAY) });
        let off = BackupPolicy { every: Some(Interval::Off), keep_weekly: Some(1), ..own };
        let expected = SchedulePolicy { every: None, keep: Duration::days(3), keep_weekly: 1, ..policy(DAY) };
        assert_eq!(policies.of("small", &off), expected);
        let six_hours = BackupPolicy { every: "6h".parse().ok(), ..BackupPolicy::default() };
        assert_eq!(policies.of("small", &six_hours), policy(6 * 3600));
    }

    #[test]
    fn backups_of_many_stores_are_spread_over_the_interval() {
        let mut hours = [0; 24];
        for number in 0..2400 {
            let due = policy(DAY).next_due(store(number), &ready(NOW)).expect("is due");
            hours[usize::from(due.hour())] += 1;
        }
        assert!(hours.iter().all(|count| (60..140).contains(count)), "{hours:?}");
    }

    #[test]
    fn store_is_overdue_after_two_intervals() {
        let policy = policy(DAY);
        for (history, age) in [
            (ready(NOW), 0),
            (ready(NOW - 2 * DAY), 0),
            (ready(NOW - 2 * DAY - 1), 1),
            (History { complete: Some(at(NOW - 2 * DAY)), ..ready(NOW - 9 * DAY) }, 0),
            (History { complete: Some(at(NOW - 2 * DAY - 1)), ..ready(NOW - 9 * DAY) }, 1),
        ] {
            assert_eq!(policy.is_overdue(&history, at(NOW)), age == 1, "{history:?}");
            let off = SchedulePolicy { every: None, ..policy };
            assert!(!off.is_overdue(&history, at(NOW)) && off.next_due(store(7), &history).is_none());
        }
    }

    #[test]
    fn daily_backups_become_weekly_ones() {
        // The youngest is a Thursday's, so those of Sundays are 4 days old, 11, 18, …
        let daily = made(BackupTrigger::Scheduled, (0..90).map(|age| age * DAY + 60));
        let weekly = [14, 18, 25, 32, 39, 46, 53];
        assert_eq!(left(&policy(DAY), &daily), (0..14).chain(weekly).collect::<Vec<_>>());
        let none = SchedulePolicy { keep_weekly: 0, ..policy(DAY) };
        assert_eq!(left(&none, &daily), (0..14).collect::<Vec<_>>());
    }

    #[test]
    fn only_automatic_backups_expire() {
        for (trigger, expires) in BackupTrigger::ALL
            .into_iter()
            .map(|trigger| (trigger, trigger != BackupTrigger::OnDemand))
            .chain([(BackupTrigger::Unreadable, false)])
        {
            let two = made(trigger, [400 * DAY, 401 * DAY]);
            assert_eq!(left(&policy(DAY), &two), if expires { vec![400] } else { vec![400, 401] }, "{trigger:?}");
        }
    }

    #[test]
    fn backups_outlive_their_store_for_a_time() {
        let backups = made(BackupTrigger::OnDemand, [DAY, 500 * DAY]);
        let expired = |days: i64| policy(DAY).expired(Some(at(NOW - days * DAY)), &backups, at(NOW)).len();
        assert_eq!((expired(0), expired(29), expired(30)), (0, 0, 2));
    }

    proptest! {
        #[test]
        fn next_backup_is_due_within_one_interval(number: u128, every in 3600..30 * DAY, since in 0..NOW) {
            let due = policy(every).next_due(store(number), &ready(since)).expect("is due");
            prop_assert!(due > at(since) && due <= at(since + every));
            let following = History { scheduled: Some(due), ..ready(since) };
            prop_assert_eq!(policy(every).next_due(store(number), &following), Some(due + Duration::seconds(every)));
        }

        #[test]
        fn missed_points_are_caught_up_once(number: u128, every in 3600..30 * DAY, late in 0..100 * DAY) {
            let due = policy(every).next_due(store(number), &ready(0)).expect("is due");
            let caught_up = due + Duration::seconds(late);
            let next = policy(every).next_due(store(number), &History { scheduled: Some(caught_up), ..ready(0) });
            prop_assert!(next.is_some_and(|next| next > caught_up && next <= caught_up + Duration::seconds(every)));
        }

        #[test]
        fn failed_backup_is_not_tried_again_at_once(number: u128, every in 600..30 * DAY, failed in 0..NOW) {
            let plain = policy(every).next_due(store(number), &ready(0)).expect("is due");
            let history = History { failed: Some(at(failed)), ..ready(0) };
            let again = policy(every).next_due(store(number), &history).expect("is due");
            prop_assert!(again >= at(failed + every.min(3600)) && again >= plain);
            prop_assert!(again == at(failed + every.min(3600)) || again == plain, "and not later than necessary");
        }

        #[test]
        fn retention_keeps_what_it_promises(
            ages in proptest::collection::vec(0..200 * DAY, 0..80),
            keep in 0..40_i64,
            weekly in 0..12_u32,
            requested: u64,
        ) {
            let policy = SchedulePolicy { keep: Duration::days(keep), keep_weekly: weekly, ..policy(DAY) };
            let mut backups = made(BackupTrigger::Scheduled, ages);
            for (number, backup) in backups.iter_mut().enumerate().filter(|(number, _)| requested >> (number % 64) & 1 == 1) {
                backup.trigger = if number % 3 == 0 { BackupTrigger::OnDemand } else { backup.trigger };
            }
            let expired = policy.expired(None, &backups, at(NOW));
            let (gone, kept): (Vec<_>, Vec<_>) = backups.iter().partition(|backup| expired.contains(&backup.id));

            let is_old = |backup: &&&Kept| at(NOW) - backup.created_at >= policy.keep;
            let newest = backups.iter().max_by_key(|backup| (backup.created_at, backup.id.0));
            prop_assert!(newest.is_none_or(|newest| !expired.contains(&newest.id)));
            prop_assert!(gone.iter().all(|backup| is_old(&backup) && backup.trigger == BackupTrigger::Scheduled));
            for gone in gone.iter().filter(|gone| week(gone.created_at) >= week_before(at(NOW), weekly) && weekly > 0) {
                let stands = |kept: &&Kept| week(kept.created_at) == week(gone.created_at) && kept.created_at >= gone.created_at;
                prop_assert!(kept.iter().any(stands), "its week has a newer one");
            }
            let old = kept.iter().filter(is_old).filter(|backup| backup.trigger == BackupTrigger::Scheduled);
            prop_assert!(old.count() <= usize::try_from(weekly).expect("small") + 2, "their number is bounded");
            let rest: Vec<_> = kept.into_iter().copied().collect();
            prop_assert_eq!(policy.expired(None, &rest, at(NOW)), vec![], "nothing more expires at the same time");
            backups.reverse();
            prop_assert_eq!(policy.expired(None, &backups, at(NOW)), expired, "the order is irrelevant");
        }
    }
}
