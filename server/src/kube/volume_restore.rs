//! Replaces volumes by new ones: claims are deleted and created again, from snapshots or empty. What has to be remembered meanwhile is in a
//! `ConfigMap` of the operation ([`VolumeRecord`]).

use std::collections::{BTreeMap, BTreeSet};

use ::kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use ::kube::core::PartialObjectMeta;
use ::kube::{Api, ResourceExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMap, Event, PersistentVolumeClaim, Pod, PodTemplate, TypedLocalObjectReference,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::quota::quantity;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;
use super::snapshots::GROUP;

/// Annotations that controllers give a claim for its volume.
const OF_CONTROLLERS: [&str; 5] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
];
/// Protects a claim until its snapshots are made.
const SNAPSHOT_SOURCE: &str = "snapshot.storage.kubernetes.io/pvc-as-source-protection";
/// The entry of the `ConfigMap`.
const ENTRY: &str = "volumes";

/// How far a restore of volumes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumePhase {
    /// What uses the volumes is being stopped; they are unchanged.
    Stop,
    /// They are being replaced by volumes from snapshots: what was there is gone.
    FromSnapshots,
    /// They are being replaced by empty ones.
    Empty,
    /// They are empty, and wait for the import of a backup.
    Import,
    /// They have the data of the backup.
    Done,
}

impl VolumePhase {
    /// True if what was there is gone, and the data of the backup is not there yet.
    pub fn has_no_data(self) -> bool {
        matches!(self, Self::FromSnapshots | Self::Empty | Self::Import)
    }
}

/// What a restore of volumes has to remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// How far it is.
    pub phase: VolumePhase,
    /// The claims to create, each with its snapshot.
    pub claims: Vec<(PersistentVolumeClaim, String)>,
}

/// How a claim is created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimSource {
    /// From its snapshot.
    Snapshot,
    /// Empty.
    Nothing,
}

/// The result of [`Cluster::replace_claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimReplaced {
    /// The new claim exists.
    Done,
    /// The old one is being deleted: call again.
    Waiting,
}

impl Cluster {
    /// A volume claim, if it exists.
    pub async fn claim(&self, namespace: &str, name: &str) -> Result<Option<PersistentVolumeClaim>, ClusterError> {
        self.find_object(namespace, name).await
    }

    /// True if the release has a `PodTemplate` of this name.
    pub async fn has_pod_template(&self, namespace: &str, name: &str) -> Result<bool, ClusterError> {
        Ok(self.find_object::<PodTemplate>(namespace, name).await?.is_some())
    }

    /// The record of that name.
    pub async fn volume_record(&self, namespace: &str, name: &str) -> Result<Option<VolumeRecord>, ClusterError> {
        let found: Option<ConfigMap> = self.find_object(namespace, name).await?;
        let text = found.and_then(|map| map.data).and_then(|mut data| data.remove(ENTRY));
        let invalid = |_| {
            let message = format!("could not read the ConfigMap {name} in {namespace}: it is not what was stored");
            ClusterError::new(ClusterErrorKind::Unintelligible, message)
        };
        text.map(|text| serde_json::from_str(&text).map_err(invalid)).transpose()
    }

