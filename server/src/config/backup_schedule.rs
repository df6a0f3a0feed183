//! `[backups.schedule]`: how often stores are backed up, and how long backups are kept.

use std::collections::BTreeMap;

use serde::Serialize;
use storeplane_core::backup::schedule::{Policies, SchedulePolicy};
use storeplane_core::backup_policy::{Interval, KEEP_DAYS_MAX, KEEP_WEEKLY_MAX};
use time::Duration;

use super::RetentionPeriod;
use super::section::Section;

const DEFAULT: PlanSchedule = PlanSchedule {
    every: Interval::Every(RetentionPeriod::days(1)),
    keep_days: 14,
    keep_weekly: 8,
    keep_deleted_days: 30,
};
/// Default maximum number of active backups.
const MAX_RUNNING: u32 = 4;

/// `[backups.schedule]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupSchedule {
    /// Of stores whose plan has no other.
    #[serde(flatten)]
    pub default: PlanSchedule,
    /// Maximum number of active backups of all servers beyond which no scheduled one starts. Those that callers request start in any case.
    pub max_running: u32,
    /// `[backups.schedule.plans.NAME]`: for the stores of a plan. What is absent is as for the others.
    pub plans: BTreeMap<String, PlanSchedule>,
}

/// How often a store is backed up, and how long its backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlanSchedule {
    /// The interval.
    pub every: Interval,
    /// For how many days all backups are kept.
    pub keep_days: u32,
    /// For how many weeks the newest backup of each week is kept.
    pub keep_weekly: u32,
    /// For how many days backups are kept after the deletion of their store, also those that callers requested.
    pub keep_deleted_days: u32,
}

pub(super) fn read(section: &mut Section) -> BackupSchedule {
    let default = plan(section, DEFAULT);
    BackupSchedule {
        default,
        max_running: section.checked("max_running", MAX_RUNNING, "must be 1 to 1000", |n| (1..=1000).contains(n)),
        plans: section.section("plans", |plans| {
            let named =
                plans.keys().into_iter().map(|name| (name.clone(), plans.section(&name, |it| plan(it, default))));
            named.collect()
        }),
    }
}

fn plan(section: &mut Section, default: PlanSchedule) -> PlanSchedule {
    let days = |days: &u32| *days <= KEEP_DAYS_MAX;
    PlanSchedule {
        every: section.checked("every", default.every, Interval::RULE, Interval::is_possible),
        keep_days: section.checked("keep_days", default.keep_days, "must be 0 to 3650", days),
        keep_weekly: section.checked("keep_weekly", default.keep_weekly, "must be 0 to 520", |n| *n <= KEEP_WEEKLY_MAX),
        keep_deleted_days: section.checked("keep_deleted_days", default.keep_deleted_days, "must be 0 to 3650", days),
    }
}

impl From<&BackupSchedule> for Policies {
    fn from(schedule: &BackupSchedule) -> Self {
        let plans = schedule.plans.iter().map(|(name, plan)| (name.clone(), plan.policy())).collect();
        Self { default: schedule.default.policy(), plans }
    }
}

impl PlanSchedule {
    fn policy(&self) -> SchedulePolicy {
        SchedulePolicy {
            every: self.every.duration(),
            keep: Duration::days(self.keep_days.into()),
            keep_weekly: self.keep_weekly,
            keep_deleted: Duration::days(self.keep_deleted_days.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use storeplane_core::backup_policy::BackupPolicy;

    use super::*;
    use crate::config::{Config, ConfigError, Overrides};

    fn parse(file: &str) -> Result<Config, ConfigError> {
        Config::parse(file, &Overrides::default())
    }

    #[test]
    fn stores_are_backed_up_daily_by_default() {
        let schedule = parse("").expect("valid").backups.schedule;
        assert_eq!((schedule.default, schedule.max_running, schedule.plans.len()), (DEFAULT, 4, 0));
        let policy = Policies::from(&schedule).of("small", &BackupPolicy::default());
        assert_eq!((policy.every, policy.keep, policy.keep_weekly), (Some(Duration::DAY), Duration::days(14), 8));
    }

    #[test]
    fn plan_changes_only_what_it_names() {
        let file = "[backups.schedule]\nkeep_days = 7\n[backups.schedule.plans.large]\nevery = '6h'\n\
            [backups.schedule.plans.trial]\nevery = 'off'\nkeep_weekly = 0";
        let config = parse(file).expect("valid");
        let policies = Policies::from(&config.backups.schedule);
        let [large, trial, other] = ["large", "trial", "small"].map(|plan| policies.of(plan, &BackupPolicy::default()));
        assert_eq!((large.every, large.keep), (Some(Duration::hours(6)), Duration::days(7)));
        assert_eq!((trial.every, trial.keep_weekly, trial.keep), (None, 0, Duration::days(7)));
        assert_eq!((other.every, other.keep_weekly), (Some(Duration::DAY), 8));
        let printed = config.print().expect("TOML");
        assert_eq!(parse(&printed).expect("what is printed can be read").backups.schedule, config.backups.schedule);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (setting, key) in [
            ("every = '59m'", "backups.schedule.every: must be \"off\""),
            ("every = '31d'", "backups.schedule.every: must be \"off\""),
            ("every = 'daily'", "backups.schedule.every: must be a whole number"),
            ("keep_days = 3651", "backups.schedule.keep_days: must be"),
            ("keep_days = -1", "backups.schedule.keep_days: "),
            ("keep_weekly = 521", "backups.schedule.keep_weekly: must be"),
            ("keep_deleted_days = 3651", "backups.schedule.keep_deleted_days: must be"),
            ("max_running = 0", "backups.schedule.max_running: must be"),
            ("plans.large.every = '1m'", "backups.schedule.plans.large.every: must be"),
            ("plans.large.max_running = 1", "backups.schedule.plans.large.max_running: is not a key"),
            ("plans = 1", "backups.schedule.plans: must be a table"),
        ] {
            let error = parse(&format!("[backups.schedule]\n{setting}")).expect_err(setting).to_string();
            assert!(error.contains(key), "{setting}: {error}");
        }
    }
}
