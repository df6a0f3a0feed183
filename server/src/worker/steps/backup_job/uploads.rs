//! How much of a backup has arrived in the storage while its Job runs.

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::backup::Progress;
use storeplane_core::backup_storage::{BackupStorage, ObjectKey, StorageError};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::backups::Backups;
use crate::worker::context::OperationContext;

/// How often the storage is asked.
const LOOK: Duration = Duration::from_secs(2);

/// The uploads of a backup's parts.
pub(in super::super) struct Uploads {
    storage: Arc<dyn BackupStorage>,
    /// Name, object and upload of each part.
    parts: Vec<(String, ObjectKey, String)>,
    /// Size of the pieces in which they are uploaded, in bytes.
    piece: u64,
    /// What was reported.
    progress: Progress,
    looks: Interval,
}

impl Uploads {
    /// Those of the backup that the operation makes.
    pub(in super::super) fn of(context: &OperationContext, storage: &Backups) -> Self {
        let attempt = context.backup.as_ref().and_then(|backup| Some((backup, backup.attempt.as_ref()?)));
        let parts = attempt.iter().flat_map(|(backup, attempt)| {
            attempt
                .uploads
                .iter()
                .filter_map(|begun| Some((begun.part.clone(), backup.object(&begun.part).ok()?, begun.upload.clone())))
        });
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            parts: parts.collect(),
            progress: attempt.map(|(_, attempt)| attempt.progress).unwrap_or_default(),
            storage: Arc::clone(&storage.storage),
            piece: storage.part_bytes,
            looks,
        }
    }

    async fn arrived(&self) -> Result<Vec<(String, u64)>, StorageError> {
        let asked = self
            .parts
            .iter()
            .map(async |(part, object, upload)| Ok((part.clone(), self.storage.uploaded_bytes(object, upload).await?)));
        futures::future::try_join_all(asked).await
    }
}

/// Waits until so much more has arrived that it is worth a report, and returns what has arrived of each part. Never, if there are no uploads.
/// While the storage does not answer, there is nothing to report: the Job says what that means.
pub(super) async fn grown(uploads: Option<&mut Uploads>) -> Vec<(String, u64)> {
    let Some(uploads) = uploads else { return std::future::pending().await };
    loop {
        uploads.looks.tick().await;
        match uploads.arrived().await {
            Ok(arrived) => {
                let bytes = arrived.iter().map(|(_, bytes)| bytes).sum();
                if uploads.progress.is_due(bytes, uploads.piece) {
                    uploads.progress = Progress { bytes, reports: uploads.progress.reports + 1 };
                    return arrived;
                }
            }
            Err(error) => tracing::debug!(%error, "the progress of a backup is unknown"),
        }
    }
}
