//! Where backups of stores are kept, and the keys that encrypt them.
//!
//! - This file: [`Backups`], from the configuration. [`maintain`]: checks the storage, and removes what uploads left behind.
//! - [`volume`]: a directory, with an HTTP listener for pods. [`s3`]: a bucket. Both are a
//!   [`BackupStorage`].
//! - [`keys`]: the operator's keys and those of backups. [`verify`](mod@verify): reads a backup back.
//!
//! To add a storage: a folder that implements the port, a variant of [`StorageKind`], and its cases in the tests of both others
//! (`tests/it/backup_storage`).

pub mod keys;
mod maintain;
pub mod s3;
pub mod verify;
pub mod volume;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::backup_storage::{BackupStorage, StorageError};
use storeplane_core::ports::Clock;

pub use self::keys::{BackupKey, KeyError, OperatorKeys};
use self::s3::{S3, S3Error};
pub use self::verify::{Verified, VerifyError, verify};
use self::volume::{SharedKey, Volume, generated_key_file};
use crate::config::{self, SnapshotMode, StorageKind};

/// The configured storage and keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Backups {
    /// Where backups are kept.
    pub storage: Arc<dyn BackupStorage>,
    /// What encrypts their keys.
    pub keys: OperatorKeys,
    /// Size of the parts in which pods transfer them, in bytes.
    pub part_bytes: u64,
    /// How long the URLs that pods get are valid.
    pub url_validity: Duration,
    /// The authorities of the storage's certificate that pods trust, in PEM; `None` for those of their image. Read at the start, as those
    /// that the server itself trusts.
    pub authorities: Option<Arc<str>>,
    /// Snapshots of the stores' volumes.
    pub snapshots: Arc<SnapshotSettings>,
    /// The storage, if it is a volume, whose listener this server runs.
    volume: Option<Volume>,
}

/// How backups make snapshots of the stores' volumes.
#[derive(Debug, Clone)]
pub struct SnapshotSettings {
    /// Whether they do, where the cluster can.
    pub mode: SnapshotMode,
    /// The `VolumeSnapshotClass`; `None` for one of the volumes' driver.
    pub class: Option<String>,
    /// Of how many of a store's newest backups they are kept.
    pub kept: usize,
    /// How long volumes that are made from them may take until the database is ready.
    pub timeout: Duration,
}

impl SnapshotSettings {
    /// True if backups make snapshots, and restores use them.
    pub fn makes_snapshots(&self) -> bool {
        self.mode == SnapshotMode::Auto && self.kept > 0
    }
}

impl Backups {
    /// What the configuration names; `None` without backups. Connects to nothing. URLs of a volume are signed with `key`.
    pub fn new(
        config: &config::Backups,
        key: Arc<dyn SharedKey>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, S3Error> {
        let (part_bytes, url_validity) = (config.part_bytes(), config.url_validity.into());
        let settings = (config.storage, &config.volume, &config.s3, config.key_file.as_deref());
        let mut authorities = None;
        let (storage, keys, volume): (Arc<dyn BackupStorage>, _, _) = match settings {
            (StorageKind::Volume, Some(settings), _, key_file) => {
                let volume = Volume::new(settings, part_bytes, key, Arc::clone(clock));
                let generated = || OperatorKeys::generated(&generated_key_file(settings), volume.clone());
                let keys = key_file.map_or_else(generated, OperatorKeys::new);
                (Arc::new(volume.clone()), keys, Some(volume))
            }
            (StorageKind::S3, _, Some(settings), Some(key_file)) => {
                authorities = s3::authorities(settings)?.map(Arc::from);
                (Arc::new(S3::new(settings, Arc::clone(clock))?), OperatorKeys::new(key_file), None)
            }
            _ => return Ok(None),
        };
        let snapshots = Arc::new(SnapshotSettings {
            mode: config.snapshots,
            class: config.snapshot_class.clone(),
            kept: config.snapshots_kept,
            timeout: Duration::from_secs(config.snapshot_timeout_seconds),
        });
        Ok(Some(Self { storage, keys, part_bytes, url_validity, authorities, snapshots, volume }))
    }

    /// The volume whose listener this server runs; `None` for other storage.
    pub fn volume(&self) -> Option<&Volume> {
        self.volume.as_ref()
    }
}

/// The result of `work`, which is an outage after the time limit.
async fn timed<T>(
    what: &str,
    within: Duration,
    work: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    let late = || StorageError::Unavailable(format!("{what}: no end within {} s", within.as_secs()));
    tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use async_trait::async_trait;
    use storeplane_core::error::PortError;
    use time::OffsetDateTime;

    use super::*;
    use crate::config::{Config, Overrides};

    /// A key, and a clock that tests set.
    #[derive(Debug, Default)]
    pub(super) struct Fixed {
        /// In seconds since 1970.
        pub(super) now: AtomicI64,
    }

    #[async_trait]
    impl SharedKey for Fixed {
        async fn read(&self) -> Result<[u8; 32], PortError> {
            Ok([7; 32])
        }
    }

    impl Clock for Fixed {
        fn now(&self) -> OffsetDateTime {
            OffsetDateTime::from_unix_timestamp(self.now.load(Ordering::Relaxed)).expect("a time")
        }
    }

    #[tokio::test]
    async fn storage_is_the_configured_one() {
        let volume = "[backups.volume]\npath = '/nowhere'\nlisten = '127.0.0.1:1'\nurl = 'http://127.0.0.1:1'\n";
        let s3 = "[backups.s3]\nendpoint = 'http://127.0.0.1:1'\nbucket = 'b'\naccess_key = 'a'\nsecret_key = 'b'\n";
        for (storage, expected) in [("none", None), ("volume", Some("Volume")), ("s3", Some("S3"))] {
            let file = format!("[backups]\nstorage = '{storage}'\nkey_file = 'k'\n{volume}{s3}");
            let config = Config::parse(&file, &Overrides::default()).expect("valid");
            let clock: Arc<dyn Clock> = Arc::new(Fixed::default());
            let backups = Backups::new(&config.backups, Arc::new(Fixed::default()), &clock).expect("usable");
            let debug = backups.as_ref().map(|backups| format!("{:?}", backups.storage));
            assert_eq!(debug.as_ref().and_then(|debug| debug.split([' ', '{']).next()), expected, "{storage}");
            assert_eq!(backups.as_ref().is_some_and(|backups| backups.volume().is_some()), storage == "volume");
            let error = match &backups {
                Some(backups) => backups.storage.check().await.expect_err("nothing is there"),
                None => continue,
            };
            assert!(error.is_retryable(), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_an_outage() {
        let result = timed("put a", Duration::from_mins(1), std::future::pending::<Result<(), StorageError>>()).await;
        assert!(result.expect_err("late").is_retryable());
    }
}
