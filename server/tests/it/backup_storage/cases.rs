//! What all storage does.

use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use http::StatusCode;
use storeplane_core::backup_storage::{BackupStorage, ObjectKey, ObjectPrefix, StorageError};
use storeplane_server::backups::{VerifyError, verify};
use storeplane_server::checkpoint::hex;
use storeplane_server::secret::SecretText;

use super::fixture::{Fixture, PART};
use super::pod::{get, put};

const HOUR: Duration = Duration::from_hours(1);

fn key(text: &str) -> ObjectKey {
    text.parse().expect("a key")
}

async fn content(storage: &dyn BackupStorage, object: &ObjectKey) -> Result<Vec<u8>, StorageError> {
    let (mut reader, mut content) = (storage.read(object).await?, Vec::new());
    while let Some(chunk) = reader.next().await? {
        content.extend(chunk);
    }
    Ok(content)
}

pub(super) async fn parts_in_any_order_become_the_object(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/database.zst.age"));
    let upload = storage.begin_upload(&object, 5, HOUR).await.expect("begun");
    assert_eq!(upload.urls.len(), 5);
    let parts = [vec![1; PART], vec![2; PART], b"the end".to_vec()];
    assert_eq!(put(&upload.urls[2], parts[2].clone()).await, StatusCode::OK);
    assert_eq!(put(&upload.urls[0], vec![9; PART]).await, StatusCode::OK);
    assert_eq!(put(&upload.urls[1], parts[1].clone()).await, StatusCode::OK);
    assert_eq!(put(&upload.urls[0], parts[0].clone()).await, StatusCode::OK, "a part may be sent again");
    assert!(matches!(content(&*storage, &object).await, Err(StorageError::NotFound(_))), "it is not complete");
    storage.complete_upload(&object, &upload.id).await.expect("completed");
    storage.complete_upload(&object, &upload.id).await.expect("again changes nothing");
    let expected = parts.concat();
    assert!(content(&*storage, &object).await.expect("an object") == expected, "the object is its parts");
    assert!(put(&upload.urls[0], b"late".to_vec()).await == StatusCode::NOT_FOUND, "the upload is gone");
    assert!(content(&*storage, &object).await.expect("an object") == expected, "a late part changes nothing");

    let url = storage.download_url(&object, HOUR).await.expect("signed");
    assert!(get(&url, None).await.body == expected, "all of it");
    let cross = format!("bytes={}-{}", PART - 2, PART + 1);
    let end = format!("bytes={}-{}", 2 * PART, 3 * PART);
    for (range, expected) in [("bytes=0-0", &[1][..]), (&cross, &[1, 1, 2, 2]), (&end, b"the end")] {
        let answer = get(&url, Some(range)).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::PARTIAL_CONTENT, expected), "{range}");
        let content_range = answer.headers["content-range"].to_str().expect("a text");
        assert!(content_range.ends_with(&format!("/{}", 2 * PART + 7)), "{content_range}");
    }
    let beyond = get(&url, Some(&format!("bytes={}-", 3 * PART))).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
}

pub(super) async fn upload_continues_after_a_restart(mut fixture: Fixture) {
    let object = key("acme/1/2/database.zst.age");
    let upload = fixture.storage().begin_upload(&object, 2, HOUR).await.expect("begun");
    assert_eq!(put(&upload.urls[0], vec![1; PART]).await, StatusCode::OK);
    fixture.restart().await;
    assert_eq!(put(&upload.urls[1], b"rest".to_vec()).await, StatusCode::OK);
    let storage = fixture.storage();
    storage.complete_upload(&object, &upload.id).await.expect("completed");
    assert_eq!(content(&*storage, &object).await.expect("an object").len(), PART + 4);
}

