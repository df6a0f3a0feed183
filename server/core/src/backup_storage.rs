//! The port of the storage that backups are in: names of objects, multipart uploads, and how storage fails.
//!
//! Pods write and read the objects through signed URLs, so backups never pass through the control plane on their way. It reads them
//! to verify them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{IdError, StoreUid, Tenant};

/// Maximum number of parts of an upload, which is that of S3.
pub const PARTS_MAX: u16 = 10_000;
/// Maximum length of an object's name: S3 allows 1,024 bytes, which the configured prefix shares.
const NAME_MAX: usize = 512;
/// Maximum length of a segment: file systems allow 255 bytes.
const SEGMENT_MAX: usize = 128;

/// The name of an object: segments of letters, digits and `._-`, separated by `/`, each beginning with a letter or a digit. So it is the
/// same in a URL and in a file system, and it cannot lead out of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_name(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The beginning of objects' names, which ends with `/`: whole segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPrefix(String);

impl ObjectPrefix {
    /// The prefix of a backup's objects.
    pub fn of_backup(tenant: &Tenant, store_uid: StoreUid, backup_id: Uuid) -> Self {
        Self(format!("{tenant}/{store_uid}/{backup_id}/"))
    }

    /// The object with this name.
    pub fn object(&self, name: &str) -> Result<ObjectKey, IdError> {
        format!("{self}{name}").parse()
    }

    /// The text, with its `/` at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectPrefix {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_name(text.strip_suffix('/').ok_or_else(|| IdError("must end with /".to_owned()))?)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_name(text: &str) -> Result<(), IdError> {
    if text.len() > NAME_MAX {
        return Err(IdError(format!("must be at most {NAME_MAX} bytes, has {}", text.len())));
    }
    let is_segment = |segment: &str| {
        segment.len() <= SEGMENT_MAX
            && segment.starts_with(|first: char| first.is_ascii_alphanumeric())
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if text.split('/').all(is_segment) {
        return Ok(());
    }
    Err(IdError(format!(
        "must be segments of 1 to {SEGMENT_MAX} letters, digits and ._-, each beginning with a letter or a digit, separated by /"
    )))
}

/// An upload that has begun. `Debug` omits the URLs, which are secrets: whoever has one can write.
#[derive(Clone, PartialEq, Eq)]
pub struct Upload {
    /// Identifies it in the storage.
    pub id: String,
    /// Where to `PUT` the parts 1, 2, 3, … Parts may arrive in any order, and more than once; the last one counts.
    pub urls: Vec<String>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("id", &self.id).field("urls", &self.urls.len()).finish()
    }
}

/// Why the storage did not do it. The texts contain no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// It cannot be reached, or fails at the moment.
    #[error("the backup storage is not available: {0}")]
    Unavailable(String),
    /// It has no room.
    #[error("the backup storage is full: {0}")]
    Full(String),
    /// It does not accept the credentials, or they do not permit this.
    #[error("the backup storage denied access: {0}")]
    Denied(String),
    /// There is no such object or upload.
    #[error("not found in the backup storage: {0}")]
    NotFound(String),
    /// The request cannot succeed: for example, a part is missing.
    #[error("the backup storage cannot do this: {0}")]
    Invalid(String),
}

impl StorageError {
    /// True if the same request may succeed later without a change by anyone.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Full(_) | Self::Denied(_) | Self::NotFound(_) | Self::Invalid(_) => false,
        }
    }
}

/// Reads an object from its start to its end.
#[async_trait]
pub trait ObjectReader: Send {
    /// The next bytes, not empty; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StorageError>;
}

/// The storage of backups. No method retries; each ends within a time limit.
#[async_trait]
pub trait BackupStorage: Send + Sync + fmt::Debug {
    /// Begins an upload of at most so many parts, 1 to [`PARTS_MAX`]. The URLs are valid for that time.
    async fn begin_upload(&self, object: &ObjectKey, parts: u16, valid: Duration) -> Result<Upload, StorageError>;