    /// Stores the record of an operation. One that a later claim has stored is [`ClusterErrorKind::Fenced`].
    pub async fn store_volume_record(
        &self,
        namespace: &str,
        name: &str,
        (store, operation, fence): (StoreUid, OperationId, i64),
        record: &VolumeRecord,
    ) -> Result<(), ClusterError> {
        let what = format!("store the ConfigMap {name} in {namespace}");
        let unwritable = |_| ClusterError::new(ClusterErrorKind::Rejected, format!("could not {what}: not JSON"));
        let text = serde_json::to_string(record).map_err(unwritable)?;
        let found: Option<ConfigMap> = self.find_object(namespace, name).await?;
        if found.as_ref().and_then(|map| fence_of(&map.metadata)).is_some_and(|known| known > fence) {
            return Err(ClusterError::new(
                ClusterErrorKind::Fenced,
                format!("could not {what}: a later claim has acted"),
            ));
        }
        let labels = [
            (labels::MANAGED_BY, labels::STOREPLANE.to_owned()),
            (labels::STORE_UID, store.to_string()),
            (labels::OPERATION, operation.to_string()),
        ];
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(labels.map(|(name, text)| (name.to_owned(), text)).into()),
                annotations: Some(BTreeMap::from([(labels::FENCE.to_owned(), fence.to_string())])),
                resource_version: found.as_ref().and_then(|map| map.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([(ENTRY.to_owned(), text)])),
            ..ConfigMap::default()
        };
        self.call(&what, |client| async {
            let maps = Api::<ConfigMap>::namespaced(client, namespace);
            match found {
                Some(_) => maps.replace(name, &PostParams::default(), &map).await.map(drop),
                None => maps.create(&PostParams::default(), &map).await.map(drop),
            }
        })
        .await
    }

    /// The names of records that begin with this and whose volumes have no data yet.
    pub async fn unfinished_volume_records(&self, namespace: &str, prefix: &str) -> Result<Vec<String>, ClusterError> {
        let ours = format!("{}={},{}", labels::MANAGED_BY, labels::STOREPLANE, labels::OPERATION);
        let maps = self.list_in::<ConfigMap>(namespace, ListParams::default().labels(&ours)).await?;
        let is_unfinished = |map: &&ConfigMap| {
            let text = map.data.as_ref().and_then(|data| data.get(ENTRY));
            let record = text.and_then(|text| serde_json::from_str::<VolumeRecord>(text).ok());
            map.name_any().starts_with(prefix) && record.is_some_and(|record| record.phase.has_no_data())
        };
        Ok(maps.iter().filter(is_unfinished).map(ResourceExt::name_any).collect())
    }

    /// Deletes all records whose names begin with this.
    pub async fn delete_volume_records(&self, namespace: &str, prefix: &str) -> Result<(), ClusterError> {
        let ours = format!("{}={},{}", labels::MANAGED_BY, labels::STOREPLANE, labels::OPERATION);
        let maps = self.list_in::<PartialObjectMeta<ConfigMap>>(namespace, ListParams::default().labels(&ours)).await?;
        for name in maps.iter().map(ResourceExt::name_any).filter(|name| name.starts_with(prefix)) {
            let what = format!("delete the ConfigMap {name} in {namespace}");
            let deleted = self.call(&what, |client| async {
                let maps = Api::<ConfigMap>::namespaced(client, namespace);
                maps.delete(&name, &DeleteParams::default()).await.map(drop)
            });
            match deleted.await {
                Err(error) if error.kind() == ClusterErrorKind::NotFound => {}
                deleted => deleted?,
            }
        }
        Ok(())
    }

    /// Replaces a claim, unless that was done: deletes the old one and, once it is gone, creates the new one. `mark` tells one replacement from
    /// another; a claim that was created under a higher fence is [`ClusterErrorKind::Fenced`].
    pub async fn replace_claim(
        &self,
        namespace: &str,
        (claim, snapshot): (&PersistentVolumeClaim, &str),
        source: ClaimSource,
        (mark, fence): (&str, i64),
    ) -> Result<ClaimReplaced, ClusterError> {
        let name = claim.name_any();
        match self.claim(namespace, &name).await? {
            Some(found) if found.metadata.deletion_timestamp.is_some() => Ok(ClaimReplaced::Waiting),
            Some(found) if found.annotations().get(labels::RESTORED_BY).is_some_and(|by| by == mark) => {
                Ok(ClaimReplaced::Done)
            }
            Some(found) if fence_of(&found.metadata).is_some_and(|known| known > fence) => {
                let message =
                    format!("could not replace the volume claim {name} in {namespace}: a later claim has acted");
                Err(ClusterError::new(ClusterErrorKind::Fenced, message))
            }
            Some(found) => {
                let only_this = Preconditions { uid: found.uid(), resource_version: None };
                let what = format!("delete the volume claim {name} in {namespace}");
                self.call(&what, |client| async {
                    let claims = Api::<PersistentVolumeClaim>::namespaced(client, namespace);
                    claims.delete(&name, &DeleteParams::default().preconditions(only_this)).await.map(drop)
                })
                .await?;
                Ok(ClaimReplaced::Waiting)
            }
            None => {
                let new = new_claim(claim, (source == ClaimSource::Snapshot).then_some(snapshot), (mark, fence));
                let what = format!("create the volume claim {name} in {namespace}");
                self.call(&what, |client| async {
                    let claims = Api::<PersistentVolumeClaim>::namespaced(client, namespace);
                    claims.create(&PostParams::default(), &new).await.map(drop)
                })
                .await?;
                Ok(ClaimReplaced::Done)
            }
        }
    }

    /// The pods that have not ended and mount one of these claims.
    pub async fn pods_with_claims(&self, namespace: &str, claims: &[&str]) -> Result<Vec<String>, ClusterError> {
        let pods = self.list_in::<Pod>(namespace, ListParams::default()).await?;
        Ok(pods.iter().filter(|pod| !has_ended(pod) && mounts(pod, claims)).map(ResourceExt::name_any).collect())
    }

    /// True if a `StatefulSet` has all the pods that it should have, all ready. One that should have none is ready.
    pub async fn is_stateful_set_ready(&self, namespace: &str, name: &str) -> Result<bool, ClusterError> {
        let found: Option<StatefulSet> = self.find_object(namespace, name).await?;
        Ok(found.is_some_and(|set| {
            let wanted = set.spec.replicas.unwrap_or(1);
            let seen = set.status.filter(|status| status.observed_generation >= set.metadata.generation);
            seen.is_some_and(|status| status.ready_replicas.unwrap_or(0) >= wanted)
        }))
    }

    /// What the cluster last warned of about a claim: why it has no volume.
    pub async fn claim_warning(&self, namespace: &str, claim: &str) -> Result<Option<String>, ClusterError> {
        let about = format!("involvedObject.kind=PersistentVolumeClaim,involvedObject.name={claim},type=Warning");
        let events = self.list_in::<Event>(namespace, ListParams::default().fields(&about)).await?;
        let last = events.into_iter().max_by_key(|event| event.last_timestamp.clone());
        Ok(last.and_then(|event| event.message))
    }
}

