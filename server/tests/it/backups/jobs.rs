//! Backups that Jobs make.

use std::io::Read as _;

use age::Decryptor;
use age::x25519::Identity;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api as Objects, Patch, PatchParams};
use serde_json::{Value, json};
use storeplane_core::ids::Tenant;
use storeplane_core::operation::Step;
use storeplane_proto::v1::{OperationState, StoreState};
use storeplane_server::checkpoint::hex;

use super::{Stage, cancel, complete, create, events, failed, operation, until};
use crate::harness::{BackupStorage, PART_SIZE, Run, Setup};

/// The backup is complete, its parts are what was read from the shop, and the manifest's key decrypts them.
async fn backup_is_made_and_can_be_decrypted(storage: BackupStorage) {
    let stage = Stage::of(Setup::small(), storage).await;
    let (store, player) = stage.played(&[Run::Large]).await;
    let backup = create(stage.api(), &store).await;
    let done = complete(stage.api(), &backup).await;
    let [made] = &player.played()[..] else { panic!("one Job: {:?}", player.played().len()) };
    assert!(!done.simulated);
    assert_eq!(made.files.get("ca.crt"), stage.storage.authorities().as_ref());
    assert_eq!(done.parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["database", "uploads"]);
    assert_eq!(done.size_bytes, done.parts.iter().map(|part| part.size_bytes).sum::<i64>());

    let prefix = format!("{}/{}/{}", Tenant::default(), store.uid, backup.backup_id);
    let content = |name: &str| stage.storage.content(&format!("{prefix}/{name}")).expect("an object");
    let manifest: Value = serde_json::from_slice(&content("manifest.json")).unwrap();
    let wrapped = manifest["wrapped_key"].as_str().expect("a key");
    let identity: Identity = stage.storage.keys().open(wrapped).await.unwrap().expose().parse().unwrap();
    for (at, part) in done.parts.iter().enumerate() {
        let object = content(&format!("{}.zst.age", part.name));
        let digest = hex(ring::digest::digest(&ring::digest::SHA256, &object).as_ref());
        assert_eq!((part.size_bytes, &part.sha256), (i64::try_from(object.len()).unwrap(), &digest));
        assert_eq!(manifest["parts"][at]["sha256"], Value::String(digest), "{manifest}");
        let mut plaintext = Vec::new();
        let decryptor = Decryptor::new(&object[..]).unwrap();
        let mut reader = decryptor.decrypt(std::iter::once(&identity as _)).unwrap();
        reader.read_to_end(&mut plaintext).unwrap();
        assert!(plaintext == made.sources[&part.name], "{} is what was read", part.name);
        assert_eq!(part.source_bytes, i64::try_from(plaintext.len()).unwrap());
    }

    let text = events(stage.api(), &store.store_id).await;
    let uploaded = done.parts.iter().map(|part| format!("{} {} bytes", part.name, part.size_bytes));
    let uploaded = format!("BACKUP_UPLOADED BACK_UP Uploaded: {}", uploaded.collect::<Vec<_>>().join(", "));
    assert!(text.contains(&uploaded), "{text}");
    assert!(text.contains(&format!("complete and verified: {} bytes", done.size_bytes)), "{text}");
    let after = stage.api().get(&store.store_id).await.unwrap();
    assert_eq!((after.state(), after.state_time), (StoreState::Ready, store.state_time), "READY all the time");
    until("the Job is deleted", async || {
        stage.lab.kubernetes.cluster.jobs_of(&store.namespace).await.is_ok_and(|jobs| jobs.is_empty())
    })
    .await;
    stage.lab.database.assert_sound().await;

    super::delete(stage.api(), &backup.backup_id).await.unwrap();
    until("it is removed from the storage", async || stage.storage.files_of(&backup.backup_id).is_empty()).await;
    until("it is forgotten", async || super::get(stage.api(), &backup.backup_id).await.is_err()).await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn backup_on_a_volume_is_made_and_can_be_decrypted() {
    Box::pin(backup_is_made_and_can_be_decrypted(BackupStorage::volume())).await;
}

#[tokio::test]
async fn backup_in_a_bucket_is_made_and_can_be_decrypted() {
    Box::pin(backup_is_made_and_can_be_decrypted(BackupStorage::bucket().await)).await;
}

/// The first report is of at least a piece of the database; all others of at least a piece more.
async fn progress_is_reported_while_the_job_uploads(storage: BackupStorage) {
    let stage = Stage::of(Setup::small(), storage).await;
    let (store, player) = stage.played(&[Run::UploadsAndHolds]).await;
    let backup = create(stage.api(), &store).await;
    player.started(1).await;
    until("its progress is reported", async || {
        events(stage.api(), &store.store_id).await.contains("BACKUP_PROGRESS BACK_UP Uploaded so far: ")
    })
    .await;
    player.release();
    let done = complete(stage.api(), &backup).await;
    let details = "SELECT string_agg(details::text, ' ') FROM events WHERE kind = 'BACKUP_PROGRESS'";
    let details: Value = serde_json::from_str(&stage.lab.database.value(details).await).expect("one event");
    let size = |name: &str| details[name].as_str().and_then(|bytes| bytes.parse::<i64>().ok()).expect("a size");
    assert_eq!(details["backup_id"], Value::String(backup.backup_id));
    assert!(
        size("database_bytes") > i64::try_from(PART_SIZE).unwrap() && size("bytes") <= done.size_bytes,
        "{details}"
    );
    assert_eq!(size("bytes"), size("database_bytes") + size("uploads_bytes"));
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn progress_of_an_upload_to_a_volume_is_reported() {
    progress_is_reported_while_the_job_uploads(BackupStorage::volume()).await;
}

#[tokio::test]
async fn progress_of_an_upload_to_a_bucket_is_reported() {
    progress_is_reported_while_the_job_uploads(BackupStorage::bucket().await).await;
}

#[tokio::test]
async fn health_of_the_store_is_followed_while_its_backup_is_made() {
    let stage = Stage::start().await;
    let (store, player) = stage.played(&[Run::Held]).await;
    let backup = create(stage.api(), &store).await;
    player.started(1).await;
    let deployments = Objects::<Deployment>::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    for (replicas, state, reason) in [(0, StoreState::Degraded, "SCALED_TO_ZERO"), (1, StoreState::Ready, "")] {
        let scaled = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        deployments.patch("store", &PatchParams::default(), &scaled).await.unwrap();
        until("its state is its health", async || {
            let now = stage.api().get(&store.store_id).await.unwrap();
            (now.state(), now.reason.as_str()) == (state, reason)
        })
        .await;
        assert_eq!(operation(stage.api(), &backup).await.state(), OperationState::Running);
    }
    player.release();
    complete(stage.api(), &backup).await;
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn cancelled_backup_leaves_no_job_and_no_object() {
    let stage = Stage::start().await;
    // One whose Job runs, and one that is uploaded and not verified yet.
    let ((running, player), (uploaded, _other)) =
        tokio::join!(stage.played(&[Run::Held]), stage.played(&[Run::Succeeds]));
    let hold = stage.hold(&uploaded, Step::VerifyBackup, "before");
    let backups = [create(stage.api(), &running).await, create(stage.api(), &uploaded).await];
    player.started(1).await;
    hold.reached().await.unwrap();
    let both = || [&running, &uploaded].into_iter().zip(&backups);
    for (_, backup) in both() {
        cancel(stage.api(), backup).await;
    }
    hold.release();
    for (store, backup) in both() {
        failed(stage.api(), backup, "CANCELLED").await;
        assert_eq!(operation(stage.api(), backup).await.state(), OperationState::Cancelled);
        let now = stage.api().get(&store.store_id).await.unwrap();
        assert_eq!((now.state(), now.state_time, now.step.as_str()), (StoreState::Ready, store.state_time, ""));
        assert!(now.conditions.iter().all(|condition| condition.r#type != "BackedUp"), "{now:?}");
    }
    for (store, backup) in both() {
        stage.assert_cleaned(store, backup).await;
    }
    player.release();
    stage.lab.database.assert_sound().await;
    for store in [&running, &uploaded] {
        stage.delete(store).await;
    }
}

#[tokio::test]
async fn deletion_of_the_store_ends_its_backup() {
    let stage = Stage::start().await;
    let (store, player) = stage.played(&[Run::Held]).await;
    let backup = create(stage.api(), &store).await;
    player.started(1).await;
    stage.delete(&store).await;
    let ended = failed(stage.api(), &backup, "CANCELLED").await;
    assert_eq!(ended.message, "Superseded by the deletion of the store.");
    let (deleted, seen) = stage.api().settle(&store.store_id).await;
    assert_eq!(deleted.state(), StoreState::Deleted, "{}", seen.text());
    stage.lab.kubernetes.assert_gone(&store.store_id).await;
    until("what was uploaded is removed", async || stage.storage.files_of(&backup.backup_id).is_empty()).await;
    stage.lab.database.assert_sound().await;
}
