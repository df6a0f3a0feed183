//! Validation of requests, and repeated requests.

use storeplane_proto::v1::{CreateStoreRequest, DeleteStoreRequest, Store, StoreState};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{Api, Lab, fresh, reason};

#[tokio::test]
async fn all_request_violations_are_reported_together() {
    let lab = Lab::start().await;
    let request = CreateStoreRequest {
        store_id: "--help".into(),
        store: Some(Store {
            display_name: "two\nlines".into(),
            engine: "woocommerce; rm -rf /".into(),
            admin_email: "a@b.co,secrets.admin.existingSecret=x".into(),
            ..Store::default()
        }),
        request_id: "once".into(),
        ..CreateStoreRequest::default()
    };

    let status = lab.api.create(request).await.unwrap_err();

    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["store_id", "request_id", "store.display_name", "store.admin_email", "store.engine"]);
    assert_eq!(lab.database.value("SELECT count(*) FROM stores").await, "0");
    assert_eq!(lab.database.value("SELECT outcome FROM audit_events WHERE action = 'CREATE_STORE'").await, "REJECTED");
}

#[tokio::test]
async fn invalid_ids_and_names_are_rejected_by_field() {
    let lab = Lab::start().await;
    let long = "a".repeat(41);
    for id in ["A", "1a", "a-", "-a", "a--b", "a b", "ä", "a;id", "$(id)", "a\0", &long] {
        let status = lab.api.create(Api::wanted(id)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{id:?}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "store_id", "{id:?}");
    }
    let long = "ö".repeat(81);
    for name in ["", " ", "a\u{7}", "a\u{202e}", &long] {
        let mut request = Api::wanted("fine");
        request.store.as_mut().unwrap().display_name = name.into();
        let status = lab.api.create(request).await.unwrap_err();
        assert_eq!(
            status.get_details_bad_request().unwrap().field_violations[0].field,
            "store.display_name",
            "{name:?}"
        );
    }
    let empty = lab.api.create(CreateStoreRequest::default()).await.unwrap_err();
    assert_eq!(empty.get_details_bad_request().unwrap().field_violations.len(), 2, "{empty:?}");
}

#[tokio::test]
async fn missing_id_is_generated_from_name() {
    let lab = Lab::start().await;
    let mut request = CreateStoreRequest { validate_only: true, ..Api::wanted("") };
    request.store.as_mut().unwrap().display_name = "Käse & Wein 24".into();
    let store = lab.api.create(request).await.unwrap();
    assert!(store.store_id.starts_with("k-se-wein-24-"), "{}", store.store_id);
}

#[tokio::test]
async fn validate_only_changes_nothing() {
    let lab = Lab::start().await;
    let id = fresh("dry");
    let request = CreateStoreRequest { validate_only: true, ..Api::wanted(&id) };
    let store = lab.api.create(request.clone()).await.unwrap();
    assert_eq!((store.store_id.as_str(), store.plan.as_str()), (id.as_str(), "small"));
    assert_eq!(lab.api.get(&id).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(lab.database.value("SELECT count(*) FROM audit_events WHERE action = 'CREATE_STORE'").await, "0");

    lab.api.ready(&id).await;
    assert_eq!(lab.api.create(request).await.unwrap_err().code(), Code::AlreadyExists);
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn repeated_request_id_returns_same_store_and_starts_nothing() {
    let lab = Lab::start().await;
    let id = fresh("again");
    let key = uuid::Uuid::new_v4().to_string();
    let request = CreateStoreRequest { request_id: key.clone(), ..Api::wanted(&id) };
    let first = lab.api.create(request.clone()).await.unwrap();
    let second = lab.api.create(request).await.unwrap();
    assert_eq!((&first.uid, &first.operation), (&second.uid, &second.operation));

    let other = CreateStoreRequest { request_id: key.clone(), ..Api::wanted(&fresh("other")) };
    assert_eq!(reason(&lab.api.create(other).await.unwrap_err()), "REQUEST_ID_REUSED");

    lab.api.settle(&id).await;
    let key = uuid::Uuid::new_v4().to_string();
    let delete = DeleteStoreRequest { store_id: id.clone(), request_id: key, ..DeleteStoreRequest::default() };
    let first = lab.api.stores.clone().delete_store(delete.clone()).await.unwrap().into_inner();
    lab.api.settle(&id).await;
    let second = lab.api.stores.clone().delete_store(delete).await.unwrap().into_inner();
    assert_eq!((first.operation, second.state()), (second.operation.clone(), StoreState::Deleted));
    assert_eq!(lab.database.value("SELECT count(*) FROM operations").await, "2");
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn concurrent_identical_creates_make_one_store() {
    let lab = Lab::start().await;
    let id = fresh("race");
    let attempts = (0..5).map(|_| {
        lab.api.create(CreateStoreRequest { request_id: uuid::Uuid::new_v4().to_string(), ..Api::wanted(&id) })
    });

    let results = futures::future::join_all(attempts).await;

    let refusals: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!(refusals.len(), 4);
    assert!(refusals.iter().all(|status| status.code() == Code::AlreadyExists), "{refusals:?}");
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Ready);
    lab.kubernetes.assert_installed(&id).await;
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn stale_etag_deletes_nothing() {
    let lab = Lab::start().await;
    let id = fresh("etag");
    let created = lab.api.create(Api::wanted(&id)).await.unwrap();
    lab.api.settle(&id).await;
    let delete = |etag: &str| {
        let request = DeleteStoreRequest { store_id: id.clone(), etag: etag.into(), ..DeleteStoreRequest::default() };
        let mut stores = lab.api.stores.clone();
        async move { stores.delete_store(request).await }
    };

    let status = delete(&created.etag).await.unwrap_err();

    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "STALE_ETAG"));
    let fresh_etag = lab.api.get(&id).await.unwrap().etag;
    assert_eq!(delete(&fresh_etag).await.unwrap().into_inner().state(), StoreState::Deleting);
    lab.api.settle(&id).await;
}
