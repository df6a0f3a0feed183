//! Validation of requests. All violations are collected; nothing is corrected silently.

use std::str::FromStr;

use crate::error::{DomainError, Violation};
use crate::ids::IdError;

/// Maximum length of a display name, in characters.
pub const DISPLAY_NAME_MAX: usize = 80;
/// Maximum length of an e-mail address, in bytes (RFC 5321).
pub const EMAIL_MAX: usize = 254;
/// Maximum length of the part before the `@`, in bytes (RFC 5321).
const EMAIL_LOCAL_MAX: usize = 64;

/// Collects the violations of a request.
#[derive(Debug, Default)]
pub struct Check {
    violations: Vec<Violation>,
}

impl Check {
    /// Records the violation of a field.
    pub fn fail(&mut self, field: &str, description: impl Into<String>) {
        self.violations.push(Violation { field: field.to_owned(), description: description.into() });
    }

    /// Validates a part of the request: its fields are within `prefix`.
    pub fn part<T>(&mut self, prefix: &str, validate: impl FnOnce(&mut Self) -> T) -> T {
        let mut part = Self::default();
        let value = validate(&mut part);
        let within = |violation: Violation| Violation { field: format!("{prefix}.{}", violation.field), ..violation };
        self.violations.extend(part.violations.into_iter().map(within));
        value
    }

    /// Parses a required identifier.
    pub fn required<T: FromStr<Err = IdError>>(&mut self, field: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error: IdError| self.fail(field, error.0)).ok()
    }

    /// Parses an optional identifier; empty means none.
    pub fn optional<T: FromStr<Err = IdError>>(&mut self, field: &str, text: &str) -> Option<T> {
        if text.is_empty() { None } else { self.required(field, text) }
    }

    /// The shop's name: 1 to 80 characters of any script, no control characters.
    pub fn display_name(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            return self.fail(field, "must not be empty");
        }
        if text.chars().all(is_invisible) {
            return self.fail(field, "must contain a visible character");
        }
        let length = text.chars().count();
        if length > DISPLAY_NAME_MAX {
            self.fail(field, format!("must be at most {DISPLAY_NAME_MAX} characters, has {length}"));
        }
        if text.chars().any(is_control) {
            self.fail(field, "must not contain control characters, line breaks or direction overrides");
        }
        if text.trim() != text {
            self.fail(field, "must not begin or end with white space");
        }
    }

    /// An optional note on one line: any script, no control characters.
    pub fn text(&mut self, field: &str, text: &str, max: usize) {
        let length = text.chars().count();
        if length > max {
            self.fail(field, format!("must be at most {max} characters, has {length}"));
        } else if text.chars().any(is_control) {
            self.fail(field, "must not contain control characters, line breaks or direction overrides");
        }
    }

    /// An e-mail address as browsers validate it (WHATWG HTML, 4.10.5.1.5), with RFC 5321's lengths.
    pub fn email(&mut self, field: &str, text: &str) {
        if text.is_empty() {
            return self.fail(field, "must not be empty");
        }
        if text.len() > EMAIL_MAX {
            self.fail(field, format!("must be at most {EMAIL_MAX} bytes, has {}", text.len()));
        } else if !is_email(text) {
            self.fail(field, "must be an e-mail address such as owner@example.com");
        }
    }

    /// All violations, or the value.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, DomainError> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(DomainError::Invalid(self.violations)),
        }
    }
}

fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Invisible characters: white space, control characters, and those that Unicode calls default ignorable, or prints as blank.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || is_control(c)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let atom = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=EMAIL_LOCAL_MAX).contains(&local.len())
        && local.chars().all(atom)
        && domain.contains('.')
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(check: impl FnOnce(&mut Check)) -> Vec<String> {
        let mut collected = Check::default();
        check(&mut collected);
        collected.violations.into_iter().map(|v| v.description).collect()
    }

    #[test]
    fn display_names_allow_all_scripts_but_no_invisible_characters() {
        for good in [
            "Demo",
            "Kaffee & Kuchen",
            "コーヒー店",
            "قهوة",
            "👩‍🍳 Cook's",
            "{{ .Values }} $(id) ; '\"`",
            &"ä".repeat(80),
        ] {
            assert!(violations(|c| c.display_name("f", good)).is_empty(), "{good}");
        }
        for bad in [
            "",
            "   ",
            "a\nb",
            "a\0b",
            "a\u{202e}b",
            " a",
            &"ä".repeat(81),
            "\u{3164}",
            "\u{200b}\u{2060}",
            "\u{2800}\u{fe0f}",
        ] {
            assert_eq!(violations(|c| c.display_name("f", bad)).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn malformed_emails_are_rejected() {
        for good in ["a@b.co", "o'neil+{x}`$HOME`@shop.example.com"] {
            assert!(violations(|c| c.email("f", good)).is_empty(), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a@b..co",
            "a,b=c@d.co",
            "a b@c.de",
            "a@-b.co",
            "a@b.co\n",
            "ä@b.co",
            "a@b@c.de",
        ] {
            assert_eq!(violations(|c| c.email("f", bad)).len(), 1, "{bad:?}");
        }
    }
}
