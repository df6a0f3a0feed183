//! What is cached of all stores' objects: a short summary of each, by namespace and name.

use std::collections::BTreeMap;

use ::kube::ResourceExt;
use ::kube::runtime::watcher::Event as Change;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::ids::StoreUid;

use super::watches::Seen;
use crate::kube::examine::Expected;
use crate::kube::labels;
use crate::kube::manifest::WorkloadName;
use crate::kube::namespace::OwnedNamespace;
use crate::kube::release::{ListedRelease, ReleaseStatus, fold};
use crate::kube::rollout::{ResourceKind, Serving, claim_is_lost, release_of};

/// The relevant objects of all stores.
#[derive(Debug, Default)]
pub struct ClusterCacheView {
    namespaces: Table<OwnedNamespace>,
    deployments: Table<Workload>,
    stateful_sets: Table<Workload>,
    /// True for a claim whose volume is lost.
    claims: Table<bool>,
    /// Only the labels of release records.
    records: Table<ObjectMeta>,
    secrets: Table<()>,
}

#[derive(Debug)]
struct Workload {
    release: Option<String>,
    chart: Option<String>,
    serving: Serving,
    /// For messages: `Deployment store 0/1`.
    status: String,
}

impl Workload {
    fn of(metadata: &ObjectMeta, serving: Serving, status: String) -> Self {
        let chart = metadata.labels.as_ref().and_then(|labels| labels.get(labels::CHART));
        Self { release: release_of(metadata).cloned(), chart: chart.cloned(), serving, status }
    }
}

impl ClusterCacheView {
    /// Every namespace in the cluster, whoever created it.
    pub fn namespaces(&self) -> impl Iterator<Item = &OwnedNamespace> {
        self.namespaces.live.values()
    }

    /// True if the namespace exists, names that store, and is not being deleted.
    pub fn is_namespace_of(&self, namespace: &str, store: StoreUid) -> bool {
        let found = self.namespaces.get("", namespace);
        found.is_some_and(|found| found.store_uid == Some(store) && !found.terminating)
    }

    /// The releases in a namespace.
    pub fn releases(&self, namespace: &str) -> Vec<ListedRelease> {
        fold(self.records.within(namespace).map(|(_, labels)| labels))
    }

    /// The releases of all namespaces.
    pub fn all_releases(&self) -> Vec<ListedRelease> {
        fold(self.records.live.values())
    }

    /// The value of the label `helm.sh/chart` of a release's workloads, for example `woocommerce-1.2.3`.
    pub fn chart(&self, release: &ListedRelease) -> Option<String> {
        let namespace = release.namespace.as_str();
        let mut workloads = self.deployments.within(namespace).chain(self.stateful_sets.within(namespace));
        workloads.find_map(|(_, it)| it.chart.clone().filter(|_| it.release.as_ref() == Some(&release.name)))
    }

    /// The symptoms of a store, in a few words each; empty if there are none.
    pub fn symptoms(&self, expected: &Expected) -> Vec<String> {
        let namespace = &expected.namespace;
        let releases = self.releases(namespace);
        let mut symptoms = Vec::new();
        match self.namespaces.get("", namespace) {
            None => return vec![format!("Namespace {namespace} missing")],
            Some(found) if found.terminating => return vec![format!("Namespace {namespace} terminating")],
            Some(found) if found.store_uid.is_some_and(|uid| uid != expected.store_uid) => {
                return vec![format!("Namespace {namespace} foreign")];
            }
            Some(found) if !found.labelled => symptoms.push(format!("Namespace {namespace} unlabelled")),
            Some(_) => {}
        }
        let release = releases.into_iter().find(|release| release.name == expected.release);
        match release.map(|release| release.observation.status) {
            None => symptoms.push(format!("release {} missing", expected.release)),
            Some(ReleaseStatus::Deployed) => {}
            Some(status) => symptoms.push(format!("release {} {}", expected.release, status.as_str())),
        }
        let missing = expected.secrets.iter().filter(|name| self.secrets.get(namespace, name).is_none());
        symptoms.extend(missing.map(|name| format!("Secret {name} missing")));
        let missing = expected.workloads.iter().filter(|workload| !self.has(namespace, workload));
        symptoms.extend(missing.map(|workload| format!("{} {} missing", workload.kind, workload.name)));
        let workloads = self.stateful_sets.within(namespace).chain(self.deployments.within(namespace));
        let ours = workloads.map(|(_, it)| it).filter(|it| it.release.as_ref() == Some(&expected.release));
        let mut any = false;
        for workload in ours {
            any = true;
            if workload.serving != Serving::Fully {
                symptoms.push(workload.status.clone());
            }
        }
        if !any {
            symptoms.push(format!("release {} has no workload", expected.release));
        }
        let lost = self.claims.within(namespace).filter(|(_, lost)| **lost);
        symptoms.extend(lost.map(|(name, _)| format!("PersistentVolumeClaim {name} lost")));
        symptoms
    }

