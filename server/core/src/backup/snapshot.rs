//! Snapshots of a store's volumes, made with a backup: they make its restore in place faster, and are never all that a backup consists of.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Backup, BackupState};

/// How long snapshots may take to become usable; afterwards they are deleted.
pub const READY_WITHIN: Duration = Duration::hours(6);

/// A snapshot of a volume: a `VolumeSnapshot` in the store's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The claim of the volume.
    pub claim: String,
    /// The object's name.
    pub name: String,
    /// A volume can be made from it.
    #[serde(default)]
    pub ready: bool,
    /// The moment that it holds; `None` until the cluster reports it.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<OffsetDateTime>,
}

/// What is known of a backup's snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All are ready.
    Ready(Vec<Snapshot>),
    /// They may become ready.
    Pending,
    /// They will not be used: one is missing or failed, or it took too long.
    Useless,
}

impl Backup {
    /// True if its volumes can be made from snapshots: there are some, and all are ready.
    pub fn has_ready_snapshots(&self) -> bool {
        !self.snapshots.is_empty() && self.snapshots.iter().all(|snapshot| snapshot.ready)
    }

    /// Compares the recorded snapshots with those that the cluster has.
    pub fn judge_snapshots(&self, found: &[Snapshot], now: OffsetDateTime) -> Verdict {
        let current: Option<Vec<Snapshot>> = self
            .snapshots
            .iter()
            .map(|recorded| found.iter().find(|found| found.name == recorded.name && found.claim == recorded.claim))
            .map(Option::<&Snapshot>::cloned)
            .collect();
        match current {
            Some(current) if !current.is_empty() && current.iter().all(|snapshot| snapshot.ready) => {
                Verdict::Ready(current)
            }
            Some(current) if !current.is_empty() && now - self.completed_at.unwrap_or(now) < READY_WITHIN => {
                Verdict::Pending
            }
            _ => Verdict::Useless,
        }
    }
}

/// Those of a store's complete backups with ready snapshots whose snapshots are not kept.
pub fn excess(newest_first: Vec<Backup>, kept: usize) -> Vec<Backup> {
    let usable = |backup: &Backup| backup.state == BackupState::Complete && backup.has_ready_snapshots();
    newest_first.into_iter().filter(usable).skip(kept).collect()
}
