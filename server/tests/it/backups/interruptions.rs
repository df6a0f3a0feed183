//! Outages of the storage, damage in it, and killed servers.

use std::time::Duration;

use storeplane_core::failure::Reason;
use storeplane_core::operation::Step;
use storeplane_proto::v1::{BackupState, OperationState, StoreState};

use super::{Stage, complete, create, events, failed, operation, until};
use crate::harness::{Account, Gate, Run, Setup};

#[tokio::test]
async fn backup_waits_for_its_storage_and_is_complete_once_that_is_back() {
    let stage = Stage::start().await;
    for step in [Step::BackUp, Step::VerifyBackup] {
        let (store, player) = stage.played(&[Run::Succeeds]).await;
        let hold = stage.hold(&store, step, "before");
        let backup = create(stage.api(), &store).await;
        hold.reached().await.unwrap();
        stage.storage.stop();
        hold.release();
        let reason = Reason::BackupStorageUnavailable;
        let waiting = format!("STEP_RETRIED {} Trying again", step.as_str());
        stage.api().until_told(&store.store_id, &waiting).await;
        let now = operation(stage.api(), &backup).await;
        assert_eq!((now.state(), now.reason.as_str()), (OperationState::Running, reason.as_str()));
        let shop = stage.api().get(&store.store_id).await.unwrap();
        assert_eq!((shop.state(), shop.reason.as_str()), (StoreState::Ready, ""), "only the operation waits");
        stage.storage.start();
        complete(stage.api(), &backup).await;
        assert_eq!(player.played().len(), 1, "the Job is not run again");
        stage.delete(&store).await;
    }
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn damaged_backup_is_never_complete() {
    let stage = Stage::start().await;
    let (store, _player) = stage.played(&[Run::Succeeds]).await;
    let mut backups = Vec::new();
    for part in ["database", "uploads"] {
        let hold = stage.hold(&store, Step::VerifyBackup, "before");
        let backup = create(stage.api(), &store).await;
        hold.reached().await.unwrap();
        stage.storage.damage(&backup.backup_id, part);
        hold.release();
        let ended = failed(stage.api(), &backup, Reason::BackupCorrupted.as_str()).await;
        assert!(ended.message.contains(&format!("Part {part} of the backup is not what was sent")), "{ended:?}");
        assert_eq!(ended.remedy, Reason::BackupCorrupted.remedy());
        backups.push(backup);
    }
    let again = create(stage.api(), &store).await;
    complete(stage.api(), &again).await;
    for backup in backups {
        stage.assert_cleaned(&store, &backup).await;
        assert_eq!(super::get(stage.api(), &backup.backup_id).await.unwrap().state(), BackupState::Failed);
    }
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}

#[tokio::test]
async fn next_server_follows_the_job_of_a_killed_one() {
    let mut stage = Stage::mortal(Setup::small()).await;
    let (store, player) = stage.played(&[Run::Held]).await;
    let backup = create(stage.api(), &store).await;
    let [first] = &player.started(1).await[..] else { panic!("one Job") };
    // Not always the first one: a busy API server may have refused an earlier Job.
    let number = attempt(&stage).await;
    stage.lab.server.kill9();
    stage.lab.server.restart().await;
    stage.api().until_told(&store.store_id, "OPERATION_RESUMED").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    player.release();
    complete(stage.api(), &backup).await;
    let jobs: Vec<_> = player.played().into_iter().map(|played| played.job).collect();
    assert_eq!(jobs, [first.job.as_str()], "the same Job");
    assert_eq!(attempt(&stage).await, number);
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}

/// The attempt is stored before its Job is created; a server that is killed between them leaves an attempt whose URLs nobody knows.
#[tokio::test]
async fn attempt_without_a_job_is_followed_by_another_one() {
    let gate = Gate::before(&Account::usual().kubeconfig).await;
    let setup = Setup { kubeconfig: gate.kubeconfig.clone(), ..Setup::small() };
    let mut stage = Stage::mortal(setup).await;
    let (store, player) = stage.played(&[Run::Succeeds]).await;
    let hold = stage.hold(&store, Step::BackUp, "before");
    let backup = create(stage.api(), &store).await;
    hold.reached().await.unwrap();
    // Its first request to the cluster creates the Job.
    gate.wire.cut();
    hold.release();
    until("the attempt is stored", async || attempt(&stage).await == "1").await;
    stage.lab.server.kill9();
    gate.wire.mend();
    stage.lab.server.restart().await;
    complete(stage.api(), &backup).await;
    let jobs: Vec<_> = player.played().into_iter().map(|played| played.job).collect();
    assert!(
        matches!(&jobs[..], [job] if job.ends_with("-2")),
        "{jobs:?} {}",
        events(stage.api(), &store.store_id).await
    );
    assert_eq!(attempt(&stage).await, "2");
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}

/// The number of the only backup's attempt.
async fn attempt(stage: &Stage) -> String {
    stage.lab.database.value("SELECT attempt->>'number' FROM backups").await
}
