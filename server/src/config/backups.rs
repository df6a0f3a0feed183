//! `[backups]`: where backups of stores are kept, and which keys encrypt them.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use storeplane_core::backup_storage::ObjectPrefix;
use storeplane_core::quota::quantity;
use url::Url;

use super::read::is_label;
use super::section::Section;
use super::{BackupSchedule, RestoreTests, RetentionPeriod};
use crate::secret::SecretText;

/// Default size of a part: a Job gets the URLs of 800 parts, so 50 GiB for each object.
const PART_SIZE: &str = "64Mi";
/// S3 accepts no smaller parts.
const PART_SIZE_MIN: i64 = 5 << 20;
/// A pod keeps one part on its disk.
const PART_SIZE_MAX: i64 = 1 << 30;
/// Longest validity of a URL, which is S3's maximum.
const URL_VALIDITY_MAX: RetentionPeriod = RetentionPeriod::days(7);

/// `[backups]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backups {
    /// Where backups are kept; default: nowhere, there are none.
    pub storage: StorageKind,
    /// The operator's keys: `AGE-SECRET-KEY-1…`, one a line. The first one encrypts, all decrypt. Required for S3; default for a volume:
    /// `key.txt` on the volume, generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Size of a part, as a Kubernetes quantity. Pods transfer backups in parts.
    pub part_size: String,
    /// How long the URLs that pods get are valid: longer than the longest transfer.
    pub url_validity: RetentionPeriod,
    /// Whether backups also make snapshots of the stores' volumes, where the cluster can.
    pub snapshots: SnapshotMode,
    /// The `VolumeSnapshotClass`; default: one of the volumes' driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_class: Option<String>,
    /// Of how many of a store's newest backups snapshots are kept.
    pub snapshots_kept: usize,
    /// How long volumes that are made from snapshots may take until the database is ready, in seconds. Afterwards the backup is imported.
    pub snapshot_timeout_seconds: u64,
    /// Scheduled backups, and how long backups are kept.
    pub schedule: BackupSchedule,
    /// Test restores.
    pub restore_tests: RestoreTests,
    /// The volume. Set if `storage` is `volume`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<BackupVolume>,
    /// The bucket. Set if `storage` is `s3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<BackupBucket>,
}

impl Backups {
    /// Size of a part, in bytes.
    pub fn part_bytes(&self) -> u64 {
        quantity::bytes(&self.part_size).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default()
    }
}

/// Whether backups make snapshots of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotMode {
    /// Where the cluster can.
    Auto,
    /// Never.
    Off,
}

/// Where backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// Nowhere.
    None,
    /// In a directory, which all servers share.
    Volume,
    /// In a bucket of an S3 server.
    S3,
}

/// `[backups.volume]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupVolume {
    /// The directory, which must exist.
    pub path: PathBuf,
    /// Address and port of the listener from which pods download, and to which they upload. Plain HTTP: each URL is signed, and backups
    /// are encrypted.
    pub listen: SocketAddr,
    /// How pods reach it: `http://HOST:PORT`.
    pub url: String,
}

/// `[backups.s3]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupBucket {
    /// The server's URL, for this server and for pods.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The bucket's name is part of the path, not of the host name.
    pub path_style: bool,
    /// Begins the names of all objects; empty, or segments that each end with `/`.
    pub prefix: String,
    /// The access key. Exactly one of it and `access_key_file` is set.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "masked")]
    pub access_key: Option<SecretText>,
    /// A file with the access key, read for each use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_file: Option<PathBuf>,
    /// The secret key. Exactly one of it and `secret_key_file` is set.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "masked")]
    pub secret_key: Option<SecretText>,
    /// A file with the secret key, read for each use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<PathBuf>,
    /// The authorities of the server's certificate, in PEM; default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn masked<S: Serializer>(secret: &Option<SecretText>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&secret.as_ref().map_or_else(String::new, SecretText::to_string))
}

