//! What a worker remembers between claims.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// How long an operation that could not be claimed is skipped.
const SKIPPED: Duration = Duration::from_mins(1);
/// Maximum number of skipped operations.
const SKIPPED_MAX: usize = 1000;
/// Between two reports of operations that need a newer server.
const REPORT: Duration = Duration::from_mins(1);

/// Operations to skip, and when to report those that need a newer server.
#[derive(Debug, Default)]
pub(super) struct Claims {
    skipped: Mutex<HashMap<Uuid, Instant>>,
    reported: Mutex<Option<Instant>>,
}

impl Claims {
    /// Skips an operation for a while.
    pub(super) fn skip(&self, operation: Uuid) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        if skipped.len() < SKIPPED_MAX {
            skipped.insert(operation, Instant::now());
        }
    }

    /// The operations that are currently skipped.
    pub(super) fn skipped(&self) -> Vec<Uuid> {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        skipped.retain(|_, since| since.elapsed() < SKIPPED);
        skipped.keys().copied().collect()
    }

    /// True if it is time for a report.
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
