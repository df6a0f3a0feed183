//! `WaitOperation`, and the store that accompanies each change of its state.

use std::time::{Duration, Instant};

use storeplane_core::identity::Role;
use storeplane_proto::Duration as ProtoDuration;
use storeplane_proto::v1::watch_store_response::Update as One;
use storeplane_proto::v1::watch_stores_response::Update as All;
use storeplane_proto::v1::{
    ListOperationsRequest, Operation, OperationState, StoreState, WaitOperationRequest, WatchStoreRequest,
    WatchStoresRequest,
};
use tonic::{Code, Status};

use crate::grpc_raw::edge;
use crate::harness::{Api, fresh, reason, signal};

async fn wait(api: &Api, operation_id: &str, seconds: i64) -> Result<Operation, Status> {
    let timeout = Some(ProtoDuration { seconds, nanos: 0 });
    let request = WaitOperationRequest { operation_id: operation_id.into(), timeout };
    api.operations.clone().wait_operation(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn wait_ends_when_its_token_is_revoked() {
    let lab = edge().await;
    let store = lab.api.create(Api::wanted(&fresh("wait"))).await.unwrap();
    let (id, secret) = lab.database.issue("default", Role::Viewer, "waiting").await;
    let waiting = Api::connect(lab.server.address(), &secret);
    let revoking = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lab.database.revoke(id).await;
        Instant::now()
    };
    let (waited, revoked) = tokio::join!(wait(&waiting, &store.operation, 300), revoking);

    assert_eq!(waited.unwrap_err().code(), Code::Unauthenticated);
    assert!(revoked.elapsed() < Duration::from_mins(1), "{:?}", revoked.elapsed());
}

#[tokio::test]
async fn wait_ends_with_operation_or_timeout() {
    let lab = edge().await;
    let id = fresh("wait");
    let store = lab.api.create(Api::wanted(&id)).await.unwrap();
    let began = Instant::now();

    let early = wait(&lab.api, &store.operation, 1).await.unwrap();
    assert!(matches!(early.state(), OperationState::Pending | OperationState::Running), "{early:?}");
    assert!((0.9..30.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    // A deletion ends the creation that it supersedes.
    let deleting = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        lab.api.delete(&id).await.unwrap();
        Instant::now()
    };
    let (ended, deleted) = tokio::join!(wait(&lab.api, &store.operation, 60), deleting);

    assert!(ended.unwrap().end_time.is_some());
    assert!(deleted.elapsed() < Duration::from_secs(30), "{:?}", deleted.elapsed());
    assert!(
        wait(&lab.api, &store.operation, 60).await.unwrap().end_time.is_some(),
        "one that has ended is not waited for"
    );
    let unknown = wait(&lab.api, &uuid::Uuid::now_v7().to_string(), 1).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let stranger = Api::connect(lab.server.address(), &lab.database.token("other", "admin").await);
    assert_eq!(wait(&stranger, &store.operation, 1).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(wait(&lab.api, &store.operation, 301).await.unwrap_err().code(), Code::InvalidArgument);

    let list = |filter: &str| {
        let request = ListOperationsRequest { filter: filter.into(), ..ListOperationsRequest::default() };
        let mut operations = lab.api.operations.clone();
        async move { operations.list_operations(request).await.unwrap().into_inner().operations.len() }
    };
    assert_eq!(list(&format!("kind = CREATE AND store_uid = {}", store.uid)).await, 1);
    assert_eq!(
        list("kind = OPERATION_KIND_DELETE AND state = PENDING OR state = RUNNING AND store_id = wait*").await,
        1
    );
    assert_eq!(list("create_time < \"2020-01-01T00:00:00Z\"").await, 0);
}

#[tokio::test]
async fn stopping_server_ends_wait_with_unavailable() {
    let lab = edge().await;
    let store = lab.api.create(Api::wanted(&fresh("stop"))).await.unwrap();
    let stopping = async {
        // Long enough for the call to have begun: later nobody would answer it.
        tokio::time::sleep(Duration::from_secs(3)).await;
        signal(lab.server.pid(), "TERM");
    };
    let (ended, ()) = tokio::join!(wait(&lab.api, &store.operation, 60), stopping);
    let status = ended.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
}

#[tokio::test]
async fn state_changes_carry_the_store_in_replay_and_live() {
    let lab = edge().await;
    let id = fresh("beside");
    let created = lab.api.create(Api::wanted(&id)).await.unwrap();
    let mut stores = lab.api.stores.clone();
    let one = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };
    let mut one = stores.watch_store(one).await.unwrap().into_inner();
    let mut all = stores.watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();

    let replayed = loop {
        let message = one.message().await.unwrap().unwrap();
        match message.update.unwrap() {
            One::Event(event) => break (event, message.store),
            One::Snapshot(_) => assert_eq!(message.store, None),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(replayed.0.details["state"], "PROVISIONING");
    assert_eq!(replayed.1.expect("the store").uid, created.uid);
    while !matches!(all.message().await.unwrap().unwrap().update, Some(All::CaughtUp(_))) {}
    lab.api.delete(&id).await.unwrap();
    let live = loop {
        let message = all.message().await.unwrap().unwrap();
        match message.update.unwrap() {
            All::Event(event) if event.details.contains_key("state") => break message.store.expect("the store"),
            All::Event(_) => assert_eq!(message.store, None),
            _ => {}
        }
    };
    assert_eq!((live.uid, live.state), (created.uid, StoreState::Deleting.into()));
}
