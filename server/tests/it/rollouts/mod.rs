//! Rollouts: waves, failure budget, rollback, pause and conflicts; in [`killed`], servers that die meanwhile.

mod killed;

use std::path::Path;
use std::time::Duration;

use prost_types::FieldMask;
use storeplane_proto::v1::{
    AbortRolloutRequest, CreateRolloutRequest, FailureBudget, GetRolloutRequest, ListRolloutStoresRequest,
    ListRolloutsRequest, OnFailure, PauseRolloutRequest, ResumeRolloutRequest, Rollout, RolloutState, RolloutStore,
    RolloutStoreState, RolloutTarget, RolloutWave, Store, StoreState, WatchRolloutRequest, rollout_wave,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::failures::copy;
use crate::harness::{Api, Lab, Setup, fields, fresh, reason};

/// Longer than any rollout here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The small chart with the plans `large`, and `picky`, which helm refuses for stores whose ids begin with `bad`.
fn charts() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/charts"), dir.path());
    let sample = dir.path().join("sample");
    std::fs::write(sample.join("plans/large.yaml"), "replicas: 2\n").unwrap();
    std::fs::write(sample.join("plans/picky.yaml"), "refused: bad\n").unwrap();
    let refusal =
        "{{ if and .Values.refused (hasPrefix .Values.refused .Values.store.id) }}{{ fail \"refused\" }}{{ end }}";
    std::fs::write(sample.join("templates/refusal.yaml"), refusal).unwrap();
    dir
}

fn setup(charts: &tempfile::TempDir) -> Setup {
    Setup { charts: charts.path().to_owned(), ..Setup::small() }
}

/// Stores with these names, oldest first, all with the label `fleet`.
async fn fleet(api: &Api, fleet: &str, names: &[&str]) -> Vec<String> {
    let ids: Vec<_> = names.iter().map(|name| fresh(name)).collect();
    for id in &ids {
        let mut request = Api::wanted(id);
        request.store.as_mut().unwrap().labels.insert("fleet".to_owned(), fleet.to_owned());
        api.create(request).await.unwrap();
    }
    // One by one: each of them has its own time limit, and a thousand take longer.
    for id in &ids {
        let (store, seen) = api.settle(id).await;
        assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    }
    ids
}

fn upto(stores: i32) -> RolloutWave {
    RolloutWave { size: Some(rollout_wave::Size::Stores(stores)), store_count: 0 }
}

fn to_plan(fleet: &str, plan: &str) -> Rollout {
    let target = RolloutTarget {
        store: Some(Store { plan: plan.to_owned(), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["plan".to_owned()] }),
        reapply: false,
    };
    Rollout {
        filter: format!("labels.fleet = {fleet}"),
        target: Some(target),
        soak: Some(prost_types::Duration::default()),
        ..Rollout::default()
    }
}

async fn create(api: &Api, rollout: Rollout) -> Result<Rollout, Status> {
    let request = CreateRolloutRequest { rollout: Some(rollout), ..CreateRolloutRequest::default() };
    api.rollouts.clone().create_rollout(request).await.map(tonic::Response::into_inner)
}

async fn get(api: &Api, id: &str) -> Rollout {
    let request = GetRolloutRequest { rollout_id: id.to_owned() };
    api.rollouts.clone().get_rollout(request).await.expect("a rollout").into_inner()
}

/// Its stores: failed ones first.
async fn members(api: &Api, id: &str) -> Vec<RolloutStore> {
    let request = ListRolloutStoresRequest { rollout_id: id.to_owned(), ..ListRolloutStoresRequest::default() };
    api.rollouts.clone().list_rollout_stores(request).await.expect("stores").into_inner().stores
}

