//! What a worker remembers between two claims.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// How long an operation that could not be taken up is left alone.
const SKIPPED: Duration = Duration::from_mins(1);
/// Most operations that are left alone at a time.
const SKIPPED_MAX: usize = 1000;
/// Between two reports of operations that are left to newer servers.
const REPORT: Duration = Duration::from_mins(1);

/// Operations to leave alone, and when to report those of newer servers.
#[derive(Debug, Default)]
pub(super) struct Claims {
    skipped: Mutex<HashMap<Uuid, Instant>>,
    reported: Mutex<Option<Instant>>,
}

impl Claims {
    /// Leaves an operation alone for a while.
    pub(super) fn skip(&self, operation: Uuid) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        if skipped.len() < SKIPPED_MAX {
            skipped.insert(operation, Instant::now());
        }
    }

    /// Those that are left alone now.
    pub(super) fn skipped(&self) -> Vec<Uuid> {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        skipped.retain(|_, since| since.elapsed() < SKIPPED);
        skipped.keys().copied().collect()
    }

    /// True once in a while.
    pub(super) fn is_report_due(&self) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let due = reported.is_none_or(|last| last.elapsed() >= REPORT);
        if due {
            *reported = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failed_claim_is_skipped_for_a_while() {
        let (claims, operation) = (Claims::default(), Uuid::now_v7());
        claims.skip(operation);
        assert_eq!(claims.skipped(), [operation]);
        tokio::time::advance(SKIPPED).await;
        assert!(claims.skipped().is_empty());
    }
}
