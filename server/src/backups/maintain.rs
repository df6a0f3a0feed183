//! Checks the storage and the keys when the server starts and every hour, so that an operator learns of a fault before a backup needs
//! them; and removes uploads that nobody will complete.

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::ports::Clock;
use tokio_util::sync::CancellationToken;

use super::Backups;
use crate::outage::OutageLog;

static STORAGE: OutageLog = OutageLog::new("check the backup storage");
static KEYS: OutageLog = OutageLog::new("read the keys of backups");
static UPLOADS: OutageLog = OutageLog::new("remove old uploads of backups");

/// Between two rounds.
const INTERVAL: Duration = Duration::from_hours(1);
/// How much longer than its URLs an upload is kept: a server may have to complete it after an outage.
const KEPT: Duration = Duration::from_hours(24);

impl Backups {
    /// Works until `shutdown`.
    pub async fn maintain_until(self, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
        let rounds = async {
            loop {
                self.round(&*clock).await;
                tokio::time::sleep(INTERVAL).await;
            }
        };
        shutdown.run_until_cancelled(rounds).await;
    }

    async fn round(&self, clock: &dyn Clock) {
        match self.storage.check().await {
            Ok(()) => STORAGE.worked(),
            Err(error) => STORAGE.failed(&error),
        }
        match self.keys.check().await {
            Ok(()) => KEYS.worked(),
            Err(error) => KEYS.failed(&error),
        }
        let Some(volume) = self.volume() else { return };
        match volume.remove_old_uploads(clock, self.url_validity + KEPT).await {
            Ok(removed) => {
                UPLOADS.worked();
                if removed > 0 {
                    tracing::info!(removed, "removed uploads of backups that were not completed");
                }
            }
            Err(error) => UPLOADS.failed(&error),
        }
    }
}
