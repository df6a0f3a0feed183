//! UpdateStore of what the shop itself takes over, its revisions, and RollbackStore.

use std::os::unix::fs::PermissionsExt as _;

use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api as Objects, DeleteParams, Patch, PatchParams, PostParams};
use prost_types::FieldMask;
use prost_types::value::Kind;
use storeplane_proto::v1::{
    CancelOperationRequest, GetOperationRequest, ListStoreRevisionsRequest, ListStoresRequest, OperationKind,
    OperationState, RollbackStoreRequest, Store, StoreEnvironment, StoreRevision, StoreState, TenantQuotas,
    UpdateStoreRequest,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::failures::charts_with_plan;
use crate::harness::{Api, Lab, Seen, Setup, fields, fresh, reason};
use crate::kube_support::plain_client;
use crate::quotas::with_quotas;

fn wanted(id: &str, paths: &[&str], store: Store) -> UpdateStoreRequest {
    UpdateStoreRequest {
        store_id: id.to_owned(),
        store: Some(store),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..UpdateStoreRequest::default()
    }
}

fn to_plan(id: &str, plan: &str) -> UpdateStoreRequest {
    wanted(id, &["plan"], Store { plan: plan.to_owned(), ..Store::default() })
}

async fn update(api: &Api, request: UpdateStoreRequest) -> Result<Store, Status> {
    api.stores.clone().update_store(request).await.map(tonic::Response::into_inner)
}

async fn roll_back(api: &Api, id: &str, revision: i32) -> Result<Store, Status> {
    let request = RollbackStoreRequest { store_id: id.to_owned(), revision, ..RollbackStoreRequest::default() };
    api.stores.clone().rollback_store(request).await.map(tonic::Response::into_inner)
}

async fn settled(api: &Api, id: &str, expected: StoreState) -> (Store, Seen) {
    let (store, seen) = api.settle(id).await;
    assert_eq!(store.state(), expected, "{}", seen.text());
    (store, seen)
}

async fn revisions(api: &Api, id: &str) -> Vec<StoreRevision> {
    let request = ListStoreRevisionsRequest { store_id: id.to_owned(), ..ListStoreRevisionsRequest::default() };
    api.stores.clone().list_store_revisions(request).await.expect("revisions").into_inner().revisions
}

/// The shop's name in the values of a revision.
fn name_in_values(revision: &StoreRevision) -> String {
    let values = revision.values.as_ref().expect("values");
    let Some(Kind::StructValue(store)) = values.fields["store"].kind.clone() else { panic!("{values:?}") };
    match store.fields["displayName"].kind.clone() {
        Some(Kind::StringValue(name)) => name,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_reach_the_cluster_and_a_rollback_returns_to_the_former_ones() {
    let lab = Lab::start().await;
    let id = fresh("update");
    let created = lab.api.ready(&id).await;
    assert_eq!(created.revision, 1);

    let request_id = Uuid::now_v7().to_string();
    let store = Store { display_name: "Käse & mehr".to_owned(), plan: "standard".to_owned(), ..Store::default() };
    let request =
        UpdateStoreRequest { request_id, etag: created.etag.clone(), ..wanted(&id, &["display_name", "plan"], store) };
    let updating = update(&lab.api, request.clone()).await.unwrap();
    assert_eq!((updating.state(), updating.plan.as_str()), (StoreState::Updating, "standard"));
    assert_eq!(update(&lab.api, request).await.unwrap().operation, updating.operation, "the same request");
    let (updated, seen) = settled(&lab.api, &id, StoreState::Ready).await;
    assert_eq!((updated.display_name.as_str(), updated.revision), ("Käse & mehr", 2));
    assert_ne!(updated.etag, created.etag);
    let names = lab.kubernetes.configuration(&updated.namespace).await;
    assert!(names.contains(&"Käse & mehr".to_owned()), "{names:?}");
    let event = seen.events.iter().find(|event| event.r#type == "STORE_UPDATED").expect("an event");
    assert_eq!(event.details["plan"], "standard");
    let operation = GetOperationRequest { operation_id: updating.operation.clone() };
    let operation = lab.api.operations.clone().get_operation(operation).await.unwrap().into_inner();
    assert_eq!((operation.kind(), operation.state()), (OperationKind::Update, OperationState::Succeeded));

    let [newest, first] = &revisions(&lab.api, &id).await[..] else { panic!("two revisions") };
    assert_eq!((newest.revision, newest.plan.as_str(), &newest.operation_id), (2, "standard", &updating.operation));
    assert_eq!((first.revision, first.plan.as_str(), first.versions.clone()), (1, "small", created.versions.clone()));
    assert_eq!([newest, first].map(name_in_values), ["Käse & mehr", &created.display_name]);
    assert!(first.images.iter().any(|image| image.contains("/store:")), "{:?}", first.images);

    // An operator's retry applies the same again, which is no new revision.
    lab.api.retry(&id).await.unwrap();
    assert_eq!(settled(&lab.api, &id, StoreState::Ready).await.0.revision, 2);
    assert_eq!(reason(&roll_back(&lab.api, &id, 9).await.unwrap_err()), "REVISION_NOT_FOUND");
    assert_eq!(fields(&roll_back(&lab.api, &id, 2).await.unwrap_err()), ["revision"]);
    assert_eq!(roll_back(&lab.api, &id, 1).await.unwrap().state(), StoreState::Updating);
    let (back, _) = settled(&lab.api, &id, StoreState::Ready).await;
    assert_eq!((&back.display_name, &back.plan, back.revision), (&created.display_name, &created.plan, 3));
    let names = lab.kubernetes.configuration(&back.namespace).await;
    assert!(names.contains(&created.display_name) && !names.contains(&"Käse & mehr".to_owned()), "{names:?}");
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    settled(&lab.api, &id, StoreState::Deleted).await;
}

#[tokio::test]
async fn failed_update_returns_to_the_settings_before_and_says_why() {
    // The quota has no room for its pods.
    let charts = charts_with_plan("broken", "web: {resources: {limits: {cpu: \"100\", memory: 100Gi}}}\n");
    std::fs::write(charts.path().join("woocommerce/plans/rejected.yaml"), "noSuchValue: 1\n").unwrap();
    // Nor for a volume of this size.
    std::fs::write(charts.path().join("woocommerce/plans/overfull.yaml"), "uploads: {size: 90Gi}\n").unwrap();
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("undone");
    let created = lab.api.ready(&id).await;
    let broken =
        [("rejected", "CHART_REJECTED", 1), ("overfull", "QUOTA_EXCEEDED", 1), ("broken", "QUOTA_EXCEEDED", 3)];
    for (plan, cause, revision) in broken {
        let updating = update(&lab.api, to_plan(&id, plan)).await.unwrap();
        let (store, seen) = settled(&lab.api, &id, StoreState::Ready).await;
        assert_eq!((store.plan.as_str(), store.revision), ("small", revision), "{}", seen.text());
        assert_eq!((&store.display_name, store.reason.as_str()), (&created.display_name, ""));
        let operation = GetOperationRequest { operation_id: updating.operation };
        let operation = lab.api.operations.clone().get_operation(operation).await.unwrap().into_inner();
        assert_eq!((operation.state(), operation.reason.as_str()), (OperationState::Failed, cause));
        let text = seen.text();
        for step in ["STEP_FAILED", "UNDO_STARTED", "STEP_SUCCEEDED REVERT", "STEP_SUCCEEDED ROLLOUT", "UNDO_SUCCEEDED"]
        {
            assert!(text.contains(step), "{step}: {text}");
        }
    }
    lab.kubernetes.assert_installed(&id).await;
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    settled(&lab.api, &id, StoreState::Deleted).await;
}

/// The API server's cache may lack the larger quota that helm has just stored when helm enlarges a volume.
#[tokio::test]
async fn upgrade_that_the_former_quota_refuses_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (helm, refused) = (folder.path().join("helm"), folder.path().join("refused"));
    let says = "Error: UPGRADE FAILED: cannot patch \"store-uploads\" with kind PersistentVolumeClaim: persistentvolumeclaims \
                \"store-uploads\" is forbidden: exceeded quota: store, requested: requests.storage=18Gi, used: requests.storage=4Gi, \
                limited: requests.storage=8Gi";
    let (real, refused) = (Setup::default().helm, refused.display());
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = upgrade ] && mkdir {refused} 2>/dev/null; then echo '{says}' >&2; exit 1; fi\nexec {real} \"$@\"\n"
    );
    std::fs::write(&helm, script).unwrap();
    std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).unwrap();
    let lab = Setup { helm: helm.display().to_string(), ..Setup::default() }.start().await;
    let id = fresh("former");
    lab.api.ready(&id).await;

    update(&lab.api, to_plan(&id, "standard")).await.unwrap();
    let (store, seen) = settled(&lab.api, &id, StoreState::Ready).await;

    let text = seen.text();
    assert_eq!(store.plan, "standard", "{text}");
    assert!(text.contains("STEP_RETRIED UPGRADE") && !text.contains("UNDO_STARTED"), "{text}");
    lab.api.delete(&id).await.unwrap();
    settled(&lab.api, &id, StoreState::Deleted).await;
}

