//! `VolumeSnapshot`s of a store's volumes. Clusters without the CSI snapshot controller have no such kind, and are not asked to.

use std::collections::BTreeMap;

use ::kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams};
use ::kube::{Api, ResourceExt as _};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::{Value, json};
use storeplane_core::backup::snapshot::Snapshot;
use storeplane_core::ids::{BackupId, OperationId, StoreUid};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;

/// The API group of snapshots.
pub(super) const GROUP: &str = "snapshot.storage.k8s.io";
/// Marks the class of a driver that is used unless another one is named.
const DEFAULT_CLASS: &str = "snapshot.storage.kubernetes.io/is-default-class";
/// On a claim: the driver that provisions its volume. Read in place of the claim's `StorageClass`, which may be gone, and needs a right more.
const PROVISIONER: [&str; 2] =
    ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];

/// A snapshot to make.
#[derive(Debug, Clone)]
pub struct SnapshotSpec {
    /// The name of the object. Contains the backup's id.
    pub name: String,
    /// The claim whose volume it is of.
    pub claim: String,
    /// The store.
    pub store_uid: StoreUid,
    /// The backup.
    pub backup: BackupId,
    /// The operation that makes the backup.
    pub operation: OperationId,
    /// The fence of the caller's claim.
    pub fence: i64,
}

/// A snapshot that the control plane made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedSnapshot {
    /// Its claim, name and state.
    pub snapshot: Snapshot,
    /// The backup that it was made with.
    pub backup: BackupId,
    /// Minimum size of a volume that is made from it, as a Kubernetes quantity.
    pub restore_size: Option<String>,
}

