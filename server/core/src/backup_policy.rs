//! How often one store is backed up, and how long its backups are kept, where that differs from its plan.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::retention_period::RetentionPeriod;
use crate::validate::Check;

const OFF: &str = "off";
/// A backup takes minutes.
const EVERY_MIN: RetentionPeriod = RetentionPeriod::HOUR;
const EVERY_MAX: RetentionPeriod = RetentionPeriod::days(30);
/// The longest time in days for which backups are kept: ten years.
pub const KEEP_DAYS_MAX: u32 = 3650;
/// The same in weeks.
pub const KEEP_WEEKLY_MAX: u32 = 520;

/// The interval of scheduled backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// There are none.
    Off,
    /// One in each period.
    Every(RetentionPeriod),
}

impl Interval {
    /// What an interval must be.
    pub const RULE: &str = "must be \"off\", or from 1h to 30d";

    /// True if it is neither too short nor too long.
    pub fn is_possible(&self) -> bool {
        match self {
            Self::Off => true,
            Self::Every(period) => (EVERY_MIN..=EVERY_MAX).contains(period),
        }
    }

    /// Its length; `None` if there are no scheduled backups.
    pub fn duration(self) -> Option<time::Duration> {
        match self {
            Self::Off => None,
            Self::Every(period) => std::time::Duration::from(period).try_into().ok(),
        }
    }
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

/// What was set for one store. `None`: as for its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackupPolicy {
    /// The interval of scheduled backups.
    pub every: Option<Interval>,
    /// For how many days all backups are kept.
    pub keep_days: Option<u32>,
    /// For how many weeks the newest backup of each week is kept.
    pub keep_weekly: Option<u32>,
}

/// A setting of a [`BackupPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicySetting {
    /// `every`
    Every,
    /// `keep_days`
    KeepDays,
    /// `keep_weekly`
    KeepWeekly,
}

impl PolicySetting {
    /// Each with its path in a store.
    pub const ALL: [(&'static str, Self); 3] = [
        ("backup_policy.every", Self::Every),
        ("backup_policy.keep_days", Self::KeepDays),
        ("backup_policy.keep_weekly", Self::KeepWeekly),
    ];

    /// The settings of a path in an update mask; none if it is not one of a policy.
    pub fn of(wanted: &str) -> impl Iterator<Item = Self> {
        let named = Self::ALL.into_iter().filter(move |(path, _)| *path == wanted || wanted == "backup_policy");
        named.map(|(_, setting)| setting)
    }
}

impl BackupPolicy {
    /// True if all is as for the plan.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The same with these settings of another one.
    #[must_use]
    pub fn with(mut self, settings: &[PolicySetting], new: &Self) -> Self {
        for setting in settings {
            match setting {
                PolicySetting::Every => self.every = new.every,
                PolicySetting::KeepDays => self.keep_days = new.keep_days,
                PolicySetting::KeepWeekly => self.keep_weekly = new.keep_weekly,
            }
        }
        self
    }

    /// True if it differs from the plan's in this setting, or may differ.
    pub fn sets(&self, setting: PolicySetting) -> bool {
        match setting {
            PolicySetting::Every => self.every.is_some(),
            PolicySetting::KeepDays => self.keep_days.is_some(),
            PolicySetting::KeepWeekly => self.keep_weekly.is_some(),
        }
    }

    /// These settings for the fingerprint of a request. One that names none has the fingerprint of earlier releases.
    pub(crate) fn fields(&self, settings: impl Iterator<Item = PolicySetting>) -> Vec<String> {
        let texts = self.texts();
        let value = |setting| PolicySetting::ALL.iter().zip(&texts).find(|((_, known), _)| *known == setting);
        settings.filter_map(value).map(|((path, _), (_, value))| format!("{path}={value}")).collect()
    }

