//! Removes what is left of deleted and failed backups: from the storage, and snapshots of volumes. Those of other backups are followed in the
//! same rounds ([`BackupSnapshots`]).
//!
//! Each server does it; removing twice changes nothing. A backup that cannot be removed is tried again with the next round, and does not
//! keep others from being removed.

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::backup::Backup;
use storeplane_core::backup_storage::BackupStorage;
use tokio_util::sync::CancellationToken;

use crate::backup_snapshots::BackupSnapshots;
use crate::outage::OutageLog;
use crate::postgres::PgBackups;

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(5);
/// Maximum number of backups that are read at once.
const AT_ONCE: u64 = 50;

static REMOVALS: OutageLog = OutageLog::new("remove backups from their storage");

/// Removes backups.
#[derive(Debug)]
pub struct BackupRemoval {
    /// Which backups.
    pub backups: PgBackups,
    /// Where they are stored.
    pub storage: Arc<dyn BackupStorage>,
    /// The snapshots that were made with them.
    pub snapshots: BackupSnapshots,
}

impl BackupRemoval {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
            shutdown.run_until_cancelled(self.round()).await;
            shutdown.run_until_cancelled(self.snapshots.round()).await;
        }
    }

    async fn round(&self) {
        match self.backups.fail_abandoned().await {
            Ok(0) | Err(_) => {}
            Ok(failed) => tracing::warn!(failed, "backups are FAILED: their operations ended without completing them"),
        }
        let mut last = None;
        loop {
            // Postgres' own log lines say if it cannot be read.
            let Ok(backups) = self.backups.to_remove(last.as_ref(), AT_ONCE).await else { return };
            for backup in &backups {
                match self.remove(backup).await {
                    Ok(()) => REMOVALS.worked(),
                    Err(error) => REMOVALS.failed(&*error),
                }
            }
            let is_last = u64::try_from(backups.len()).is_ok_and(|count| count < AT_ONCE);
            last = backups.into_iter().next_back();
            if is_last {
                return;
            }
        }
    }

    async fn remove(&self, backup: &Backup) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.storage.delete_prefix(&backup.prefix()).await?;
        self.snapshots.delete_all(backup).await?;
        self.backups.removed(backup).await?;
        tracing::info!(backup_id = %backup.id, store_id = %backup.store_id, state = backup.state.as_str(), "backup removed from the storage");
        Ok(())
    }
}
