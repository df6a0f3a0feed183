//! Authentication, authorization, and their audit records.

use storeplane_core::identity::Role;
use storeplane_proto::v1::{
    CancelOperationRequest, DeleteStoreRequest, GetOperationRequest, GetOverviewRequest, GetStoreRequest,
    ListEnginesRequest, ListOperationsRequest, ListStoresRequest, RetryStoreRequest, WatchStoreRequest,
    WatchStoresRequest,
};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, fresh, reason};

fn channel(lab: &Lab) -> Channel {
    Endpoint::from_shared(format!("http://{}", lab.server.address())).unwrap().connect_lazy()
}

/// GetStore with this authorization.
async fn get_with(lab: &Lab, authorization: Option<&str>) -> Status {
    let mut stores = storeplane_proto::v1::store_service_client::StoreServiceClient::new(channel(lab));
    let mut metadata = MetadataMap::new();
    if let Some(value) = authorization {
        metadata.insert("authorization", value.parse().unwrap());
    }
    let wanted = GetStoreRequest { store_id: "demo".into(), ..GetStoreRequest::default() };
    stores.get_store(Request::from_parts(metadata, tonic::Extensions::default(), wanted)).await.unwrap_err()
}

#[tokio::test]
async fn invalid_tokens_are_unauthenticated() {
    let lab = edge().await;
    let (id, revoked) = lab.database.issue("default", Role::Admin, "gone").await;
    lab.database.revoke(id).await;
    let good = lab.database.token("default", "viewer").await;

    for (authorization, expected) in [
        (None, "TOKEN_MISSING"),
        (Some("Basic YTpi".to_owned()), "TOKEN_MALFORMED"),
        (Some(good.clone()), "TOKEN_MALFORMED"),
        (Some("Bearer garbage' OR '1'='1".to_owned()), "TOKEN_INVALID"),
        (Some(format!("Bearer {}", &good[..good.len() - 1])), "TOKEN_INVALID"),
        (Some(format!("Bearer {revoked}")), "TOKEN_INVALID"),
    ] {
        let status = get_with(&lab, authorization.as_deref()).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, expected), "{authorization:?}");
        assert_eq!(status.get_details_error_info().unwrap().domain, "storeplane");
    }
    let status = get_with(&lab, Some(&format!("bearer {good}"))).await;
    assert_eq!(status.code(), Code::NotFound, "the scheme is read in any case");
    assert_eq!(lab.database.value("SELECT count(*) FROM audit_events WHERE action LIKE '%STORE'").await, "0");
}

/// That the flood is few statements is held by the unit tests of `postgres::token_lookup`.
#[tokio::test]
async fn valid_token_works_during_flood_of_invalid_tokens() {
    let lab = edge().await;
    let stores = storeplane_proto::v1::store_service_client::StoreServiceClient::new(channel(&lab));
    let call = |token: String| {
        let (mut stores, mut metadata) = (stores.clone(), MetadataMap::new());
        metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let wanted = GetStoreRequest { store_id: "demo".into(), ..GetStoreRequest::default() };
        let request = Request::from_parts(metadata, tonic::Extensions::default(), wanted);
        async move { stores.get_store(request).await.unwrap_err() }
    };
    let valid = lab.database.token("default", "viewer").await;
    for _ in 0..5 {
        let malformed = (0..200).map(|number| format!("spt_{number}"));
        let unknown = (0..200).map(|_| format!("spt_{:0<50}", uuid::Uuid::new_v4().simple()));
        let calls = futures::future::join_all(malformed.chain(unknown).map(&call));
        let (refused, admitted) = tokio::join!(calls, call(valid.clone()));
        for status in refused {
            assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        }
        assert_eq!(admitted.code(), Code::NotFound);
    }
    assert!(lab.server.log().contains("calls with invalid tokens were refused"), "{}", lab.server.log());
}

