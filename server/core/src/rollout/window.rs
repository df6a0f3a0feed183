//! A time of the day in which stores may be started.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, Time, UtcOffset};

/// A time of the day in UTC, in minutes after midnight. One that ends before it starts ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first minute.
    pub start: u16,
    /// The minute after its last one.
    pub end: u16,
}

impl Window {
    /// The rule of its times.
    pub const RULE: &str = "must be a time of the day in UTC such as 22:00";

    /// Minutes after midnight of a text like `22:00`.
    pub fn minute(text: &str) -> Option<u16> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str, below: u16| {
            let two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|number| two_digits && *number < below)
        };
        Some(number(hour, 24)? * 60 + number(minute, 60)?)
    }

    /// A text like `22:00`.
    pub fn text(minute: u16) -> String {
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }

    /// When it opens next; `None` if it is open.
    pub fn opens(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let now = now.to_offset(UtcOffset::UTC);
        let minute = u16::from(now.hour()) * 60 + u16::from(now.minute());
        let is_open = if self.start < self.end {
            (self.start..self.end).contains(&minute)
        } else {
            minute >= self.start || minute < self.end
        };
        if is_open {
            return None;
        }
        let today = now.replace_time(Time::MIDNIGHT) + Duration::minutes(self.start.into());
        Some(if today > now { today } else { today + Duration::days(1) })
    }
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    fn at(text: &str) -> OffsetDateTime {
        OffsetDateTime::parse(text, &Rfc3339).expect("a time")
    }

    #[test]
    fn window_opens_today_or_tomorrow() {
        let day = Window { start: 9 * 60, end: 17 * 60 };
        assert_eq!(day.opens(at("2026-03-01T09:00:00Z")), None);
        assert_eq!(day.opens(at("2026-03-01T08:59:59Z")), Some(at("2026-03-01T09:00:00Z")));
        assert_eq!(day.opens(at("2026-03-01T17:00:00Z")), Some(at("2026-03-02T09:00:00Z")));
        let night = Window { start: 22 * 60, end: 5 * 60 };
        assert_eq!(night.opens(at("2026-03-01T04:59:00Z")), None);
        assert_eq!(night.opens(at("2026-03-01T23:30:00Z")), None);
        assert_eq!(night.opens(at("2026-03-01T05:00:00Z")), Some(at("2026-03-01T22:00:00Z")));
    }

    #[test]
    fn times_have_two_digits_each() {
        assert_eq!(["00:00", "22:30", "23:59"].map(Window::minute), [Some(0), Some(1350), Some(1439)]);
        for bad in ["24:00", "9:00", "22", "22:60", "22:0", "+2:00", "ab:cd", ""] {
            assert_eq!(Window::minute(bad), None, "{bad}");
        }
        assert_eq!(Window::text(545), "09:05");
    }
}
