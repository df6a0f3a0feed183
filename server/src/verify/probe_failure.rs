//! A shop's wrong answers, and how often they may occur.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use storeplane_core::failure::Reason;

use crate::obstacle::{Class, Obstacle, ObstacleLimits, messages};
use crate::redact::Unmasked;

/// First and longest delay.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Minimum delay after a wrong answer, which is unlikely to be corrected within a moment.
const WRONG_PAUSE: Duration = Duration::from_secs(1);

/// What a shop answered instead of the expected response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFailure {
    /// Its limit: no answer, or a temporary error, is passing; a wrong answer is lasting.
    obstacle: Obstacle,
    /// One sentence.
    what: String,
    /// The request, for example `GET /index.php?rest_route=/wc/store/v1/cart`.
    request: String,
    status: Option<StatusCode>,
    body: String,
}

impl ProbeFailure {
    /// No answer, or a temporary error.
    pub(super) fn passing(request: &str, what: impl Into<String>) -> Self {
        Self {
            obstacle: Obstacle::Passing,
            what: what.into(),
            request: request.into(),
            status: None,
            body: String::new(),
        }
    }

    /// A wrong answer.
    pub(super) fn wrong(request: &str, what: impl Into<String>) -> Self {
        Self { obstacle: Obstacle::Certain, ..Self::passing(request, what) }
    }

    /// The connection failed.
    pub(super) fn lost(request: &str, what: impl Into<String>, error: &str) -> Self {
        Self { obstacle: messages::shop_lost(error), ..Self::passing(request, what) }
    }

    /// The same with the response.
    pub(super) fn answered(mut self, status: StatusCode, body: &[u8]) -> Self {
        self.status = Some(status);
        let text = String::from_utf8_lossy(body).replace(char::is_control, " ");
        let words: Vec<_> = text.split_whitespace().collect();
        self.body = words.join(" ");
        self
    }

    /// Whether it may be transient.
    pub fn is_passing(&self) -> bool {
        self.obstacle.class() != Class::Lasting
    }

    /// A well-formed answer of the shop's API, whose refusals have all of these texts: the shop is up, whatever it answers.
    pub(super) fn is_well_formed(&self, refusal: &[String]) -> bool {
        let Some(status) = self.status else { return false };
        let Ok(json) = serde_json::from_str::<Value>(&self.body) else { return false };
        let is_refusal = refusal.iter().all(|at| json.pointer(at).is_some_and(Value::is_string));
        status.is_success() || (status.is_client_error() && is_refusal)
    }

    /// What was wrong, in one sentence.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The cause. Its details come from the shop, so they are masked before truncation.
    pub(crate) fn failure(&self) -> Unmasked {
        let status = self.status.map(|status| format!("status: {status}"));
        let body = (!self.body.is_empty()).then(|| format!("body: {}", self.body));
        let details = [Some(format!("request: {}", self.request)), status, body];
        Unmasked::new(Reason::VerificationFailed, self.what.clone()).with_details(details.into_iter().flatten())
    }
}

/// How often a shop may fail, by the limits of `crate::obstacle`.
#[derive(Debug)]
pub struct RetryPolicy {
    limits: ObstacleLimits,
    next: Duration,
    wrong: u32,
}

impl RetryPolicy {
    /// Uses these limits.
    pub fn new(limits: &ObstacleLimits) -> Self {
        Self { limits: *limits, next: PAUSES.0, wrong: 0 }
    }

    /// The delay before the shop is tested again, `since` the first attempt; `None` if the limit is reached.
    pub fn after(&mut self, failed: &ProbeFailure, since: Duration) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(PAUSES.1);
        let limit = match failed.obstacle.class() {
            Class::Lasting => {
                self.wrong += 1;
                return (self.wrong < self.limits.shop_wrong_answers).then(|| pause.max(WRONG_PAUSE));
            }
            Class::Passing => self.limits.shop_silent,
            Class::Progress => self.limits.progress,
        };
        (since + pause < limit).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_shop_has_a_minute_and_wrong_answers_bounded_retries() {
        let (passing, wrong) = (ProbeFailure::passing("GET /", "away"), ProbeFailure::wrong("GET /", "empty"));
        let limits = ObstacleLimits::default();
        let (mut retry_policy, mut since, mut asked) = (RetryPolicy::new(&limits), Duration::ZERO, 1);
        while let Some(pause) = retry_policy.after(&passing, since) {
            (since, asked) = (since + pause, asked + 1);
        }
        assert!(since > Duration::from_secs(50) && since < limits.shop_silent && asked < 20, "{since:?} {asked}");
        let mut retry_policy = RetryPolicy::new(&limits);
        let pauses: Vec<_> = std::iter::from_fn(|| retry_policy.after(&wrong, Duration::ZERO)).collect();
        assert_eq!(pauses, [1, 1, 1].map(Duration::from_secs));
    }

    #[test]
    fn pending_certificate_has_the_progress_limit() {
        let limits = ObstacleLimits::default();
        let issued = ProbeFailure::lost("GET /", "no answer", "invalid peer certificate: UnknownIssuer");
        let away = ProbeFailure::lost("GET /", "no answer", "Connection refused");
        let late = limits.progress / 2;
        assert!(RetryPolicy::new(&limits).after(&issued, late).is_some());
        assert_eq!(RetryPolicy::new(&limits).after(&issued, limits.progress), None);
        assert_eq!(RetryPolicy::new(&limits).after(&away, late), None);
    }

    #[test]
    fn body_is_shown_as_one_short_line() {
        let body = format!("<html>\n\t<b>\u{7}{}", "ä".repeat(5000));
        let failure =
            ProbeFailure::wrong("GET /", "no JSON").answered(StatusCode::OK, body.as_bytes()).failure().masked([]);
        assert_eq!(failure.details[..2], ["request: GET /", "status: 200 OK"]);
        assert!(failure.details[2].starts_with("body: <html> <b> ä") && failure.details[2].len() <= 500);
    }
}
