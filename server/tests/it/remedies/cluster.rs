//! Reasons that are produced and cured in the cluster, as a person with kubectl would.

use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, Event, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Secret, ServiceAccount,
};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use storeplane_core::failure::Reason;
use storeplane_proto::v1::{Store, StoreState};

use super::stage::Stage;

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a Kubernetes object")
}

async fn deployments(stage: &Stage, store: &Store) -> Api<Deployment> {
    Api::namespaced(stage.lab.kubernetes.client().await, &store.namespace)
}

pub(super) async fn storage_class_is_created_or_corrected(stage: &Stage, reason: Reason) {
    storage_class_is_created(stage, reason).await;
    storage_class_is_corrected(stage, reason).await;
}

async fn storage_class_is_created(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    stage.plan(reason, &format!("storageClass: {id}\n"));
    stage.create(&id, reason).await;
    let store = stage.fails(&id, reason).await;
    assert!(store.details.join("\n").contains(&format!("storage class: {id}")), "{store:?}");
    let classes: Api<StorageClass> = Api::all(stage.lab.kubernetes.client().await);
    let class = json!({"metadata": {"name": id}, "provisioner": "kubernetes.io/no-provisioner"});
    classes.create(&PostParams::default(), &object(class)).await.unwrap();
    let volumes: Api<PersistentVolume> = Api::all(stage.lab.kubernetes.client().await);
    let volume = json!({"metadata": {"name": id}, "spec": {"storageClassName": id, "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/nowhere"}}});
    volumes.create(&PostParams::default(), &object(volume)).await.unwrap();
    stage.retry(&id, reason).await;
    volumes.delete(&id, &DeleteParams::default()).await.unwrap();
    classes.delete(&id, &DeleteParams::default()).await.unwrap();
}

/// The API server does not allow changing the claim's class in place.
async fn storage_class_is_corrected(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    stage.plan(reason, &format!("storageClass: {id}\n"));
    let store = stage.create(&id, reason).await;
    stage.fails(&id, reason).await;
    stage.plan(reason, "storageClass: simulated\n");
    stage.retry(&id, reason).await;
    let claims = Api::<PersistentVolumeClaim>::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    let class = claims.get("data").await.unwrap().spec.unwrap().storage_class_name;
    assert_eq!(class.as_deref(), Some("simulated"));
}

pub(super) async fn service_account_is_created(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    stage.plan(reason, "serviceAccount: shop\n");
    stage.create(&id, reason).await;
    let store = stage.shows(&id, StoreState::Provisioning, reason).await;
    assert!(store.message.contains("service account"), "{store:?}");
    let accounts: Api<ServiceAccount> = Api::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    accounts.create(&PostParams::default(), &object(json!({"metadata": {"name": "shop"}}))).await.unwrap();
    stage.recovers(&id, reason).await;
}

