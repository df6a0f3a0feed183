//! Follows the snapshots of volumes that were made with backups, until they are ready or given up; keeps those of a store's newest backups, and
//! deletes all others, also those whose backup is gone.

use std::collections::BTreeSet;

use storeplane_core::backup::Backup;
use storeplane_core::backup::snapshot::{Snapshot, Verdict, excess};
use storeplane_core::ids::BackupId;

use crate::kube::{Cluster, OwnedSnapshot};
use crate::outage::OutageLog;
use crate::postgres::{DueSnapshots, PgBackups};

/// Maximum number of backups that are followed in a round.
const AT_ONCE: u64 = 20;

static FOLLOWING: OutageLog = OutageLog::new("follow the snapshots of volumes");

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Follows and deletes snapshots.
#[derive(Debug)]
pub struct BackupSnapshots {
    /// Which backups.
    pub backups: PgBackups,
    /// Where the snapshots are.
    pub cluster: Cluster,
    /// Of how many of a store's newest backups they are kept.
    pub kept: usize,
}

impl BackupSnapshots {
    /// Compares the snapshots that are due with the cluster's.
    pub async fn round(&self) {
        // Postgres' own log lines say if it cannot be read.
        let Ok(due) = self.backups.due_snapshots(AT_ONCE).await else { return };
        for due in due {
            match self.follow(&due).await {
                Ok(()) => FOLLOWING.worked(),
                Err(error) => FOLLOWING.failed(&*error),
            }
        }
    }

    /// Deletes the snapshots of a backup. Those of a deleted store went with its namespace.
    pub async fn delete_all(&self, backup: &Backup) -> Result<(), Error> {
        if backup.snapshots.is_empty() {
            return Ok(());
        }
        if let Some(namespace) = self.backups.namespace(backup.store).await? {
            self.delete(&namespace, backup.snapshots.iter().map(|snapshot| snapshot.name.as_str())).await?;
        }
        Ok(())
    }

    async fn follow(&self, DueSnapshots { backup, namespace, now }: &DueSnapshots) -> Result<(), Error> {
        let Some(namespace) = namespace else { return Ok(self.backups.snapshots_are(backup.id, &[], true).await?) };
        let found = self.cluster.snapshots_of(namespace).await?;
        let own: Vec<Snapshot> =
            found.iter().filter(|it| it.backup == backup.id).map(|it| it.snapshot.clone()).collect();
        match backup.judge_snapshots(&own, *now) {
            Verdict::Pending => return Ok(()),
            Verdict::Useless => {
                self.delete_all(backup).await?;
                self.backups.snapshots_are(backup.id, &[], true).await?;
                tracing::warn!(backup_id = %backup.id, store_id = %backup.store_id, "the snapshots of a backup did not become ready and are deleted");
            }
            Verdict::Ready(ready) => {
                self.backups.snapshots_are(backup.id, &ready, false).await?;
                let settled = self.prune(backup, namespace, &found).await?;
                self.backups.snapshots_are(backup.id, &ready, settled).await?;
            }
        }
        Ok(())
    }

    /// Deletes the snapshots of the store that are not kept. False if some are being used: they are deleted later.
    async fn prune(&self, newest: &Backup, namespace: &str, found: &[OwnedSnapshot]) -> Result<bool, Error> {
        // Read after the cluster's: a backup is recorded before its snapshots exist.
        let recorded = self.backups.with_snapshots(newest.store).await?;
        let known: BTreeSet<BackupId> = recorded.iter().map(|backup| backup.id).collect();
        let orphans = found.iter().filter(|it| !known.contains(&it.backup)).map(|it| it.snapshot.name.as_str());
        self.delete(namespace, orphans).await?;
        let mut settled = true;
        for old in excess(recorded, self.kept) {
            if !self.backups.is_unused(old.id).await? {
                settled = false;
                continue;
            }
            self.delete_all(&old).await?;
            self.backups.snapshots_are(old.id, &[], true).await?;
        }
        Ok(settled)
    }

    async fn delete<'a>(&self, namespace: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        for name in names {
            self.cluster.delete_snapshot(namespace, name).await?;
            tracing::info!(namespace, snapshot = name, "snapshot of a volume deleted");
        }
        Ok(())
    }
}
