//! How Jobs fail: the reason, and whether another run is tried. Then its remedy is followed, and the next backup is complete.

use storeplane_core::failure::Reason;
use storeplane_core::operation::Step;
use storeplane_proto::v1::{Backup, OperationState, StoreState};

use super::{Stage, complete, create, events, failed, operation, until};
use crate::harness::{Run, Setup};

/// A number of Jobs that is more than an operation may start.
const ALWAYS: usize = 9;

struct Failing {
    /// How often a Job runs so, unless the server stops trying before.
    times: usize,
    run: Run,
    reason: Option<Reason>,
    /// How many Jobs there are in the end.
    jobs: usize,
    message: &'static str,
}

const fn case(times: usize, run: Run, reason: Option<Reason>, jobs: usize, message: &'static str) -> Failing {
    Failing { times, run, reason, jobs, message }
}

/// What a Job may do, and what follows. Without a reason, the backup is complete in the end.
const CASES: [Failing; 11] = [
    case(
        ALWAYS,
        Run::Exits("database", 10, "dump: done\nupload: connection refused"),
        Some(Reason::BackupStorageUnavailable),
        3,
        "The storage of backups does not answer the pods of the store.",
    ),
    case(
        ALWAYS,
        Run::Exits("uploads", 11, "403"),
        Some(Reason::BackupStorageDenied),
        3,
        "The storage of backups refuses a signed request of a pod",
    ),
    case(
        ALWAYS,
        Run::Exits("database", 12, "507"),
        Some(Reason::BackupStorageFull),
        1,
        "The storage of backups has no space left.",
    ),
    case(2, Run::Exits("database", 13, "410"), None, 3, "or no longer has its upload."),
    case(
        ALWAYS,
        Run::Exits("database", 20, "no database"),
        Some(Reason::BackupSourceUnreadable),
        3,
        "The backup's Job (database) failed: no database",
    ),
    case(
        ALWAYS,
        Run::Exits("uploads", 22, "too large"),
        Some(Reason::BackupSourceUnreadable),
        1,
        "The backup's Job (uploads) failed: too large",
    ),
    case(
        ALWAYS,
        Run::OutOfMemory,
        Some(Reason::BackupJobFailed),
        3,
        "The backup's Job (database) exceeded its memory limit",
    ),
    case(1, Run::Evicted, None, 2, "The backup's Job was evicted from its node: The node was low on resource: memory."),
    case(ALWAYS, Run::Silent, Some(Reason::BackupJobFailed), 3, "left no termination message"),
    case(ALWAYS, Run::WrongChecksum, Some(Reason::BackupCorrupted), 1, "its checksum differs"),
    case(ALWAYS, Run::PieceMissing, Some(Reason::BackupCorrupted), 1, "The storage cannot complete what was uploaded."),
];

async fn play(stage: &Stage, case: &Failing) {
    let runs = if case.times == ALWAYS { case.jobs } else { case.times };
    let mut script = vec![case.run; runs];
    script.push(Run::Succeeds);
    let (store, player) = stage.played(&script).await;
    let backup = create(stage.api(), &store).await;
    match case.reason {
        None => drop(complete(stage.api(), &backup).await),
        Some(reason) => {
            let ended = failed(stage.api(), &backup, reason.as_str()).await;
            assert_eq!(ended.remedy, reason.remedy());
            assert!(ended.message.contains(case.message), "{ended:?}");
            assert_eq!(operation(stage.api(), &backup).await.state(), OperationState::Failed);
            stage.assert_cleaned(&store, &backup).await;
        }
    }
    let text = events(stage.api(), &store.store_id).await;
    assert!(text.contains(case.message), "{text}");
    let jobs: Vec<_> = player.played().into_iter().map(|played| played.job).collect();
    assert_eq!(jobs.len(), case.jobs, "{:?}: {jobs:?} {text}", case.run);
    let recipients: std::collections::HashSet<_> =
        player.played().into_iter().map(|played| played.files["recipient"].clone()).collect();
    assert_eq!(recipients.len(), jobs.len(), "each run has a key of its own");
    if case.reason.is_some() {
        // The remedy: its cause is gone, and the backup is created again.
        let again = create(stage.api(), &store).await;
        complete(stage.api(), &again).await;
    }
    assert_eq!(stage.api().get(&store.store_id).await.unwrap().state(), StoreState::Ready);
    stage.delete(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_of_a_job_has_its_reason_and_is_cured_by_its_remedy() {
    let stage = Stage::start().await;
    futures::future::join_all(CASES.iter().map(|case| play(&stage, case))).await;
    stage.lab.database.assert_sound().await;
}

/// Creates a backup that is cured and created again, with the same store.
async fn fails_until_cured(stage: &Stage, backup: Backup, reason: Reason, cure: impl AsyncFnOnce()) {
    let ended = failed(stage.api(), &backup, reason.as_str()).await;
    assert_eq!(ended.remedy, reason.remedy());
    cure().await;
    let store = stage.api().get(&backup.store_id).await.unwrap();
    let again = create(stage.api(), &store).await;
    complete(stage.api(), &again).await;
}

#[tokio::test]
async fn key_that_is_missing_is_cured_by_adding_it() {
    let stage = Stage::start().await;
    let (store, _player) = stage.played(&[Run::Succeeds]).await;
    let file = stage.storage.key_file();
    let key = std::fs::read_to_string(&file).unwrap();
    // Of another operator, and none at all.
    let hold = stage.hold(&store, Step::VerifyBackup, "before");
    let backup = create(stage.api(), &store).await;
    hold.reached().await.unwrap();
    std::fs::write(&file, storeplane_server::backups::keys::new_operator_key().expose()).unwrap();
    hold.release();
    let cure = async || std::fs::write(&file, &key).unwrap();
    fails_until_cured(&stage, backup, Reason::BackupKeyMissing, cure).await;
    std::fs::write(&file, "# none\n").unwrap();
    let backup = create(stage.api(), &store).await;
    fails_until_cured(&stage, backup, Reason::BackupKeyMissing, cure).await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn storage_that_is_not_configured_is_cured_by_configuring_it() {
    let mut stage = Stage::mortal(Setup::small()).await;
    let (store, _player) = stage.played(&[Run::Succeeds]).await;
    let hold = stage.hold(&store, Step::BackUp, "before");
    let backup = create(stage.api(), &store).await;
    hold.reached().await.unwrap();
    stage.lab.server.kill9();
    stage.lab.server.set("STOREPLANE_BACKUP_STORAGE", "none");
    hold.release();
    stage.lab.server.restart().await;
    failed(stage.api(), &backup, "BACKUP_STORAGE_DENIED").await;
    stage.lab.server.terminate().await;
    stage.lab.server.set("STOREPLANE_BACKUP_STORAGE", "volume");
    stage.lab.server.restart().await;
    fails_until_cured(&stage, backup, Reason::BackupStorageDenied, async || {}).await;
    until("nothing of the first one is left", async || {
        stage.lab.database.value("SELECT count(*) FROM backups WHERE state = 'FAILED' AND attempt IS NOT NULL").await
            == "0"
    })
    .await;
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}