    /// Name and value of each setting, as in the API: empty or 0 for that of the plan.
    pub fn texts(&self) -> [(&'static str, String); 3] {
        let number = |number: Option<u32>| number.unwrap_or_default().to_string();
        let every = self.every.map_or_else(String::new, |every| every.to_string());
        [("every", every), ("keep_days", number(self.keep_days)), ("keep_weekly", number(self.keep_weekly))]
    }
}

/// A policy as received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupPolicyInput {
    /// An interval; empty for that of the plan.
    pub every: String,
    /// Days; 0 for those of the plan.
    pub keep_days: i32,
    /// Weeks; 0 for those of the plan.
    pub keep_weekly: i32,
}

impl BackupPolicyInput {
    /// Validates these settings and reports all violations; the others are not looked at.
    pub fn check(&self, check: &mut Check, settings: &[PolicySetting]) -> BackupPolicy {
        let mut policy = BackupPolicy::default();
        let mut number = |name: &str, number: i32, max: u32| match u32::try_from(number) {
            Ok(0) => None,
            Ok(number) if number <= max => Some(number),
            _ => {
                check.fail(&path(name), format!("must be 1 to {max}, or 0 for that of the plan"));
                None
            }
        };
        if settings.contains(&PolicySetting::KeepDays) {
            policy.keep_days = number("keep_days", self.keep_days, KEEP_DAYS_MAX);
        }
        if settings.contains(&PolicySetting::KeepWeekly) {
            policy.keep_weekly = number("keep_weekly", self.keep_weekly, KEEP_WEEKLY_MAX);
        }
        if settings.contains(&PolicySetting::Every) && !self.every.is_empty() {
            policy.every = self.every.parse().ok().filter(Interval::is_possible);
            if policy.every.is_none() {
                let rule = Interval::RULE;
                check.fail(&path("every"), format!("{rule}, such as 6h or 1d; empty for that of the plan"));
            }
        }
        policy
    }
}

/// The path of a setting in a request.
fn path(name: &str) -> String {
    format!("store.backup_policy.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DomainError;

    const ALL: [PolicySetting; 3] = [PolicySetting::Every, PolicySetting::KeepDays, PolicySetting::KeepWeekly];

    fn input(every: &str, keep_days: i32, keep_weekly: i32) -> BackupPolicyInput {
        BackupPolicyInput { every: every.into(), keep_days, keep_weekly }
    }

    fn violations(input: &BackupPolicyInput, settings: &[PolicySetting]) -> Vec<String> {
        let mut check = Check::default();
        input.check(&mut check, settings);
        match check.finish(Some(())) {
            Err(DomainError::Invalid(violations)) => violations.into_iter().map(|it| it.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_empty_is_that_of_the_plan() {
        let mut check = Check::default();
        assert_eq!(input("", 0, 0).check(&mut check, &ALL), BackupPolicy::default());
        let set = input("24h", 3650, 520).check(&mut check, &ALL);
        assert_eq!((set.keep_days, set.keep_weekly), (Some(3650), Some(520)));
        assert_eq!(set.texts().map(|(_, value)| value), ["1d", "3650", "520"]);
        assert_eq!(input("off", 0, 0).check(&mut check, &ALL).every, Some(Interval::Off));
        assert!(check.finish(Some(())).is_ok());
    }

    #[test]
    fn all_violations_are_reported_together() {
        for (every, days, weeks) in [("59m", -1, 521), ("31d", 3651, -7), ("daily", i32::MAX, i32::MIN)] {
            let expected = ["keep_days", "keep_weekly", "every"].map(path);
            assert_eq!(violations(&input(every, days, weeks), &ALL), expected);
            assert_eq!(violations(&input(every, days, weeks), &ALL[..1]), [path("every")], "only what the mask names");
        }
    }

    #[test]
    fn path_names_one_setting_or_all() {
        assert_eq!(PolicySetting::of("backup_policy").collect::<Vec<_>>(), ALL);
        assert_eq!(PolicySetting::of("backup_policy.keep_days").collect::<Vec<_>>(), [PolicySetting::KeepDays]);
        assert_eq!(PolicySetting::of("backup_policy.").count() + PolicySetting::of("every").count(), 0);
        let (hourly, kept) = (Some(Interval::Every(RetentionPeriod::HOUR)), Some(7));
        let before = BackupPolicy { every: hourly, keep_days: kept, keep_weekly: None };
        let reset = before.with(&[PolicySetting::Every], &BackupPolicy::default());
        assert_eq!(reset, BackupPolicy { every: None, ..before });
        assert_eq!(before.with(&ALL, &BackupPolicy::default()), BackupPolicy::default());
    }
}
