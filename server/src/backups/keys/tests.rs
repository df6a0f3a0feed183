use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use storeplane_core::backup_storage::BackupStorage as _;

use super::*;
use crate::backups::tests::Fixed;
use crate::backups::volume::generated_key_file;
use crate::config::BackupVolume;

fn keys_of(text: &str) -> (tempfile::TempDir, OperatorKeys) {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("key");
    std::fs::write(&file, text).expect("written");
    (folder, OperatorKeys::new(&file))
}

fn operator() -> String {
    new_operator_key().expose().to_owned()
}

#[tokio::test]
async fn rotation_needs_no_restart() {
    let (old, new) = (operator(), operator());
    let (_folder, keys) = keys_of(&old);
    let (one, two) = (keys.make().await.expect("made"), keys.make().await.expect("made"));
    assert!(one.recipient.starts_with("age1") && one.recipient != two.recipient, "{}", one.recipient);
    assert!(one.wrapped.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{}", one.wrapped);
    assert_eq!(keys.open(&one.wrapped).await.expect("opened"), one.identity);
    std::fs::write(&keys.file, format!("{new}{old}")).expect("written");
    let three = keys.make().await.expect("made");
    assert_eq!(keys.open(&one.wrapped).await.expect("opened"), one.identity);
    std::fs::write(&keys.file, new).expect("written");
    assert_eq!(keys.open(&three.wrapped).await.expect("the first key encrypts"), three.identity);
    assert!(matches!(keys.open(&one.wrapped).await, Err(KeyError::NoMatch { .. })));
}

#[tokio::test]
async fn errors_name_the_line_and_no_key() {
    let good = operator();
    for (text, problem) in [
        (String::new(), "contains no"),
        ("# only a comment\n\n".to_owned(), "contains no"),
        (format!("{good}AGE-SECRET-KEY-1HUNTER2\n"), "line 4"),
        ("age1hunter2".to_owned(), "line 1"),
    ] {
        let (_folder, keys) = keys_of(&text);
        let error = keys.make().await.expect_err(problem).to_string();
        assert!(error.contains(problem) && !error.to_lowercase().contains("hunter2"), "{error}");
    }
    let (folder, keys) = keys_of(&good);
    let made = keys.make().await.expect("made");
    let cut = made.wrapped.replace("-----END", "-----EN");
    for wrapped in ["", "hunter2", &cut] {
        assert!(matches!(keys.open(wrapped).await, Err(KeyError::Damaged(_))), "{wrapped}");
    }
    folder.close().expect("removed");
    assert!(matches!(keys.make().await, Err(KeyError::File { .. })));
}

#[tokio::test]
async fn key_of_a_volume_is_generated_once_and_never_replaced() {
    let root = tempfile::tempdir().expect("a directory");
    let config = BackupVolume {
        path: root.path().to_owned(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        url: "http://127.0.0.1:1".to_owned(),
    };
    let fixed = Arc::new(Fixed::default());
    let volume = Volume::new(&config, 1, Arc::clone(&fixed) as _, fixed);
    let file = generated_key_file(&config);
    let keys = OperatorKeys::generated(&file, volume.clone());
    let (one, two) = tokio::join!(keys.make(), keys.make());
    let one = one.expect("made");
    assert_eq!(keys.open(&one.wrapped).await.expect("opened"), one.identity);
    assert!(keys.open(&two.expect("made").wrapped).await.is_ok(), "both used the same key");
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    volume.put(&"a".parse().expect("a key"), b"x".to_vec()).await.expect("stored");
    std::fs::remove_file(&file).expect("removed");
    assert!(matches!(keys.make().await, Err(KeyError::Lost { .. })));
    root.close().expect("removed");
    assert!(matches!(keys.make().await, Err(KeyError::Storage(StorageError::Unavailable(_)))));
}
