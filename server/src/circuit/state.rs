//! The transitions of a circuit. The time comes from the caller.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Failures in a row open a circuit only if they last this long: a shorter interruption has no effect. Longer than the interval
/// between two health probes, so a successful one lies between failures that concern only one object.
const LASTING: Duration = Duration::from_secs(4);
/// Failures count as consecutive if they are at most this far apart.
const WINDOW: Duration = Duration::from_mins(1);
/// First and longest delay between trial calls.
const TRIALS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));

/// What a circuit does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls are made.
    Closed,
    /// The dependency does not answer: calls fail at once.
    Open,
    /// One call is in progress as a trial; all others fail at once.
    HalfOpen,
}

impl CircuitState {
    /// The state's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A circuit's state for people and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitStatus {
    /// The state.
    pub state: CircuitState,
    /// How long it has been closed, or how long the dependency has not answered.
    pub since: Duration,
    /// The last call's failure, unless it is closed.
    pub cause: Option<String>,
}

/// The state of a circuit.
#[derive(Debug)]
pub(super) struct State {
    since: Instant,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Closed(Option<Failures>),
    Open { cause: String, backoff: Backoff, next: Instant, trial: bool },
}

/// Consecutive failures.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    first: Instant,
    last: Instant,
}

/// When the next trial is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextTrial {
    /// Never: it is closed.
    NotNeeded,
    /// After the one that is in progress.
    InProgress,
    At(Instant),
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The dependency answered.
    Answered,
    /// It did not, because of this.
    Failed(String),
    /// The caller gave up: nothing is known.
    Abandoned,
}

/// A visible change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transition {
    /// Nothing but counters changed.
    None,
    Opened,
    /// A trial has ended.
    Tried,
    Closed {
        after: Duration,
    },
}

impl State {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, phase: Phase::Closed(None) }
    }

    pub(super) fn status(&self, now: Instant) -> CircuitStatus {
        let since = now.duration_since(self.since);
        match &self.phase {
            Phase::Closed(_) => CircuitStatus { state: CircuitState::Closed, since, cause: None },
            Phase::Open { cause, trial, .. } => {
                let state = if *trial { CircuitState::HalfOpen } else { CircuitState::Open };
                CircuitStatus { state, since, cause: Some(cause.clone()) }
            }
        }
    }

    pub(super) fn next_trial(&self) -> NextTrial {
        match &self.phase {
            Phase::Closed(_) => NextTrial::NotNeeded,
            Phase::Open { trial: true, .. } => NextTrial::InProgress,
            Phase::Open { next, .. } => NextTrial::At(*next),
        }
    }

    /// Begins a trial if one is due.
    pub(super) fn begin_trial(&mut self, now: Instant) -> bool {
        match &mut self.phase {
            Phase::Open { next, trial, .. } if !*trial && now >= *next => {
                *trial = true;
                true
            }
            Phase::Open { .. } | Phase::Closed(_) => false,
        }
    }

    /// Records how a call ended that began at `began`, as a trial or not. `opens_after` failures in a row open the circuit.
    pub(super) fn record(
        &mut self,
        (began, trial): (Instant, bool),
        outcome: Outcome,
        opens_after: u32,
        now: Instant,
    ) -> Transition {
        match (&mut self.phase, outcome) {
            (Phase::Closed(failures), Outcome::Answered) => {
                *failures = None;
                Transition::None
            }
            (Phase::Closed(_), Outcome::Abandoned) => Transition::None,
            (Phase::Closed(failures), Outcome::Failed(cause)) => {
                let failures = Failures::next(failures, began, now);
                if failures.count < opens_after || now.duration_since(failures.first) < LASTING {
                    return Transition::None;
                }
                let mut backoff = Backoff::new(TRIALS.0, TRIALS.1);
                let next = now + backoff.next();
                *self = Self { since: failures.first, phase: Phase::Open { cause, backoff, next, trial: false } };
                Transition::Opened
            }
            // Whoever has got an answer proves that there is one, trial or not.
            (Phase::Open { .. }, Outcome::Answered) => {
                let after = now.duration_since(self.since);
                *self = Self::new(now);
                Transition::Closed { after }
            }
            (Phase::Open { .. }, _) if !trial => Transition::None,
            (Phase::Open { cause, backoff, next, trial }, outcome) => {
                *trial = false;
                // An abandoned trial leaves its turn to the next caller, so that impatient ones delay nothing.
                *next = now;
                if let Outcome::Failed(new) = outcome {
                    (*cause, *next) = (new, now + backoff.next());
                }
                Transition::Tried
            }
        }
    }
}