/// True if the claim's volume can be replaced: it is bound, and no snapshot of it is being made.
pub fn is_replaceable(claim: &PersistentVolumeClaim) -> bool {
    let is_source = claim.metadata.finalizers.iter().flatten().any(|name| name == SNAPSHOT_SOURCE);
    is_bound(claim) && !is_source && claim.metadata.deletion_timestamp.is_none()
}

/// True if the claim has its volume.
pub fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
}

/// The claim as it can be created again, with at least this size.
pub fn as_new(claim: &PersistentVolumeClaim, least: Option<&str>) -> PersistentVolumeClaim {
    let ObjectMeta { name, labels, annotations, owner_references, .. } = claim.metadata.clone();
    let annotations = annotations.map(|mut all| {
        all.retain(|name, _| !OF_CONTROLLERS.contains(&name.as_str()) && name != labels::RESTORED_BY);
        all
    });
    let mut spec = claim.spec.clone().unwrap_or_default();
    (spec.volume_name, spec.data_source, spec.data_source_ref) = (None, None, None);
    let requests = spec.resources.get_or_insert_default().requests.get_or_insert_default();
    let bytes = |text: &str| quantity::bytes(text).unwrap_or(0);
    let now = requests.get("storage").map_or(0, |size| bytes(&size.0));
    if let Some(least) = least.filter(|least| bytes(least) > now) {
        requests.insert("storage".to_owned(), Quantity(least.to_owned()));
    }
    PersistentVolumeClaim {
        metadata: ObjectMeta { name, labels, annotations, owner_references, ..ObjectMeta::default() },
        spec: Some(spec),
        status: None,
    }
}

