//! What must be true after the load has ended.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use storeplane_proto::v1::StoreState;

use super::load::Answers;
use super::watchers::Seen;
use crate::harness::{Database, Kubernetes, helms_of};

/// How long the remaining operations may take.
const SETTLES: Duration = Duration::from_mins(3);

/// A store's row, and how its operation ended.
struct Row {
    uid: String,
    state: String,
    namespace: String,
    reason: String,
}

/// Waits until no operation is active.
pub(super) async fn settled(database: &Database) {
    let began = Instant::now();
    while database.value("SELECT count(*) FROM operations WHERE state IN ('PENDING', 'RUNNING')").await != "0" {
        assert!(began.elapsed() < SETTLES, "operations are still at work");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// All differences between what clients were told, the rows and the cluster.
pub(super) async fn audit(
    database: &Database,
    kubernetes: &Kubernetes,
    answers: &[Answers],
    seen: &Seen,
) -> Vec<String> {
    let mut problems: Vec<String> = answers.iter().flat_map(|one| one.nonsense.clone()).collect();
    problems.extend(seen.broken.iter().map(|text| format!("a watch ended: {text}")));
    if (seen.lost, seen.doubled, seen.disordered) != (0, 0, 0) {
        problems.push(seen.summary());
    }
    let rows = rows(database).await;
    promises(database, answers, &rows, &mut problems).await;
    cluster(kubernetes, &rows, &mut problems).await;
    if problems.is_empty() {
        database.assert_sound().await;
    }
    problems
}

async fn list(database: &Database, sql: &str) -> Vec<String> {
    let all = database.value(&format!("SELECT coalesce(string_agg(x, ','), '') FROM ({sql}) t(x)")).await;
    all.split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

async fn rows(database: &Database) -> Vec<Row> {
    let lines =
        list(database, "SELECT concat_ws(' ', uid, state, namespace, coalesce(failure ->> 'reason', '-')) FROM stores")
            .await;
    let row = |line: &String| {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().expect("a word");
        Row { uid: next(), state: next(), namespace: next(), reason: next() }
    };
    lines.iter().map(row).collect()
}

/// What clients were told is true.
async fn promises(database: &Database, answers: &[Answers], rows: &[Row], problems: &mut Vec<String>) {
    let state = |uid: &str| rows.iter().find(|row| row.uid == uid).map(|row| row.state.as_str());
    for store in answers.iter().flat_map(|one| &one.created) {
        if state(&store.uid).is_none() {
            problems.push(format!("store {} was confirmed but does not exist", store.uid));
        }
    }
    for uid in answers.iter().flat_map(|one| &one.deleted) {
        if !matches!(state(uid), Some("DELETED" | "FAILED")) {
            problems.push(format!("store {uid} was to be deleted and is {:?}", state(uid)));
        }
    }
    let operations: HashSet<_> = list(database, "SELECT id::text FROM operations").await.into_iter().collect();
    for id in answers.iter().flat_map(|one| &one.begun).filter(|id| !operations.contains(*id)) {
        problems.push(format!("operation {id} was confirmed but does not exist"));
    }
    let cancelled = "SELECT id::text FROM operations WHERE state = 'CANCELLED'";
    let cancelled: HashSet<_> = list(database, cancelled).await.into_iter().collect();
    for id in answers.iter().flat_map(|one| &one.cancelled).filter(|id| !cancelled.contains(*id)) {
        problems.push(format!("operation {id} was to be cancelled and was not"));
    }
    for row in rows {
        let expected = match row.state.as_str() {
            "FAILED" => row.reason == "CANCELLED",
            state => [StoreState::Ready, StoreState::Deleted].iter().any(|good| good.as_str_name().ends_with(state)),
        };
        if !expected {
            problems.push(format!("store {} ended {} because of {}", row.uid, row.state, row.reason));
        }
    }
}

/// The cluster matches the rows, without extra objects.
async fn cluster(kubernetes: &Kubernetes, rows: &[Row], problems: &mut Vec<String>) {
    let releases = kubernetes.cluster.all_releases().await.expect("the releases");
    let there: HashSet<_> = kubernetes
        .cluster
        .all_namespaces()
        .await
        .expect("the namespaces")
        .into_iter()
        .map(|found| found.name)
        .collect();
    for row in rows {
        let found: Vec<_> = releases.iter().filter(|release| release.namespace == row.namespace).collect();
        let found: Vec<_> = found.iter().map(|release| release.observation.status.as_str()).collect();
        let wanted: &[&str] = if row.state == "READY" { &["deployed"] } else { &[] };
        if found != wanted || there.contains(&row.namespace) == wanted.is_empty() {
            problems.push(format!("{} is {} and has releases {found:?}", row.namespace, row.state));
        }
        let helms = helms_of(&row.namespace);
        if !helms.is_empty() {
            problems.push(format!("helms are left in {}: {helms:?}", row.namespace));
        }
    }
    for name in there.iter().filter(|name| !rows.iter().any(|row| row.namespace == **name)) {
        problems.push(format!("namespace {name} belongs to no store"));
    }
}
