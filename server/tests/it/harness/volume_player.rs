//! Stands in for a CSI driver and the snapshot controller, which the embedded cluster does not have: their kinds are installed by these tests, and
//! this makes volumes for the claims of a `StorageClass` of its own, from snapshots or empty, and reports snapshots as ready. What volumes
//! contain is not played: nothing runs that could read it. Claims are bound, protected and deleted by Kubernetes' own controllers.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, watch};
use tokio::task::JoinHandle;

use crate::kube_support::plain_client;

/// The driver, and the name of its classes.
pub(crate) const DRIVER: &str = "played.storeplane.test";
/// Between two looks for claims and snapshots.
const LOOK: Duration = Duration::from_millis(200);
/// On volumes: the namespace of their claims.
const OF_NAMESPACE: &str = "storeplane.test/namespace";

/// Held for reading while a test needs the kinds of snapshots, for writing while another one needs that they do not exist.
static KINDS: RwLock<()> = RwLock::const_new(());

/// What the driver does with claims that name a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromSnapshots {
    /// It makes their volumes.
    Made,
    /// It does not, until told otherwise.
    Held,
}

/// Plays the volumes of a namespace until it is dropped.
pub(crate) struct VolumePlayer {
    client: Client,
    namespace: String,
    from_snapshots: watch::Sender<FromSnapshots>,
    made: watch::Receiver<Vec<(String, Option<String>)>>,
    task: JoinHandle<()>,
    _kinds: Arc<RwLockReadGuard<'static, ()>>,
}

impl VolumePlayer {
    /// Installs the kinds, and plays for this namespace, which need not exist yet.
    pub(crate) async fn start(namespace: &str, from_snapshots: FromSnapshots) -> Self {
        let kinds = Arc::new(KINDS.read().await);
        let client = plain_client().await;
        install(&client).await;
        let (told, how) = watch::channel(from_snapshots);
        let (making, made) = watch::channel(Vec::new());
        let task = tokio::spawn(play(client.clone(), namespace.to_owned(), how, making));
        Self { client, namespace: namespace.to_owned(), from_snapshots: told, made, task, _kinds: kinds }
    }

    /// From now on.
    pub(crate) fn set(&self, from_snapshots: FromSnapshots) {
        self.from_snapshots.send_replace(from_snapshots);
    }

    /// The volumes that were made: claims, and the snapshots that they were made from.
    pub(crate) fn made(&self) -> Vec<(String, Option<String>)> {
        self.made.borrow().clone()
    }

    /// The names of the snapshots in the namespace.
    pub(crate) async fn snapshots(&self) -> Vec<String> {
        let found = snapshots(&self.client, &self.namespace).list(&ListParams::default()).await.expect("snapshots");
        found.items.iter().map(DynamicObject::name_any).collect()
    }

    /// A snapshot whose backup is not in the database.
    pub(crate) async fn orphan(&self, name: &str, claim: &str) {
        let labels =
            json!({"app.kubernetes.io/managed-by": "storeplane", "storeplane.io/backup": uuid::Uuid::now_v7()});
        let object = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": name, "labels": labels},
            "spec": {"volumeSnapshotClassName": DRIVER, "source": {"persistentVolumeClaimName": claim}}});
        let object = serde_json::from_value(object).expect("a snapshot");
        snapshots(&self.client, &self.namespace).create(&PostParams::default(), &object).await.expect("a snapshot");
    }

    /// Ends, and deletes the volumes.
    pub(crate) async fn end(self) {
        self.task.abort();
        let ours = ListParams::default().labels(&format!("{OF_NAMESPACE}={}", self.namespace));
        let volumes = Api::<PersistentVolume>::all(self.client.clone());
        volumes.delete_collection(&DeleteParams::background(), &ours).await.expect("deleted");
    }
}

impl Drop for VolumePlayer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// While it is held, the cluster has no kinds of snapshots.
pub(crate) async fn without_snapshots() -> RwLockWriteGuard<'static, ()> {
    let alone = KINDS.write().await;
    let definitions = Api::<CustomResourceDefinition>::all(plain_client().await);
    for (_, plural) in KIND_NAMES {
        let name = format!("{plural}.snapshot.storage.k8s.io");
        let _ = definitions.delete(&name, &DeleteParams::default()).await;
        while definitions.get_opt(&name).await.expect("an answer").is_some() {
            tokio::time::sleep(LOOK).await;
        }
    }
    alone
}

