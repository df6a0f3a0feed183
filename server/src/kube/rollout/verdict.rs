//! When a symptom is a failure: how long it has lasted, and what else was seen.

use std::collections::HashMap;
use std::time::Duration;

use storeplane_core::failure::{Failure, Reason};
use tokio::time::Instant;

use super::Patience;
use super::explain::{Finding, Grace};

/// Most symptoms of a healthy start are over sooner than this: a pod whose claim is being bound, a quota being counted.
const SAID_AFTER: Duration = Duration::from_millis(700);

/// Remembers since when each symptom lasts, and what was said last.
#[derive(Debug)]
pub(super) struct Judge {
    patience: Patience,
    since: HashMap<(Reason, String), Instant>,
    said: Option<(Reason, String)>,
}

/// What is to be said now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing new.
    Silent,
    /// It waits, for another reason than was said.
    Waiting(Finding),
    /// What it waited for is over.
    Resumed,
    /// It failed: the cause, and the messages of what else stands in the way.
    Failed(Finding, Vec<String>),
}

impl Judge {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, since: HashMap::new(), said: None }
    }

    /// The cluster was not seen for a while: what lasted then is not known.
    pub(super) fn forget(&mut self) {
        self.since.clear();
    }

    /// True when this was not what was said last.
    pub(super) fn say(&mut self, failure: &Failure) -> bool {
        let new = Some((failure.reason, failure.message.clone()));
        let other = self.said != new;
        self.said = new;
        other
    }

    /// `findings` are in order, the likeliest cause first. The second part is when to judge again, if nothing happens.
    pub(super) fn judge(&mut self, findings: Vec<Finding>, now: Instant) -> (Verdict, Option<Instant>) {
        let key = |finding: &Finding| (finding.failure.reason, finding.subject.clone());
        let before = std::mem::take(&mut self.since);
        let lasting = |key: (Reason, String)| {
            let since = before.get(&key).copied().unwrap_or(now);
            (key, since)
        };
        self.since = findings.iter().map(key).map(lasting).collect();
        let since = |finding: &Finding| self.since.get(&key(finding)).copied().unwrap_or(now);
        let ends = |finding: &Finding| Some(since(finding) + self.patience(finding.grace)?);
        let is_over = |finding: &Finding| ends(finding).is_some_and(|end| end <= now);
        if findings.iter().any(is_over) {
            let is_cause = |finding: &Finding| is_over(finding) || finding.grace.is_error();
            let (causes, rest): (Vec<_>, Vec<_>) = findings.into_iter().partition(is_cause);
            let mut causes = causes.into_iter();
            let Some(cause) = causes.next() else { return (Verdict::Silent, None) };
            let others = causes.chain(rest).map(|finding| format!("also: {}", finding.failure.message));
            return (Verdict::Failed(cause, others.collect()), None);
        }
        let worth_saying = |finding: &Finding| since(finding) + SAID_AFTER;
        let unsaid = findings.iter().map(worth_saying).filter(|when| *when > now);
        let next = findings.iter().filter_map(ends).chain(unsaid).min();
        if findings.is_empty() {
            let verdict = if self.said.take().is_some() { Verdict::Resumed } else { Verdict::Silent };
            return (verdict, None);
        }
        let first = findings.iter().position(|finding| worth_saying(finding) <= now);
        let verdict = match first.and_then(|first| findings.into_iter().nth(first)) {
            Some(finding) if self.say(&finding.failure) => Verdict::Waiting(finding),
            _ => Verdict::Silent,
        };
        (verdict, next)
    }

    fn patience(&self, grace: Grace) -> Option<Duration> {
        match grace {
            Grace::Over => Some(Duration::ZERO),
            Grace::Refused => Some(self.patience.refused),
            Grace::Transient => Some(self.patience.transient),
            Grace::Unschedulable => Some(self.patience.unschedulable),
            Grace::Provisioning => Some(self.patience.provisioning),
            Grace::Unlimited => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(reason: Reason, grace: Grace) -> Finding {
        let failure = Failure::new(reason, format!("{grace:?}"));
        Finding { failure, grace, rank: 0, subject: "Pod a".into(), log: None }
    }

    fn judge() -> (Judge, Instant) {
        (Judge::new(Patience::default()), Instant::now())
    }

    #[test]
    fn a_symptom_is_said_when_it_lasts_and_a_failure_when_patience_ends() {
        let (mut judge, start) = judge();
        let seen = || vec![finding(Reason::Unschedulable, Grace::Unschedulable)];
        assert_eq!(judge.judge(seen(), start), (Verdict::Silent, Some(start + SAID_AFTER)));
        let (verdict, next) = judge.judge(seen(), start + Duration::from_secs(1));
        assert!(matches!(verdict, Verdict::Waiting(_)));
        assert_eq!(next, Some(start + Duration::from_secs(30)));
        assert_eq!(judge.judge(seen(), start + Duration::from_secs(29)).0, Verdict::Silent);
        assert!(matches!(judge.judge(seen(), start + Duration::from_secs(30)).0, Verdict::Failed(..)));
    }

    #[test]
    fn a_symptom_that_goes_is_over_and_begins_anew() {
        let (mut judge, start) = judge();
        let seen = || vec![finding(Reason::ImagePullFailed, Grace::Transient)];
        let at = |seconds| start + Duration::from_secs(seconds);
        judge.judge(seen(), start);
        assert!(matches!(judge.judge(seen(), at(9)).0, Verdict::Waiting(_)));
        assert_eq!(judge.judge(Vec::new(), at(10)).0, Verdict::Resumed);
        assert_eq!(judge.judge(seen(), at(11)).0, Verdict::Silent);
        judge.forget();
        assert_eq!(judge.judge(seen(), at(100)).0, Verdict::Silent);
    }

    #[test]
    fn the_cause_is_the_first_error_not_the_first_failure() {
        let (mut judge, start) = judge();
        let seen = vec![
            finding(Reason::Unschedulable, Grace::Unschedulable),
            finding(Reason::VolumeNotBound, Grace::Provisioning),
            finding(Reason::CrashLoop, Grace::Over),
        ];
        let (Verdict::Failed(cause, others), None) = judge.judge(seen, start) else { panic!("a failure") };
        assert_eq!(cause.failure.reason, Reason::Unschedulable);
        assert_eq!(others, ["also: Over", "also: Provisioning"]);
    }

    #[test]
    fn what_is_only_slow_is_no_cause() {
        let (mut judge, start) = judge();
        let seen = vec![finding(Reason::VolumeNotBound, Grace::Provisioning), finding(Reason::CrashLoop, Grace::Over)];
        let (Verdict::Failed(cause, _), None) = judge.judge(seen, start) else { panic!("a failure") };
        assert_eq!(cause.failure.reason, Reason::CrashLoop);
    }

    #[test]
    fn what_has_no_limit_never_fails() {
        let (mut judge, start) = judge();
        let seen = || vec![finding(Reason::NotReady, Grace::Unlimited)];
        judge.judge(seen(), start);
        assert!(matches!(judge.judge(seen(), start + Duration::from_hours(1)).0, Verdict::Waiting(_)));
        assert_eq!(judge.judge(seen(), start + Duration::from_hours(9)), (Verdict::Silent, None));
    }
}
