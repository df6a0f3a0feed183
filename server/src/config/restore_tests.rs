//! `[backups.restore_tests]`: how often backups are restored for a test.

use serde::Serialize;
use storeplane_core::backup_policy::Interval;

use super::RetentionPeriod;
use super::section::Section;

/// A test takes minutes.
const EVERY_MIN: RetentionPeriod = RetentionPeriod::HOUR;
const EVERY_MAX: RetentionPeriod = RetentionPeriod::days(90);
/// Each test needs room for a shop.
const MAX_RUNNING: usize = 1;

/// `[backups.restore_tests]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RestoreTests {
    /// How often one backup of each tenant is tested.
    pub every: Interval,
    /// Maximum number of simultaneous tests of all tenants.
    pub max_running: usize,
}

pub(super) fn read(section: &mut Section) -> RestoreTests {
    let possible = |every: &Interval| match every {
        Interval::Off => true,
        Interval::Every(period) => (EVERY_MIN..=EVERY_MAX).contains(period),
    };
    let weekly = Interval::Every(RetentionPeriod::days(7));
    RestoreTests {
        every: section.checked("every", weekly, "must be \"off\", or from 1h to 90d", possible),
        max_running: section.checked("max_running", MAX_RUNNING, "must be 1 to 100", |n| (1..=100).contains(n)),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides};

    #[test]
    fn one_backup_a_week_is_tested_unless_configured() {
        let parse = |file: &str| Config::parse(file, &Overrides::default());
        let default = parse("").expect("valid").backups.restore_tests;
        assert_eq!((default.every.duration(), default.max_running), (Some(time::Duration::WEEK), 1));
        let off =
            parse("[backups.restore_tests]\nevery = 'off'\nmax_running = 3").expect("valid").backups.restore_tests;
        assert_eq!((off.every.duration(), off.max_running), (None, 3));
        for (setting, key) in [
            ("every = '1m'", "backups.restore_tests.every: must be \"off\""),
            ("max_running = 0", "backups.restore_tests.max_running: must be"),
        ] {
            let error = parse(&format!("[backups.restore_tests]\n{setting}")).expect_err(setting).to_string();
            assert!(error.contains(key), "{setting}: {error}");
        }
    }
}
