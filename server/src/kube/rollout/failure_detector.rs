//! Decides when a symptom is a failure: by how long it has lasted (limits in `crate::obstacle`) and what else was observed.

use std::collections::HashMap;
use std::time::Duration;

use storeplane_core::failure::Reason;
use tokio::time::Instant;

use super::explain::Finding;
use crate::obstacle::ObstacleLimits;

/// Most symptoms of a healthy start last less than this: a claim being bound, a quota being counted.
const REPORTED_AFTER: Duration = Duration::from_millis(700);

/// Tracks since when each symptom lasts, and what was last reported.
#[derive(Debug)]
pub(super) struct FailureDetector {
    limits: ObstacleLimits,
    since: HashMap<(Reason, String), Instant>,
    reported: Option<(Reason, String)>,
}

/// What to report now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing new.
    Unchanged,
    /// It waits, for a new reason.
    Waiting(Finding),
    /// The reported symptom is resolved.
    Resumed,
    /// It failed: the cause, and the messages of the other obstacles.
    Failed(Finding, Vec<String>),
}

impl FailureDetector {
    pub(super) fn new(limits: ObstacleLimits) -> Self {
        Self { limits, since: HashMap::new(), reported: None }
    }

    /// The cluster could not be observed for a while: durations before that are unknown.
    pub(super) fn forget(&mut self) {
        self.since.clear();
    }

    /// True if this differs from the last report.
    pub(super) fn is_news(&mut self, reason: Reason, message: &str) -> bool {
        let new = Some((reason, message.to_owned()));
        let other = self.reported != new;
        self.reported = new;
        other
    }

    /// `findings` are ordered, the likeliest cause first. The second result is when to check again without a change.
    pub(super) fn evaluate(&mut self, findings: Vec<Finding>, now: Instant) -> (Verdict, Option<Instant>) {
        let key = |finding: &Finding| (finding.failure.reason, finding.subject.clone());
        let before = std::mem::take(&mut self.since);
        let lasting = |key: (Reason, String)| {
            let since = before.get(&key).copied().unwrap_or(now);
            (key, since)
        };
        self.since = findings.iter().map(key).map(lasting).collect();
        let since = |finding: &Finding| self.since.get(&key(finding)).copied().unwrap_or(now);
        let ends = |finding: &Finding| Some(since(finding) + finding.obstacle.limit(&self.limits)?);
        let is_over = |finding: &Finding| ends(finding).is_some_and(|end| end <= now);
        if findings.iter().any(is_over) {
            let is_cause = |finding: &Finding| is_over(finding) || finding.obstacle.is_error();
            let (causes, rest): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_cause);
            let mut causes = causes.into_iter();
            let Some(cause) = causes.next() else { return (Verdict::Unchanged, None) };
            let others = causes.chain(rest).map(|finding| format!("also: {}", finding.failure.message));
            return (Verdict::Failed(cause, others.collect()), None);
        }
        let worth_saying = |finding: &Finding| since(finding) + REPORTED_AFTER;
        let unsaid = findings.iter().map(worth_saying).filter(|when| *when > now);
        let next = findings.iter().filter_map(ends).chain(unsaid).min();
        if findings.is_empty() {
            let verdict = if self.reported.take().is_some() { Verdict::Resumed } else { Verdict::Unchanged };
            return (verdict, None);
        }
        let first = findings.iter().position(|finding| worth_saying(finding) <= now);
        let verdict = match first.and_then(|first| findings.into_iter().nth(first)) {
            Some(finding) if self.is_news(finding.failure.reason, &finding.failure.message) => {
                Verdict::Waiting(finding)
            }
            _ => Verdict::Unchanged,
        };
        (verdict, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obstacle::Obstacle;
    use crate::redact::Unmasked;

    fn finding(reason: Reason, obstacle: Obstacle) -> Finding {
        let failure = Unmasked::new(reason, format!("{obstacle:?}"));
        Finding { failure, obstacle, rank: 0, subject: "Pod a".into(), log: None }
    }

    fn detector() -> (FailureDetector, Instant) {
        (FailureDetector::new(ObstacleLimits::default()), Instant::now())
    }

    #[test]
    fn lasting_symptom_is_reported_and_fails_at_its_limit() {
        let (mut detector, start) = detector();
        let seen = || vec![finding(Reason::Unschedulable, Obstacle::Unschedulable)];
        assert_eq!(detector.evaluate(seen(), start), (Verdict::Unchanged, Some(start + REPORTED_AFTER)));
        let (verdict, next) = detector.evaluate(seen(), start + Duration::from_secs(1));
        assert!(matches!(verdict, Verdict::Waiting(_)));
        assert_eq!(next, Some(start + Duration::from_secs(30)));
        assert_eq!(detector.evaluate(seen(), start + Duration::from_secs(29)).0, Verdict::Unchanged);
        assert!(matches!(detector.evaluate(seen(), start + Duration::from_secs(30)).0, Verdict::Failed(..)));
    }

    #[test]
    fn resolved_symptom_resets_its_timer() {
        let (mut detector, start) = detector();
        let seen = || vec![finding(Reason::ImagePullFailed, Obstacle::Failing)];
        let at = |seconds| start + Duration::from_secs(seconds);
        detector.evaluate(seen(), start);
        assert!(matches!(detector.evaluate(seen(), at(9)).0, Verdict::Waiting(_)));
        assert_eq!(detector.evaluate(Vec::new(), at(10)).0, Verdict::Resumed);
        assert_eq!(detector.evaluate(seen(), at(11)).0, Verdict::Unchanged);
        detector.forget();
        assert_eq!(detector.evaluate(seen(), at(100)).0, Verdict::Unchanged);
    }

    #[test]
    fn cause_is_the_first_error_not_the_first_failure() {
        let (mut detector, start) = detector();
        let seen = vec![
            finding(Reason::Unschedulable, Obstacle::Unschedulable),
            finding(Reason::VolumeNotBound, Obstacle::Progress),
            finding(Reason::CrashLoop, Obstacle::Certain),
        ];
        let (Verdict::Failed(cause, others), None) = detector.evaluate(seen, start) else { panic!("a failure") };
        assert_eq!(cause.failure.reason, Reason::Unschedulable);
        assert_eq!(others, ["also: Certain", "also: Progress"]);
    }

    #[test]
    fn slow_progress_is_not_a_cause() {
        let (mut detector, start) = detector();
        let seen =
            vec![finding(Reason::VolumeNotBound, Obstacle::Progress), finding(Reason::CrashLoop, Obstacle::Certain)];
        let (Verdict::Failed(cause, _), None) = detector.evaluate(seen, start) else { panic!("a failure") };
        assert_eq!(cause.failure.reason, Reason::CrashLoop);
    }

    #[test]
    fn obstacle_without_limit_never_fails() {
        let (mut detector, start) = detector();
        let seen = || vec![finding(Reason::NotReady, Obstacle::Reported)];
        detector.evaluate(seen(), start);
        assert!(matches!(detector.evaluate(seen(), start + Duration::from_hours(1)).0, Verdict::Waiting(_)));
        assert_eq!(detector.evaluate(seen(), start + Duration::from_hours(9)), (Verdict::Unchanged, None));
    }
}