#[tokio::test]
async fn token_refused_before_its_creation_works_soon_after() {
    let lab = edge().await;
    let token = lab.database.token("default", "viewer").await;
    let (authorization, hide) = (format!("Bearer {token}"), "UPDATE tokens SET hash = hash || hash");
    lab.database.execute(hide).await;
    assert_eq!(get_with(&lab, Some(&authorization)).await.code(), Code::Unauthenticated);
    lab.database.execute("UPDATE tokens SET hash = substr(hash, 1, 32)").await;
    let began = std::time::Instant::now();
    while get_with(&lab, Some(&authorization)).await.code() != Code::NotFound {
        assert!(began.elapsed().as_secs() < 60, "a new token does not work");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn token_revoked_in_use_stops_working() {
    let lab = edge().await;
    let (id, secret) = lab.database.issue("default", Role::Viewer, "soon gone").await;
    let authorization = format!("Bearer {secret}");
    assert_eq!(get_with(&lab, Some(&authorization)).await.code(), Code::NotFound);

    lab.database.revoke(id).await;

    let began = std::time::Instant::now();
    while get_with(&lab, Some(&authorization)).await.code() != Code::Unauthenticated {
        assert!(began.elapsed().as_secs() < 60, "a revoked token still works");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn viewer_can_read_everything_and_change_nothing() {
    let lab = edge().await;
    let id = fresh("seen");
    let store = lab.api.create(Api::wanted(&id)).await.unwrap();
    let viewer = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);
    let (mut stores, mut operations) = (viewer.stores.clone(), viewer.operations.clone());

    assert_eq!(viewer.get(&id).await.unwrap().uid, store.uid);
    assert_eq!(stores.list_stores(ListStoresRequest::default()).await.unwrap().into_inner().stores.len(), 1);
    let watch = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };
    assert!(stores.watch_store(watch).await.unwrap().into_inner().message().await.unwrap().is_some());
    assert!(stores.watch_stores(WatchStoresRequest::default()).await.is_ok());
    assert_eq!(
        operations.list_operations(ListOperationsRequest::default()).await.unwrap().into_inner().operations.len(),
        1
    );
    operations.get_operation(GetOperationRequest { operation_id: store.operation.clone() }).await.unwrap();
    viewer.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
    viewer.platform.clone().list_engines(ListEnginesRequest::default()).await.unwrap();

    let denied = [
        viewer.create(Api::wanted("other")).await.unwrap_err(),
        viewer.delete(&id).await.unwrap_err(),
        viewer.retry(&id).await.unwrap_err(),
        operations
            .cancel_operation(CancelOperationRequest { operation_id: store.operation.clone(), ..Default::default() })
            .await
            .unwrap_err(),
    ];

    for status in denied {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"));
        assert_eq!(status.get_details_error_info().unwrap().metadata["needed"], "operator");
    }
    assert_eq!(lab.api.get(&id).await.unwrap().etag, store.etag);
    assert_eq!(
        lab.database
            .value(
                "SELECT string_agg(action || ' ' || target || ' ' || outcome || ' ' || reason, ', ' ORDER BY at, id)
                 FROM audit_events WHERE outcome = 'DENIED'"
            )
            .await,
        format!(
            "CREATE_STORE other DENIED PERMISSION_DENIED, DELETE_STORE {id} DENIED PERMISSION_DENIED, \
             RETRY_STORE {id} DENIED PERMISSION_DENIED, CANCEL_OPERATION {} DENIED PERMISSION_DENIED",
            store.operation
        )
    );
}

#[tokio::test]
async fn every_refused_mutation_has_one_audit_record() {
    let lab = edge().await;
    let (mut stores, mut operations) = (lab.api.stores.clone(), lab.api.operations.clone());
    let request_id = || "not a uuid".to_owned();

    let bad = DeleteStoreRequest { store_id: "a".into(), request_id: request_id(), ..Default::default() };
    assert_eq!(stores.delete_store(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let bad = RetryStoreRequest { store_id: "b".into(), request_id: request_id(), ..Default::default() };
    assert_eq!(stores.retry_store(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let bad = CancelOperationRequest { operation_id: "c".into(), request_id: request_id(), ..Default::default() };
    assert_eq!(operations.cancel_operation(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let bad = storeplane_proto::v1::CreateStoreRequest { cleanup_policy: 7, ..Api::wanted("d") };
    assert_eq!(lab.api.create(bad).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(lab.api.delete("e").await.unwrap_err().code(), Code::NotFound);

    let records = "SELECT string_agg(target || ' ' || outcome || ' ' || reason, ', ' ORDER BY at, id)
        FROM audit_events WHERE outcome <> 'ACCEPTED'";
    assert_eq!(
        lab.database.value(records).await,
        "a REJECTED INVALID_REQUEST, b REJECTED INVALID_REQUEST, c REJECTED INVALID_REQUEST, \
         d REJECTED INVALID_REQUEST, e REJECTED STORE_NOT_FOUND"
    );
}

#[tokio::test]
async fn other_tenants_stores_are_invisible() {
    let lab = edge().await;
    let (there, never) = (fresh("there"), fresh("never"));
    let store = lab.api.create(Api::wanted(&there)).await.unwrap();
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "admin").await);
    let (mut stores, mut operations) = (stranger.stores.clone(), stranger.operations.clone());

    for (theirs, nobodys) in [
        (stranger.get(&there).await.unwrap_err(), stranger.get(&never).await.unwrap_err()),
        (stranger.delete(&there).await.unwrap_err(), stranger.delete(&never).await.unwrap_err()),
        (stranger.retry(&there).await.unwrap_err(), stranger.retry(&never).await.unwrap_err()),
    ] {
        let same = |status: &Status, id: &str| {
            let details = format!("{:?}", status.get_error_details());
            (status.code(), status.message().replace(id, "?"), details.replace(id, "?"))
        };
        assert_eq!(same(&theirs, &there), same(&nobodys, &never));
    }
    let watch = WatchStoreRequest { store_id: there, ..WatchStoreRequest::default() };
    assert_eq!(stores.watch_store(watch).await.unwrap_err().code(), Code::NotFound);
    let list = stores.list_stores(ListStoresRequest::default()).await.unwrap().into_inner();
    assert_eq!((list.stores.len(), list.total_size), (0, 0));
    let operation = store.operation;
    let get = GetOperationRequest { operation_id: operation.clone() };
    assert_eq!(operations.get_operation(get).await.unwrap_err().code(), Code::NotFound);
    let cancel = CancelOperationRequest { operation_id: operation, ..Default::default() };
    assert_eq!(operations.cancel_operation(cancel).await.unwrap_err().code(), Code::NotFound);
}
