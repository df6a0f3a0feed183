//! Circuit breakers: one for each cluster and one for Postgres. While a dependency does not answer, calls to it fail at
//! once instead of each waiting for its time limit; whoever can wait does so here.
//!
//! - This file: [`Circuit`], what its users call. [`state`]: its transitions, without I/O.
//!
//! A circuit opens after several calls in a row failed, over a few seconds. Then one call at a time is made as a trial
//! (half-open), at growing intervals; the first success closes it. No task runs for this: whoever waits for the dependency makes the
//! trial, and so do the health probes.

mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use self::state::{CircuitState, CircuitStatus};
use self::state::{NextTrial, Outcome, State, Transition};

/// The circuit breaker of one dependency. Clones share it.
#[derive(Clone)]
pub struct Circuit(Arc<Inner>);

struct Inner {
    name: &'static str,
    /// Number of failed calls in a row that open it.
    opens_after: u32,
    state: watch::Sender<State>,
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("name", &self.0.name).field("status", &self.status()).finish()
    }
}

/// The dependency does not answer; the call was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no answer for {} s: {cause}", .since.as_secs())]
pub(crate) struct CircuitOpen {
    /// How long it has not answered.
    pub(crate) since: Duration,
    /// Why the last call failed.
    pub(crate) cause: String,
}

/// A call in progress, or a trial. Dropping it says nothing about the dependency.
#[derive(Debug)]
#[must_use = "report how the call ended"]
pub(crate) struct Call {
    circuit: Circuit,
    began: Instant,
    trial: bool,
    reported: bool,
}

impl Circuit {
    /// A closed circuit that opens after this number of failed calls in a row.
    pub(crate) fn new(name: &'static str, opens_after: u32) -> Self {
        let state = watch::Sender::new(State::new(Instant::now()));
        Self(Arc::new(Inner { name, opens_after, state }))
    }

    /// The dependency's name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Its state, for people and metrics.
    pub fn status(&self) -> CircuitStatus {
        self.0.state.borrow().status(Instant::now())
    }

    /// True unless calls are made as usual.
    pub fn is_open(&self) -> bool {
        self.check().is_err()
    }

    /// An error unless calls are made as usual.
    pub(crate) fn check(&self) -> Result<(), CircuitOpen> {
        let CircuitStatus { since, cause, .. } = self.status();
        cause.map_or(Ok(()), |cause| Err(CircuitOpen { since, cause }))
    }

    /// Begins a call; an error unless calls are made as usual.
    pub(crate) fn call(&self) -> Result<Call, CircuitOpen> {
        self.check().map(|()| self.begun(false))
    }

    /// Begins a trial, if one is due now.
    pub(crate) fn due_trial(&self) -> Option<Call> {
        let due = self.0.state.send_if_modified(|state| state.begin_trial(Instant::now()));
        due.then(|| self.begun(true))
    }

    /// Waits until a trial is due, and begins it; `None` once calls are made as usual.
    pub(crate) async fn next_trial(&self) -> Option<Call> {
        let mut changes = self.0.state.subscribe();
        loop {
            let next = changes.borrow_and_update().next_trial();
            let due = async {
                match next {
                    NextTrial::At(when) => tokio::time::sleep_until(when).await,
                    NextTrial::InProgress | NextTrial::NotNeeded => std::future::pending().await,
                }
            };
            if next == NextTrial::NotNeeded {
                return None;
            }
            tokio::select! {
                // The sender is in `self`.
                _ = changes.changed() => {}
                () = due => if let Some(trial) = self.due_trial() { return Some(trial) },
            }
        }
    }

    fn begun(&self, trial: bool) -> Call {
        Call { circuit: self.clone(), began: Instant::now(), trial, reported: false }
    }

    fn record(&self, began: Instant, trial: bool, outcome: Outcome) {
        let (now, mut transition) = (Instant::now(), Transition::None);
        self.0.state.send_if_modified(|state| {
            transition = state.record((began, trial), outcome, self.0.opens_after, now);
            transition != Transition::None
        });
        match transition {
            Transition::Opened => {
                let CircuitStatus { cause, .. } = self.status();
                let dependency = self.0.name;
                tracing::warn!(
                    event = "CIRCUIT_OPENED",
                    dependency,
                    cause,
                    "calls fail at once until the dependency answers"
                );
            }
            Transition::Closed { after } => {
                let (dependency, seconds) = (self.0.name, after.as_secs());
                tracing::info!(event = "CIRCUIT_CLOSED", dependency, seconds, "the dependency answers again");
            }
            Transition::None | Transition::Tried => {}
        }
    }
}

impl Call {
    /// The dependency works, even if it refused this call.
    pub(crate) fn answered(mut self) {
        self.report(Outcome::Answered);
    }

    /// It does not work. The cause contains no secret; people see it.
    pub(crate) fn failed(mut self, cause: impl Into<String>) {
        self.report(Outcome::Failed(cause.into()));
    }

    fn report(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.reported, true) {
            self.circuit.record(self.began, self.trial, outcome);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.report(Outcome::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn open() -> Circuit {
        let circuit = Circuit::new("test", 2);
        circuit.call().expect("closed").failed("no route to host");
        tokio::time::advance(Duration::from_secs(4)).await;
        circuit.call().expect("closed").failed("connection refused");
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn open_circuit_refuses_calls_with_the_cause() {
        let circuit = open().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let error = circuit.call().expect_err("open");
        assert_eq!(error.to_string(), "no answer for 5 s: connection refused");
        let trial = circuit.due_trial().expect("a trial");
        assert_eq!(circuit.status().state, CircuitState::HalfOpen);
        assert!(circuit.call().is_err() && circuit.due_trial().is_none(), "the trial is the only call");
        trial.answered();
        circuit.call().expect("closed").answered();
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_callers_make_one_trial_at_a_time_and_resume_soon() {
        let circuit = open().await;
        let (trials, running, answers) = (Cell::new(0), Cell::new(0), Cell::new(false));
        let wait = async || {
            while let Some(trial) = circuit.next_trial().await {
                trials.set(trials.get() + 1);
                running.set(running.get() + 1);
                assert_eq!(running.get(), 1, "one at a time");
                tokio::time::sleep(Duration::from_secs(1)).await;
                running.set(running.get() - 1);
                if answers.get() { trial.answered() } else { trial.failed("connection refused") }
            }
        };
        let waiting = futures::future::join_all((0..50).map(|_| wait()));
        let returning = async {
            tokio::time::sleep(Duration::from_mins(2)).await;
            answers.set(true);
            Instant::now()
        };
        let (_, returned) = tokio::join!(waiting, returning);
        assert!(!circuit.is_open());
        assert!((30..60).contains(&trials.get()), "{} trials in two minutes, by 50 callers", trials.get());
        let resumed = returned.elapsed();
        assert!(resumed < Duration::from_secs(1 + 3 + 1), "{resumed:?}");
        tokio::time::timeout(Duration::from_millis(1), wait()).await.expect("closed: no wait");
    }

    #[tokio::test(start_paused = true)]
    async fn impatient_callers_do_not_keep_the_circuit_open() {
        let circuit = open().await;
        let impatient = async {
            loop {
                let trial = circuit.next_trial().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                drop(trial);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let patient = async {
            while let Some(trial) = circuit.next_trial().await {
                tokio::time::sleep(Duration::from_secs(1)).await;
                trial.answered();
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(5), async {
            tokio::select! {
                () = impatient => {}
                () = patient => {}
            }
        });
        closed.await.expect("closed");
    }
}
