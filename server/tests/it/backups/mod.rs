//! Backups of stores through the API, with the real storage.
//!
//! - `simulated`: a store of a simulated cluster, whose backup is its manifest. `lists`, `refusals`, `quota`: requests.
//! - `jobs`: with Jobs that a [`JobPlayer`] plays. `failures`: how they fail, and that the remedy of each reason works. `interruptions`: outages of
//!   the storage, damage, and killed servers. `restores`: RestoreStore. `copies`: CopyStore and
//!   UndeleteStore. `restore_tests`: backups that are restored for a test. `migrations`: updates to a version with another schema.
//!   `rollbacks`: returns from it. `snapshots`: of volumes. `series`: of the database server. `engines`: of another engine.

mod copies;
mod engines;
mod failures;
mod interruptions;
mod jobs;
mod lists;
mod migrations;
mod quota;
mod refusals;
mod restore_tests;
mod restores;
mod rollbacks;
mod series;
mod simulated;
mod snapshots;

use std::time::{Duration, Instant};

use storeplane_core::operation::Step;
use storeplane_proto::v1::{
    Backup, BackupState, CancelOperationRequest, CreateBackupRequest, DeleteBackupRequest, GetBackupRequest,
    GetOperationRequest, Operation, Store, WatchUntil,
};
use tonic::Status;

use crate::harness::{Api, BackupStorage, Failpoints, Hold, JobPlayer, Lab, Run, Setup, fresh};

/// Longer than a backup, or the removal of one, takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A server with a storage of backups, whose steps the test can pause.
struct Stage {
    lab: Lab,
    storage: BackupStorage,
    control: Failpoints,
}

impl Stage {
    async fn start() -> Self {
        Self::of(Setup::small(), BackupStorage::volume()).await
    }

    /// With a short lease, for a server that is killed.
    async fn mortal(setup: Setup) -> Self {
        Self::of(setup.with("STOREPLANE_LEASE_SECONDS", "3"), BackupStorage::volume()).await
    }

    async fn of(setup: Setup, storage: BackupStorage) -> Self {
        let control = Failpoints::new();
        let setup = setup.with_backups(&storage);
        let lab = setup.with("FAILPOINTS", control.failpoints()).start().await;
        Self { lab, storage, control }
    }

    fn api(&self) -> &Api {
        &self.lab.api
    }

    /// A READY store.
    async fn simulated(&self) -> Store {
        self.api().ready(&fresh("backup")).await
    }

    /// A READY store that backups take for one of a real cluster: its row says so, which nothing changes until the next operation that
    /// looks at the nodes.
    async fn store(&self) -> Store {
        let store = self.simulated().await;
        self.lab.database.execute(&format!("UPDATE stores SET simulated = false WHERE uid = '{}'", store.uid)).await;
        self.api().get(&store.store_id).await.expect("the store")
    }

    /// The same, with somebody who plays its Jobs.
    async fn played(&self, script: &[Run]) -> (Store, JobPlayer) {
        let store = self.store().await;
        let player = JobPlayer::start(&store.namespace, script).await;
        (store, player)
    }

    fn hold(&self, store: &Store, step: Step, side: &str) -> Hold {
        self.control.hold(&store.store_id, step, side)
    }

    async fn delete(&self, store: &Store) {
        self.api().delete(&store.store_id).await.expect("accepted");
    }

    /// The store's Jobs and their Secrets are gone, and nothing of the backup is stored.
    async fn assert_cleaned(&self, store: &Store, backup: &Backup) {
        let cluster = &self.lab.kubernetes.cluster;
        let name = format!("store-backup-{}", &backup.backup_id.replace('-', "")[20..]);
        until("the Job and its Secret are deleted", async || {
            let jobs = cluster.jobs_of(&store.namespace).await.expect("the Jobs");
            let secrets = [1, 2, 3].map(|run| format!("{name}-{run}"));
            let mut left = jobs.iter().any(|job| job.name.starts_with(&name));
            for secret in secrets {
                left |= cluster.read_secret(&store.namespace, &secret, "recipient").await.expect("an answer").is_some();
            }
            !left
        })
        .await;
        until("what was uploaded is removed", async || self.storage.files_of(&backup.backup_id).is_empty()).await;
    }
}

/// Waits until this is true.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "it does not become true that {what}");
        tokio::time::sleep(LOOK).await;
    }
}

fn wanted(store_id: &str) -> CreateBackupRequest {
    CreateBackupRequest { store_id: store_id.to_owned(), ..CreateBackupRequest::default() }
}

async fn request(api: &Api, request: CreateBackupRequest) -> Result<Backup, Status> {
    api.backups.clone().create_backup(request).await.map(tonic::Response::into_inner)
}

async fn create(api: &Api, store: &Store) -> Backup {
    let backup = request(api, wanted(&store.store_id)).await.expect("accepted");
    assert_eq!(backup.state(), BackupState::Creating);
    backup
}

async fn get(api: &Api, backup_id: &str) -> Result<Backup, Status> {
    let request = GetBackupRequest { backup_id: backup_id.to_owned() };
    api.backups.clone().get_backup(request).await.map(tonic::Response::into_inner)
}

async fn delete(api: &Api, backup_id: &str) -> Result<Backup, Status> {
    let request = DeleteBackupRequest { backup_id: backup_id.to_owned(), ..DeleteBackupRequest::default() };
    api.backups.clone().delete_backup(request).await.map(tonic::Response::into_inner)
}

async fn operation(api: &Api, backup: &Backup) -> Operation {
    let request = GetOperationRequest { operation_id: backup.operation_id.clone() };
    api.operations.clone().get_operation(request).await.expect("the operation").into_inner()
}

async fn cancel(api: &Api, backup: &Backup) {
    let request =
        CancelOperationRequest { operation_id: backup.operation_id.clone(), ..CancelOperationRequest::default() };
    api.operations.clone().cancel_operation(request).await.expect("accepted");
}

/// The backup once its operation has ended.
async fn ended(api: &Api, backup: &Backup) -> Backup {
    let began = Instant::now();
    loop {
        // A server that starts again does not answer.
        if let Ok(now) = get(api, &backup.backup_id).await
            && now.state() != BackupState::Creating
        {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", events(api, &backup.store_id).await);
        tokio::time::sleep(LOOK).await;
    }
}

async fn complete(api: &Api, backup: &Backup) -> Backup {
    let ended = ended(api, backup).await;
    assert_eq!(ended.state(), BackupState::Complete, "{ended:?} {}", events(api, &backup.store_id).await);
    ended
}

async fn failed(api: &Api, backup: &Backup, reason: &str) -> Backup {
    let ended = ended(api, backup).await;
    let found = (ended.state(), ended.reason.as_str());
    assert_eq!(found, (BackupState::Failed, reason), "{ended:?} {}", events(api, &backup.store_id).await);
    ended
}

/// What was reported of the store, one event per line.
async fn events(api: &Api, store_id: &str) -> String {
    api.watch(store_id, 0, WatchUntil::Settled).await.map_or_else(|status| status.to_string(), |seen| seen.text())
}