#[tokio::test]
async fn volume_that_cannot_grow_is_named_and_grows_once_its_class_allows_it() {
    let classes = Objects::<StorageClass>::all(plain_client().await);
    let (own, class) = (classes.get("simulated").await.unwrap(), fresh("fixed"));
    let metadata = ObjectMeta { name: Some(class.clone()), ..ObjectMeta::default() };
    let fixed = StorageClass { metadata, allow_volume_expansion: Some(false), ..own };
    classes.create(&PostParams::default(), &fixed).await.unwrap();
    let volumes = Objects::<PersistentVolume>::all(plain_client().await);
    let volume = serde_json::json!({"metadata": {"name": class}, "spec": {"storageClassName": class, "capacity": {"storage": "9Gi"},
        "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/nowhere"}}});
    volumes.create(&PostParams::default(), &serde_json::from_value(volume).unwrap()).await.unwrap();
    let charts = charts_with_plan("fixed", &format!("uploads: {{storageClass: {class}}}\n"));
    let quota = "quota: {hard: {requests.storage: 20Gi}}";
    let larger = format!("uploads: {{storageClass: {class}, size: 9Gi}}\n{quota}\n");
    std::fs::write(charts.path().join("woocommerce/plans/larger.yaml"), larger).unwrap();
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("grown");
    let mut wanted = Api::wanted(&id);
    wanted.store.get_or_insert_default().plan = "fixed".to_owned();
    lab.api.create(wanted).await.unwrap();
    settled(&lab.api, &id, StoreState::Ready).await;

    let updating = update(&lab.api, to_plan(&id, "larger")).await.unwrap();
    let (store, seen) = settled(&lab.api, &id, StoreState::Ready).await;
    assert_eq!(store.plan, "fixed", "{}", seen.text());
    let operation = GetOperationRequest { operation_id: updating.operation };
    let operation = lab.api.operations.clone().get_operation(operation).await.unwrap().into_inner();
    assert_eq!(operation.reason, "VOLUME_NOT_EXPANDABLE", "{}", operation.message);
    assert!(operation.message.contains("\"store-uploads\""), "{}", operation.message);

    let grows = Patch::Merge(serde_json::json!({"allowVolumeExpansion": true}));
    classes.patch(&class, &PatchParams::default(), &grows).await.unwrap();
    update(&lab.api, to_plan(&id, "larger")).await.unwrap();
    let (store, seen) = settled(&lab.api, &id, StoreState::Ready).await;
    assert_eq!(store.plan, "larger", "{}", seen.text());
    lab.api.delete(&id).await.unwrap();
    settled(&lab.api, &id, StoreState::Deleted).await;
    volumes.delete(&class, &DeleteParams::default()).await.unwrap();
    classes.delete(&class, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn labels_are_changed_one_by_one_and_found_by_filters() {
    let lab = Lab::start().await;
    let (id, other) = (fresh("labels"), fresh("labels"));
    let labels = |all: &[(&str, &str)]| all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    for (id, env) in [(&id, "prod"), (&other, "test")] {
        let mut request = Api::wanted(id);
        request.store.as_mut().unwrap().labels = labels(&[("env", env), ("team", "Tee & Käse")]);
        lab.api.create(request).await.unwrap();
    }
    let store = Store { labels: labels(&[("cost", "42")]), ..Store::default() };
    let changed = update(&lab.api, wanted(&id, &["labels.cost", "labels.team"], store.clone())).await.unwrap();
    assert_eq!(changed.labels, labels(&[("env", "prod"), ("cost", "42")]));
    let listed = async |filter: &str| {
        let request = ListStoresRequest { filter: filter.to_owned(), ..ListStoresRequest::default() };
        let listed = lab.api.stores.clone().list_stores(request).await.unwrap().into_inner().stores;
        listed.into_iter().map(|store| store.store_id).collect::<Vec<_>>()
    };
    assert_eq!(listed("labels.env = prod").await, [id.as_str()]);
    assert_eq!(listed("labels.env : * AND NOT labels.cost = 42").await, [other.as_str()]);
    assert_eq!(listed("labels.none = x").await, Vec::<String>::new());
    let all = update(&lab.api, wanted(&id, &["labels"], store)).await.unwrap();
    assert_eq!(all.labels, labels(&[("cost", "42")]));
    let bad = Store { labels: labels(&[("Env", "x"), ("env", "")]), ..Store::default() };
    let refused = update(&lab.api, wanted(&id, &["labels"], bad)).await.unwrap_err();
    assert_eq!(fields(&refused), ["store.labels", "store.labels.env"]);
    for id in [&id, &other] {
        lab.api.delete(id).await.unwrap();
        settled(&lab.api, id, StoreState::Deleted).await;
    }
}

#[tokio::test]
async fn cancelled_update_is_undone() {
    let charts = charts_with_plan("nowhere", "scheduling: {nodeSelector: {no-such: node}}\n");
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("stop");
    lab.api.ready(&id).await;
    let updating = update(&lab.api, to_plan(&id, "nowhere")).await.unwrap();
    lab.api.until_told(&id, "WAITING ROLLOUT").await;
    let refused = update(&lab.api, to_plan(&id, "large")).await.unwrap_err();
    assert_eq!(reason(&refused), "SETTINGS_NOT_UPDATABLE");
    let request = CancelOperationRequest { operation_id: updating.operation, ..CancelOperationRequest::default() };
    lab.api.operations.clone().cancel_operation(request).await.unwrap();
    let (store, seen) = settled(&lab.api, &id, StoreState::Ready).await;
    assert_eq!(store.plan, "small", "{}", seen.text());
    lab.kubernetes.assert_installed(&id).await;
    lab.api.delete(&id).await.unwrap();
    settled(&lab.api, &id, StoreState::Deleted).await;
}

#[tokio::test]
async fn preview_changes_nothing_and_bad_values_are_named_together() {
    let lab = Lab::start().await;
    let id = fresh("preview");
    let created = lab.api.ready(&id).await;
    let staging = Store { plan: "large".to_owned(), environment: StoreEnvironment::Staging.into(), ..Store::default() };
    let request = wanted(&id, &["plan", "environment", "deletion_protection"], staging);
    let request = UpdateStoreRequest { validate_only: true, ..request };
    let previewed = update(&lab.api, request).await.unwrap();
    let preview = previewed.update_preview.clone().expect("a preview");
    let changes: Vec<_> = preview.changes.iter().map(|it| format!("{} {} {}", it.field, it.before, it.after)).collect();
    assert_eq!(changes, ["plan small large", "environment PRODUCTION STAGING"]);
    assert_eq!(preview.steps, ["UPGRADE", "ROLLOUT", "VERIFY"]);
    assert!(preview.restarts_pods && preview.notes.len() == 1, "{preview:?}");
    assert_eq!((previewed.plan.as_str(), previewed.state()), ("large", StoreState::Updating));
    let now = lab.api.get(&id).await.unwrap();
    assert_eq!((now.etag, now.last_sequence), (created.etag, created.last_sequence));

    let bad = Store { display_name: " ".to_owned(), admin_email: "nobody".to_owned(), ..Store::default() };
    let refused = update(&lab.api, wanted(&id, &["display_name", "admin_email", "environment", "uid"], bad)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(fields(&refused), ["store.display_name", "store.admin_email", "store.environment", "update_mask"]);
    assert_eq!(fields(&update(&lab.api, to_plan(&id, "huge")).await.unwrap_err()), ["store.plan"]);
    lab.api.delete(&id).await.unwrap();
    settled(&lab.api, &id, StoreState::Deleted).await;
}

#[tokio::test]
async fn larger_plan_needs_room_in_the_quotas() {
    let lab = Lab::start().await;
    let operator = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    let only_small = TenantQuotas { plans: vec!["small".to_owned()], ..TenantQuotas::default() };
    with_quotas(&lab, only_small).await;
    let id = fresh("resize");
    operator.ready(&id).await;
    let preview = UpdateStoreRequest { validate_only: true, ..to_plan(&id, "standard") };
    for request in [preview, to_plan(&id, "standard")] {
        let refused = update(&operator, request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "PLAN_NOT_ALLOWED"));
    }
    // The plan small has 4 CPUs, standard 6.
    let every = vec!["*".to_owned()];
    with_quotas(&lab, TenantQuotas { cpu: "5".into(), plans: every, ..TenantQuotas::default() }).await;
    let refused = update(&operator, to_plan(&id, "standard")).await.unwrap_err();
    assert_eq!(reason(&refused), "RESOURCE_QUOTA_EXCEEDED");
    with_quotas(&lab, TenantQuotas { cpu: "9".into(), ..TenantQuotas::default() }).await;
    update(&operator, to_plan(&id, "standard")).await.expect("there is room");
    settled(&operator, &id, StoreState::Ready).await;
    // It may return to its larger plan, with which it counts until the smaller one is applied.
    update(&operator, to_plan(&id, "small")).await.expect("a smaller plan is always permitted");
    let refused = operator.create(Api::wanted(&fresh("beside"))).await.unwrap_err();
    assert_eq!(reason(&refused), "RESOURCE_QUOTA_EXCEEDED");
    settled(&operator, &id, StoreState::Ready).await;
    operator.delete(&id).await.unwrap();
    settled(&operator, &id, StoreState::Deleted).await;
}