const KIND_NAMES: [(&str, &str); 2] =
    [("VolumeSnapshotClass", "volumesnapshotclasses"), ("VolumeSnapshot", "volumesnapshots")];

/// The kinds, and the driver's classes.
async fn install(client: &Client) {
    let force = PatchParams::apply("test").force();
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for (kind, plural) in KIND_NAMES {
        let scope = if kind == "VolumeSnapshot" { "Namespaced" } else { "Cluster" };
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema, "subresources": if scope == "Namespaced" { json!({"status": {}}) } else { json!({}) }});
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.snapshot.storage.k8s.io"),
                "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"}},
            "spec": {"group": "snapshot.storage.k8s.io", "scope": scope, "versions": [version],
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")}}});
        let name = format!("{plural}.snapshot.storage.k8s.io");
        definitions.patch(&name, &force, &Patch::Apply(definition)).await.expect("a definition");
    }
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": DRIVER}, "provisioner": DRIVER});
    Api::<StorageClass>::all(client.clone()).patch(DRIVER, &force, &Patch::Apply(class)).await.expect("a class");
    let class = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass", "metadata": {"name": DRIVER},
        "driver": DRIVER, "deletionPolicy": "Delete"});
    let classes = Api::<DynamicObject>::all_with(client.clone(), &resource(KIND_NAMES[0]));
    // A kind is served a moment after its definition is stored.
    while classes.patch(DRIVER, &force, &Patch::Apply(&class)).await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

fn resource((kind, plural): (&str, &str)) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("snapshot.storage.k8s.io", "v1", kind), plural)
}

fn snapshots(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource(KIND_NAMES[1]))
}

async fn play(
    client: Client,
    namespace: String,
    how: watch::Receiver<FromSnapshots>,
    making: watch::Sender<Vec<(String, Option<String>)>>,
) {
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let snapshots = snapshots(&client, &namespace);
    loop {
        let all = ListParams::default();
        for claim in claims.list(&all).await.map(|list| list.items).unwrap_or_default() {
            let Some((volume, source)) = volume(&claim) else { continue };
            if source.is_some() && *how.borrow() == FromSnapshots::Held {
                continue;
            }
            // Until Kubernetes has bound it, it exists already.
            if volumes.create(&PostParams::default(), &volume).await.is_ok() {
                making.send_modify(|made| made.push((claim.name_any(), source)));
            }
        }
        for snapshot in snapshots.list(&all).await.map(|list| list.items).unwrap_or_default() {
            if snapshot.data.get("status").is_none() {
                let status = json!({"status": {"readyToUse": true, "restoreSize": "1Gi", "creationTime": "2026-11-27T00:00:00Z"}});
                let _ =
                    snapshots.patch_status(&snapshot.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The volume for a claim of the driver's class that has none, and the snapshot that it is made from.
fn volume(claim: &PersistentVolumeClaim) -> Option<(PersistentVolume, Option<String>)> {
    let spec = claim.spec.as_ref()?;
    if spec.storage_class_name.as_deref() != Some(DRIVER) || spec.volume_name.is_some() {
        return None;
    }
    // Kubernetes asks for a volume by this annotation.
    claim.annotations().get("volume.kubernetes.io/storage-provisioner")?;
    let (uid, namespace) = (claim.uid()?, claim.namespace()?);
    let volume: Value = json!({
        "metadata": {"name": format!("pvc-{uid}"), "labels": {OF_NAMESPACE: namespace}, "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER}},
        "spec": {"accessModes": spec.access_modes, "capacity": {"storage": "1Gi"}, "storageClassName": DRIVER,
            "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/played"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim.name_any(), "namespace": namespace, "uid": uid}},
    });
    let source = spec.data_source.as_ref().map(|source| source.name.clone());
    Some((serde_json::from_value(volume).ok()?, source))
}