pub(super) fn read(section: &mut Section) -> Backups {
    let storage = section.take("storage", StorageKind::None);
    if storage == StorageKind::S3 && !section.has("key_file") {
        section
            .fail("key_file", "is missing: backups.storage = \"s3\" needs it (storeplane-server backup-key makes one)");
    }
    let part_rule = "must be a quantity from \"5Mi\" to \"1Gi\"";
    let part_fits =
        |text: &String| quantity::bytes(text).is_some_and(|bytes| (PART_SIZE_MIN..=PART_SIZE_MAX).contains(&bytes));
    let validity = RetentionPeriod::minutes(10)..=URL_VALIDITY_MAX;
    Backups {
        storage,
        key_file: section.optional("key_file"),
        part_size: section.checked("part_size", PART_SIZE.to_owned(), part_rule, part_fits),
        url_validity: section.checked("url_validity", RetentionPeriod::HALF_DAY, "must be from 10m to 7d", |period| {
            validity.contains(period)
        }),
        snapshots: section.take("snapshots", SnapshotMode::Auto),
        snapshot_class: snapshot_class(section),
        snapshots_kept: section.checked("snapshots_kept", 1, "must be 0 to 10", |n| (0..=10).contains(n)),
        snapshot_timeout_seconds: section
            .checked("snapshot_timeout_seconds", 600, "must be 10 to 86400", |n| (10..=86400).contains(n)),
        schedule: section.section("schedule", super::backup_schedule::read),
        restore_tests: section.section("restore_tests", super::restore_tests::read),
        volume: section.section("volume", |section| volume(section, storage == StorageKind::Volume)),
        s3: section.section("s3", |section| bucket(section, storage == StorageKind::S3)),
    }
}

/// An object's name, as Kubernetes restricts it.
fn snapshot_class(section: &mut Section) -> Option<String> {
    let name: Option<String> = section.optional("snapshot_class");
    if name.as_ref().is_some_and(|name| name.len() > 253 || !name.split('.').all(is_label)) {
        section.fail("snapshot_class", "must be the name of a VolumeSnapshotClass");
    }
    name
}

/// Absent if no key is set and none is needed.
fn volume(section: &mut Section, needed: bool) -> Option<BackupVolume> {
    if !needed && section.keys().is_empty() {
        return None;
    }
    let path = required(section, "path");
    let listen = required(section, "listen");
    let url: Option<String> = required(section, "url");
    let is_base = |text: &str| {
        Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
    };
    if let Some(url) = url.as_ref().filter(|url| !is_base(url)) {
        section.fail("url", format!("must be http://HOST:PORT, as pods reach the listener (is {url})"));
    }
    Some(BackupVolume { path: path?, listen: listen?, url: url? })
}

/// The same for the bucket.
fn bucket(section: &mut Section, needed: bool) -> Option<BackupBucket> {
    if !needed && section.keys().is_empty() {
        return None;
    }
    let endpoint: Option<String> = required(section, "endpoint");
    let is_endpoint = |url: Url| {
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        matches!(url.scheme(), "http" | "https") && plain && url.password().is_none()
    };
    if endpoint.as_ref().is_some_and(|text| !Url::parse(text).is_ok_and(is_endpoint)) {
        section.fail("endpoint", "must be a URL such as https://s3.example.com, without a user, ? and #");
    }
    let bucket: Option<String> = required(section, "bucket");
    if bucket.as_ref().is_some_and(String::is_empty) {
        section.fail("bucket", "must not be empty");
    }
    for (key, file) in [("access_key", "access_key_file"), ("secret_key", "secret_key_file")] {
        if section.has(key) == section.has(file) {
            section.fail(key, format!("exactly one of {key} and {file} must be set"));
        }
    }
    let prefix_rule = "must be empty, or segments of letters, digits and ._- that each end with /";
    let prefix_fits = |text: &String| text.is_empty() || text.parse::<ObjectPrefix>().is_ok();
    Some(BackupBucket {
        region: section.take("region", "us-east-1".to_owned()),
        path_style: section.take("path_style", true),
        prefix: section.checked("prefix", String::new(), prefix_rule, prefix_fits),
        access_key: section.optional("access_key"),
        access_key_file: section.optional("access_key_file"),
        secret_key: section.optional("secret_key"),
        secret_key_file: section.optional("secret_key_file"),
        ca_file: section.optional("ca_file"),
        endpoint: endpoint?,
        bucket: bucket?,
    })
}

