//! Failures: the one form that rows, events, errors and the dashboard use.

use serde::{Deserialize, Serialize};

pub use crate::reason::Reason;

/// One ranked cause: its reason, a message, and what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable reason.
    pub reason: Reason,
    /// A sentence that names the objects involved. Contains no secret.
    pub message: String,
    /// What was observed, most relevant first: lines without secrets, at most [`DETAILS_MAX`].
    pub details: Vec<String>,
}

/// Maximum number of detail lines.
pub const DETAILS_MAX: usize = 20;
/// Maximum length of a detail line, in bytes.
pub const DETAIL_LINE_MAX: usize = 500;

impl Failure {
    /// A failure without details.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: Vec::new() }
    }

    /// Adds details; lines beyond [`DETAILS_MAX`] and text beyond [`DETAIL_LINE_MAX`] are dropped.
    #[must_use]
    pub fn with_details<T: Into<String>>(mut self, details: impl IntoIterator<Item = T>) -> Self {
        let room = DETAILS_MAX.saturating_sub(self.details.len());
        self.details.extend(details.into_iter().take(room).map(|line| truncate(line.into(), DETAIL_LINE_MAX)));
        self
    }

    /// What a person can do about it, in one sentence.
    pub fn remedy(&self) -> &'static str {
        self.reason.remedy()
    }
}

/// Truncates a text to at most `max` bytes at a character boundary, and marks the cut with `…`.
pub fn truncate(mut text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncate_never_splits_a_character() {
        assert_eq!(truncate("äöü".into(), 5), "ä…");
        assert_eq!(truncate("short".into(), 5), "short");
    }
}