impl Failures {
    /// Calls that were in progress together fail together when their connection breaks, which says less than as many
    /// failures one after another: such a call is not counted.
    fn next(failures: &mut Option<Self>, began: Instant, now: Instant) -> Self {
        let next = match *failures {
            Some(known) if began < known.last => known,
            Some(known) if now.duration_since(known.last) <= WINDOW => {
                Self { count: known.count + 1, last: now, ..known }
            }
            _ => Self { count: 1, first: now, last: now },
        };
        *failures = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENS_AFTER: u32 = 3;

    /// What happens at a second, and the state afterwards.
    enum Happens {
        /// A call begins and ends.
        Call(Outcome),
        /// A call ends that began at this second.
        CallSince(f64, Outcome),
        /// A trial is not due.
        NoTrial,
        /// A trial begins.
        TrialBegins,
        /// The trial ends.
        Trial(Outcome),
    }

    fn failed() -> Outcome {
        Outcome::Failed("connection refused".into())
    }

    /// Plays it, on a clock that is moved by hand.
    fn play(script: impl IntoIterator<Item = (f64, Happens, CircuitState)>) -> (State, Instant) {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let (mut state, mut now) = (State::new(start), start);
        for (second, happens, expected) in script {
            now = at(second);
            match happens {
                Happens::Call(outcome) => {
                    state.record((now, false), outcome, OPENS_AFTER, now);
                }
                Happens::CallSince(began, outcome) => {
                    state.record((at(began), false), outcome, OPENS_AFTER, now);
                }
                Happens::NoTrial => assert!(!state.begin_trial(now), "at {second} s"),
                Happens::TrialBegins => assert!(state.begin_trial(now), "at {second} s"),
                Happens::Trial(outcome) => {
                    state.record((now, true), outcome, OPENS_AFTER, now);
                }
            }
            assert_eq!(state.status(now).state, expected, "at {second} s");
        }
        (state, now)
    }

    fn opened() -> [(f64, Happens, CircuitState); 3] {
        use CircuitState::{Closed, Open};
        use Happens::Call;
        [(1.0, Call(failed()), Closed), (2.0, Call(failed()), Closed), (5.0, Call(failed()), Open)]
    }

    #[test]
    fn circuit_opens_after_failures_in_a_row_that_last() {
        use CircuitState::{Closed, Open};
        use Happens::{Call, CallSince, NoTrial};
        use Outcome::{Abandoned, Answered};
        play(opened());
        // A success begins the count again, and so does a long time without calls; an abandoned call says nothing.
        play([
            (1.0, Call(failed()), Closed),
            (2.0, Call(failed()), Closed),
            (4.9, Call(Answered), Closed),
            (5.0, Call(failed()), Closed),
            (6.0, Call(Abandoned), Closed),
            (10.0, Call(failed()), Closed),
            (71.0, Call(failed()), Closed),
            (75.0, Call(failed()), Closed),
            (76.0, Call(failed()), Open),
        ]);
        // A short interruption has no effect, however many calls it costs.
        let blip = (0..100).map(|call| (1.0 + f64::from(call) * 0.039, Call(failed()), Closed));
        play(blip.chain([(4.95, NoTrial, Closed), (4.96, Call(Answered), Closed), (5.1, Call(failed()), Closed)]));
        // Calls that were in progress together count once.
        play([
            (5.0, CallSince(1.0, failed()), Closed),
            (10.0, CallSince(2.0, failed()), Closed),
            (10.1, CallSince(3.0, failed()), Closed),
            (11.0, CallSince(10.5, failed()), Closed),
            (12.0, CallSince(11.5, failed()), Open),
        ]);
    }

    #[test]
    fn open_circuit_makes_one_trial_at_a_time_and_closes_with_a_success() {
        use CircuitState::{Closed, HalfOpen, Open};
        use Happens::{Call, CallSince, NoTrial, Trial, TrialBegins};
        use Outcome::{Abandoned, Answered};
        // Before the first trial is due there is none, and then one.
        play(opened().into_iter().chain([
            (5.1, NoTrial, Open),
            (6.0, TrialBegins, HalfOpen),
            (6.1, NoTrial, HalfOpen),
            (6.2, Trial(Answered), Closed),
            (6.3, NoTrial, Closed),
            (6.4, Call(failed()), Closed),
        ]));
        // After a failed trial, the next one is due later.
        play(opened().into_iter().chain([
            (6.0, TrialBegins, HalfOpen),
            (6.1, Trial(failed()), Open),
            (6.2, NoTrial, Open),
            (8.0, TrialBegins, HalfOpen),
        ]));
        // An abandoned one leaves its turn to others.
        play(opened().into_iter().chain([
            (6.0, TrialBegins, HalfOpen),
            (6.1, Trial(Abandoned), Open),
            (6.1, TrialBegins, HalfOpen),
        ]));
        // Calls from before it opened: a failure says nothing new, a success closes it, even during a trial.
        play(opened().into_iter().chain([
            (5.1, CallSince(0.5, failed()), Open),
            (5.2, CallSince(0.5, Abandoned), Open),
            (6.0, TrialBegins, HalfOpen),
            (6.1, CallSince(0.5, failed()), HalfOpen),
            (6.2, CallSince(0.5, Answered), Closed),
            (6.3, Trial(failed()), Closed),
        ]));
    }

    #[test]
    fn trials_are_at_most_3_s_apart_and_cause_and_time_are_known() {
        let (mut state, mut now) = play(opened());
        let mut waits = Vec::new();
        for _ in 0..12 {
            let NextTrial::At(due) = state.next_trial() else { panic!("a trial is due") };
            waits.push(due - now);
            now = due;
            assert!(state.begin_trial(now));
            assert_eq!(state.next_trial(), NextTrial::InProgress, "one at a time");
            let outcome = Outcome::Failed("no route to host".into());
            assert_eq!(state.record((now, true), outcome, OPENS_AFTER, now), Transition::Tried);
        }
        assert!(waits[0] <= TRIALS.0 && waits.iter().all(|wait| *wait <= TRIALS.1), "{waits:?}");
        assert!(waits[11] >= TRIALS.1 / 2, "{waits:?}");
        let status = state.status(now);
        assert_eq!(status.cause.as_deref(), Some("no route to host"));
        let expected = waits.iter().sum::<Duration>() + LASTING;
        assert_eq!(status.since, expected, "since the first failure");
        let closed = state.record((now, true), Outcome::Answered, OPENS_AFTER, now);
        assert_eq!(closed, Transition::Closed { after: expected });
        assert_eq!(state.next_trial(), NextTrial::NotNeeded);
    }
}
