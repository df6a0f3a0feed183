//! When a store is examined, by the [`HealthDamping`] of `crate::obstacle`.
//!
//! - A READY store with symptoms is examined when they have lasted `symptoms_last`, then with growing intervals until they change.
//! - A DEGRADED one is examined when it had no symptoms for `recovered`: four times as long after each relapse, up to
//!   `recovered_max`. A store that was READY for `relapse_window` has no relapses to count.
//! - A DEGRADED one with symptoms is examined periodically, because its cause may change or become clearer.

use std::time::Duration;

use storeplane_core::ids::OperationId;
use storeplane_core::store::State;
use tokio::time::Instant;

use crate::obstacle::HealthDamping;

/// Delay before the cause is examined again, after the store became DEGRADED or its symptoms changed.
const AGAIN: Duration = Duration::from_secs(4);
/// Longest delay between examinations of a store whose symptoms do not change.
const LOOK_MAX: Duration = Duration::from_mins(1);

/// The state of one store between rounds.
#[derive(Debug)]
pub(super) struct HealthTracker {
    damping: HealthDamping,
    operation: OperationId,
    state: State,
    symptoms: Vec<String>,
    /// Since when there have been symptoms, or none.
    since: Instant,
    next_look: Instant,
    pause: Duration,
    relapses: u32,
    recovered: Option<Instant>,
}

impl HealthTracker {
    /// For a store that is new, or whose operation changed.
    pub(super) fn new(
        damping: HealthDamping,
        operation: OperationId,
        state: State,
        symptoms: Vec<String>,
        now: Instant,
    ) -> Self {
        let (since, next_look, pause) = (now, now, damping.symptoms_last);
        let mut tracker =
            Self { damping, operation, state, symptoms, since, next_look, pause, relapses: 0, recovered: None };
        tracker.begin(now);
        tracker
    }

    /// Records the current observation of the store.
    pub(super) fn observe(&mut self, operation: OperationId, state: State, symptoms: Vec<String>, now: Instant) {
        if operation != self.operation {
            *self = Self::new(self.damping, operation, state, symptoms, now);
            return;
        }
        let turned = symptoms.is_empty() != self.symptoms.is_empty();
        let changed = symptoms != self.symptoms || state != self.state;
        match (self.state, state) {
            (State::Degraded | State::Failed, State::Ready) => self.recovered = Some(now),
            (State::Ready, State::Degraded) => {
                let soon = self.recovered.is_some_and(|at| now - at < self.damping.relapse_window);
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
        let degraded = self.state != State::Ready;
        let hold = self.damping.symptoms_last;
        (self.pause, self.next_look) = match (degraded, self.symptoms.is_empty()) {
            (true, true) => (hold, self.since + self.calm()),
            // Not delayed by symptoms that keep changing.
            (true, false) => (AGAIN, self.next_look.min(now + AGAIN)),
            (false, _) => (hold, now.max(self.since + hold)),
        };
    }

    fn calm(&self) -> Duration {
        self.damping.recovered.saturating_mul(4_u32.saturating_pow(self.relapses)).min(self.damping.recovered_max)
    }

    /// True if it is time to examine the store. A healthy store without symptoms is never examined.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let quiet = self.state == State::Ready && self.symptoms.is_empty();
        !quiet && self.next_look <= now
    }

    /// Records an examination: the next one is later, unless the symptoms change.
    pub(super) fn record_probe(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(LOOK_MAX);
        self.next_look = now + self.pause;
    }

    /// How long there have been symptoms.
    pub(super) fn unhealthy_for(&self, now: Instant) -> Duration {
        if self.symptoms.is_empty() { Duration::ZERO } else { now - self.since }
    }

    /// How long there have been none.
    pub(super) fn calm_for(&self, now: Instant) -> Duration {
        if self.symptoms.is_empty() { now - self.since } else { Duration::ZERO }
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
    fn lasting_symptoms_are_examined_with_growing_intervals() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(HealthDamping::default(), FIRST, State::Ready, Vec::new(), start);
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
    fn short_symptoms_are_ignored() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(HealthDamping::default(), FIRST, State::Ready, Vec::new(), start);
        tracker.observe(FIRST, State::Ready, symptoms(), at(start, 1));
        tracker.observe(FIRST, State::Ready, Vec::new(), at(start, 2));
        assert!(!tracker.is_due(at(start, 100)));
    }

    /// The delays until a store is examined after its symptoms have ended, for each relapse.
    #[test]
    fn recovery_delay_grows_with_each_relapse() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(HealthDamping::default(), FIRST, State::Ready, Vec::new(), start);
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
        let later = now + tracker.damping.relapse_window;
        tracker.observe(FIRST, State::Degraded, symptoms(), later);
        tracker.observe(FIRST, State::Degraded, Vec::new(), later);
        assert!(tracker.is_due(later + tracker.damping.recovered), "what was long ago is forgiven");
    }

    #[test]
    fn new_operation_resets_the_tracker() {
        let start = Instant::now();
        let mut tracker = HealthTracker::new(HealthDamping::default(), FIRST, State::Ready, symptoms(), start);
        tracker.observe(OperationId(Uuid::max()), State::Ready, symptoms(), at(start, 60));
        assert!(!tracker.is_due(at(start, 61)) && tracker.is_due(at(start, 62)));
    }
}
