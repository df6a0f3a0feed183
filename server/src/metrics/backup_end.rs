//! What the end of a backup adds to the metrics.

use storeplane_core::backup::{Backup, BackupState};

use super::Metrics;

/// A backup that is complete, or has failed; counted once the change is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupEnd {
    outcome: BackupState,
    bytes: u64,
}

impl BackupEnd {
    /// The end of `after`, if it was being made before and is not any more.
    pub fn of(before: Option<&Backup>, after: &Backup) -> Option<Self> {
        let was_made = before.is_some_and(|before| before.id == after.id && before.state == BackupState::Creating);
        let has_ended = matches!(after.state, BackupState::Complete | BackupState::Failed);
        (was_made && has_ended).then(|| Self { outcome: after.state, bytes: after.bytes() })
    }

    /// Counts it.
    pub fn record(self, metrics: &Metrics) {
        metrics.backups.with([self.outcome.as_str()]).inc();
        if self.outcome == BackupState::Complete {
            metrics.backup_bytes.with([]).inc_by(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_backups_add_their_size() {
        for (outcome, bytes) in [(BackupState::Complete, 7), (BackupState::Failed, 0)] {
            let metrics = Metrics::create();

            BackupEnd { outcome, bytes: 7 }.record(&metrics);

            let text = metrics.encode(super::super::Format::Prometheus);
            assert!(text.contains(&format!("storeplane_backup_bytes_total {bytes}\n")), "{text}");
            for each in [BackupState::Complete, BackupState::Failed].map(BackupState::as_str) {
                let count = u8::from(each == outcome.as_str());
                let line = format!("storeplane_backups_total{{outcome=\"{each}\"}} {count}\n");
                assert!(text.contains(&line), "{text}");
            }
        }
    }
}