/// The fence under which an object was written.
fn fence_of(metadata: &ObjectMeta) -> Option<i64> {
    metadata.annotations.as_ref()?.get(labels::FENCE)?.parse().ok()
}

fn new_claim(
    claim: &PersistentVolumeClaim,
    snapshot: Option<&str>,
    (mark, fence): (&str, i64),
) -> PersistentVolumeClaim {
    let mut new = claim.clone();
    let marks = [(labels::RESTORED_BY, mark.to_owned()), (labels::FENCE, fence.to_string())];
    let annotations = new.metadata.annotations.get_or_insert_default();
    annotations.extend(marks.map(|(name, text)| (name.to_owned(), text)));
    if let (Some(spec), Some(name)) = (&mut new.spec, snapshot) {
        let (api_group, kind) = (Some(GROUP.to_owned()), "VolumeSnapshot".to_owned());
        spec.data_source = Some(TypedLocalObjectReference { api_group, kind, name: name.to_owned() });
    }
    new
}

fn mounts(pod: &Pod, claims: &[&str]) -> bool {
    let volumes = pod.spec.iter().filter_map(|spec| spec.volumes.as_ref()).flatten();
    let mounted: BTreeSet<_> =
        volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str())).collect();
    claims.iter().any(|claim| mounted.contains(claim))
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim() -> PersistentVolumeClaim {
        serde_json::from_value(json!({
            "metadata": {"name": "data", "namespace": "store-a", "uid": "u", "resourceVersion": "7", "labels": {"app": "store"},
                "finalizers": ["kubernetes.io/pvc-protection"],
                "annotations": {"helm.sh/resource-policy": "keep", "pv.kubernetes.io/bind-completed": "yes",
                    "volume.kubernetes.io/selected-node": "n", "storeplane.io/restored-by": "old"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": "pvc-1", "volumeMode": "Filesystem",
                "dataSource": {"kind": "VolumeSnapshot", "name": "old"}, "resources": {"requests": {"storage": "5Gi"}}},
            "status": {"phase": "Bound"},
        }))
        .expect("a claim")
    }

    #[test]
    fn claim_is_created_again_without_what_belongs_to_its_volume() {
        let again = as_new(&claim(), Some("1Gi"));
        let expected = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "labels": {"app": "store"}, "annotations": {"helm.sh/resource-policy": "keep"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeMode": "Filesystem",
                "resources": {"requests": {"storage": "5Gi"}}}});
        assert_eq!(serde_json::to_value(&again).expect("JSON"), expected);
        let larger = serde_json::to_value(as_new(&claim(), Some("6Gi"))).expect("JSON");
        assert_eq!(larger.pointer("/spec/resources/requests/storage"), Some(&json!("6Gi")), "the snapshot needs more");
        let new = serde_json::to_value(new_claim(&again, Some("s"), ("mark", 7))).expect("JSON");
        let source = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
        assert_eq!(new.pointer("/spec/dataSource"), Some(&source));
        assert_eq!(new.pointer("/metadata/annotations/storeplane.io~1fence"), Some(&json!("7")));
        assert_eq!(new_claim(&again, None, ("mark", 7)).spec.and_then(|spec| spec.data_source), None);
    }

    #[test]
    fn claim_whose_snapshot_is_being_made_is_not_replaced() {
        assert!(is_replaceable(&claim()));
        let mut source = claim();
        source.metadata.finalizers = Some(vec![SNAPSHOT_SOURCE.to_owned()]);
        assert!(!is_replaceable(&source));
        let mut pending = claim();
        pending.status = None;
        assert!(!is_replaceable(&pending) && !is_bound(&pending));
    }

    #[test]
    fn pod_that_mounts_a_claim_is_found() {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"containers": [], "volumes": [
            {"name": "tmp", "emptyDir": {}}, {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}}))
            .expect("a pod");
        assert!(mounts(&pod, &["files", "data"]) && !mounts(&pod, &["files"]));
    }
}
