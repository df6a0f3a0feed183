//! What must be true of a store after a fault, whatever the fault was.

use std::time::{Duration, Instant};

use storeplane_core::operation::OperationKind;
use storeplane_proto::v1::{BackupState, Store, StoreState};

use super::fault::{Case, Fault};
use super::stage::{Stage, Subject};
use crate::harness::helms_of;

/// How long what is left of a backup may be stored, on a busy machine.
const REMOVED: Duration = Duration::from_mins(1);

/// The expected outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Ready,
    /// Cancelled, and nothing was removed from a shop that was READY once.
    LeftAsItIs,
    /// Cancelled, and nothing remains.
    Undone,
    Deleted,
}

impl Goal {
    fn of(case: &Case) -> Self {
        match (&case.fault, case.passage.kind) {
            (Fault::Deleted, _) | (_, OperationKind::Delete) => Self::Deleted,
            // Helm is not stopped half-way.
            (Fault::Cancelled, OperationKind::Retry) if case.passage.was_ready => Self::Ready,
            (Fault::Cancelled, _) if case.passage.was_ready => Self::LeftAsItIs,
            _ if case.passage.undoing && case.passage.was_ready => Self::LeftAsItIs,
            (Fault::Cancelled, _) => Self::Undone,
            _ if case.passage.undoing => Self::Undone,
            _ => Self::Ready,
        }
    }

    fn is_reached(self, store: &Store) -> bool {
        match self {
            Self::Ready => store.state() == StoreState::Ready,
            Self::LeftAsItIs => matches!(store.state(), StoreState::Ready | StoreState::Degraded),
            Self::Undone => store.state() == StoreState::Failed && store.reason == "CANCELLED",
            Self::Deleted => store.state() == StoreState::Deleted,
        }
    }

    fn leaves(self) -> bool {
        matches!(self, Self::Ready | Self::LeftAsItIs)
    }
}

/// Waits for the end of the case's operation, and checks the result.
pub(super) async fn judge(stage: &Stage, case: &Case, subject: &mut Subject) -> Result<(), String> {
    let mut goal = Goal::of(case);
    let store = stage.settle(subject).await?;
    let half_undone = store.details.iter().any(|line| line.contains("the rollback failed"));
    if !goal.is_reached(&store) || half_undone {
        let hopeless = expected_reason(&case.fault);
        let named = store.reason == hopeless || half_undone;
        let live = case.passage.was_ready && case.passage.kind != OperationKind::Delete;
        // A failed retry of a live shop is the operation's failure, not the shop's.
        let expected = if live {
            matches!(store.state(), StoreState::Ready | StoreState::Degraded)
        } else {
            store.state() == StoreState::Failed && named
        };
        if hopeless.is_empty() || !expected {
            let text =
                format!("{} {} {} {:?}", store.state().as_str_name(), store.reason, store.message, store.details);
            return Err(format!("it should be {goal:?} and is {text}"));
        }
        // The cause is removed, followed by a retry.
        rows(stage, subject).await?;
        goal = if case.passage.kind == OperationKind::Delete { Goal::Deleted } else { Goal::Ready };
        stage.begin(subject, OperationKind::Retry).await?;
        let store = stage.settle(subject).await?;
        if !goal.is_reached(&store) {
            return Err(format!("after a retry it is {} {}", store.state().as_str_name(), store.message));
        }
    }
    if subject.backup.is_some() {
        backup(stage, subject, goal).await?;
    }
    cluster(stage, subject, goal).await?;
    rows(stage, subject).await?;
    way_out(stage, case, subject).await
}

/// Whatever the fault left behind, an API call leads out of it.
async fn way_out(stage: &Stage, case: &Case, subject: &mut Subject) -> Result<(), String> {
    stage.gate.clear(&subject.namespace());
    let store = stage.api().get(&subject.id).await.map_err(|status| status.to_string())?;
    let turn = case.to_string().bytes().map(usize::from).sum::<usize>();
    // A retry must not start a shop whose data is not that of its version: a restore or a deletion leads out.
    let may_lack_data = match case.passage.kind {
        OperationKind::Update => case.passage.undoing,
        kind => kind == OperationKind::Rollback,
    };
    let retries = turn % 2 == 0 && !may_lack_data;
    match store.state() {
        StoreState::Deleted => return Ok(()),
        StoreState::Failed | StoreState::Degraded if retries => {
            stage.begin(subject, OperationKind::Retry).await?;
            let store = stage.settle(subject).await?;
            if store.state() != StoreState::Ready {
                let text = format!("{} {} {}", store.state().as_str_name(), store.reason, store.message);
                return Err(format!("a retry did not lead out: {text}"));
            }
            // The next branch covers the rest, and the cluster is shared.
            stage.lab.kubernetes.drop_namespace(&subject.namespace()).await;
            return Ok(());
        }
        _ if turn % 4 == 1 => stage.force_delete(subject).await?,
        _ => stage.begin(subject, OperationKind::Delete).await?,
    };
    let store = stage.settle(subject).await?;
    if store.state() != StoreState::Deleted {
        let text = format!("{} {} {}", store.state().as_str_name(), store.reason, store.message);
        return Err(format!("a deletion did not lead out: {text}"));
    }
    cluster(stage, subject, Goal::Deleted).await?;
    rows(stage, subject).await
}