/// Watches until the rollout is in a state, from a version on; what was received.
async fn until(api: &Api, id: &str, state: RolloutState, after_version: i64) -> (Rollout, Vec<RolloutStore>) {
    let request = WatchRolloutRequest { rollout_id: id.to_owned(), after_version };
    let mut stream = api.rollouts.clone().watch_rollout(request).await.expect("a watch").into_inner();
    let mut stores = Vec::new();
    let reading = async {
        while let Some(message) = stream.message().await.expect("a message") {
            stores.extend(message.stores);
            if let Some(rollout) = message.rollout
                && rollout.state() == state
                && rollout.counts.is_some_and(|counts| counts.running == 0)
            {
                return rollout;
            }
        }
        panic!("the watch ended before the rollout was {}: {stores:?}", state.as_str_name());
    };
    let rollout = tokio::time::timeout(PATIENCE, reading).await.expect("the state in time");
    (rollout, stores)
}

fn states(members: &[RolloutStore]) -> Vec<(RolloutStoreState, i32)> {
    members.iter().map(|member| (member.state(), member.wave)).collect()
}

async fn plans(api: &Api, ids: &[String]) -> Vec<String> {
    let mut plans = Vec::new();
    for id in ids {
        plans.push(api.get(id).await.unwrap().plan);
    }
    plans
}

