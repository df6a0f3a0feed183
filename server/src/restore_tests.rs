//! Test restores: regularly, one backup of each tenant is restored into a store of its own, whose shop is tested and then deleted. The result
//! stands on the backup. Runs where scheduled backups are made: on one server at a time.

use std::collections::VecDeque;

use storeplane_core::error::PortError;
use storeplane_core::ids::BackupId;
use time::{Duration, OffsetDateTime};

use crate::postgres::RestoreTests;

/// How often all backups are read to find those that are due.
const SEARCH: Duration = Duration::HOUR;

/// Starts test restores, and ends them.
#[derive(Debug)]
pub struct RestoreTester {
    /// The tests.
    pub tests: RestoreTests,
    /// How often a backup of a tenant is tested; `None`: never.
    pub every: Option<Duration>,
    /// Maximum number of simultaneous tests of all tenants.
    pub max_running: usize,
}

/// What one round leaves to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    backups: VecDeque<BackupId>,
    searched_at: Option<OffsetDateTime>,
}

impl RestoreTester {
    /// One round: results, stores to delete, tests that are due.
    pub async fn round(&self, due: &mut Due, now: OffsetDateTime) -> Result<(), PortError> {
        let mut running = 0;
        for id in self.tests.running().await? {
            running += usize::from(!Box::pin(self.tests.end(id, now)).await?);
        }
        for uid in self.tests.to_delete().await? {
            self.tests.delete(uid, now).await?;
        }
        let Some(since) = self.every.and_then(|every| now.checked_sub(every)) else { return Ok(()) };
        if due.backups.is_empty() && due.searched_at.is_none_or(|searched| now - searched >= SEARCH) {
            due.backups = self.tests.due(since).await?.into();
            due.searched_at = Some(now);
        }
        while running < self.max_running {
            let Some(id) = due.backups.pop_front() else { break };
            running += usize::from(Box::pin(self.tests.begin(id, since, now)).await?);
        }
        Ok(())
    }
}
