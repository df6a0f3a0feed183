//! A store of the second engine that the repository's charts bring, from its creation to its deletion.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api as Objects, DeleteParams};
use prost_types::FieldMask;
use storeplane_proto::v1::{CreateDomainRequest, CreateStoreRequest, Smtp, Store, StoreState, UpdateStoreRequest};

use super::{listed, login, ready};
use crate::drift::{FOLLOWED, becomes, finish};
use crate::harness::{Api, DEFAULT_ENGINE, Lab, fields, fresh};

const ENGINE: &str = "medusa";

fn update(store: &Store, paths: &[&str], wanted: Store) -> UpdateStoreRequest {
    UpdateStoreRequest {
        store_id: store.store_id.clone(),
        store: Some(wanted),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..UpdateStoreRequest::default()
    }
}

async fn settled(lab: &Lab, id: &str) -> Store {
    let (store, seen) = lab.api.settle(id).await;
    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    store
}

#[tokio::test]
async fn store_of_the_second_engine_is_created_changed_repaired_and_deleted() {
    let lab = Lab::start().await;
    let engines = listed(&lab).await;
    assert_eq!(engines.iter().map(|engine| engine.name.as_str()).collect::<Vec<_>>(), [DEFAULT_ENGINE, ENGINE]);
    assert!(engines.iter().all(|engine| engine.plans.len() > 1 && !engine.app_version.is_empty()), "{engines:?}");
    let without = CreateStoreRequest { validate_only: true, ..Api::wanted(&fresh("default")) };
    let without = lab.api.create(without).await.unwrap();
    assert_eq!((without.engine.as_str(), without.admin_url.ends_with("/wp-admin/")), (DEFAULT_ENGINE, true));

    let id = fresh("second");
    let store = ready(&lab.api, ENGINE, &id).await;
    assert_eq!(store.admin_url, format!("{}app", store.shop_url));
    let text = lab.api.settle(&id).await.1.text();
    for resource in ["StatefulSet store-db", "Deployment store", "PersistentVolumeClaim data-store-db-0"] {
        assert!(text.contains(resource), "{resource}: {text}");
    }
    let before = login(&lab, &store).await;
    assert_eq!((&before.admin_url, before.username.as_str()), (&store.admin_url, "owner@store.invalid"));
    assert_eq!(before.password.len(), 24);

    let wanted =
        Store { display_name: "Käse & mehr".to_owned(), plan: engines[1].plans[1].name.clone(), ..Store::default() };
    let request = update(&store, &["display_name", "plan"], wanted.clone());
    lab.api.stores.clone().update_store(request).await.unwrap();
    let updated = settled(&lab, &id).await;
    assert_eq!((updated.revision, &updated.plan), (2, &wanted.plan));
    let texts = lab.kubernetes.configuration(&store.namespace).await;
    assert!(texts.contains(&wanted.display_name), "{texts:?}");

    // Its chart has values for domains, and none for a mail server.
    let smtp = Smtp { host: "smtp.example.com".to_owned(), ..Smtp::default() };
    let request = update(&store, &["smtp"], Store { smtp: Some(Box::new(smtp)), ..Store::default() });
    let refused = lab.api.stores.clone().update_store(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["store.smtp"], "{refused}");
    let domain = crate::domains::claim(&id, "tea.example.com");
    lab.api.domains.clone().create_domain(CreateDomainRequest { validate_only: true, ..domain }).await.unwrap();

    let deployments = Objects::<Deployment>::namespaced(lab.kubernetes.client().await, &store.namespace);
    deployments.delete("store", &DeleteParams::default()).await.unwrap();
    assert_eq!(becomes(&lab, &id, StoreState::Degraded, FOLLOWED).await.reason, "WORKLOAD_MISSING");
    lab.api.retry(&id).await.unwrap();
    settled(&lab, &id).await;

    lab.api.rotate_credentials(&id).await.unwrap();
    let rotated = settled(&lab, &id).await;
    let after = login(&lab, &rotated).await;
    assert!(after.username == before.username && after.password != before.password);
    finish(&lab, &id).await;
}
