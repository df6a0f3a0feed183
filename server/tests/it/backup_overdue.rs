//! Stores without a recent backup: the filter of ListStores and the number in GetOverview.

use storeplane_proto::v1::{CreateTokenRequest, GetOverviewRequest, ListStoresRequest};

use crate::grpc_raw::edge;
use crate::harness::{Api, Writer};

async fn list(api: &Api, filter: &str) -> String {
    let request = ListStoresRequest { filter: filter.into(), order_by: "store_id".into(), ..Default::default() };
    let found = api.stores.clone().list_stores(request).await.unwrap().into_inner().stores;
    found.into_iter().map(|store| store.store_id).collect::<Vec<_>>().join(" ")
}

async fn count(api: &Api) -> i64 {
    let overview = api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
    overview.into_inner().backup_overdue_count
}

#[tokio::test]
async fn overdue_stores_are_listed_and_counted_for_callers_that_may_see_them() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 1);
    for (id, tenant, state, kind, reason) in [
        ("degraded", "default", "DEGRADED", "BackedUp", "BACKUP_OVERDUE"),
        ("failed", "default", "FAILED", "BackedUp", "BACKUP_OVERDUE"),
        ("gone", "default", "DELETED", "BackedUp", "BACKUP_OVERDUE"),
        ("good", "default", "READY", "BackedUp", ""),
        ("late", "default", "READY", "BackedUp", "BACKUP_OVERDUE"),
        ("other", "default", "READY", "PubliclyReachable", "BACKUP_OVERDUE"),
        ("theirs", "acme", "READY", "BackedUp", "BACKUP_OVERDUE"),
    ] {
        writer.ready(id, tenant).await;
        let condition = serde_json::json!([
            {"kind": "NetworkIsolated", "status": "True", "since": "2026-11-01T00:00:00Z"},
            {"kind": kind, "status": "False", "reason": reason, "since": "2026-11-01T00:00:00Z"},
        ]);
        let change = format!("UPDATE stores SET state = '{state}', conditions = '{condition}' WHERE store_id = '{id}'");
        lab.database.execute(&change).await;
    }

    for (filter, expected) in [
        ("backup_overdue = true", "degraded late"),
        ("backup_overdue != false AND state = READY", "late"),
        ("backup_overdue : true late", "late"),
        ("backup_overdue = false", "failed good other"),
        ("NOT backup_overdue = true", "failed good other"),
        ("backup_overdue = true OR state = DELETED", "degraded gone late"),
    ] {
        assert_eq!(list(&lab.api, filter).await, expected, "{filter}");
    }
    assert_eq!(count(&lab.api).await, 2);

    let other = Api::connect(lab.server.address(), &lab.database.token("acme", "viewer").await);
    assert_eq!((list(&other, "backup_overdue = true").await.as_str(), count(&other).await), ("theirs", 1));
    let limited = CreateTokenRequest {
        name: "limited".into(),
        role: "viewer".into(),
        store_ids: vec!["late".into(), "good".into()],
        ..CreateTokenRequest::default()
    };
    let limited = lab.api.tokens.clone().create_token(limited).await.unwrap().into_inner().secret;
    let limited = Api::connect(lab.server.address(), &limited);
    assert_eq!((list(&limited, "backup_overdue = true").await.as_str(), count(&limited).await), ("late", 1));
}
