//! `[backups.schedule]`: how often stores are backed up, and how long backups are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use storeplane_core::backup::schedule::{Policies, SchedulePolicy};
use time::Duration;

use super::RetentionPeriod;
use super::section::Section;

const OFF: &str = "off";
const DEFAULT: PlanSchedule = PlanSchedule {
    every: Interval::Every(RetentionPeriod::days(1)),
    keep_days: 14,
    keep_weekly: 8,
    keep_deleted_days: 30,
};
/// Default maximum number of active backups.
const MAX_RUNNING: u32 = 4;
/// A backup takes minutes.
const EVERY_MIN: RetentionPeriod = RetentionPeriod::HOUR;
const EVERY_MAX: RetentionPeriod = RetentionPeriod::days(30);
/// Ten years.
const DAYS_MAX: u32 = 3650;
const WEEKS_MAX: u32 = 520;

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

/// The interval of scheduled backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// There are none.
    Off,
    /// One in each period.
    Every(RetentionPeriod),
}

impl FromStr for Interval {
    type Err = <RetentionPeriod as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == OFF { Ok(Self::Off) } else { text.parse().map(Self::Every) }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str(OFF),
            Self::Every(period) => period.fmt(f),
        }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
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
    let possible = |every: &Interval| match every {
        Interval::Off => true,
        Interval::Every(period) => (EVERY_MIN..=EVERY_MAX).contains(period),
    };
    let days = |days: &u32| *days <= DAYS_MAX;
    PlanSchedule {
        every: section.checked("every", default.every, "must be \"off\", or from 1h to 30d", possible),
        keep_days: section.checked("keep_days", default.keep_days, "must be 0 to 3650", days),
        keep_weekly: section.checked("keep_weekly", default.keep_weekly, "must be 0 to 520", |n| *n <= WEEKS_MAX),
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
        let every = match self.every {
            Interval::Off => None,
            Interval::Every(period) => std::time::Duration::from(period).try_into().ok(),
        };
        SchedulePolicy {
            every,
            keep: Duration::days(self.keep_days.into()),
            keep_weekly: self.keep_weekly,
            keep_deleted: Duration::days(self.keep_deleted_days.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Overrides};

    fn parse(file: &str) -> Result<Config, ConfigError> {
        Config::parse(file, &Overrides::default())
    }

    #[test]
    fn stores_are_backed_up_daily_by_default() {
        let schedule = parse("").expect("valid").backups.schedule;
        assert_eq!((schedule.default, schedule.max_running, schedule.plans.len()), (DEFAULT, 4, 0));
        let policy = *Policies::from(&schedule).of("small");
        assert_eq!((policy.every, policy.keep, policy.keep_weekly), (Some(Duration::DAY), Duration::days(14), 8));
    }

    #[test]
    fn plan_changes_only_what_it_names() {
        let file = "[backups.schedule]\nkeep_days = 7\n[backups.schedule.plans.large]\nevery = '6h'\n\
            [backups.schedule.plans.trial]\nevery = 'off'\nkeep_weekly = 0";
        let config = parse(file).expect("valid");
        let policies = Policies::from(&config.backups.schedule);
        let [large, trial, other] = ["large", "trial", "small"].map(|plan| *policies.of(plan));
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
