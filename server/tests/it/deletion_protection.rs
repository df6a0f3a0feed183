//! UpdateStore and deletion protection.

use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{DeleteStoreRequest, Store, StoreState, UpdateStoreRequest, WatchStoreRequest};
use tonic::{Code, Status};

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, fresh, reason};

fn update(store_id: &str, protection: bool) -> UpdateStoreRequest {
    UpdateStoreRequest {
        store_id: store_id.to_owned(),
        store: Some(Store { deletion_protection: protection, ..Store::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["deletion_protection".to_owned()] }),
        ..UpdateStoreRequest::default()
    }
}

async fn send(lab: &Lab, request: UpdateStoreRequest) -> Result<Store, Status> {
    lab.api.stores.clone().update_store(request).await.map(tonic::Response::into_inner)
}

fn answer(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

#[tokio::test]
async fn protected_store_is_deleted_only_after_the_protection_is_switched_off() {
    let lab = edge().await;
    let id = fresh("protected");
    let mut wanted = Api::wanted(&id);
    wanted.store.as_mut().unwrap().deletion_protection = true;
    let created = lab.api.create(wanted).await.unwrap();
    assert!(created.deletion_protection);

    let refused = (Code::FailedPrecondition, "DELETION_PROTECTED".to_owned());
    assert_eq!(answer(&lab.api.delete(&id).await.unwrap_err()), refused);
    let force = DeleteStoreRequest { store_id: id.clone(), force: true, ..DeleteStoreRequest::default() };
    assert_eq!(answer(&lab.api.stores.clone().delete_store(force).await.unwrap_err()), refused);

    let request_id = uuid::Uuid::now_v7().to_string();
    let off = UpdateStoreRequest { etag: created.etag.clone(), request_id, ..update(&id, false) };
    let unprotected = send(&lab, off.clone()).await.unwrap();
    assert!(!unprotected.deletion_protection && unprotected.etag != created.etag);
    assert_eq!((unprotected.state, unprotected.operation), (created.state, created.operation), "nothing else changed");
    assert_eq!(send(&lab, off).await.unwrap().last_sequence, unprotected.last_sequence, "the same request, repeated");
    let stale = UpdateStoreRequest { etag: created.etag, ..update(&id, true) };
    assert_eq!(answer(&send(&lab, stale).await.unwrap_err()), (Code::Aborted, "STALE_ETAG".to_owned()));

    assert_eq!(lab.api.delete(&id).await.unwrap().state(), StoreState::Deleting);
    let late = send(&lab, update(&id, true)).await.unwrap_err();
    assert_eq!(answer(&late), (Code::FailedPrecondition, "NOT_UPDATABLE".to_owned()));

    let records = "SELECT string_agg(action || ' ' || outcome || ' ' || reason, ', ' ORDER BY at, id) FROM audit_events
        WHERE action LIKE '%STORE'";
    assert_eq!(
        lab.database.value(records).await,
        "CREATE_STORE ACCEPTED , DELETE_STORE REJECTED DELETION_PROTECTED, FORCE_DELETE_STORE REJECTED DELETION_PROTECTED, \
         UPDATE_STORE ACCEPTED , UPDATE_STORE REJECTED STALE_ETAG, DELETE_STORE ACCEPTED , UPDATE_STORE REJECTED NOT_UPDATABLE"
    );
    let changes = "SELECT string_agg(changes::text, ', ') FROM audit_events WHERE action = 'UPDATE_STORE' AND outcome = 'ACCEPTED'";
    assert_eq!(
        lab.database.value(changes).await,
        r#"{"after":{"deletion_protection":false},"before":{"deletion_protection":true}}"#
    );
}

#[tokio::test]
async fn watchers_receive_the_changed_store() {
    let lab = edge().await;
    let id = fresh("changed");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let request = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };
    let mut stream = lab.api.stores.clone().watch_store(request).await.unwrap().into_inner();
    // From here on, events come from the hub and not from a query.
    while !matches!(stream.message().await.unwrap().unwrap().update, Some(Update::CaughtUp(_))) {}
    for protection in [true, true, false] {
        assert_eq!(send(&lab, update(&id, protection)).await.unwrap().deletion_protection, protection);
    }

    let mut changes = Vec::new();
    while changes.last().is_none_or(|last| last != "false") {
        let message = stream.message().await.unwrap().unwrap();
        if let Some(Update::Event(event)) = message.update.filter(|_| message.store.is_some())
            && event.r#type == "STORE_UPDATED"
        {
            let store = message.store.unwrap();
            assert!(store.last_sequence >= event.sequence, "{store:?}");
            changes.push(event.details["deletion_protection"].clone());
        }
    }

    assert_eq!(changes, ["true", "false"], "the second request changed nothing");
}
