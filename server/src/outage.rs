//! Logs repeated failures of the same task: a warning when they start, one per minute while they last, and a line when they
//! end.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two warnings about the same outage.
const INTERVAL: Duration = Duration::from_mins(1);

/// The outage of one task.
#[derive(Debug)]
pub(crate) struct OutageLog {
    task: &'static str,
    outage: Mutex<Option<Ongoing>>,
}

#[derive(Debug, Clone, Copy)]
struct Ongoing {
    since: Instant,
    logged: Instant,
    failures: u64,
}

impl OutageLog {
    /// For a repeated task, for example `claim operations`.
    pub(crate) const fn new(task: &'static str) -> Self {
        Self { task, outage: Mutex::new(None) }
    }

    /// Records a failure. Logged unless that was done within [`INTERVAL`].
    pub(crate) fn failed(&self, error: &(dyn Error + 'static)) {
        if let Some(failures) = self.count(Instant::now()) {
            let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| Error::source(*error));
            let error = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            tracing::warn!(task = self.task, error, failures, "a task fails and is retried");
        }
    }

    /// Records a timeout.
    pub(crate) fn timed_out(&self, limit: Duration) {
        let text = format!("no answer in {} ms", limit.as_millis());
        self.failed(&std::io::Error::new(std::io::ErrorKind::TimedOut, text));
    }

    /// Records a success. Logged if it failed before.
    pub(crate) fn worked(&self) {
        let ended = self.lock().take();
        if let Some(Ongoing { since, failures, .. }) = ended {
            let seconds = since.elapsed().as_secs();
            tracing::info!(task = self.task, failures, seconds, "a task works again");
        }
    }

    /// The number of consecutive failures, if it is time to log them.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut outage = self.lock();
        let Some(ongoing) = outage.as_mut() else {
            *outage = Some(Ongoing { since: now, logged: now, failures: 1 });
            return Some(1);
        };
        ongoing.failures += 1;
        if now.duration_since(ongoing.logged) < INTERVAL {
            return None;
        }
        ongoing.logged = now;
        Some(ongoing.failures)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ongoing>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn outage_is_logged_at_start_and_once_a_minute() {
        let log = OutageLog::new("test");
        assert_eq!(log.count(Instant::now()), Some(1));
        assert_eq!(log.count(Instant::now()), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(log.count(Instant::now()), Some(3));
        assert_eq!(log.count(Instant::now()), None);
        log.worked();
        assert_eq!(log.count(Instant::now()), Some(1), "another outage");
    }
}
