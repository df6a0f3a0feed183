//! Times as text.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The time in UTC, to the second: `2026-11-27T10:00:00Z`.
pub fn to_the_second(time: OffsetDateTime) -> String {
    let seconds = time.to_offset(UtcOffset::UTC).replace_nanosecond(0).unwrap_or(time);
    seconds.format(&Rfc3339).unwrap_or_default()
}

#[test]
fn fractions_of_a_second_are_left_out() {
    let time = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_500);
    assert_eq!(to_the_second(time), "1970-01-01T00:00:01Z");
}
