//! Plugins of stores: chosen of those that the configuration offers, in the pods, in revisions, and replaced in many stores by a rollout.

use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api as Objects;
use prost_types::FieldMask;
use storeplane_proto::v1::{
    CreateRolloutRequest, EngineVersion, GetRolloutRequest, ListEnginesRequest, ListRolloutStoresRequest,
    ListStoreRevisionsRequest, ListStoresRequest, Plugin, RollbackStoreRequest, Rollout, RolloutState,
    RolloutStoreState, RolloutTarget, Store, StoreState, UpdateStoreRequest,
};
use tonic::Status;

use crate::harness::{Api, Lab, Setup, fields, fresh};

/// Offers these versions.
fn offer(file: &Path, plugins: &[(&str, &str)]) {
    let table = |(name, version): &(&str, &str)| {
        format!(
            "[[engines.woocommerce.plugins]]\nname = '{name}'\nversion = '{version}'\nimage = 'r.test/{name}:{version}'\n"
        )
    };
    std::fs::write(file, plugins.iter().map(table).collect::<String>()).unwrap();
}

fn named(plugins: &[(&str, &str)]) -> Vec<Plugin> {
    plugins.iter().map(|(name, version)| Plugin { name: (*name).to_owned(), version: (*version).to_owned() }).collect()
}

fn wanted(id: &str, plugins: &[(&str, &str)]) -> UpdateStoreRequest {
    UpdateStoreRequest {
        store_id: id.to_owned(),
        store: Some(Store { plugins: named(plugins), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["plugins".to_owned()] }),
        ..UpdateStoreRequest::default()
    }
}

async fn update(api: &Api, request: UpdateStoreRequest) -> Result<Store, Status> {
    api.stores.clone().update_store(request).await.map(tonic::Response::into_inner)
}

/// READY with these plugins, also in its pods; the images that they are copied from.
async fn assert_has(lab: &Lab, id: &str, plugins: &[(&str, &str)]) -> Store {
    let (store, seen) = lab.api.settle(id).await;
    assert_eq!((store.state(), &store.plugins), (StoreState::Ready, &named(plugins)), "{}", seen.text());
    let deployments = Objects::<Deployment>::namespaced(lab.kubernetes.client().await, &store.namespace);
    let pod = deployments.get("store").await.expect("the Deployment").spec.template.spec;
    let containers = pod.expect("a pod").init_containers.unwrap_or_default().into_iter();
    let containers = containers.filter(|container| container.name.starts_with("plugin-"));
    let found: Vec<_> = containers.map(|it| (it.name, it.image.unwrap_or_default())).collect();
    let expected = |(name, version): &(&str, &str)| (format!("plugin-{name}"), format!("r.test/{name}:{version}"));
    assert_eq!(found, plugins.iter().map(expected).collect::<Vec<_>>());
    let names = plugins.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    let configuration = lab.kubernetes.configuration(&store.namespace).await;
    assert!(configuration.contains(&names), "{names:?}: {configuration:?}");
    store
}

async fn matching(api: &Api, filter: &str) -> Vec<String> {
    let request = ListStoresRequest { filter: filter.to_owned(), ..ListStoresRequest::default() };
    let stores = api.stores.clone().list_stores(request).await.expect("stores").into_inner().stores;
    stores.into_iter().map(|store| store.store_id).collect()
}

#[tokio::test]
async fn plugins_follow_the_settings_and_a_rollout_replaces_their_versions() {
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("storeplane.toml");
    offer(&file, &[("faq", "1.0"), ("faq", "1.2"), ("gift-cards", "2.0.1")]);
    let mut lab = Setup::default().with("STOREPLANE_CONFIG", file.to_str().unwrap()).start().await;
    let (id, other) = (fresh("plugins"), fresh("plugins"));
    let mut request = Api::wanted(&other);
    request.store.as_mut().unwrap().plugins = named(&[("faq", "1.0"), ("gift-cards", "")]);
    let created = lab.api.create(request).await.unwrap();
    assert_eq!(created.plugins, named(&[("faq", "1.0"), ("gift-cards", "2.0.1")]));
    lab.api.ready(&id).await;
    let before = assert_has(&lab, &id, &[]).await;
    assert_has(&lab, &other, &[("faq", "1.0"), ("gift-cards", "2.0.1")]).await;

    refused_and_previewed(&lab, &id).await;
    update(&lab.api, wanted(&id, &[("gift-cards", "2.0.1"), ("faq", "")])).await.unwrap();
    let both = assert_has(&lab, &id, &[("faq", "1.2"), ("gift-cards", "2.0.1")]).await;
    assert_ne!(both.etag, before.etag);
    let again = update(&lab.api, wanted(&id, &[("faq", "1.2"), ("gift-cards", "")])).await.unwrap();
    assert_eq!(again.operation, both.operation, "the same plugins");
    update(&lab.api, wanted(&id, &[("gift-cards", "2.0.1")])).await.unwrap();
    assert_has(&lab, &id, &[("gift-cards", "2.0.1")]).await;
    assert_eq!(matching(&lab.api, "plugins:faq").await, [&*other]);
    assert_eq!(matching(&lab.api, "plugins.faq = \"1.0*\" plugins:gift-cards").await, [&*other]);
    assert_eq!(matching(&lab.api, "plugins.gift-cards = 2.0.1 AND NOT plugins:faq").await, [&*id]);

    // What the configuration no longer offers remains, and returns with its revision.
    offer(&file, &[("faq", "1.3"), ("gift-cards", "3")]);
    lab.server.terminate().await;
    lab.server.restart().await;
    let name = Store { display_name: "Tea".to_owned(), ..Store::default() };
    let mask = Some(FieldMask { paths: vec!["display_name".to_owned()] });
    let renamed = UpdateStoreRequest { store: Some(name), update_mask: mask, ..wanted(&id, &[]) };
    update(&lab.api, renamed).await.unwrap();
    assert_has(&lab, &id, &[("gift-cards", "2.0.1")]).await;
    assert_eq!(
        fields(&update(&lab.api, wanted(&id, &[("faq", "1.2")])).await.unwrap_err()),
        ["store.plugins[0].version"]
    );
    let back = RollbackStoreRequest { store_id: id.clone(), revision: 2, ..RollbackStoreRequest::default() };
    lab.api.stores.clone().rollback_store(back).await.unwrap();
    assert_has(&lab, &id, &[("faq", "1.2"), ("gift-cards", "2.0.1")]).await;
    let listed = ListStoreRevisionsRequest { store_id: id.clone(), ..ListStoreRevisionsRequest::default() };
    let revisions = lab.api.stores.clone().list_store_revisions(listed).await.unwrap().into_inner().revisions;
    let counts: Vec<_> = revisions.iter().map(|revision| revision.plugins.len()).collect();
    assert_eq!(counts, [2, 1, 1, 2, 0], "newest first");

    replaced_in_all(&lab, [&id, &other]).await;
    lab.database.assert_sound().await;
    for id in [&id, &other] {
        lab.api.delete(id).await.unwrap();
        lab.api.settle(id).await;
    }
}