/// The store's backup is complete, or it was cancelled and nothing of it is stored.
async fn backup(stage: &Stage, subject: &Subject, goal: Goal) -> Result<(), String> {
    let Some(backup) = &subject.backup else { return Err("no backup was requested".into()) };
    let ended = stage.ended(backup).await?;
    let stored = || stage.storage.files_of(&backup.backup_id);
    match (goal, ended.state(), ended.reason.as_str()) {
        (_, BackupState::Complete, "") if goal != Goal::Undone => match stored() {
            files if files.iter().any(|file| file.ends_with("manifest.json")) => Ok(()),
            files => Err(format!("a complete backup of {files:?}")),
        },
        (Goal::LeftAsItIs | Goal::Deleted, BackupState::Failed, "CANCELLED") => {
            let began = Instant::now();
            while !stored().is_empty() {
                if began.elapsed() > REMOVED {
                    return Err(format!("of the cancelled backup {:?} is left", stored()));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        }
        (_, found, reason) => Err(format!("its backup is {} {reason}: {}", found.as_str_name(), ended.message)),
    }
}

/// The reason of a permanent fault; empty if there is none. From the table of the error texts' unit test.
fn expected_reason(fault: &Fault) -> String {
    let Fault::HelmSays(file) = fault else { return String::new() };
    let helm = file.parent().and_then(|folder| folder.file_name()).unwrap_or_default().display();
    let line = format!("{} of {helm}: ", file.file_stem().unwrap_or_default().display());
    let table = include_str!(
        "../../../src/helm/snapshots/storeplane_server__helm__known__tests__every_sample_is_known_and_reads_well.snap"
    );
    let found = table.lines().find_map(|known| known.strip_prefix(&line));
    found.and_then(|rest| rest.rsplit(", ").next()).expect("each sample has a reason").to_owned()
}

async fn cluster(stage: &Stage, subject: &Subject, goal: Goal) -> Result<(), String> {
    let namespace = subject.namespace();
    let (releases, there) =
        tokio::join!(stage.lab.kubernetes.releases(&namespace), stage.lab.kubernetes.has_namespace(&namespace));
    let as_wanted = match goal {
        Goal::Ready => releases == [format!("{namespace} deployed")],
        // An interrupted upgrade may be pending; nothing is removed.
        Goal::LeftAsItIs => releases.len() == 1,
        Goal::Undone | Goal::Deleted => releases.is_empty(),
    };
    if !as_wanted || there != goal.leaves() {
        return Err(format!("releases {releases:?}, namespace {there} though it is {goal:?}"));
    }
    let overlaps = stage.overlaps(subject);
    if !overlaps.is_empty() {
        return Err(format!("helms worked on it at the same time: {overlaps}"));
    }
    match helms_of(&namespace) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("helms are left: {left:?}")),
    }
}

/// The store's rows: no active operation, no lease, no gap among the events, one audit record for each mutation.
async fn rows(stage: &Stage, subject: &Subject) -> Result<(), String> {
    let uid = subject.uid;
    let value = async |sql: String| stage.lab.database.value(&sql).await;
    let at_work = value(format!(
        "SELECT count(*) FROM operations WHERE store = '{uid}' AND
         (state IN ('PENDING', 'RUNNING') OR lease_owner IS NOT NULL OR ended_at IS NULL)"
    ));
    let holes = value(format!(
        "SELECT count(*) FROM (SELECT sequence, row_number() OVER (ORDER BY sequence) AS n FROM events
         WHERE store = '{uid}') e WHERE sequence <> n"
    ));
    let records = value(format!(
        "SELECT count(*) FROM audit_events WHERE store = '{uid}' AND outcome = 'ACCEPTED' AND actor <> 'worker'"
    ));
    let (at_work, holes, records) = tokio::join!(at_work, holes, records);
    if (at_work.as_str(), holes.as_str()) != ("0", "0") || records != subject.mutations.to_string() {
        return Err(format!("{at_work} half-done rows, {holes} holes, {records} records of {}", subject.mutations));
    }
    Ok(())
}
