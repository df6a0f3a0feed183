//! Deletions in any state.

use std::time::{Duration, Instant};

use storeplane_core::operation::Step;
use storeplane_proto::v1::{StoreState, WatchUntil};
use tonic::Code;

use crate::harness::{Api, Failpoints, Lab, Server, Setup, fresh, signal};

#[tokio::test]
async fn deleted_store_leaves_only_its_history() {
    let lab = Lab::start().await;
    let id = fresh("gone");
    lab.api.ready(&id).await;

    let answer = lab.api.delete(&id).await.unwrap();
    assert_eq!(answer.state(), StoreState::Deleting);
    let seen = lab.api.watch(&id, 0, WatchUntil::Deleted).await.unwrap();

    assert!(seen.end.is_none(), "{:?}", seen.end);
    lab.kubernetes.assert_gone(&id).await;
    let row = lab.api.get(&id).await.unwrap();
    assert_eq!((row.state(), row.delete_time.is_some()), (StoreState::Deleted, true));
    let again = lab.api.delete(&id).await.unwrap();
    assert_eq!((again.state(), again.operation), (StoreState::Deleted, row.operation));
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn deleting_unknown_store_is_not_found() {
    let lab = Lab::start().await;
    assert_eq!(lab.api.delete("never-was").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(lab.api.get("never-was").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(lab.api.retry("never-was").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(lab.api.watch("never-was", 0, WatchUntil::Never).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn delete_during_creation_wins_at_every_step() {
    let lab = Lab::start().await;
    for moment in ["STATE_CHANGED", "STEP_STARTED NAMESPACE", "STEP_STARTED INSTALL", "STEP_STARTED ROLLOUT"] {
        let id = fresh("mid");
        lab.api.create(Api::wanted(&id)).await.unwrap();
        lab.api.until_told(&id, moment).await;

        lab.api.delete(&id).await.unwrap();

        let seen = lab.api.watch(&id, 0, WatchUntil::Deleted).await.unwrap();
        assert_eq!(lab.api.get(&id).await.unwrap().state(), StoreState::Deleted, "{}", seen.text());
        lab.kubernetes.assert_gone(&id).await;
        lab.database.assert_sound().await;
    }
}

#[tokio::test]
async fn id_is_reusable_after_deletion() {
    let lab = Lab::start().await;
    let id = fresh("reuse");
    let first = lab.api.ready(&id).await;
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.create(Api::wanted(&id)).await.unwrap_err().code(), Code::AlreadyExists, "while it is going");
    lab.api.settle(&id).await;

    let second = lab.api.ready(&id).await;

    assert_ne!(first.uid, second.uid);
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn foreign_namespace_is_neither_adopted_nor_changed() {
    let lab = Lab::start().await;
    let id = fresh("theirs");
    let namespace = format!("store-{id}");
    lab.kubernetes.foreign_namespace(&namespace).await;
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "NOT_OURS"), "{}", seen.text());

    lab.api.delete(&id).await.unwrap();

    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    assert!(lab.kubernetes.has_namespace(&namespace).await, "it was deleted, and it was not ours");
    lab.kubernetes.drop_namespace(&namespace).await;
}

#[tokio::test]
async fn delete_takes_precedence_over_queued_creations() {
    let control = Failpoints::new();
    let setup = Setup::small().with("FAILPOINTS", control.failpoints()).with("STOREPLANE_MAX_OPERATIONS", "1");
    let lab = setup.start().await;
    let (going, busy, queued) = (fresh("going"), fresh("busy"), [fresh("queued"), fresh("queued")]);
    lab.api.ready(&going).await;
    // The server's only slot is occupied.
    let hold = control.hold(&busy, Step::Namespace, "before");
    lab.api.create(Api::wanted(&busy)).await.unwrap();
    hold.reached().await.unwrap();
    for id in &queued {
        lab.api.create(Api::wanted(id)).await.unwrap();
    }
    lab.api.delete(&going).await.unwrap();

    hold.release();

    for id in queued.iter().chain([&busy]) {
        assert_eq!(lab.api.settle(id).await.0.state(), StoreState::Ready);
    }
    assert_eq!(lab.api.settle(&going).await.0.state(), StoreState::Deleted);
    let order =
        "SELECT string_agg(s.store_id, ' ' ORDER BY o.started_at) FROM operations o JOIN stores s ON s.uid = o.store";
    let order = lab.database.value(order).await;
    assert_eq!(order, format!("{going} {busy} {going} {} {}", queued[0], queued[1]));
    for id in queued.iter().chain([&busy]) {
        lab.kubernetes.drop_namespace(&format!("store-{id}")).await;
    }
}

/// A server that is paused before it creates the namespace learns only afterwards that its lease has expired.
#[tokio::test]
async fn namespace_created_after_the_stores_deletion_is_removed() {
    let control = Failpoints::new();
    let setup = Setup::small().with("FAILPOINTS", control.failpoints()).with("STOREPLANE_LEASE_SECONDS", "3");
    let lab = setup.clone().start().await;
    let id = fresh("late");
    let hold = control.hold(&id, Step::Namespace, "before");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    hold.reached().await.unwrap();
    let other = Server::start(&setup, &lab.database).await;
    let api = Api::connect(other.address(), &lab.database.token("default", "operator").await);

    signal(lab.server.pid(), "STOP");
    api.delete(&id).await.unwrap();
    assert_eq!(api.settle(&id).await.0.state(), StoreState::Deleted);
    hold.release();
    signal(lab.server.pid(), "CONT");

    let stopped = "the operation was claimed by another worker";
    let end = Instant::now() + Duration::from_mins(1);
    while !lab.server.log().contains(stopped) || lab.kubernetes.has_namespace(&format!("store-{id}")).await {
        assert!(Instant::now() < end, "the namespace of a deleted store remains\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
