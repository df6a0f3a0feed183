//! Retention periods: `90d`, `12h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
/// A hundred years: a longer period would lead to dates that do not exist.
const MAX: u64 = 36_500 * 86_400;

/// A whole number of days, hours, minutes or seconds; at least one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RetentionPeriod {
    seconds: u64,
}

impl RetentionPeriod {
    /// 1 minute.
    pub const MINUTE: Self = Self { seconds: 60 };
    /// 1 hour.
    pub const HOUR: Self = Self { seconds: 3600 };
    /// 12 hours.
    pub const HALF_DAY: Self = Self { seconds: 43_200 };

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self { seconds: hours * 3600 }
    }

    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self { seconds: minutes * 60 }
    }

    /// So many days.
    pub const fn days(days: u64) -> Self {
        Self { seconds: days * 86_400 }
    }
}

impl From<Duration> for RetentionPeriod {
    /// In whole seconds.
    fn from(period: Duration) -> Self {
        Self { seconds: period.as_secs() }
    }
}

impl From<RetentionPeriod> for Duration {
    fn from(age: RetentionPeriod) -> Self {
        Self::from_secs(age.seconds)
    }
}

impl FromStr for RetentionPeriod {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be a whole number and a unit (s, m, h or d), from 1s to 36500d";
        let unit = UNITS.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
        let (number, unit) = unit.ok_or(RULE)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: Option<u64> = if digits { number.parse().ok() } else { None };
        let seconds = number.and_then(|number| number.checked_mul(unit));
        seconds.filter(|seconds| (1..=MAX).contains(seconds)).map(|seconds| Self { seconds }).ok_or(RULE)
    }
}

impl fmt::Display for RetentionPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, seconds) =
            UNITS.into_iter().find(|(_, seconds)| self.seconds.is_multiple_of(*seconds)).unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.seconds / seconds)
    }
}

impl Serialize for RetentionPeriod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RetentionPeriod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_periods_round_trip() {
        for text in ["1s", "90m", "1h", "90d", "36500d"] {
            assert_eq!(text.parse::<RetentionPeriod>().map(|age| age.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("120m".parse::<RetentionPeriod>().map(Duration::from), Ok(Duration::from_hours(2)));
        assert_eq!("48h".parse::<RetentionPeriod>().map(|age| age.to_string()), Ok("2d".to_owned()));
        for text in ["", "d", "0d", "90", "-1d", "+1d", "1.5h", "1w", "1 d", "36501d", "99999999999999999999d"] {
            assert!(text.parse::<RetentionPeriod>().is_err(), "{text}");
        }
    }
}