pub(super) async fn uploaded_bytes_are_those_of_the_parts(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/database.zst.age"));
    let upload = storage.begin_upload(&object, 3, HOUR).await.expect("begun");
    let uploaded = async || storage.uploaded_bytes(&object, &upload.id).await;
    assert_eq!(uploaded().await, Ok(0));
    for (part, content, expected) in [(2, vec![1; 7], 7), (0, vec![2; PART], PART + 7), (2, vec![3; 9], PART + 9)] {
        assert_eq!(put(&upload.urls[part], content).await, StatusCode::OK);
        assert_eq!(uploaded().await, Ok(u64::try_from(expected).expect("small")), "one that is sent again counts once");
    }
    assert_eq!(put(&upload.urls[1], vec![4; PART]).await, StatusCode::OK);
    storage.complete_upload(&object, &upload.id).await.expect("completed");
    assert!(matches!(uploaded().await, Err(StorageError::NotFound(_))), "it is not open any more");
    let unknown = storage.uploaded_bytes(&object, "../../x").await;
    assert!(matches!(unknown, Err(StorageError::NotFound(_))), "{unknown:?}");
}

pub(super) async fn expired_and_forged_urls_are_refused(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/database.zst.age"));
    let late = fixture.late(HOUR);
    let minute = Duration::from_mins(1);
    storage.put(&object, b"content".to_vec()).await.expect("stored");
    let upload = storage.begin_upload(&object, 2, HOUR).await.expect("begun");
    let download = storage.download_url(&object, HOUR).await.expect("signed");
    let forged = |url: &str| {
        let last = if url.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &url[..url.len() - 1])
    };
    let other_part = |url: &str| url.replacen("/1?", "/2?", 1).replacen("partNumber=1", "partNumber=2", 1);
    assert_ne!(other_part(&upload.urls[0]), upload.urls[0]);
    for url in [&forged(&upload.urls[0]), &other_part(&upload.urls[0]), &download] {
        assert_eq!(put(url, b"x".to_vec()).await, StatusCode::FORBIDDEN, "{url}");
    }
    let expired = late.download_url(&object, minute).await.expect("signed");
    let other = download.replacen("database", "databasf", 1);
    for url in [&forged(&download), &upload.urls[0], &expired, &other] {
        assert_eq!(get(url, None).await.status, StatusCode::FORBIDDEN, "{url}");
    }
    if matches!(fixture, Fixture::Volume { .. }) {
        // S3 refuses the late server itself.
        let expired = late.begin_upload(&object, 1, minute).await.expect("begun");
        assert_eq!(put(&expired.urls[0], b"x".to_vec()).await, StatusCode::FORBIDDEN);
    }
    let completed = storage.complete_upload(&object, &upload.id).await;
    assert!(matches!(completed, Err(StorageError::Invalid(_))), "nothing was stored: {completed:?}");
    assert_eq!(get(&download, None).await.body, b"content");
}

pub(super) async fn incomplete_uploads_become_no_object(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/database.zst.age"));
    let upload = storage.begin_upload(&object, 2, HOUR).await.expect("begun");
    for rule in ["no part was uploaded", "part 1 is missing"] {
        let error = storage.complete_upload(&object, &upload.id).await.expect_err(rule);
        assert!(matches!(&error, StorageError::Invalid(text) if text.contains(rule)), "{error}");
        assert_eq!(put(&upload.urls[1], b"second".to_vec()).await, StatusCode::OK);
    }
    for id in ["unknown", "aaaaaaaaaaaaaaaaaaaa", "../../x"] {
        let error = storage.complete_upload(&object, id).await.expect_err(id);
        assert!(matches!(error, StorageError::NotFound(_)), "{id}: {error}");
    }
    let missing = storage.read(&object).await.err();
    assert!(matches!(missing, Some(StorageError::NotFound(_))), "{missing:?}");
    let url = storage.download_url(&object, HOUR).await.expect("signed");
    assert_eq!(get(&url, None).await.status, StatusCode::NOT_FOUND);
    for parts in [0, 10_001] {
        let begun = storage.begin_upload(&object, parts, HOUR).await;
        assert!(matches!(begun, Err(StorageError::Invalid(_))), "{begun:?}");
    }
}

pub(super) async fn small_objects_are_replaced(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/manifest.json"));
    storage.check().await.expect("usable");
    for text in [&b"{}"[..], b"", b"{\"a\":1}"] {
        storage.put(&object, text.to_vec()).await.expect("stored");
        assert_eq!(content(&*storage, &object).await.expect("an object"), text);
    }
    let upload = storage.begin_upload(&object, 1, HOUR).await.expect("begun");
    assert_eq!(put(&upload.urls[0], b"uploaded".to_vec()).await, StatusCode::OK);
    storage.complete_upload(&object, &upload.id).await.expect("completed");
    assert_eq!(content(&*storage, &object).await.expect("an object"), b"uploaded");
}