/// Everything that is wrong is said at once, with what is offered.
async fn refused_and_previewed(lab: &Lab, id: &str) {
    let engines = lab.api.platform.clone().list_engines(ListEnginesRequest {}).await.unwrap().into_inner().engines;
    let engine = engines.iter().find(|engine| engine.name == "woocommerce").expect("the engine");
    let offered: Vec<_> = engine.plugins.iter().map(|it| (it.name.as_str(), it.version.as_str())).collect();
    assert_eq!(offered, [("faq", "1.0"), ("faq", "1.2"), ("gift-cards", "2.0.1")]);
    assert!(matches!(&engine.versions[..], [EngineVersion { plugins: true, .. }]), "{engine:?}");
    let bad = [("faq", "9"), ("reviews", ""), ("gift-cards", ""), ("gift-cards", "")];
    let refused = update(&lab.api, wanted(id, &bad)).await.unwrap_err();
    let expected = ["store.plugins[3].name", "store.plugins[0].version", "store.plugins[1].name"];
    assert_eq!(fields(&refused), expected);
    let mut request = Api::wanted(&fresh("plugins"));
    request.store.as_mut().unwrap().plugins = named(&bad);
    assert_eq!(fields(&lab.api.create(request).await.unwrap_err()), expected);
    let preview = UpdateStoreRequest { validate_only: true, ..wanted(id, &[("gift-cards", ""), ("faq", "1.0")]) };
    let preview = update(&lab.api, preview).await.unwrap().update_preview.expect("a preview");
    let changes: Vec<_> = preview.changes.iter().map(|it| (it.field.as_str(), it.after.as_str())).collect();
    assert_eq!(changes, [("plugins", "faq 1.0, gift-cards 2.0.1")]);
    assert!(preview.restarts_pods && !preview.maintenance_page && preview.notes.is_empty(), "{preview:?}");
}

/// A rollout of one plugin leaves the others, and skips stores without it.
async fn replaced_in_all(lab: &Lab, [id, other]: [&String; 2]) {
    let without = fresh("plugins");
    lab.api.ready(&without).await;
    let target = |plugins| RolloutTarget {
        store: Some(Store { plugins: named(plugins), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["plugins".to_owned()] }),
        reapply: false,
    };
    let rollout = |plugins| {
        let (target, soak) = (Some(target(plugins)), Some(prost_types::Duration::default()));
        let rollout = Rollout { filter: "*".to_owned(), target, soak, ..Rollout::default() };
        let mut rollouts = lab.api.rollouts.clone();
        async move { rollouts.create_rollout(CreateRolloutRequest { rollout: Some(rollout), ..Default::default() }).await }
    };
    let refused = rollout(&[("faq", "1.2"), ("reviews", "")]).await.unwrap_err();
    assert_eq!(fields(&refused), ["rollout.target.store.plugins[0].version", "rollout.target.store.plugins[1].name"]);
    let created = rollout(&[("faq", "1.3")]).await.unwrap().into_inner();
    assert_eq!(
        created.target.as_ref().and_then(|target| target.store.as_ref()).unwrap().plugins,
        named(&[("faq", "1.3")])
    );
    let request = GetRolloutRequest { rollout_id: created.rollout_id.clone() };
    let ended = async {
        while lab.api.rollouts.clone().get_rollout(request.clone()).await.unwrap().into_inner().state()
            != RolloutState::Completed
        {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), ended).await.expect("it is completed");
    for id in [id, other] {
        assert_has(lab, id, &[("faq", "1.3"), ("gift-cards", "2.0.1")]).await;
    }
    let request = ListRolloutStoresRequest { rollout_id: created.rollout_id, ..ListRolloutStoresRequest::default() };
    let members = lab.api.rollouts.clone().list_rollout_stores(request).await.unwrap().into_inner().stores;
    let skipped: Vec<_> = members.iter().filter(|it| it.state() == RolloutStoreState::Skipped).collect();
    let skipped: Vec<_> = skipped.iter().map(|it| (it.store_id.as_str(), it.reason.as_str())).collect();
    assert_eq!(skipped, [(without.as_str(), "PLUGIN_MISSING")]);
    lab.api.delete(&without).await.unwrap();
}
