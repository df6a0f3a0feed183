//! What must be true of a store after a fault, whatever the fault was.

use storeplane_core::operation::OperationKind;
use storeplane_proto::v1::{Store, StoreState};

use super::fault::{Case, Fault};
use super::stage::{Stage, Subject};
use crate::harness::helms_of;

/// How an operation should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Ready,
    /// Cancelled, and nothing is left.
    Undone,
    Deleted,
}

impl Goal {
    fn of(case: &Case) -> Self {
        match (&case.fault, case.passage.kind) {
            (Fault::Deleted, _) | (_, OperationKind::Delete) => Self::Deleted,
            (Fault::Cancelled, _) => Self::Undone,
            _ if case.passage.undoing => Self::Undone,
            _ => Self::Ready,
        }
    }

    fn is_reached(self, store: &Store) -> bool {
        match self {
            Self::Ready => store.state() == StoreState::Ready,
            Self::Undone => store.state() == StoreState::Failed && store.reason == "CANCELLED",
            Self::Deleted => store.state() == StoreState::Deleted,
        }
    }

    fn leaves(self) -> bool {
        self == Self::Ready
    }
}

/// Waits for the end of the case's operation, and looks whether all is as it should be.
pub(super) async fn judge(stage: &Stage, case: &Case, subject: &mut Subject) -> Result<(), String> {
    let mut goal = Goal::of(case);
    let store = stage.settle(subject).await?;
    let half_undone = store.details.iter().any(|line| line.contains("undoing failed"));
    if !goal.is_reached(&store) || half_undone {
        let hopeless = expected_reason(&case.fault);
        let named = store.reason == hopeless || half_undone;
        if hopeless.is_empty() || store.state() != StoreState::Failed || !named {
            let text =
                format!("{} {} {} {:?}", store.state().as_str_name(), store.reason, store.message, store.details);
            return Err(format!("it should be {goal:?} and is {text}"));
        }
        // Somebody removed the cause, and asks again.
        rows(stage, subject).await?;
        goal = if case.passage.kind == OperationKind::Delete { Goal::Deleted } else { Goal::Ready };
        stage.begin(subject, OperationKind::Retry).await?;
        let store = stage.settle(subject).await?;
        if !goal.is_reached(&store) {
            return Err(format!("after a retry it is {} {}", store.state().as_str_name(), store.message));
        }
    }
    cluster(stage, subject, goal).await?;
    rows(stage, subject).await?;
    if goal.leaves() {
        // Nothing is left to be learned from it, and the cluster is shared.
        stage.lab.kubernetes.drop_namespace(&subject.namespace()).await;
    }
    Ok(())
}

/// The reason of a fault for good; empty where there is none. From the table that a unit test of the error texts keeps.
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
    let wanted = if goal.leaves() { vec![format!("{namespace} deployed")] } else { Vec::new() };
    if releases != wanted || there != goal.leaves() {
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

/// The store's rows: no operation at work, no lease, no hole among the events, one audit record for each mutation.
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
