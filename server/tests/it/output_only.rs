//! What a caller sends in a field that is output only does nothing (AIP-203).

use storeplane_proto::v1::{
    AvailableUpgrade, CleanupPolicy, Condition, CreateStoreRequest, Store, StoreEnvironment, StoreSource, StoreState,
    StoreVersions, UpdatePreview,
};

use crate::grpc_raw::edge;
use crate::harness::fresh;

/// A store in which a caller has set every field.
fn every_field(store_id: &str) -> Store {
    let time = Some(storeplane_proto::Timestamp { seconds: 1, nanos: 0 });
    let text = || "mine".to_owned();
    Store {
        store_id: "another-id".to_owned(),
        uid: uuid::Uuid::nil().to_string(),
        tenant: "other".to_owned(),
        display_name: format!("Store {store_id}"),
        engine: "woocommerce".to_owned(),
        plan: "small".to_owned(),
        admin_email: "owner@example.com".to_owned(),
        state: StoreState::Ready.into(),
        step: text(),
        reason: text(),
        message: text(),
        remedy: text(),
        details: vec![text()],
        shop_url: text(),
        admin_url: text(),
        versions: Some(StoreVersions { chart: text(), app: text(), chart_digest: text(), schema: text() }),
        operation: text(),
        etag: text(),
        create_time: time,
        ready_time: time,
        update_time: time,
        delete_time: time,
        simulated: true,
        last_sequence: 77,
        namespace: text(),
        cleanup_policy: CleanupPolicy::DeleteResources.into(),
        state_time: time,
        host: text(),
        conditions: vec![Condition { r#type: text(), ..Condition::default() }],
        deletion_protection: false,
        environment: StoreEnvironment::Staging.into(),
        source: Some(StoreSource { store_id: text(), store_uid: text(), backup_id: text() }),
        backup_policy: None,
        smtp: None,
        plugins: Vec::new(),
        labels: std::collections::HashMap::new(),
        revision: 77,
        domains: vec![text()],
        primary_domain: "mine.example.com".to_owned(),
        update_preview: Some(Box::new(UpdatePreview { steps: vec![text()], ..UpdatePreview::default() })),
        engine_version: String::new(),
        available_upgrade: Some(AvailableUpgrade { engine_version: text(), ..AvailableUpgrade::default() }),
    }
}

/// What differs between any two stores, as it would be for one: ids, times and what follows from them.
fn without_identity(mut store: Store) -> Store {
    let id = store.store_id.clone();
    for text in [&mut store.store_id, &mut store.display_name, &mut store.shop_url, &mut store.admin_url] {
        *text = text.replace(&id, "id");
    }
    for text in [&mut store.namespace, &mut store.host] {
        *text = text.replace(&id, "id");
    }
    for text in [&mut store.uid, &mut store.operation, &mut store.etag] {
        assert!(text != "mine" && *text != uuid::Uuid::nil().to_string(), "{text}");
        text.clear();
    }
    for time in [&mut store.create_time, &mut store.update_time, &mut store.state_time] {
        assert!(time.take().is_none_or(|time| time.seconds > 1));
    }
    store
}

/// What a worker has changed by the time that it is read.
fn without_progress(mut store: Store) -> Store {
    for text in [&mut store.step, &mut store.reason, &mut store.message, &mut store.remedy] {
        assert_ne!(text, "mine");
        text.clear();
    }
    assert!(!store.details.iter().any(|detail| detail == "mine"), "{:?}", store.details);
    assert_ne!(store.last_sequence, 77);
    assert_ne!(store.revision, 77);
    Store { details: Vec::new(), last_sequence: 0, revision: 0, ..store }
}

#[tokio::test]
async fn output_only_fields_of_request_are_ignored() {
    let lab = edge().await;
    let (plain, full) = (fresh("plain"), fresh("full"));
    let wanted =
        |id: &str, store| CreateStoreRequest { store_id: id.to_owned(), store: Some(store), ..Default::default() };
    let required = Store {
        display_name: format!("Store {plain}"),
        admin_email: "owner@example.com".to_owned(),
        ..Store::default()
    };
    for validate_only in [true, false] {
        let plain = CreateStoreRequest { validate_only, ..wanted(&plain, required.clone()) };
        let full = CreateStoreRequest { validate_only, ..wanted(&full, every_field(&full)) };
        let (plain, full) = (lab.api.create(plain).await.unwrap(), lab.api.create(full).await.unwrap());
        assert_eq!(without_identity(full), without_identity(plain), "validate_only: {validate_only}");
    }
    let kept = (lab.api.get(&full).await.unwrap(), lab.api.get(&plain).await.unwrap());
    assert_eq!(without_progress(without_identity(kept.0)), without_progress(without_identity(kept.1)));
}