fn required<T: serde::de::DeserializeOwned>(section: &mut Section, key: &str) -> Option<T> {
    if !section.has(key) {
        section.fail(key, "is missing");
    }
    section.optional(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Overrides};

    const VOLUME: &str =
        "[backups.volume]\npath = '/backups'\nlisten = '127.0.0.1:8090'\nurl = 'http://backups.test:8090'\n";
    const S3: &str =
        "[backups.s3]\nendpoint = 'https://s3.test'\nbucket = 'b'\naccess_key = 'id'\nsecret_key = 'hunter2'\n";

    fn parse(file: &str) -> Result<Config, ConfigError> {
        Config::parse(file, &Overrides::default())
    }

    #[test]
    fn there_are_no_backups_by_default() {
        let backups = parse("").expect("valid").backups;
        assert_eq!((backups.storage, backups.volume, backups.s3), (StorageKind::None, None, None));
        let defaults = parse("[backups]").expect("valid").backups;
        assert_eq!((defaults.part_bytes(), defaults.url_validity.to_string()), (64 << 20, "12h".to_owned()));
    }

    #[test]
    fn settings_are_printed_without_secrets() {
        let file = format!("[backups]\nstorage = 's3'\nkey_file = 'k'\npart_size = '5Mi'\n{VOLUME}{S3}prefix = 'a/b/'");
        let config = parse(&file).expect("valid");
        let s3 = config.backups.s3.clone().expect("a bucket");
        assert_eq!((s3.region.as_str(), s3.path_style, s3.prefix.as_str()), ("us-east-1", true, "a/b/"));
        assert_eq!(s3.secret_key.as_ref().map(SecretText::expose), Some("hunter2"));
        let printed = config.print().expect("TOML");
        assert!(printed.contains("secret_key = \"***\"") && !printed.contains("hunter2"), "{printed}");
        let again = parse(&printed).expect("what is printed can be read").backups;
        assert_eq!((again.volume, again.part_size), (config.backups.volume, config.backups.part_size));
        let files = S3.replace("access_key =", "access_key_file =").replace("secret_key =", "secret_key_file =");
        let s3 = parse(&files).expect("valid").backups.s3.expect("a bucket");
        assert_eq!((s3.access_key_file, s3.secret_key), (Some("id".into()), None));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (file, key) in [
            ("[backups]\nstorage = 'tape'".to_owned(), "backups.storage"),
            ("[backups]\nstorage = 'volume'".to_owned(), "backups.volume.path: is missing"),
            ("[backups]\nstorage = 'volume'".to_owned(), "backups.volume.listen: is missing"),
            ("[backups]\nstorage = 'volume'".to_owned(), "backups.volume.url: is missing"),
            ("[backups]\nstorage = 's3'".to_owned(), "backups.s3.endpoint: is missing"),
            ("[backups]\nstorage = 's3'".to_owned(), "backups.s3.secret_key: exactly one"),
            (format!("[backups]\nstorage = 's3'\n{S3}"), "backups.key_file: is missing"),
            (VOLUME.replace("8090'", "8090/a'"), "backups.volume.url: must be"),
            (VOLUME.replace("127.0.0.1:8090", "127.0.0.1:8080"), "backups.volume.listen: must not overlap with listen"),
            (S3.replace("https:", "ftp:"), "backups.s3.endpoint: must be"),
            (S3.replace("//s3", "//u:hunter2@s3"), "backups.s3.endpoint: must be"),
            (S3.replace("'b'", "''"), "backups.s3.bucket: must not be empty"),
            (format!("{S3}secret_key_file = 'f'"), "backups.s3.secret_key: exactly one"),
            ("[backups]\nsnapshots = 'on'".to_owned(), "backups.snapshots"),
            ("[backups]\nsnapshot_class = 'a/b'".to_owned(), "backups.snapshot_class: must be the name"),
            ("[backups]\nsnapshots_kept = 11".to_owned(), "backups.snapshots_kept: must be 0 to 10"),
            ("[backups]\nsnapshot_timeout_seconds = 9".to_owned(), "backups.snapshot_timeout_seconds: must be 10"),
            (format!("{S3}prefix = 'a'"), "backups.s3.prefix: must be"),
            (format!("{S3}prefix = '../'"), "backups.s3.prefix: must be"),
            ("[backups]\npart_size = '4Mi'".to_owned(), "backups.part_size: must be"),
            ("[backups]\npart_size = '2Gi'".to_owned(), "backups.part_size: must be"),
            ("[backups]\nurl_validity = '8d'".to_owned(), "backups.url_validity: must be"),
            ("[backups]\nurl_validity = '1m'".to_owned(), "backups.url_validity: must be"),
        ] {
            let error = parse(&file).expect_err(&file).to_string();
            assert!(error.contains(key) && !error.contains("hunter2"), "{file}: {error}");
        }
    }

    #[test]
    fn environment_sets_storage_and_secrets() {
        let text = |text: &str| Some(text.to_owned());
        let over = Overrides {
            backup_storage: text("s3"),
            backup_key_file: text("k"),
            backup_s3_access_key: Some(SecretText::new("id")),
            backup_s3_secret_key: Some(SecretText::new("hunter2")),
            ..Overrides::default()
        };
        let file = "[backups.s3]\nendpoint = 'https://s3.test'\nbucket = 'b'";
        let backups = Config::parse(file, &over).expect("valid").backups;
        assert_eq!((backups.storage, backups.key_file), (StorageKind::S3, Some("k".into())));
        let s3 = backups.s3.expect("a bucket");
        assert_eq!(s3.access_key.as_ref().map(SecretText::expose), Some("id"));
        assert_eq!(s3.secret_key.as_ref().map(SecretText::expose), Some("hunter2"));
    }
}