    /// Makes the object of the parts that have arrived, which must be all up to the last one. Replaces an object with this name. Again
    /// for the same upload it changes nothing.
    async fn complete_upload(&self, object: &ObjectKey, upload: &str) -> Result<(), StorageError>;

    /// The total size of the parts of an open upload that have arrived, in bytes.
    async fn uploaded_bytes(&self, object: &ObjectKey, upload: &str) -> Result<u64, StorageError>;

    /// Stores a small object, or replaces it.
    async fn put(&self, object: &ObjectKey, content: Vec<u8>) -> Result<(), StorageError>;

    /// Reads an object.
    async fn read(&self, object: &ObjectKey) -> Result<Box<dyn ObjectReader>, StorageError>;

    /// A URL to `GET` the object from, also in ranges. It is a secret. The object need not exist yet.
    async fn download_url(&self, object: &ObjectKey, valid: Duration) -> Result<String, StorageError>;

    /// Removes all objects with the prefix, and all their open uploads. None is no error.
    async fn delete_prefix(&self, prefix: &ObjectPrefix) -> Result<(), StorageError>;

    /// Returns an error if objects cannot be written at the moment.
    async fn check(&self) -> Result<(), StorageError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out_of_a_directory() {
        let longest = "s".repeat(SEGMENT_MAX);
        for text in ["a", "acme/0192/7f/database.zst.age", "A-1_b.c/9", &longest] {
            assert_eq!(text.parse::<ObjectKey>().map(|key| key.to_string()), Ok(text.to_owned()));
            assert!(format!("{text}/").parse::<ObjectPrefix>().is_ok(), "{text}");
        }
        let (long, longer) = (format!("{longest}s"), ["segment"; 100].join("/"));
        for text in [
            "", "/", "a/", "/a", "a//b", ".", "..", "../a", "a/../b", "a/.b", "a/_b", "a/-b", "a\\b", "a b", "a?b",
            "a%2e", "a\0", "\u{e4}", &long, &longer,
        ] {
            assert!(text.parse::<ObjectKey>().is_err(), "{text}");
            assert!(format!("{text}/").parse::<ObjectPrefix>().is_err(), "{text}");
        }
        assert!("a".parse::<ObjectPrefix>().is_err(), "it would also match ab");
    }

    #[test]
    fn backup_has_a_prefix_of_its_own() {
        let tenant: Tenant = "acme".parse().expect("a tenant");
        let prefix = ObjectPrefix::of_backup(&tenant, StoreUid(Uuid::from_u128(1)), Uuid::from_u128(2));
        assert_eq!(prefix.as_str().parse(), Ok(prefix.clone()));
        let object = prefix.object("manifest.json").expect("a name");
        assert!(object.as_str().starts_with("acme/00000000-0000-0000-0000-000000000001/"), "{object}");
        assert!(prefix.object("../other").is_err());
    }

    #[test]
    fn only_an_outage_is_worth_a_retry() {
        let why = || "a".to_owned();
        assert!(StorageError::Unavailable(why()).is_retryable());
        for error in [
            StorageError::Full(why()),
            StorageError::Denied(why()),
            StorageError::NotFound(why()),
            StorageError::Invalid(why()),
        ] {
            assert!(!error.is_retryable(), "{error}");
        }
    }

    #[test]
    fn urls_do_not_print() {
        let upload = Upload { id: "7".into(), urls: vec!["http://h/?signature=hunter2".into()] };
        assert_eq!(format!("{upload:?}"), "Upload { id: \"7\", urls: 1 }");
    }

    mod fuzz {
        use std::path::{Component, Path};

        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::*;

        #[test]
        fn objects_stay_in_their_directory() {
            let names = prop_oneof!["[a-z0-9._/-]{1,20}", "(\\.|/|%2e|a|\\\\){1,8}", any::<String>()];
            check("object name", &names, |name| {
                let key = name.parse::<ObjectKey>();
                if key.is_ok() {
                    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
                    prop_assert!(Path::new(&name).components().all(normal), "{name:?}");
                    prop_assert_eq!(Path::new(&name).components().count(), name.split('/').count(), "{}", name);
                }
                Ok(Outcome::of(&key))
            });
        }
    }
}
