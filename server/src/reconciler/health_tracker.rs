//! When a store is looked at. Bad news is followed at once, good news is believed later each time that it was wrong.
//!
//! - A READY store with signs of trouble is looked at when they have lasted [`HOLD`], then ever more rarely, until the
//!   signs change.
//! - A DEGRADED one is looked at when nothing has been wrong for [`CALM`]: four times as long after each relapse, up to
//!   [`CALM_MAX`]. A store that was READY for [`FORGIVEN`] begins anew.
//! - A DEGRADED one with trouble is looked at now and then, since the cause may become clearer or another one.

use std::time::Duration;

use storeplane_core::ids::OperationId;
use storeplane_core::store::State;
use tokio::time::Instant;

/// How long signs of trouble must last; a pod that is replaced in less is no news.
const HOLD: Duration = Duration::from_secs(2);
/// How long there must be none, the first time.
const CALM: Duration = Duration::from_secs(2);
/// The longest that it takes until good news is believed.
const CALM_MAX: Duration = Duration::from_mins(5);
/// A relapse after this long is not counted as one.
const FORGIVEN: Duration = Duration::from_mins(10);
/// How long after it became DEGRADED, or its signs changed, its cause is looked for again.
const AGAIN: Duration = Duration::from_secs(4);
/// Between looks at a store whose signs do not change, at most.
const LOOK_MAX: Duration = Duration::from_mins(1);

/// What is remembered of one store between two rounds.
#[derive(Debug)]
pub(super) struct HealthTracker {
    operation: OperationId,
    state: State,
    symptoms: Vec<String>,
    /// Since when there are signs, or none.
    since: Instant,
    next_look: Instant,
    pause: Duration,
    relapses: u32,
    recovered: Option<Instant>,
}

impl HealthTracker {
    /// A store that is seen for the first time, or after somebody worked on it.
    pub(super) fn new(operation: OperationId, state: State, symptoms: Vec<String>, now: Instant) -> Self {
        let mut tracker =
            Self { operation, state, symptoms, since: now, next_look: now, pause: HOLD, relapses: 0, recovered: None };
        tracker.begin(now);
        tracker
    }

    /// Takes in what is seen of the store now.
    pub(super) fn observe(&mut self, operation: OperationId, state: State, symptoms: Vec<String>, now: Instant) {
        if operation != self.operation {
            *self = Self::new(operation, state, symptoms, now);
            return;
        }
        let turned = symptoms.is_empty() != self.symptoms.is_empty();
        let changed = symptoms != self.symptoms || state != self.state;
        match (self.state, state) {
            (State::Degraded, State::Ready) => self.recovered = Some(now),
            (State::Ready, State::Degraded) => {
                let soon = self.recovered.is_some_and(|at| now - at < FORGIVEN);
                self.relapses = if soon { self.relapses.saturating_add(1) } else { 0 };
            }
            _ => {}
        }
        (self.state, self.symptoms) = (state, symptoms);
        if turned {
            self.since = now;
        }
        if changed {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Instant) {
        let degraded = self.state == State::Degraded;
        (self.pause, self.next_look) = match (degraded, self.symptoms.is_empty()) {
            (true, true) => (HOLD, self.since + self.calm()),
            // Not put off by symptoms that change all the time.
            (true, false) => (AGAIN, self.next_look.min(now + AGAIN)),
            (false, _) => (HOLD, now.max(self.since + HOLD)),
        };
    }

    fn calm(&self) -> Duration {
        CALM.saturating_mul(4_u32.saturating_pow(self.relapses)).min(CALM_MAX)
    }

    /// True if it is time to look. A healthy store without signs never is.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let quiet = self.state == State::Ready && self.symptoms.is_empty();
        !quiet && self.next_look <= now
    }

    /// It was looked at: the next time is later, unless the signs change.
    pub(super) fn record_probe(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LOOK_MAX);
        self.next_look = now + self.pause;
    }

    /// How long there have been signs of trouble.
    pub(super) fn unhealthy_for(&self, now: Instant) -> Duration {
        if self.symptoms.is_empty() { Duration::ZERO } else { now - self.since }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const FIRST: OperationId = OperationId(Uuid::nil());

    fn symptoms() -> Vec<String> {
        vec!["Deployment store 0/1".into()]
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn signs_that_last_are_looked_at_and_then_ever_more_rarely() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(FIRST, State::Ready, Vec::new(), start);
        assert!(!tracker.is_due(at(start, 1000)), "a healthy store costs nothing");
        tracker.observe(FIRST, State::Ready, symptoms(), at(start, 1000));
        assert!(!tracker.is_due(at(start, 1001)) && tracker.is_due(at(start, 1002)));
        let mut looks = Vec::new();
        for second in 1002..1302 {
            if tracker.is_due(at(start, second)) {
                looks.push(second - 1002);
                tracker.record_probe(at(start, second));
            }
        }
        assert_eq!(looks, [0, 4, 12, 28, 60, 120, 180, 240]);
        assert_eq!(tracker.unhealthy_for(at(start, 1010)), Duration::from_secs(10));
    }

    #[test]
    fn a_short_hiccup_is_no_news() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(FIRST, State::Ready, Vec::new(), start);
        tracker.observe(FIRST, State::Ready, symptoms(), at(start, 1));
        tracker.observe(FIRST, State::Ready, Vec::new(), at(start, 2));
        assert!(!tracker.is_due(at(start, 100)));
    }

    /// How long after the signs are gone a store is looked at, after each of its relapses.
    #[test]
    fn good_news_is_believed_later_after_each_relapse() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(FIRST, State::Ready, Vec::new(), start);
        let (mut now, mut waits) = (start, Vec::new());
        for _ in 0..6 {
            tracker.observe(FIRST, State::Ready, symptoms(), now);
            tracker.observe(FIRST, State::Degraded, symptoms(), now);
            tracker.observe(FIRST, State::Degraded, Vec::new(), now);
            let calm = now;
            while !tracker.is_due(now) {
                now += Duration::from_secs(1);
            }
            waits.push((now - calm).as_secs());
            tracker.observe(FIRST, State::Ready, Vec::new(), now);
        }
        assert_eq!(waits, [2, 8, 32, 128, 300, 300]);
        let later = now + FORGIVEN;
        tracker.observe(FIRST, State::Degraded, symptoms(), later);
        tracker.observe(FIRST, State::Degraded, Vec::new(), later);
        assert!(tracker.is_due(later + CALM), "what was long ago is forgiven");
    }

    #[test]
    fn an_operation_begins_anew() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(FIRST, State::Ready, symptoms(), start);
        tracker.observe(OperationId(Uuid::max()), State::Ready, symptoms(), at(start, 60));
        assert!(!tracker.is_due(at(start, 61)) && tracker.is_due(at(start, 62)));
    }
}
