//! Backups in a directory that all servers share, and the HTTP listener through which pods reach it.
//!
//! - This file: the storage. [`files`]: the directory. [`object`]: reads objects. [`http`]: the listener. [`signature`]: signed URLs.
//!   [`range`]: the header `Range`.
//!
//! No server keeps anything in memory about an upload: any server serves any URL.

mod files;
mod http;
mod object;
mod range;
mod signature;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use storeplane_core::backup_storage::{
    BackupStorage, ObjectKey, ObjectPrefix, ObjectReader, PARTS_MAX, StorageError, Upload,
};
use storeplane_core::ports::Clock;

use self::files::Files;
use self::object::Reader;
use self::signature::{Permission, Signer};

pub use self::signature::SharedKey;
use super::timed;
use crate::config::BackupVolume;

/// Time limit of what is done with the volume, which may be a network's: long enough to remove all files of a backup.
const CALL: Duration = Duration::from_mins(2);
/// Time limit of reading a chunk.
const READ: Duration = Duration::from_secs(30);
/// Begins the paths of objects and of uploads' parts.
const OBJECTS: &str = "/objects/";
const UPLOADS: &str = "/uploads/";

/// Backups in a directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Volume {
    files: Files,
    signer: Signer,
    /// `http://HOST:PORT`, for pods.
    url: String,
    /// Largest part, in bytes.
    part_bytes: u64,
}

impl Volume {
    /// Backups in the configured directory. Parts have at most `part_bytes`.
    pub fn new(config: &BackupVolume, part_bytes: u64, key: Arc<dyn SharedKey>, clock: Arc<dyn Clock>) -> Self {
        Self { files: Files::new(&config.path), signer: Signer::new(key, clock), url: config.url.clone(), part_bytes }
    }

    /// What the listener serves.
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Removes open uploads that nothing was added to for that time. Returns their number.
    pub(super) async fn remove_old_uploads(&self, clock: &dyn Clock, age: Duration) -> Result<usize, StorageError> {
        let now = clock.now();
        self.blocking(move |files| {
            files.remove_old(now, now - age).map_err(|error| files::fault("old uploads", &error))
        })
        .await
    }

    /// True if there is no backup yet.
    pub(super) async fn is_empty(&self) -> Result<bool, StorageError> {
        self.blocking(|files| files.is_empty().map_err(|error| files::fault("objects", &error))).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let files = self.files.clone();
        timed("the volume", CALL, async {
            let done = tokio::task::spawn_blocking(move || work(&files)).await;
            done.unwrap_or_else(|error| Err(StorageError::Unavailable(error.to_string())))
        })
        .await
    }
}

#[async_trait]
impl BackupStorage for Volume {
    async fn begin_upload(&self, object: &ObjectKey, parts: u16, valid: Duration) -> Result<Upload, StorageError> {
        check_parts(parts)?;
        let session = self.signer.session(valid).await?;
        let key = object.clone();
        let id = self.blocking(move |files| files.begin(&key)).await?;
        let write = Permission::Write { max: self.part_bytes };
        let url = |number| format!("{}{}", self.url, session.sign(&format!("{UPLOADS}{object}/{id}/{number}"), write));
        let urls = (1..=parts).map(url).collect();
        Ok(Upload { id, urls })
    }

    async fn complete_upload(&self, object: &ObjectKey, upload: &str) -> Result<(), StorageError> {
        let (object, upload) = (object.clone(), upload.to_owned());
        self.blocking(move |files| files.complete(&object, &upload)).await
    }

    async fn uploaded_bytes(&self, object: &ObjectKey, upload: &str) -> Result<u64, StorageError> {
        let (object, upload) = (object.clone(), upload.to_owned());
        self.blocking(move |files| files.uploaded(&object, &upload)).await
    }

    async fn put(&self, object: &ObjectKey, content: Vec<u8>) -> Result<(), StorageError> {
        let object = object.clone();
        self.blocking(move |files| files.put(&object, &content)).await
    }

    async fn read(&self, object: &ObjectKey) -> Result<Box<dyn ObjectReader>, StorageError> {
        let key = object.clone();
        let pieces = self.blocking(move |files| files.open(&key)).await?;
        Ok(Box::new(Reader::all(object.clone(), pieces)))
    }

    async fn download_url(&self, object: &ObjectKey, valid: Duration) -> Result<String, StorageError> {
        let session = self.signer.session(valid).await?;
        Ok(format!("{}{}", self.url, session.sign(&format!("{OBJECTS}{object}"), Permission::Read)))
    }

    async fn delete_prefix(&self, prefix: &ObjectPrefix) -> Result<(), StorageError> {
        let prefix = prefix.clone();
        self.blocking(move |files| files.delete(&prefix)).await
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.blocking(Files::check).await
    }
}

/// Checks the number of an upload's parts.
pub(super) fn check_parts(parts: u16) -> Result<(), StorageError> {
    if (1..=PARTS_MAX).contains(&parts) {
        return Ok(());
    }
    Err(StorageError::Invalid(format!("an upload must have 1 to {PARTS_MAX} parts (has {parts})")))
}

/// The key file of a volume whose operator configured none.
pub fn generated_key_file(volume: &BackupVolume) -> PathBuf {
    volume.path.join("key.txt")
}
