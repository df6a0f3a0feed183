//! The backup policy of a store: CreateStore and UpdateStore set it.

use storeplane_proto::v1::{BackupPolicy, ListStoresRequest, Store, UpdateStoreRequest};
use tonic::{Code, Status};

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, fields, fresh, reason};

fn policy(every: &str, keep_days: i32, keep_weekly: i32) -> BackupPolicy {
    BackupPolicy { every: every.to_owned(), keep_days, keep_weekly }
}

fn update(store_id: &str, paths: &[&str], policy: Option<BackupPolicy>) -> UpdateStoreRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    UpdateStoreRequest {
        store_id: store_id.to_owned(),
        store: Some(Store { backup_policy: policy, ..Store::default() }),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..UpdateStoreRequest::default()
    }
}

async fn send(lab: &Lab, request: UpdateStoreRequest) -> Result<Store, Status> {
    lab.api.stores.clone().update_store(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn policy_is_set_changed_in_part_and_reset() {
    let lab = edge().await;
    let id = fresh("policy");
    let mut wanted = Api::wanted(&id);
    wanted.store.as_mut().unwrap().backup_policy = Some(policy("24h", 0, 4));
    let created = lab.api.create(wanted).await.unwrap();
    assert_eq!(created.backup_policy, Some(policy("1d", 0, 4)));

    let changed = send(&lab, update(&id, &["backup_policy.keep_days"], Some(policy("5m", 7, -1)))).await.unwrap();
    assert_eq!(changed.backup_policy, Some(policy("1d", 7, 4)), "only what the mask names");
    assert!(changed.etag != created.etag && changed.state == created.state, "{changed:?}");
    let off = send(&lab, update(&id, &["backup_policy.every"], Some(policy("off", 0, 0)))).await.unwrap();
    assert_eq!(off.backup_policy, Some(policy("off", 7, 4)));
    let again = send(&lab, update(&id, &["backup_policy"], Some(policy("off", 7, 4)))).await.unwrap();
    assert_eq!((again.etag, again.backup_policy), (off.etag.clone(), off.backup_policy.clone()), "nothing changed");
    let stale = UpdateStoreRequest { etag: created.etag, ..update(&id, &["backup_policy"], None) };
    assert_eq!(send(&lab, stale).await.unwrap_err().code(), Code::Aborted);
    let list = ListStoresRequest { filter: format!("store_id = {id}"), ..ListStoresRequest::default() };
    let listed = lab.api.stores.clone().list_stores(list).await.unwrap().into_inner().stores;
    assert_eq!(listed[0].backup_policy, off.backup_policy);
    let reset = send(&lab, update(&id, &["backup_policy"], None)).await.unwrap();
    assert_eq!((reset.backup_policy, reset.etag != off.etag), (None, true));
    assert_eq!(lab.api.get(&id).await.unwrap().backup_policy, None);

    let events = "SELECT string_agg(message, '; ' ORDER BY sequence) FROM events WHERE kind = 'STORE_UPDATED'";
    assert_eq!(
        lab.database.value(events).await,
        "test changed the backup policy: every 1d, keep_days 7, keep_weekly 4; \
         test changed the backup policy: every off, keep_days 7, keep_weekly 4; \
         test changed the backup policy: every as the plan, keep_days as the plan, keep_weekly as the plan"
    );
    let details = "SELECT details - 'actor' FROM events WHERE kind = 'STORE_UPDATED' ORDER BY sequence LIMIT 1";
    assert_eq!(
        lab.database.value(&format!("SELECT ({details})::text")).await,
        r#"{"backup_policy.every": "1d", "backup_policy.keep_days": "7", "backup_policy.keep_weekly": "4"}"#
    );
    let records = "SELECT string_agg(changes, ' ' ORDER BY sequence) FROM audit_events
        WHERE action = 'UPDATE_STORE' AND outcome = 'ACCEPTED' AND changes LIKE '%off%'";
    let set = |every: &str| format!(r#""backup_policy":{{"every":"{every}","keep_days":"7","keep_weekly":"4"}}"#);
    let expected = format!(
        r#"{{"after":{{{}}},"before":{{{}}}}} {{"after":{{}},"before":{{{}}}}}"#,
        set("off"),
        set("1d"),
        set("off")
    );
    assert_eq!(lab.database.value(records).await, expected);
}

#[tokio::test]
async fn impossible_policies_are_refused_with_all_violations() {
    let lab = edge().await;
    let id = fresh("policy");
    let paths = ["keep_days", "keep_weekly", "every"].map(|name| format!("store.backup_policy.{name}"));
    let mut wanted = Api::wanted(&id);
    wanted.store.as_mut().unwrap().backup_policy = Some(policy("59m", 3651, -1));
    let refused = lab.api.create(wanted).await.unwrap_err();
    assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, paths.to_vec()));
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let refused = send(&lab, update(&id, &["backup_policy"], Some(policy("31d", -1, 521)))).await.unwrap_err();
    assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, paths.to_vec()));
    let unknown = send(&lab, update(&id, &["backup_policy.keep_deleted_days"], None)).await.unwrap_err();
    assert_eq!((reason(&unknown).as_str(), fields(&unknown)), ("INVALID_REQUEST", vec!["update_mask".to_owned()]));
}
