//! What a rollout does next. It follows from what was started and how that ended, never from how stores are at present: a store that breaks
//! for another reason neither holds up a wave nor ends one.

use time::OffsetDateTime;

use super::{Budget, Cause, OnFailure, Progress, Rollout, RolloutState};

/// How far the stores of a rollout are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Members {
    /// Stores of the current wave that were not started; while it rolls back, stores that have not returned yet.
    pub pending: u32,
    /// Those of them that can be started now.
    pub startable: u32,
    /// When the next of the others can be.
    pub next_try: Option<OffsetDateTime>,
    /// Stores of the current wave that were changed.
    pub succeeded: u32,
    /// Stores of any wave with active operations.
    pub running: u32,
    /// Stores of any wave that failed.
    pub failed: u32,
    /// All stores.
    pub total: u32,
}

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Start another store.
    Start,
    /// Wait until an operation ends, or until this time.
    Wait(Option<OffsetDateTime>, Option<Cause>),
    /// Observe the wave until this time.
    Soak(OffsetDateTime),
    /// The wave was observed: test its shops.
    Test,
    /// Begin the next wave.
    NextWave,
    /// The failure budget is exceeded: pause, or roll back.
    Stop(RolloutState, Cause),
    /// It has ended.
    End(RolloutState),
}

/// What a rollout does next.
pub fn decide(rollout: &Rollout, members: &Members, now: OffsetDateTime) -> Next {
    match rollout.progress.state {
        RolloutState::Running => running(rollout, members, now),
        RolloutState::RollingBack => rolling_back(rollout, members),
        // Active operations go on, and how they end is recorded.
        _ => Next::Wait(None, rollout.progress.cause.clone()),
    }
}

impl Progress {
    /// Does what is next; stores are started by the caller.
    pub fn follow(&mut self, next: Next, now: OffsetDateTime) {
        match next {
            Next::Start if self.state == RolloutState::Running => self.cause = None,
            Next::Start | Next::Test => {}
            Next::Wait(_, cause) => self.cause = cause,
            Next::Soak(until) => self.soak_until = Some(until),
            Next::NextWave => {
                self.wave += 1;
                self.soak_until = None;
                self.cause = None;
            }
            Next::Stop(state, cause) => {
                self.state = state;
                self.soak_until = None;
                self.cause = Some(cause);
            }
            Next::End(state) => {
                self.state = state;
                self.ended_at = Some(now);
                if state == RolloutState::Completed {
                    self.cause = None;
                }
            }
        }
    }

    /// The shops of the current wave were tested.
    pub fn observe(&mut self) {
        self.observed = self.wave;
        self.soak_until = None;
        self.cause = None;
    }
}

fn running(rollout: &Rollout, members: &Members, now: OffsetDateTime) -> Next {
    let progress = &rollout.progress;
    if let Some(cause) = exceeded(rollout, members) {
        let state = match rollout.on_failure {
            OnFailure::Pause => RolloutState::Paused,
            OnFailure::RollBack => RolloutState::RollingBack,
        };
        return Next::Stop(state, cause);
    }
    if members.pending > 0 {
        if let Some(opens) = rollout.window.and_then(|window| window.opens(now)) {
            let message = format!("The window opens at {}.", super::window::Window::text(minute(opens)) + " UTC");
            return Next::Wait(Some(opens), Some(Cause::new("OUTSIDE_WINDOW", message)));
        }
        if members.running >= rollout.parallelism {
            return Next::Wait(None, None);
        }
        if members.startable > 0 {
            return Next::Start;
        }
        let message = format!("{} stores have other operations.", members.pending);
        return Next::Wait(members.next_try, Some(Cause::new("STORES_BUSY", message)));
    }
    if members.running > 0 {
        return Next::Wait(None, None);
    }
    let observes = members.succeeded > 0 && rollout.soak.is_positive() && progress.observed < progress.wave;
    if observes {
        return match progress.soak_until {
            None => Next::Soak(now + rollout.soak),
            Some(until) if now < until => {
                let message = format!("The stores of wave {} are being observed.", progress.wave);
                Next::Wait(Some(until), Some(Cause::new("SOAKING", message)))
            }
            Some(_) => Next::Test,
        };
    }
    if (progress.wave as usize) < rollout.waves.len() { Next::NextWave } else { Next::End(RolloutState::Completed) }
}

fn rolling_back(rollout: &Rollout, members: &Members) -> Next {
    match members {
        Members { running, .. } if *running >= rollout.parallelism => Next::Wait(None, rollout.progress.cause.clone()),
        Members { startable, .. } if *startable > 0 => Next::Start,
        Members { pending: 0, running: 0, .. } => Next::End(RolloutState::RolledBack),
        _ => Next::Wait(members.next_try, rollout.progress.cause.clone()),
    }
}

fn minute(at: OffsetDateTime) -> u16 {
    u16::from(at.hour()) * 60 + u16::from(at.minute())
}

/// Why the failure budget is exceeded, if it is.
fn exceeded(rollout: &Rollout, members: &Members) -> Option<Cause> {
    let counted = members.failed.saturating_sub(rollout.progress.forgiven);
    if counted == 0 {
        return None;
    }
    let Members { failed, total, .. } = members;
    let limit = if rollout.progress.wave == 1 {
        "the first wave may have none".to_owned()
    } else {
        rollout.budget.exceeded_by(counted, *total)?
    };
    let message = format!("{failed} of {total} stores failed; {limit}.");
    Some(Cause::new("FAILURE_BUDGET_EXCEEDED", message))
}

/// Share of the stores that may fail if nothing else is set, in percent.
const PERCENT_DEFAULT: u32 = 2;

impl Budget {
    /// The share in percent that applies.
    pub fn effective_percent(&self) -> Option<u32> {
        self.percent.or_else(|| self.stores.is_none().then_some(PERCENT_DEFAULT))
    }

    /// The limit that so many failures exceed.
    fn exceeded_by(&self, failed: u32, total: u32) -> Option<String> {
        if let Some(stores) = self.stores.filter(|stores| failed > *stores) {
            return Some(format!("the failure budget is {stores} stores"));
        }
        let share = |percent: &u32| u64::from(failed) * 100 > u64::from(*percent) * u64::from(total);
        let percent = self.effective_percent().filter(share)?;
        Some(format!("the failure budget is {percent} % of the stores"))
    }
}

#[cfg(test)]
mod tests;