pub(super) async fn deletion_ends_open_uploads(fixture: Fixture) {
    let storage = fixture.storage();
    let prefix: ObjectPrefix = "acme/1/2/".parse().expect("a prefix");
    let (inside, outside) = (prefix.object("manifest.json").expect("a key"), key("acme/1/23/manifest.json"));
    for object in [&inside, &outside] {
        storage.put(object, b"{}".to_vec()).await.expect("stored");
    }
    let object = prefix.object("database.zst.age").expect("a key");
    let (ended, kept) = tokio::join!(storage.begin_upload(&object, 2, HOUR), storage.begin_upload(&outside, 1, HOUR));
    let (ended, kept) = (ended.expect("begun"), kept.expect("begun"));
    assert_eq!(put(&ended.urls[0], b"x".to_vec()).await, StatusCode::OK);
    for _ in 0..2 {
        storage.delete_prefix(&prefix).await.expect("deleted, or nothing left to delete");
    }
    let read = content(&*storage, &inside).await;
    assert!(matches!(read, Err(StorageError::NotFound(_))), "{read:?}");
    assert_eq!(put(&ended.urls[1], b"x".to_vec()).await, StatusCode::NOT_FOUND);
    let completed = storage.complete_upload(&object, &ended.id).await;
    assert!(matches!(completed, Err(StorageError::NotFound(_))), "{completed:?}");
    assert_eq!(content(&*storage, &outside).await.expect("kept"), b"{}");
    assert_eq!(put(&kept.urls[0], b"x".to_vec()).await, StatusCode::OK);
    storage.complete_upload(&outside, &kept.id).await.expect("completed");
}

pub(super) async fn stopped_storage_is_an_outage(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/manifest.json"));
    storage.put(&object, b"{}".to_vec()).await.expect("stored");
    let upload = storage.begin_upload(&object, 1, HOUR).await.expect("begun");
    fixture.stop();
    for (what, result) in [
        ("begin", storage.begin_upload(&object, 1, HOUR).await.map(drop)),
        ("complete", storage.complete_upload(&object, &upload.id).await),
        ("progress", storage.uploaded_bytes(&object, &upload.id).await.map(drop)),
        ("put", storage.put(&object, b"{}".to_vec()).await),
        ("read", storage.read(&object).await.map(drop)),
        ("delete", storage.delete_prefix(&"acme/1/2/".parse().expect("a prefix")).await),
        ("check", storage.check().await),
    ] {
        let error = result.expect_err(what);
        assert!(matches!(error, StorageError::Unavailable(_)) && error.is_retryable(), "{what}: {error}");
        assert!(!error.to_string().contains("ignature"), "{what}: {error}");
    }
}

pub(super) async fn damage_and_wrong_keys_are_found(fixture: Fixture) {
    let (storage, object) = (fixture.storage(), key("acme/1/2/uploads.zst.age"));
    let (identity, other) = (Identity::generate(), Identity::generate());
    let secret = |identity: &Identity| SecretText::new(identity.to_string().expose_secret());
    let encrypted = age::encrypt(&identity.to_public(), &vec![7; 100_000]).expect("encrypted");
    let sha256 = hex(ring::digest::digest(&ring::digest::SHA256, &encrypted).as_ref());
    let upload = storage.begin_upload(&object, 1, HOUR).await.expect("begun");
    assert_eq!(put(&upload.urls[0], encrypted.clone()).await, StatusCode::OK);
    storage.complete_upload(&object, &upload.id).await.expect("completed");

    let read = || async { storage.read(&object).await.expect("an object") };
    let found = verify(read().await, &secret(&identity)).await.expect("intact");
    assert_eq!((found.bytes, found.plaintext_bytes), (encrypted.len().try_into().expect("small"), 100_000));
    assert_eq!(found.sha256, sha256);
    assert_eq!(verify(read().await, &secret(&other)).await, Err(VerifyError::WrongKey));
    fixture.damage(&object);
    let damaged = verify(read().await, &secret(&identity)).await;
    assert!(matches!(damaged, Err(VerifyError::Damaged(_))), "{damaged:?}");
}