#[tokio::test]
async fn stores_change_wave_after_wave_and_return_on_request() {
    let charts = charts();
    let lab = setup(&charts).start().await;
    let ids = fleet(&lab.api, "tea", &["a", "b", "c", "d"]).await;
    let outside = fleet(&lab.api, "coffee", &["e"]).await;
    lab.database.execute("UPDATE stores SET deletion_protection = true").await;

    let soak = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let wanted = Rollout { waves: vec![upto(1)], parallelism: 2, soak, ..to_plan("tea", "large") };
    let preview = CreateRolloutRequest { rollout: Some(wanted.clone()), validate_only: true, ..Default::default() };
    let preview = lab.api.rollouts.clone().create_rollout(preview).await.unwrap().into_inner();
    let sizes: Vec<_> = preview.waves.iter().map(|wave| wave.store_count).collect();
    assert_eq!((sizes, preview.counts.unwrap().total), (vec![1, 3], 4));

    let request_id = Uuid::now_v7().to_string();
    let request = CreateRolloutRequest { rollout: Some(wanted.clone()), request_id, validate_only: false };
    let created = lab.api.rollouts.clone().create_rollout(request.clone()).await.unwrap().into_inner();
    let again = lab.api.rollouts.clone().create_rollout(request).await.unwrap().into_inner();
    assert_eq!(again.rollout_id, created.rollout_id, "the same request");
    let conflict = create(&lab.api, wanted.clone()).await.unwrap_err();
    assert_eq!((conflict.code(), reason(&conflict).as_str()), (Code::FailedPrecondition, "ROLLOUT_CONFLICT"));

    let (done, seen) = until(&lab.api, &created.rollout_id, RolloutState::Completed, 0).await;
    assert_eq!((done.wave, done.counts.unwrap().succeeded, done.reason.as_str()), (2, 4, ""));
    assert_eq!(plans(&lab.api, &ids).await, ["large"; 4]);
    assert_eq!(plans(&lab.api, &outside).await, ["small"]);
    let all = members(&lab.api, &created.rollout_id).await;
    let newest_first: Vec<_> = all.iter().map(|member| (member.store_id.as_str(), member.wave)).collect();
    assert_eq!(newest_first, [(ids[3].as_str(), 1), (&ids[2], 2), (&ids[1], 2), (&ids[0], 2)]);
    // The second wave began after the first one was observed.
    let times = |member: &RolloutStore| (member.start_time.unwrap(), member.end_time.unwrap());
    let (first, second) = (times(&all[0]), times(&all[1]));
    let millis = |time: prost_types::Timestamp| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000;
    assert!(millis(second.0) >= millis(first.1) + 1000, "{first:?} {second:?}");
    let last = seen.iter().rfind(|member| member.store_id == ids[0]).unwrap();
    assert_eq!(last.state(), RolloutStoreState::Succeeded, "the watch told of each store");
    let (_, rest) = until(&lab.api, &created.rollout_id, RolloutState::Completed, done.version).await;
    assert!(rest.is_empty(), "nothing changed since: {rest:?}");

    // It has the target already. A rollout that is aborted with roll_back returns what it changed.
    let unchanged = create(&lab.api, Rollout { waves: Vec::new(), ..wanted.clone() }).await.unwrap();
    let (unchanged, _) = until(&lab.api, &unchanged.rollout_id, RolloutState::Completed, 0).await;
    assert_eq!(unchanged.counts.unwrap().skipped, 4);
    let soak = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let back = create(&lab.api, Rollout { soak, ..to_plan("tea", "small") }).await.unwrap();
    let soaking = async {
        while get(&lab.api, &back.rollout_id).await.reason != "SOAKING" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, soaking).await.unwrap();
    let abort = AbortRolloutRequest { rollout_id: back.rollout_id.clone(), roll_back: true, ..Default::default() };
    lab.api.rollouts.clone().abort_rollout(abort.clone()).await.unwrap();
    let (aborted, _) = until(&lab.api, &back.rollout_id, RolloutState::RolledBack, 0).await;
    assert_eq!((aborted.counts.unwrap().rolled_back, aborted.counts.unwrap().skipped), (1, 3));
    assert_eq!(aborted.reason, "ABORTED");
    assert_eq!(plans(&lab.api, &ids).await, ["large"; 4]);
    assert_eq!(reason(&lab.api.rollouts.clone().abort_rollout(abort).await.unwrap_err()), "ROLLOUT_ENDED");
    let listed = lab.api.rollouts.clone().list_rollouts(ListRolloutsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.rollouts.len(), 3);
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn failures_stop_a_rollout_and_undo_it_if_requested() {
    let charts = charts();
    let lab = setup(&charts).start().await;
    let ids = fleet(&lab.api, "tea", &["good", "bad", "bad", "good"]).await;
    let budget = |stores| Some(FailureBudget { stores: Some(stores), percent: None });
    let careful = Rollout {
        waves: vec![upto(1)],
        parallelism: 1,
        failure_budget: budget(0),
        on_failure: OnFailure::RollBack.into(),
        ..to_plan("tea", "picky")
    };
    let created = create(&lab.api, careful.clone()).await.unwrap();
    let (back, _) = until(&lab.api, &created.rollout_id, RolloutState::RolledBack, 0).await;
    assert_eq!(
        (back.reason.as_str(), back.message.as_str()),
        ("FAILURE_BUDGET_EXCEEDED", "1 of 4 stores failed; the failure budget is 0 stores.")
    );
    let all = members(&lab.api, &created.rollout_id).await;
    let expected = [
        (RolloutStoreState::RolledBack, 1),
        (RolloutStoreState::Failed, 2),
        (RolloutStoreState::Skipped, 2),
        (RolloutStoreState::Skipped, 2),
    ];
    assert_eq!(states(&all), expected, "{all:?}");
    assert_eq!((all[1].store_id.as_str(), all[1].reason.as_str()), (ids[2].as_str(), "CHART_REJECTED"));
    assert_eq!(plans(&lab.api, &ids).await, ["small"; 4], "the failed one undid itself");

    // Paused by the first failure; resumed, the failure no longer counts, and one more is in the budget.
    let lenient = Rollout { failure_budget: budget(1), on_failure: OnFailure::Pause.into(), ..careful };
    let lenient = Rollout { waves: vec![upto(2)], ..lenient };
    let created = create(&lab.api, lenient.clone()).await.unwrap();
    let id = &created.rollout_id;
    let (paused, _) = until(&lab.api, id, RolloutState::Paused, 0).await;
    assert_eq!(paused.message, "1 of 4 stores failed; the first wave may have none.");
    assert_eq!(paused.counts.unwrap().pending, 2, "nothing was started since");
    let stale = PauseRolloutRequest { rollout_id: id.clone(), etag: created.etag.clone() };
    assert_eq!(lab.api.rollouts.clone().pause_rollout(stale).await.unwrap_err().code(), Code::Aborted);
    let resume = ResumeRolloutRequest { rollout_id: id.clone(), etag: paused.etag };
    lab.api.rollouts.clone().resume_rollout(resume).await.unwrap();
    let (done, _) = until(&lab.api, id, RolloutState::Completed, 0).await;
    assert_eq!((done.counts.unwrap().failed, done.counts.unwrap().succeeded), (2, 2));
    assert_eq!(plans(&lab.api, &ids).await, ["picky", "small", "small", "picky"]);

    let rest = unready_store_is_skipped(&lab, &ids).await;
    let refused = |rollout| {
        let api = lab.api.clone();
        async move { create(&api, rollout).await.unwrap_err() }
    };
    assert_eq!(reason(&refused(to_plan("cocoa", "large")).await), "NO_MATCHING_STORES");
    assert_eq!(fields(&refused(to_plan("tea", "huge")).await), ["rollout.target.store.plan"]);
    let other_tenant = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    let hidden = GetRolloutRequest { rollout_id: rest };
    assert_eq!(reason(&other_tenant.rollouts.clone().get_rollout(hidden).await.unwrap_err()), "ROLLOUT_NOT_FOUND");
}

/// Deletes a store's Deployment, and waits until the store is DEGRADED.
async fn degrade(lab: &Lab, id: &str) {
    let deployments: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(lab.kubernetes.client().await, &format!("store-{id}"));
    deployments.delete("store", &kube::api::DeleteParams::default()).await.unwrap();
    let degraded = async {
        while lab.api.get(id).await.unwrap().state() != StoreState::Degraded {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, degraded).await.unwrap();
}

/// Stores that are not READY are skipped and listed. The rollout.
async fn unready_store_is_skipped(lab: &Lab, ids: &[String]) -> String {
    degrade(lab, &ids[1]).await;
    let rest = create(&lab.api, Rollout { parallelism: 4, ..to_plan("tea", "large") }).await.unwrap();
    let (done, _) = until(&lab.api, &rest.rollout_id, RolloutState::Completed, 0).await;
    assert_eq!((done.counts.unwrap().succeeded, done.counts.unwrap().skipped), (3, 1));
    let all = members(&lab.api, &rest.rollout_id).await;
    let skipped = all.iter().find(|member| member.state() == RolloutStoreState::Skipped).unwrap();
    assert_eq!((&skipped.store_id, skipped.reason.as_str()), (&ids[1], "STORE_NOT_READY"));
    rest.rollout_id
}

/// The newest store has the target already, so the next one is the canary. It becomes DEGRADED while it is observed, and returns.
#[tokio::test]
async fn broken_canary_returns_to_its_former_revision() {
    let charts = charts();
    let lab = setup(&charts).start().await;
    let ids = fleet(&lab.api, "tea", &["a", "b", "c"]).await;
    let newest = format!("store_id = {}", ids[2]);
    let first = create(&lab.api, Rollout { filter: newest, ..to_plan("tea", "large") }).await.unwrap();
    until(&lab.api, &first.rollout_id, RolloutState::Completed, 0).await;

    let soak = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let on_failure = OnFailure::RollBack.into();
    let created = create(&lab.api, Rollout { soak, on_failure, ..to_plan("tea", "large") }).await.unwrap();
    let soaking = async {
        while get(&lab.api, &created.rollout_id).await.reason != "SOAKING" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, soaking).await.unwrap();
    let canary = &ids[1];
    degrade(&lab, canary).await;
    let over = "UPDATE rollouts SET soak_until = now(), version = version + 1 WHERE soak_until IS NOT NULL";
    lab.database.execute(over).await;

    let (back, _) = until(&lab.api, &created.rollout_id, RolloutState::RolledBack, 0).await;
    assert_eq!(back.message, "1 of 3 stores failed; the first wave may have none.");
    let states: Vec<_> = members(&lab.api, &created.rollout_id).await;
    let states: Vec<_> = states.iter().map(|member| (member.store_id.as_str(), member.state(), member.wave)).collect();
    let expected = [
        (ids[2].as_str(), RolloutStoreState::Skipped, 1),
        (canary, RolloutStoreState::RolledBack, 1),
        (&ids[0], RolloutStoreState::Skipped, 3),
    ];
    assert_eq!(states, expected);
    assert_eq!(plans(&lab.api, &ids).await, ["small", "small", "large"]);
    assert_eq!(lab.api.settle(canary).await.0.state(), StoreState::Ready);
    lab.database.assert_sound().await;
}
