//! A server whose helm, API server, Postgres and worker the tests control, and what they do with a store there.

use std::time::{Duration, Instant};

use prost_types::FieldMask;
use storeplane_core::operation::OperationKind;
use storeplane_proto::v1::{
    Backup, BackupState, CancelOperationRequest, CopyStoreRequest, CreateBackupRequest, DeleteStoreRequest,
    GetBackupRequest, RestoreStoreRequest, RollbackStoreRequest, Store, StoreState, UpdateStoreRequest, WatchUntil,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::charts::{self, ENGINES, NEWER, SMALL};
use super::passage::{Effect, Passage};
use crate::engines::of;
use crate::harness::{
    Account, Api, BackupStorage, Database, Failpoints, Gate, Hold, Lab, Setup, Wire, authority, env, fresh,
};

pub(super) struct Stage {
    pub(super) lab: Lab,
    pub(super) setup: Setup,
    pub(super) control: Failpoints,
    pub(super) gate: Gate,
    pub(super) wire: Option<Wire>,
    pub(super) storage: BackupStorage,
    _charts: TempDir,
    sources: [OnceCell<Backup>; ENGINES.len()],
}

/// A store, and the number of accepted changes to it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    engine: &'static str,
    pub(super) id: String,
    pub(super) uid: Uuid,
    pub(super) mutations: usize,
    /// Its backup, if one was requested.
    pub(super) backup: Option<Backup>,
}

impl Subject {
    fn new(engine: &'static str) -> Self {
        Self { engine, id: fresh("fault"), uid: Uuid::nil(), mutations: 0, backup: None }
    }

    pub(super) fn namespace(&self) -> String {
        format!("store-{}", self.id)
    }
}

/// How long helm may take until it is killed.
pub(super) const STRIKES: Duration = Duration::from_mins(1);

/// Longer than a backup takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often a preparation is repeated on a busy machine.
pub(super) const ATTEMPTS: usize = 3;

/// Helm's error for a chart that can never be installed.
const HOPELESS: &str = "schema.txt";

impl Stage {
    /// `postgres` is a URL; `wired` adds the proxy that loses responses.
    pub(super) async fn start(postgres: &str, wired: bool, launcher: Vec<String>) -> Self {
        let control = Failpoints::new();
        let gate = Gate::before(&Account::usual().kubeconfig).await;
        let storage = BackupStorage::volume();
        let wire = if wired { Some(Wire::to(authority(postgres)).await) } else { None };
        let charts = charts::folder();
        let setup = Setup {
            charts: charts.path().to_owned(),
            helm: charts::wrapper(&control, &env("STOREPLANE_TEST_HELM3")),
            kubeconfig: gate.kubeconfig.clone(),
            database_proxy: wire.as_ref().map(|wire| wire.address),
            launcher,
            ..Setup::small()
        };
        let setup = setup
            .with("STOREPLANE_CONFIG", charts::configuration(charts.path()))
            .with_backups(&storage)
            .with("FAILPOINTS", control.failpoints())
            .with("STOREPLANE_LEASE_SECONDS", "3")
            .with("STOREPLANE_HELM_TIMEOUT_SECONDS", "20")
            .with("STOREPLANE_MAX_HELM_PROCESSES", "24");
        let lab = setup.clone().start_on(Database::create_on(postgres).await).await;
        Self { lab, setup, control, gate, wire, storage, _charts: charts, sources: Default::default() }
    }

    pub(super) fn api(&self) -> &Api {
        &self.lab.api
    }

    /// A store of the small chart in the state that an operation of this kind requires.
    pub(super) async fn prepare(&self, kind: OperationKind, was_ready: bool) -> Result<Subject, String> {
        self.prepare_of(SMALL, kind, was_ready).await
    }

