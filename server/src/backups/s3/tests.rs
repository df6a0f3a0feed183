use storeplane_core::backup_storage::BackupStorage as _;

use super::*;
use crate::backups::tests::Fixed;
use crate::config::{Config, Overrides};

fn bucket(lines: &str) -> BackupBucket {
    let file = format!("[backups.s3]\nbucket = 'shops'\nregion = 'eu-1'\n{lines}");
    Config::parse(&file, &Overrides::default()).expect("valid").backups.s3.expect("a bucket")
}

fn s3(lines: &str) -> Result<S3, S3Error> {
    S3::new(&bucket(lines), Arc::new(Fixed::default()))
}

const KEYS: &str = "access_key = 'id'\nsecret_key = 'hunter2'\n";

#[tokio::test]
async fn urls_are_those_of_the_bucket_and_hold_no_secret() {
    let object = "a/b.zst.age".parse().expect("a key");
    for (style, expected) in
        [("true", "https://s3.test/base/shops/p/a/b.zst.age?"), ("false", "https://shops.s3.test/base/p/a/b.zst.age?")]
    {
        let s3 = s3(&format!("endpoint = 'https://s3.test/base'\nprefix = 'p/'\npath_style = {style}\n{KEYS}"));
        let url = s3.expect("usable").download_url(&object, Duration::from_mins(1)).await.expect("signed");
        assert!(url.starts_with(expected) && !url.contains("hunter2"), "{url}");
        for part in ["X-Amz-Credential=id%2F19700101%2Feu-1%2Fs3", "X-Amz-Expires=60", "X-Amz-Signature="] {
            assert!(url.contains(part), "{url}");
        }
    }
}

#[tokio::test]
async fn credentials_are_read_from_files_for_each_use() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("secret");
    let s3 = s3(&format!("endpoint = 'http://s3.test'\naccess_key = 'id'\nsecret_key_file = '{}'", file.display()));
    let (s3, object) = (s3.expect("usable"), "a".parse().expect("a key"));
    let missing = s3.download_url(&object, Duration::from_mins(1)).await.expect_err("no file");
    assert!(matches!(&missing, StorageError::Denied(text) if text.contains("backups.s3.secret_key_file")), "{missing}");
    let mut urls = Vec::new();
    for secret in ["one\n", "one", "two"] {
        std::fs::write(&file, secret).expect("written");
        urls.push(s3.download_url(&object, Duration::from_mins(1)).await.expect("signed"));
    }
    assert!(urls[0] == urls[1] && urls[1] != urls[2], "a line break is no part of the secret");
}

#[test]
fn unusable_settings_are_errors_at_start() {
    let error = s3(&format!("endpoint = 'http://127.0.0.1'\npath_style = false\n{KEYS}")).expect_err("no host name");
    assert!(error.to_string().starts_with("backups.s3.endpoint: "), "{error}");
    let error = s3(&format!("endpoint = 'http://s3.test'\nca_file = '/nowhere'\n{KEYS}")).expect_err("no file");
    assert!(error.to_string().starts_with("backups.s3.ca_file: /nowhere: "), "{error}");
}

#[test]
fn pods_get_the_authorities_and_no_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("ca.pem");
    let config = bucket(&format!("endpoint = 'https://s3.test'\nca_file = '{}'\n{KEYS}", file.display()));
    let section = |kind: &str, text: &str| format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
    let (one, two) = (section("CERTIFICATE", "b25l"), section("CERTIFICATE", "dHdv"));
    let key = section("PRIVATE KEY", "hunter2");
    std::fs::write(&file, format!("# Ours\n{one}{key}{two}").replace('\n', "\r\n")).expect("written");
    let read = authorities(&config).expect("usable");
    assert_eq!(read, Some(format!("{one}{two}")));
    std::fs::write(&file, one.repeat(CA_BYTES_MAX / one.len() + 1)).expect("written");
    let error = authorities(&config).expect_err("a Secret has no room for it").to_string();
    assert!(error.starts_with("backups.s3.ca_file: ") && error.contains("pods can get 65536"), "{error}");
    let system = bucket(&format!("endpoint = 'https://s3.test'\n{KEYS}"));
    assert_eq!(authorities(&system).expect("usable"), None);
}
