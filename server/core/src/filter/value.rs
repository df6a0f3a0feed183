//! The values that filters compare fields with: enum values, booleans, texts with wildcards, times.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::Comparison;

/// A pattern of a text field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `field = "text"`
    Exactly(String),
    /// `field = "text*"`
    StartsWith(String),
    /// `field = "*text"`
    EndsWith(String),
    /// `field = "*text*"`
    Contains(String),
    /// `field : text`: contains it, ignoring case.
    Has(String),
    /// `field : *`: is not empty.
    Present,
}

impl Pattern {
    /// Parses the right-hand side of a comparison with a text field.
    pub(super) fn read(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        match comparison {
            Comparison::Has if value == "*" => return Ok(Self::Present),
            Comparison::Has if value.contains('*') => {
                return Err(format!("{field}: must be \"*\" or a text without \"*\""));
            }
            Comparison::Has => return Ok(Self::Has(value.to_owned())),
            Comparison::Equal => {}
            _ => return Err(format!("{field} can only be compared with =, != and :")),
        }
        let (start, rest) = value.strip_prefix('*').map_or((false, value), |rest| (true, rest));
        let (end, rest) = rest.strip_suffix('*').map_or((false, rest), |rest| (true, rest));
        if rest.contains('*') {
            return Err(format!("{field} can have \"*\" only at the beginning and at the end of its text"));
        }
        let text = rest.to_owned();
        Ok(match (start, end) {
            (false, false) => Self::Exactly(text),
            (false, true) => Self::StartsWith(text),
            (true, false) => Self::EndsWith(text),
            (true, true) => Self::Contains(text),
        })
    }

    /// True if a text matches, with the same result as the database.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(wanted) => text == wanted,
            Self::StartsWith(wanted) => text.starts_with(wanted),
            Self::EndsWith(wanted) => text.ends_with(wanted),
            Self::Contains(wanted) => text.contains(wanted),
            Self::Has(wanted) => text.to_lowercase().contains(&wanted.to_lowercase()),
            Self::Present => !text.is_empty(),
        }
    }
}

impl Comparison {
    /// Compares two times.
    pub fn holds(self, left: OffsetDateTime, right: OffsetDateTime) -> bool {
        match self {
            Self::Equal | Self::Has => left == right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// Parses a comparison with an enum field: the short name or the full one (`STORE_STATE_READY`).
pub(super) fn one_of<T: Copy>(
    (field, prefix): (&str, &str),
    comparison: Comparison,
    value: &str,
    (all, text): (&[T], impl Fn(T) -> &'static str),
) -> Result<T, String> {
    exact(field, comparison)?;
    let short = value.strip_prefix(prefix).unwrap_or(value);
    let found = all.iter().copied().find(|each| text(*each) == short);
    let words = || all.iter().copied().map(&text).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("{field} must be one of: {}", words()))
}

/// Parses a comparison with a boolean field.
pub(super) fn boolean(field: &str, comparison: Comparison, value: &str) -> Result<bool, String> {
    let text = |value| if value { "true" } else { "false" };
    one_of((field, ""), comparison, value, (&[true, false], text))
}

/// Parses a comparison with a field that only supports equality, such as a UUID.
pub(super) fn exact(field: &str, comparison: Comparison) -> Result<(), String> {
    match comparison {
        Comparison::Equal | Comparison::Has => Ok(()),
        _ => Err(format!("{field} can only be compared with =, != and :")),
    }
}

/// Parses a comparison with a time.
pub(super) fn time(field: &str, comparison: Comparison, value: &str) -> Result<OffsetDateTime, String> {
    if comparison == Comparison::Has {
        return Err(format!("{field} can only be compared with =, !=, <, <=, > and >="));
    }
    // In UTC, because the earliest and latest dates do not exist in every zone.
    let read = OffsetDateTime::parse(value, &Rfc3339).ok().and_then(|time| time.checked_to_offset(UtcOffset::UTC));
    read.ok_or_else(|| format!("{field} must be an RFC 3339 time in quotes, such as \"2026-11-01T00:00:00Z\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_at_both_ends() {
        for (value, yes, no) in [
            ("Green*", &["Green", "Green Tea"][..], &["green", "A Green"][..]),
            ("*Tea", &["Tea", "Green Tea"], &["Teapot"]),
            ("*n T*", &["Green Tea"], &["Green"]),
            ("Green", &["Green"], &["Green Tea", "green"]),
            ("*", &["", "anything"], &[]),
        ] {
            let pattern = Pattern::read("display_name", Comparison::Equal, value).expect(value);
            assert!(yes.iter().all(|text| pattern.matches(text)), "{value}");
            assert!(!no.iter().any(|text| pattern.matches(text)), "{value}");
        }
        assert!(Pattern::read("display_name", Comparison::Equal, "a*b").is_err());
    }

    #[test]
    fn has_operator_ignores_case_and_star_tests_presence() {
        let has = |value| Pattern::read("display_name", Comparison::Has, value);
        assert!(has("grüN").expect("good").matches("Grünwald"));
        assert!(has("*").expect("good").matches("x") && !has("*").expect("good").matches(""));
        assert!(has("a*").is_err());
        assert!(Pattern::read("plan", Comparison::Less, "a").is_err());
    }
}