    /// The same of an engine.
    pub(super) async fn prepare_of(
        &self,
        engine: &'static str,
        kind: OperationKind,
        was_ready: bool,
    ) -> Result<Subject, String> {
        match kind {
            OperationKind::Create => Ok(Subject::new(engine)),
            OperationKind::Copy => {
                self.source_backup(engine).await?;
                Ok(Subject::new(engine))
            }
            OperationKind::Delete
            | OperationKind::RotateCredentials
            | OperationKind::Backup
            | OperationKind::Update => self.made(Subject::new(engine), StoreState::Ready).await,
            OperationKind::Restore => {
                let mut subject = self.made(Subject::new(engine), StoreState::Ready).await?;
                self.begin(&mut subject, OperationKind::Backup).await?;
                self.settle(&subject).await?;
                Ok(subject)
            }
            OperationKind::Rollback => {
                let mut subject = self.made(Subject::new(engine), StoreState::Ready).await?;
                self.begin(&mut subject, OperationKind::Update).await?;
                self.settle(&subject).await?;
                Ok(subject)
            }
            OperationKind::Retry if was_ready => self.made(Subject::new(engine), StoreState::Ready).await,
            OperationKind::Retry => self.failed(engine).await,
            OperationKind::Unreadable => Err("no operation is made unreadable".to_owned()),
        }
    }

    /// A store whose installation helm rejected. Repeated only if that did not happen: on a busy machine a lease may end before helm
    /// fails, or before its end is noticed, and then the next worker finds a deployed release.
    async fn failed(&self, engine: &'static str) -> Result<Subject, String> {
        let text = format!("after {}/src/helm/samples/helm3/{HOPELESS}", env!("CARGO_MANIFEST_DIR"));
        let mut attempt = 1;
        loop {
            let subject = Subject::new(engine);
            self.play_all(&subject, std::slice::from_ref(&text));
            let made = self.made(subject.clone(), StoreState::Failed).await;
            let resumed = made.as_ref().is_err_and(|problem| problem.contains("OPERATION_RESUMED"));
            let spoiled = resumed || !self.has_played(&subject);
            if made.is_ok() || !spoiled || attempt == ATTEMPTS {
                return made;
            }
            attempt += 1;
        }
    }

    async fn made(&self, mut subject: Subject, wanted: StoreState) -> Result<Subject, String> {
        self.begin(&mut subject, OperationKind::Create).await?;
        let store = self.settle(&subject).await?;
        if store.state() != wanted {
            let events = self.api().watch(&subject.id, 0, WatchUntil::Settled).await.map(|seen| seen.text());
            return Err(format!("it was to become {wanted:?} first and is {:?}: {events:?}", store.state()));
        }
        Ok(subject)
    }

    /// Prepares helm's result in its next run for this store.
    pub(super) fn play(&self, subject: &Subject, phase: &str, scenario: &str) {
        self.play_all(subject, &[format!("{phase} {scenario}")]);
    }

    /// The same for its next runs, one per line.
    pub(super) fn play_all(&self, subject: &Subject, lines: &[String]) {
        let file = self.control.path().join(format!("{}.helm", subject.namespace()));
        std::fs::write(file, lines.join("\n") + "\n").expect("a scenario");
    }

    /// True once all prepared results were used.
    pub(super) fn has_played(&self, subject: &Subject) -> bool {
        let file = self.control.path().join(format!("{}.helm", subject.namespace()));
        std::fs::read_to_string(file).is_ok_and(|left| left.is_empty())
    }

