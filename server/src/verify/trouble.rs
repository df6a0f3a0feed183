//! What a shop did wrong, in the form that everybody sees, and how often it may.

use std::time::Duration;

use http::StatusCode;
use storeplane_core::failure::Reason;

use crate::redact::Unmasked;

/// How long what passes by itself is borne with: pods that have just become ready answer late, or not all of them.
const PASSES_WITHIN: Duration = Duration::from_mins(1);
/// How often a wrong answer is heard before it is believed.
const WRONG: u32 = 4;
/// First and longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Least pause after a wrong answer: nothing is on its way that would correct it in a moment.
const WRONG_PAUSE: Duration = Duration::from_secs(1);

/// What a shop answered in place of what it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// It may pass by itself: no answer, or one that says "not now".
    passing: bool,
    /// One sentence.
    what: String,
    /// The request, for example `GET /index.php?rest_route=/wc/store/v1/cart`.
    request: String,
    status: Option<StatusCode>,
    body: String,
}

impl Trouble {
    /// Something that may pass by itself.
    pub(super) fn passing(request: &str, what: impl Into<String>) -> Self {
        Self { passing: true, what: what.into(), request: request.into(), status: None, body: String::new() }
    }

    /// Something that does not.
    pub(super) fn wrong(request: &str, what: impl Into<String>) -> Self {
        Self { passing: false, ..Self::passing(request, what) }
    }

    /// The same with the answer.
    pub(super) fn answered(mut self, status: StatusCode, body: &[u8]) -> Self {
        self.status = Some(status);
        let text = String::from_utf8_lossy(body).replace(char::is_control, " ");
        let words: Vec<_> = text.split_whitespace().collect();
        self.body = words.join(" ");
        self
    }

    /// Whether it may pass by itself.
    pub fn is_passing(&self) -> bool {
        self.passing
    }

    /// The cause. Its details come from the shop, so they are masked before they are cut.
    pub(crate) fn failure(&self) -> Unmasked {
        let status = self.status.map(|status| format!("status: {status}"));
        let body = (!self.body.is_empty()).then(|| format!("body: {}", self.body));
        let details = [Some(format!("request: {}", self.request)), status, body];
        Unmasked::new(Reason::VerificationFailed, self.what.clone()).with_details(details.into_iter().flatten())
    }
}

/// How often a shop may stumble.
#[derive(Debug)]
pub struct RetryPolicy {
    next: Duration,
    wrong: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { next: PAUSES.0, wrong: 0 }
    }
}

impl RetryPolicy {
    /// How long to wait before the shop is asked again, `since` the first question; `None` when that is enough.
    pub fn after(&mut self, trouble: &Trouble, since: Duration) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(PAUSES.1);
        if trouble.passing {
            return (since + pause < PASSES_WITHIN).then_some(pause);
        }
        self.wrong += 1;
        (self.wrong < WRONG).then(|| pause.max(WRONG_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_has_a_minute_and_what_is_wrong_a_few_tries() {
        let (passing, wrong) = (Trouble::passing("GET /", "away"), Trouble::wrong("GET /", "empty"));
        let (mut retry_policy, mut since, mut asked) = (RetryPolicy::default(), Duration::ZERO, 1);
        while let Some(pause) = retry_policy.after(&passing, since) {
            (since, asked) = (since + pause, asked + 1);
        }
        assert!(since > Duration::from_secs(50) && since < PASSES_WITHIN && asked < 20, "{since:?} {asked}");
        let mut retry_policy = RetryPolicy::default();
        let pauses: Vec<_> = std::iter::from_fn(|| retry_policy.after(&wrong, Duration::ZERO)).collect();
        assert_eq!(pauses, [1, 1, 1].map(Duration::from_secs));
    }

    #[test]
    fn body_is_shown_as_one_short_line() {
        let body = format!("<html>\n\t<b>\u{7}{}", "ä".repeat(5000));
        let failure = Trouble::wrong("GET /", "no JSON").answered(StatusCode::OK, body.as_bytes()).failure().masked([]);
        assert_eq!(failure.details[..2], ["request: GET /", "status: 200 OK"]);
        assert!(failure.details[2].starts_with("body: <html> <b> ä") && failure.details[2].len() <= 500);
    }
}