impl Cluster {
    /// The `VolumeSnapshotClass` for the volumes of these claims: `wanted`, or one of their driver. Otherwise, why there is none.
    pub async fn snapshot_class(
        &self,
        claims: &[PersistentVolumeClaim],
        wanted: Option<&str>,
    ) -> Result<Result<String, String>, ClusterError> {
        let mut drivers: Vec<_> = claims.iter().map(driver).collect();
        drivers.dedup();
        let [Some(driver)] = drivers[..] else {
            return Ok(Err("the volumes are not of one CSI driver".to_owned()));
        };
        let resource = resource("VolumeSnapshotClass", "volumesnapshotclasses");
        let listed = self.call("list the VolumeSnapshotClasses", |client| async move {
            Api::<DynamicObject>::all_with(client, &resource).list(&ListParams::default()).await
        });
        match listed.await {
            Ok(classes) => Ok(class(&classes.items, driver, wanted)),
            Err(error) if error.kind() == ClusterErrorKind::NotFound => {
                Ok(Err("the cluster has no VolumeSnapshots".to_owned()))
            }
            Err(error) if error.kind() == ClusterErrorKind::Forbidden => {
                Ok(Err("the account may not list VolumeSnapshotClasses".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Creates a snapshot. One of that name that was made for the same backup is kept; another one is [`ClusterErrorKind::NotOurs`].
    pub async fn ensure_snapshot(&self, namespace: &str, class: &str, spec: &SnapshotSpec) -> Result<(), ClusterError> {
        let (what, name) = (format!("create the VolumeSnapshot {} in {namespace}", spec.name), &spec.name);
        let object = object(namespace, class, spec);
        let created = self.call(&what, |client| async {
            snapshots(client, namespace).create(&PostParams::default(), &object).await.map(drop)
        });
        match created.await {
            Err(error) if error.kind() == ClusterErrorKind::Conflict => {}
            created => return created,
        }
        let what = format!("read the VolumeSnapshot {name} in {namespace}");
        let found = self.call(&what, |client| async { snapshots(client, namespace).get(name).await }).await?;
        if found.labels().get(labels::BACKUP) == Some(&spec.backup.to_string()) {
            return Ok(());
        }
        let message = format!("could not {what}: one of that name belongs to something else");
        Err(ClusterError::new(ClusterErrorKind::NotOurs, message))
    }

    /// Our snapshots in a namespace, by name. Empty if the cluster has no such kind, or if the account may not list it.
    pub async fn snapshots_of(&self, namespace: &str) -> Result<Vec<OwnedSnapshot>, ClusterError> {
        let what = format!("list the VolumeSnapshots in {namespace}");
        let ours =
            ListParams::default().labels(&format!("{}={},{}", labels::MANAGED_BY, labels::STOREPLANE, labels::BACKUP));
        let listed = self.call(&what, |client| async { snapshots(client, namespace).list(&ours).await });
        let mut found: Vec<_> = match listed.await {
            Ok(listed) => listed.items.iter().filter_map(owned).collect(),
            Err(error) if error.kind().is_refusal() => Vec::new(),
            Err(error) => return Err(error),
        };
        found.sort_by(|a, b| a.snapshot.name.cmp(&b.snapshot.name));
        Ok(found)
    }

    /// Deletes a snapshot; one that does not exist, or may not exist, is fine.
    pub async fn delete_snapshot(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let what = format!("delete the VolumeSnapshot {name} in {namespace}");
        let deleted = self.call(&what, |client| async {
            snapshots(client, namespace).delete(name, &DeleteParams::default()).await.map(drop)
        });
        match deleted.await {
            Err(error) if error.kind().is_refusal() => Ok(()),
            deleted => deleted,
        }
    }
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, "v1", kind), plural)
}

fn snapshots(client: ::kube::Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &resource("VolumeSnapshot", "volumesnapshots"))
}

fn object(namespace: &str, class: &str, spec: &SnapshotSpec) -> DynamicObject {
    let labels = [
        (labels::MANAGED_BY, labels::STOREPLANE.to_owned()),
        (labels::STORE_UID, spec.store_uid.to_string()),
        (labels::OPERATION, spec.operation.to_string()),
        (labels::BACKUP, spec.backup.to_string()),
    ];
    let mut object = DynamicObject::new(&spec.name, &resource("VolumeSnapshot", "volumesnapshots")).within(namespace);
    object.metadata.labels = Some(labels.map(|(name, text)| (name.to_owned(), text)).into());
    object.metadata.annotations = Some(BTreeMap::from([(labels::FENCE.to_owned(), spec.fence.to_string())]));
    object.data =
        json!({"spec": {"volumeSnapshotClassName": class, "source": {"persistentVolumeClaimName": spec.claim}}});
    object
}

/// The driver that provisioned a claim's volume.
fn driver(claim: &PersistentVolumeClaim) -> Option<&str> {
    let annotations = claim.annotations();
    PROVISIONER.iter().find_map(|name| annotations.get(*name)).map(String::as_str)
}

/// The class with this name, or the best one of the driver. Otherwise, why there is none.
fn class(classes: &[DynamicObject], driver: &str, wanted: Option<&str>) -> Result<String, String> {
    let of_driver = |class: &&DynamicObject| class.data.get("driver").and_then(Value::as_str) == Some(driver);
    let named = |class: &&DynamicObject| wanted.is_none_or(|wanted| class.name_any() == wanted);
    let is_default = |class: &DynamicObject| class.annotations().get(DEFAULT_CLASS).is_some_and(|text| text == "true");
    let mut usable: Vec<_> = classes.iter().filter(named).filter(of_driver).collect();
    usable.sort_by_key(|class| (!is_default(class), class.name_any()));
    usable.first().map(|class| class.name_any()).ok_or_else(|| match wanted {
        Some(name) => format!("there is no VolumeSnapshotClass {name} of driver {driver}"),
        None => format!("there is no VolumeSnapshotClass of driver {driver}"),
    })
}

fn owned(object: &DynamicObject) -> Option<OwnedSnapshot> {
    let text = |path: &str| object.data.pointer(path).and_then(Value::as_str);
    let usable = object.metadata.deletion_timestamp.is_none();
    let ready = object.data.pointer("/status/readyToUse").and_then(Value::as_bool) == Some(true) && usable;
    let taken_at = text("/status/creationTime").and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    Some(OwnedSnapshot {
        snapshot: Snapshot {
            claim: text("/spec/source/persistentVolumeClaimName")?.to_owned(),
            name: object.name_any(),
            ready,
            taken_at,
        },
        backup: object.labels().get(labels::BACKUP)?.parse().ok()?,
        restore_size: text("/status/restoreSize").map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn of(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    fn snapshot_class(name: &str, driver: &str, default: bool) -> DynamicObject {
        let annotations = if default { json!({DEFAULT_CLASS: "true"}) } else { json!({}) };
        of(json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
            "metadata": {"name": name, "annotations": annotations}, "driver": driver, "deletionPolicy": "Delete"}))
    }

    #[test]
    fn class_is_the_default_of_the_volumes_driver_unless_one_is_named() {
        let classes =
            [snapshot_class("a", "rbd", false), snapshot_class("b", "rbd", true), snapshot_class("c", "nfs", true)];
        assert_eq!(class(&classes, "rbd", None).as_deref(), Ok("b"));
        assert_eq!(class(&classes, "rbd", Some("a")).as_deref(), Ok("a"));
        assert_eq!(class(&classes[..1], "rbd", None).as_deref(), Ok("a"), "none is the default");
        let missing = class(&classes, "zfs", None).expect_err("none");
        assert_eq!(missing, "there is no VolumeSnapshotClass of driver zfs");
        assert!(class(&classes, "nfs", Some("a")).is_err(), "it is of another driver");
    }

    #[test]
    fn snapshot_is_read_as_it_was_written() {
        let spec = SnapshotSpec {
            name: "s".into(),
            claim: "data".into(),
            store_uid: StoreUid(Uuid::from_u128(1)),
            backup: BackupId(Uuid::from_u128(2)),
            operation: OperationId(Uuid::from_u128(3)),
            fence: 7,
        };
        let mut made = object("store-a", "b", &spec);
        assert_eq!(made.annotations().get(labels::FENCE).map(String::as_str), Some("7"));
        let read = owned(&made).expect("ours");
        assert_eq!((read.snapshot.claim.as_str(), read.snapshot.ready, read.backup), ("data", false, spec.backup));
        made.data["status"] = json!({"readyToUse": true, "creationTime": "2026-11-27T00:00:00Z", "restoreSize": "5Gi"});
        let read = owned(&made).expect("ours");
        assert!(read.snapshot.ready && read.snapshot.taken_at.is_some() && read.restore_size.as_deref() == Some("5Gi"));
        made.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-27T00:00:00Z")).expect("a time");
        assert!(!owned(&made).expect("ours").snapshot.ready, "it is being deleted");
    }
}