pub(super) async fn foreign_namespace_is_removed(stage: &Stage, reason: Reason) {
    let (id, kubernetes) = (Stage::id(reason), &stage.lab.kubernetes);
    let namespace = format!("store-{id}");
    kubernetes.foreign_namespace(&namespace).await;
    stage.create(&id, reason).await;
    stage.fails(&id, reason).await;
    kubernetes.drop_namespace(&namespace).await;
    while kubernetes.has_namespace(&namespace).await {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    stage.retry(&id, reason).await;
}

pub(super) async fn namespace_is_deleted(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    stage.lab.kubernetes.drop_namespace(&store.namespace).await;
    stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn labels_are_removed(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let namespaces: Api<Namespace> = Api::all(stage.lab.kubernetes.client().await);
    let none = Patch::Merge(json!({"metadata": {"labels": null}}));
    namespaces.patch(&store.namespace, &PatchParams::default(), &none).await.unwrap();
    stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn finalizer_is_removed(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let maps: Api<ConfigMap> = Api::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/keep"]}});
    maps.create(&PostParams::default(), &object(held)).await.unwrap();
    stage.lab.api.delete(&store.store_id).await.unwrap();
    let stuck = stage.shows(&store.store_id, StoreState::Deleting, reason).await;
    assert!(stuck.details.join("\n").contains("example.com/keep"), "{stuck:?}");
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &free).await.unwrap();
    assert_eq!(stage.lab.api.settle(&store.store_id).await.0.state(), StoreState::Deleted);
}

pub(super) async fn release_is_forgotten(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let secrets: Api<Secret> = Api::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    let records = ListParams::default().labels("owner=helm");
    secrets.delete_collection(&DeleteParams::default(), &records).await.unwrap();
    stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn release_is_left_failed(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let secrets: Api<Secret> = Api::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    let records = secrets.list(&ListParams::default().labels("owner=helm")).await.unwrap().items;
    let name = records[0].metadata.name.clone().unwrap();
    let failed = Patch::Merge(json!({"metadata": {"labels": {"status": "failed"}}}));
    secrets.patch(&name, &PatchParams::default(), &failed).await.unwrap();
    stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn secrets_are_deleted(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let secrets: Api<Secret> = Api::namespaced(stage.lab.kubernetes.client().await, &store.namespace);
    secrets.delete("store-admin", &DeleteParams::default()).await.unwrap();
    stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn workload_is_deleted(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    deployments(stage, &store).await.delete("store", &DeleteParams::default()).await.unwrap();
    stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn workload_is_scaled_to_zero(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    deployments(stage, &store).await.patch("store", &PatchParams::default(), &none).await.unwrap();
    let seen = stage.shows(&store.store_id, StoreState::Degraded, reason).await;
    assert!(seen.message.contains("Deployment store is scaled to 0"), "{seen:?}");
    stage.retry(&store.store_id, reason).await;
}

pub(super) async fn policy_is_removed(stage: &Stage, reason: Reason) {
    let (id, client) = (Stage::id(reason), stage.lab.kubernetes.client().await);
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client);
    let only_here = json!({"matchLabels": {"kubernetes.io/metadata.name": format!("store-{id}")}});
    let policy = json!({"metadata": {"name": id}, "spec": {"failurePolicy": "Fail",
        "matchConstraints": {"namespaceSelector": only_here, "resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"],
            "operations": ["CREATE"], "resources": ["deployments"]}]},
        "validations": [{"expression": "false", "message": "no Deployments here"}]}});
    let binding = json!({"metadata": {"name": id}, "spec": {"policyName": id, "validationActions": ["Deny"]}});
    policies.create(&PostParams::default(), &object(policy)).await.unwrap();
    bindings.create(&PostParams::default(), &object(binding)).await.unwrap();
    // The API server takes a moment to apply a new policy.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    stage.create(&id, reason).await;
    let store = stage.fails(&id, reason).await;
    assert!(store.message.contains(&id) || store.details.join("\n").contains(&id), "the policy is named: {store:?}");
    bindings.delete(&id, &DeleteParams::default()).await.unwrap();
    policies.delete(&id, &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    stage.retry(&id, reason).await;
}

pub(super) async fn webhook_is_removed(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(stage.lab.kubernetes.client().await);
    let webhook = json!({"metadata": {"name": id}, "webhooks": [{"name": "check.example.com", "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "timeoutSeconds": 2,
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": format!("store-{id}")}},
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]}]});
    webhooks.create(&PostParams::default(), &object(webhook)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    stage.create(&id, reason).await;
    let store = stage.shows(&id, StoreState::Provisioning, reason).await;
    assert!(store.message.contains("check.example.com"), "the webhook is named: {store:?}");
    webhooks.delete(&id, &DeleteParams::default()).await.unwrap();
    stage.recovers(&id, reason).await;
}

/// The status that a kubelet or the node controller sets on a failing pod, and its events.
fn trouble(reason: Reason) -> (Value, Option<&'static str>) {
    let waiting = |why: &str, message: &str| json!({"waiting": {"reason": why, "message": message}});
    let container = |state: Value, restarts: i32, last: Value| {
        json!([{"name": "store", "image": "store", "imageID": "", "ready": false, "started": false,
            "restartCount": restarts, "state": state, "lastState": last}])
    };
    let running = || container(json!({"running": {}}), 0, json!({}));
    match reason {
        Reason::NodeLost => (running(), None),
        Reason::NotReady => (running(), Some("Readiness probe failed: HTTP probe failed with statuscode: 503")),
        Reason::VolumeFull => (running(), Some("Readiness probe failed: write: No space left on device")),
        Reason::OutOfMemory => {
            let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
            (container(waiting("CrashLoopBackOff", "back-off"), 3, killed), None)
        }
        Reason::ContainerConfigError => {
            (container(waiting("CreateContainerConfigError", "secret \"extra\" not found"), 0, json!({})), None)
        }
        other => panic!("no pod shows {other:?}"),
    }
}

fn conditions(ready: &str) -> Value {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status});
    json!([
        condition("Initialized", "True"),
        condition("PodScheduled", "True"),
        condition("ContainersReady", ready),
        condition("Ready", ready)
    ])
}

/// Simulated nodes run nothing, so the test does the kubelet's part: it writes the pod's status, and corrects it
/// after following the remedy.
pub(super) async fn pod_recovers(stage: &Stage, reason: Reason) {
    let store = stage.ready(reason).await;
    let client = stage.lab.kubernetes.client().await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), &store.namespace);
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    let (name, uid) = (pod.metadata.name.unwrap(), pod.metadata.uid.unwrap());
    let healthy = pod.status.unwrap();
    let (containers, said) = trouble(reason);
    if let Some(message) = said {
        let event = json!({"metadata": {"name": "probe"}, "reason": "Unhealthy", "type": "Warning", "message": message,
            "involvedObject": {"kind": "Pod", "name": name, "namespace": store.namespace, "uid": uid}});
        let events: Api<Event> = Api::namespaced(client.clone(), &store.namespace);
        events.create(&PostParams::default(), &object(event)).await.unwrap();
    }
    let ready = if reason == Reason::NodeLost { "Unknown" } else { "False" };
    let status = Patch::Merge(json!({"status": {"containerStatuses": containers, "conditions": conditions(ready)}}));
    pods.patch_status(&name, &PatchParams::default(), &status).await.unwrap();

    stage.shows(&store.store_id, StoreState::Degraded, reason).await;

    if reason == Reason::OutOfMemory {
        stage.plan(reason, "memory: 128Mi\n");
        return stage.retry(&store.store_id, reason).await;
    }
    if reason == Reason::ContainerConfigError {
        stage.lab.kubernetes.secret(&store.namespace, "extra", &[("a", "b")]).await;
    }
    let status = json!({"status": {"containerStatuses": healthy.container_statuses, "conditions": healthy.conditions}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    if reason == Reason::ContainerConfigError {
        return stage.retry(&store.store_id, reason).await;
    }
    stage.recovers(&store.store_id, reason).await;
}