    /// Kills the store's helm, which a scenario kept running; it is dead afterwards.
    pub(super) async fn kill_acting_helm(&self, subject: &Subject) {
        let file = self.control.path().join(format!("{}.acting", subject.namespace()));
        std::fs::write(&file, "").expect("a file for the scenario");
        // The scenario removes it once helm is dead.
        let killed = async {
            while file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(STRIKES, killed).await.expect("the scenario kills helm");
    }

    /// Helm processes that worked on this store at the same time; must be empty.
    pub(super) fn overlaps(&self, subject: &Subject) -> String {
        let file = self.control.path().join(format!("{}.overlaps", subject.namespace()));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// The small chart.
    pub(super) fn chart(&self) -> String {
        self.setup.charts.join(SMALL).display().to_string()
    }

    /// Requests an operation of this kind.
    pub(super) async fn begin(&self, subject: &mut Subject, kind: OperationKind) -> Result<Store, String> {
        let store = match kind {
            OperationKind::Create => self.api().create(of(subject.engine, &subject.id)).await,
            OperationKind::Retry => self.api().retry(&subject.id).await,
            OperationKind::Delete => self.api().delete(&subject.id).await,
            OperationKind::RotateCredentials => self.api().rotate_credentials(&subject.id).await,
            OperationKind::Backup => self.back_up(subject).await,
            OperationKind::Restore => self.restore(subject).await,
            OperationKind::Copy => self.copy(subject).await,
            OperationKind::Update => self.update(subject).await,
            OperationKind::Rollback => self.roll_back(subject).await,
            OperationKind::Unreadable => return Err("no operation is made unreadable".to_owned()),
        };
        let store = store.map_err(|status| format!("{} was refused: {status}", kind.as_str()))?;
        subject.uid = store.uid.parse().map_err(|_| "a store without a uid".to_owned())?;
        subject.mutations += 1;
        Ok(store)
    }

    /// Requests a backup; returns the store.
    async fn back_up(&self, subject: &mut Subject) -> Result<Store, tonic::Status> {
        let request = CreateBackupRequest { store_id: subject.id.clone(), ..CreateBackupRequest::default() };
        subject.backup = Some(self.api().backups.clone().create_backup(request).await?.into_inner());
        self.api().get(&subject.id).await
    }

    /// Requests that the store's backup be restored.
    async fn restore(&self, subject: &Subject) -> Result<Store, tonic::Status> {
        let backup_id = subject.backup.as_ref().map(|backup| backup.backup_id.clone()).unwrap_or_default();
        let request = RestoreStoreRequest { store_id: subject.id.clone(), backup_id, ..RestoreStoreRequest::default() };
        self.api().stores.clone().restore_store(request).await.map(tonic::Response::into_inner)
    }

    /// Requests the version with another schema.
    async fn update(&self, subject: &Subject) -> Result<Store, tonic::Status> {
        let request = UpdateStoreRequest {
            store_id: subject.id.clone(),
            store: Some(Store { engine_version: NEWER.to_owned(), ..Store::default() }),
            update_mask: Some(FieldMask { paths: vec!["engine_version".to_owned()] }),
            ..UpdateStoreRequest::default()
        };
        self.api().stores.clone().update_store(request).await.map(tonic::Response::into_inner)
    }

    /// Requests the version and the schema before that.
    async fn roll_back(&self, subject: &Subject) -> Result<Store, tonic::Status> {
        let request = RollbackStoreRequest {
            store_id: subject.id.clone(),
            revision: 1,
            accept_data_loss: true,
            ..RollbackStoreRequest::default()
        };
        self.api().stores.clone().rollback_store(request).await.map(tonic::Response::into_inner)
    }

    /// Requests a copy of the store from which all copies are made.
    async fn copy(&self, subject: &Subject) -> Result<Store, tonic::Status> {
        let source = self.source_backup(subject.engine).await.map_err(tonic::Status::internal)?;
        let request = CopyStoreRequest {
            source_store_id: source.store_id.clone(),
            backup_id: source.backup_id.clone(),
            store_id: subject.id.clone(),
            ..CopyStoreRequest::default()
        };
        self.api().stores.clone().copy_store(request).await.map(tonic::Response::into_inner)
    }

    /// A complete backup of a store that nothing else uses.
    async fn source_backup(&self, engine: &'static str) -> Result<&Backup, String> {
        let refused = |status: tonic::Status| format!("the store to copy was refused: {status}");
        let making = async || {
            let mut source = Subject::new(engine);
            self.api().create(of(engine, &source.id)).await.map_err(refused)?;
            self.api().settle(&source.id).await;
            self.back_up(&mut source).await.map_err(refused)?;
            self.ended(source.backup.as_ref().ok_or("no backup was requested")?).await
        };
        let at = ENGINES.iter().position(|known| *known == engine).ok_or("an unknown engine")?;
        self.sources[at].get_or_try_init(making).await
    }

    /// Requests a forced deletion.
    pub(super) async fn force_delete(&self, subject: &mut Subject) -> Result<Store, String> {
        let request = DeleteStoreRequest { store_id: subject.id.clone(), force: true, ..DeleteStoreRequest::default() };
        let store = self.api().stores.clone().delete_store(request).await;
        let store = store.map_err(|status| format!("the forced deletion was refused: {status}"))?;
        subject.mutations += 1;
        Ok(store.into_inner())
    }

    /// Requests an operation that includes this passage.
    pub(super) async fn embark(&self, subject: &mut Subject, passage: Passage) -> Result<(), String> {
        if !passage.undoing {
            return self.begin(subject, passage.kind).await.map(drop);
        }
        let turn = self.control.hold(&subject.id, Passage::turning_point(passage.kind), "before");
        self.begin(subject, passage.kind).await?;
        self.reached(&turn, subject).await?;
        self.cancel(subject).await?;
        turn.release();
        Ok(())
    }

    /// Waits until a worker is paused there; otherwise returns the store's state.
    pub(super) async fn reached(&self, hold: &Hold, subject: &Subject) -> Result<(), String> {
        let Err(problem) = hold.reached().await else { return Ok(()) };
        let store = self.api().get(&subject.id).await.map_err(|status| format!("{problem}; {status}"))?;
        Err(format!("{problem}: {} {} {}", store.state().as_str_name(), store.reason, store.message))
    }

    pub(super) async fn cancel(&self, subject: &mut Subject) -> Result<(), String> {
        let store = self.api().get(&subject.id).await.map_err(|status| status.to_string())?;
        let request = CancelOperationRequest { operation_id: store.operation, ..CancelOperationRequest::default() };
        let cancelled = self.api().operations.clone().cancel_operation(request).await;
        cancelled.map_err(|status| format!("the cancellation was refused: {status}"))?;
        subject.mutations += 1;
        Ok(())
    }

    /// Waits until no operation is active; every event must have been received once.
    pub(super) async fn settle(&self, subject: &Subject) -> Result<Store, String> {
        if let Some(backup) = &subject.backup {
            // Its store is settled while it is made.
            self.ended(backup).await?;
        }
        let (store, seen) = self.api().settle(&subject.id).await;
        let mut received = seen.sequences();
        let last = received.last().copied().unwrap_or_default();
        if last < store.last_sequence {
            // Its health was observed since.
            let since = self.api().watch(&subject.id, last, WatchUntil::Settled).await;
            received.extend(since.map_err(|status| status.to_string())?.sequences());
        }
        let all: Vec<i64> = (1..=store.last_sequence.max(received.last().copied().unwrap_or_default())).collect();
        if received == all { Ok(store) } else { Err(format!("a watch returned {received:?} of {all:?}")) }
    }

    /// The backup once its operation has ended. A server that is away does not answer.
    pub(super) async fn ended(&self, backup: &Backup) -> Result<Backup, String> {
        let began = Instant::now();
        loop {
            let request = GetBackupRequest { backup_id: backup.backup_id.clone() };
            let now = self.api().backups.clone().get_backup(request).await.map(tonic::Response::into_inner);
            match now {
                Ok(now) if now.state() != BackupState::Creating => return Ok(now),
                now if began.elapsed() > PATIENCE => return Err(format!("the backup does not end: {now:?}")),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The requests of each step, observed once without a fault.
    pub(super) async fn survey(&self) -> Result<Vec<(Passage, Effect)>, String> {
        let surveys = Passage::all().into_iter().map(|passages| self.survey_one(passages));
        let seen: Result<Vec<_>, String> = futures::future::join_all(surveys).await.into_iter().collect();
        Ok(seen?.into_iter().flatten().collect())
    }

    async fn survey_one(&self, passages: Vec<Passage>) -> Result<Vec<(Passage, Effect)>, String> {
        let first = passages.first().copied().ok_or("an operation without steps")?;
        let mut subject = self.prepare(first.kind, first.was_ready).await?;
        let sides =
            |passage: &Passage| ["before", "after"].map(|side| self.control.hold(&subject.id, passage.step, side));
        let holds: Vec<_> = passages.iter().map(sides).collect();
        self.embark(&mut subject, first).await?;
        let mut effects = Vec::new();
        for (passage, [before, after]) in passages.iter().zip(&holds) {
            before.reached().await?;
            let _ = (self.gate.take_seen(&subject.namespace()), self.take_helms(&subject));
            before.release();
            after.reached().await?;
            let requests = self.gate.take_seen(&subject.namespace());
            effects.push((*passage, Effect { helms: self.take_helms(&subject), requests }));
            after.release();
        }
        self.settle(&subject).await?;
        Ok(effects)
    }

    /// How often helm ran for this store since the last call.
    fn take_helms(&self, subject: &Subject) -> usize {
        let file = self.control.path().join(format!("{}.ran", subject.namespace()));
        let runs = std::fs::read_to_string(&file).unwrap_or_default().lines().count();
        let _ = std::fs::remove_file(file);
        runs
    }
}
