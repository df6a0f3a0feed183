//! `[obstacles]`: how long obstacles may last. Keys and defaults are those of `ObstacleLimits`.

use serde::{Serialize, Serializer};

use super::RetentionPeriod as Period;
use super::section::Section;
use crate::obstacle::{HealthDamping, ObstacleLimits};

/// `[obstacles]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obstacles(pub ObstacleLimits);

/// Every key and its field, in the printed order. One list for reading, printing and the documentation's test.
macro_rules! periods {
    ($with:ident) => {
        $with! {
            refused => refused, failing => failing, unschedulable => unschedulable, passing => passing,
            progress => progress, forbidden => forbidden, shop_silent => shop_silent,
            symptoms_last => health.symptoms_last, starting => health.starting, recovered => health.recovered,
            recovered_max => health.recovered_max, relapse_window => health.relapse_window
        }
    };
}

pub(super) fn read(section: &mut Section) -> Obstacles {
    let mut limits = ObstacleLimits { health: HealthDamping::default(), ..ObstacleLimits::default() };
    macro_rules! take {
        ($($key:ident => $($place:ident).+),+) => {
            $(if let Some(period) = section.optional::<Period>(stringify!($key)) {
                limits.$($place).+ = period.into();
            })+
        };
    }
    periods!(take);
    let wrong = limits.shop_wrong_answers;
    limits.shop_wrong_answers =
        section.checked("shop_wrong_answers", wrong, "must be 1 to 100", |count| (1..=100).contains(count));
    Obstacles(limits)
}

impl Serialize for Obstacles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = Vec::new();
        macro_rules! put {
            ($($key:ident => $($place:ident).+),+) => {
                $(map.push((stringify!($key), Value::Period(Period::from(self.0.$($place).+))));)+
            };
        }
        periods!(put);
        map.push(("shop_wrong_answers", Value::Count(self.0.shop_wrong_answers)));
        serializer.collect_map(map)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Period(Period),
    Count(u32),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Config, Overrides};

    fn parse(file: &str) -> Result<Config, crate::config::ConfigError> {
        Config::parse(file, &Overrides::default())
    }

    #[test]
    fn limits_are_read_printed_and_checked() {
        let config =
            parse("[obstacles]\npassing = \"90s\"\nrecovered_max = \"1h\"\nshop_wrong_answers = 2\n").expect("good");
        let limits = config.obstacles.0;
        assert_eq!((limits.passing, limits.shop_wrong_answers), (Duration::from_secs(90), 2));
        assert_eq!(limits.health.recovered_max, Duration::from_hours(1));
        let again = parse(&config.print().expect("TOML")).expect("what is printed can be read");
        assert_eq!(again.obstacles, config.obstacles);
        let error =
            parse("[obstacles]\nrefused = 2\nshop_wrong_answers = 0\nfast = \"1s\"").expect_err("wrong").to_string();
        for key in ["obstacles.refused", "obstacles.shop_wrong_answers", "obstacles.fast"] {
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn operations_guide_lists_every_limit_with_its_default() {
        let guide = include_str!("../../../docs/operations.md");
        let printed = toml::to_string(&Obstacles(ObstacleLimits::default())).expect("TOML");
        for line in printed.lines() {
            let (key, default) = line.split_once(" = ").expect("a key");
            let row = format!("| `{key}` | {} |", default.trim_matches('"'));
            assert!(guide.contains(&row), "docs/operations.md lacks a row that begins with: {row}");
        }
    }
}