    fn has(&self, namespace: &str, workload: &WorkloadName) -> bool {
        match workload.kind {
            ResourceKind::Deployment => self.deployments.get(namespace, &workload.name).is_some(),
            ResourceKind::StatefulSet => self.stateful_sets.get(namespace, &workload.name).is_some(),
            _ => true,
        }
    }

    pub(super) fn apply(&mut self, seen: Seen) {
        match seen {
            Seen::Namespace(change) => self.namespaces.apply(change, |it| OwnedNamespace::read(&it.metadata)),
            Seen::Deployment(change) => self.deployments.apply(change, |it| {
                let (serving, status) = Serving::of_deployment(it);
                Workload::of(&it.metadata, serving, status)
            }),
            Seen::StatefulSet(change) => self.stateful_sets.apply(change, |it| {
                let (serving, status) = Serving::of_stateful_set(it);
                Workload::of(&it.metadata, serving, status)
            }),
            Seen::Claim(change) => self.claims.apply(change, claim_is_lost),
            Seen::Record(change) => self.records.apply(change, |it| ObjectMeta {
                namespace: it.metadata.namespace.clone(),
                labels: it.metadata.labels.clone(),
                ..ObjectMeta::default()
            }),
            Seen::Secret(change) => self.secrets.apply(change, |_| ()),
        }
    }

    /// Every listing is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.namespaces.synced
            && self.deployments.synced
            && self.stateful_sets.synced
            && self.claims.synced
            && self.records.synced
            && self.secrets.synced
    }

    /// The connection was lost: the cached objects are outdated and dropped.
    pub(super) fn expire(&mut self) {
        *self = Self::default();
    }
}

/// Objects of one kind, by namespace and name. Cluster-scoped objects have an empty namespace.
#[derive(Debug)]
struct Table<T> {
    live: BTreeMap<(String, String), T>,
    listing: BTreeMap<(String, String), T>,
    synced: bool,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), listing: BTreeMap::new(), synced: false }
    }
}

impl<T> Table<T> {
    fn apply<K: ResourceExt>(&mut self, change: Change<K>, keep: impl FnOnce(&K) -> T) {
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match change {
            Change::Init => self.listing.clear(),
            Change::InitApply(object) => drop(self.listing.insert(key(&object), keep(&object))),
            Change::InitDone => {
                self.live = std::mem::take(&mut self.listing);
                self.synced = true;
            }
            Change::Apply(object) => drop(self.live.insert(key(&object), keep(&object))),
            Change::Delete(object) => drop(self.live.remove(&key(&object))),
        }
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.live.get(&(namespace.to_owned(), name.to_owned()))
    }

    fn within<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a T)> {
        let from = self.live.range((namespace.to_owned(), String::new())..);
        let inside = from.take_while(move |((of, _), _)| of == namespace);
        inside.map(|((_, name), kept)| (name.as_str(), kept))
    }
}
