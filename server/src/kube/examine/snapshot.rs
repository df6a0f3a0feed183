//! Observes stores: the same nine listings for one of them, in its namespace, and for many, over all namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::{Resource, ResourceExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{Event, Namespace, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use storeplane_core::ids::StoreUid;

use super::Expected;
use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::kube::listing::MOST;
use crate::kube::release::{ReleaseStatus, fold, records};
use crate::kube::rollout::{Snapshot, Table};
use crate::kube::secrets::{missing, not_helms};

/// The observation of one store.
#[derive(Debug)]
pub struct ClusterSnapshot {
    pub(super) namespace: Option<ObjectMeta>,
    pub(super) release: Option<ReleaseStatus>,
    /// The stores to which the releases in the namespace belong.
    pub(super) release_stores: Vec<StoreUid>,
    pub(super) missing_secrets: Vec<String>,
    pub(super) objects: Snapshot,
}

/// Objects of a kind, by namespace.
type Found<K> = BTreeMap<String, Vec<K>>;

impl Cluster {
    /// Observes one store: nine requests.
    pub(super) async fn observe(&self, expected: &Expected) -> Result<ClusterSnapshot, ClusterError> {
        let (name, scope) = (&expected.namespace, Scope::One(&expected.namespace));
        let namespace = self.get_namespace(name).await?.map(|found| found.metadata);
        let counts = match &namespace {
            Some(found) if found.deletion_timestamp.is_none() => {
                self.ownership(found, expected.store_uid).await?.is_ours()
            }
            _ => false,
        };
        // Of another namespace nothing counts, and it may not be readable.
        let mut found = if counts { Box::pin(self.find(&scope)).await? } else { Objects::default() };
        Ok(found.snapshot(expected, namespace))
    }

    /// Observes many stores: nine paged listings of the whole cluster, whatever the number of stores. Results are in the stores' order.
    pub async fn observe_all(&self, expected: &[Expected]) -> Result<Vec<ClusterSnapshot>, ClusterError> {
        let names: BTreeSet<_> = expected.iter().map(|expected| expected.namespace.as_str()).collect();
        let mut namespaces = BTreeMap::new();
        let keep = |found: PartialObjectMeta<Namespace>| {
            if names.contains(found.name_any().as_str()) {
                namespaces.insert(found.name_any(), found.metadata);
            }
        };
        let listing = self.read_pages("list the namespaces", ListParams::default(), keep);
        let scope = Scope::All(&names);
        let ((), mut found) = futures::try_join!(listing, Box::pin(self.find(&scope)))?;
        Ok(expected.iter().map(|expected| found.snapshot(expected, namespaces.remove(&expected.namespace))).collect())
    }

    async fn find(&self, scope: &Scope<'_>) -> Result<Objects, ClusterError> {
        let any = ListParams::default();
        let (records, secrets, deployments, stateful_sets, replica_sets, pods, claims, events) = futures::try_join!(
            self.found(scope, records()),
            self.found(scope, not_helms()),
            self.found(scope, any.clone()),
            self.found(scope, any.clone()),
            self.found(scope, any.clone()),
            self.found(scope, any.clone()),
            self.found(scope, any.clone()),
            self.found(scope, any),
        )?;
        Ok(Objects { records, secrets, deployments, stateful_sets, replica_sets, pods, claims, events })
    }

    async fn found<K>(&self, scope: &Scope<'_>, wanted: ListParams) -> Result<Found<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let names = match scope {
            Scope::One(name) => return Ok(Found::from([((*name).to_owned(), self.list_in(name, wanted).await?)])),
            Scope::All(names) => names,
        };
        let mut found = Found::<K>::new();
        let keep = |object: K| {
            let namespace = object.namespace().filter(|namespace| names.contains(namespace.as_str()));
            let kept = namespace.map(|namespace| found.entry(namespace).or_default());
            if let Some(kept) = kept.filter(|kept| kept.len() < MOST as usize) {
                kept.push(object);
            }
        };
        self.read_pages(&format!("list the {} of all namespaces", K::plural(&())), wanted, keep).await?;
        Ok(found)
    }
}

/// Where to list.
enum Scope<'a> {
    One(&'a str),
    All(&'a BTreeSet<&'a str>),
}

#[derive(Default)]
struct Objects {
    records: Found<PartialObjectMeta<Secret>>,
    secrets: Found<PartialObjectMeta<Secret>>,
    deployments: Found<Deployment>,
    stateful_sets: Found<StatefulSet>,
    replica_sets: Found<PartialObjectMeta<ReplicaSet>>,
    pods: Found<Pod>,
    claims: Found<PersistentVolumeClaim>,
    events: Found<Event>,
}

impl Objects {
    /// Removes this store's part.
    fn snapshot(&mut self, expected: &Expected, namespace: Option<ObjectMeta>) -> ClusterSnapshot {
        let name = &expected.namespace;
        let records = self.records.remove(name).unwrap_or_default();
        let releases = fold(records.iter().map(|record| &record.metadata));
        let release_stores = releases.iter().filter_map(|release| release.observation.store_uid).collect();
        let release = releases.into_iter().find(|release| release.name == expected.release);
        let secrets = self.secrets.remove(name).unwrap_or_default();
        let mut objects = Snapshot::new(expected.release.clone());
        objects.deployments = table(&mut self.deployments, name);
        objects.stateful_sets = table(&mut self.stateful_sets, name);
        objects.replica_sets = table(&mut self.replica_sets, name);
        objects.pods = table(&mut self.pods, name);
        objects.claims = table(&mut self.claims, name);
        objects.events = table(&mut self.events, name);
        ClusterSnapshot {
            namespace,
            release: release.map(|release| release.observation.status),
            release_stores,
            missing_secrets: missing(&expected.secrets, &secrets),
            objects,
        }
    }
}

fn table<K: ResourceExt>(found: &mut Found<K>, namespace: &str) -> Table<K> {
    Table::listed(found.remove(namespace).unwrap_or_default())
}
