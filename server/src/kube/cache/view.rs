//! What is cached of all stores' objects: a short summary of each, by namespace and name.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::ids::StoreUid;

use super::parts::Parts;
use super::table::{Dropped, Table};
use super::watches::{Kind, Part, Seen};
use crate::kube::error::ClusterError;
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
    pub(super) parts: Parts,
}

#[derive(Debug)]
struct Workload {
    release: Option<String>,
    chart: Option<String>,
    /// Changes with its spec, and if it is made anew.
    generation: (Option<String>, Option<i64>),
    serving: Serving,
    /// For messages: `Deployment store 0/1`.
    status: String,
}

impl Workload {
    fn of(metadata: &ObjectMeta, serving: Serving, status: String) -> Self {
        let chart = metadata.labels.as_ref().and_then(|labels| labels.get(labels::CHART));
        let generation = (metadata.uid.clone(), metadata.generation);
        Self { release: release_of(metadata).cloned(), chart: chart.cloned(), generation, serving, status }
    }
}

impl ClusterCacheView {
    /// Every namespace in the cluster, whoever created it.
    pub fn namespaces(&self) -> impl Iterator<Item = &OwnedNamespace> {
        self.namespaces.values()
    }

    /// True if the namespace exists, names that store, and is not being deleted.
    pub fn is_namespace_of(&self, namespace: &str, store: StoreUid) -> bool {
        let found = self.namespaces.get("", namespace);
        found.is_some_and(|found| found.store_uid == Some(store) && !found.terminating)
    }

    /// True if the releases of all namespaces are observed, false if only those in the namespaces of stores are.
    pub fn observes_all_releases(&self) -> bool {
        self.parts.is_known(&Part::everywhere(Kind::Records))
    }

    /// True if the releases in this namespace are observed.
    pub fn observes_releases_in(&self, namespace: &str) -> bool {
        self.parts.is_known_in(Kind::Records, namespace)
    }

    /// The releases in a namespace.
    pub fn releases(&self, namespace: &str) -> Vec<ListedRelease> {
        fold(self.records.within(namespace).map(|(_, labels)| labels))
    }

    /// The releases of all namespaces.
    pub fn all_releases(&self) -> Vec<ListedRelease> {
        fold(self.records.values())
    }

    /// The value of the label `helm.sh/chart` of a release's workloads, for example `woocommerce-1.2.3`.
    pub fn chart(&self, release: &ListedRelease) -> Option<String> {
        let namespace = release.namespace.as_str();
        let mut workloads = self.deployments.within(namespace).chain(self.stateful_sets.within(namespace));
        workloads.find_map(|(_, it)| it.chart.clone().filter(|_| it.release.as_ref() == Some(&release.name)))
    }

    /// Changes whenever a release, or the spec of one of its workloads, may have changed. `None` while they are not observed.
    pub fn configuration_mark(&self, namespace: &str, release: &str) -> Option<u64> {
        let kinds = [Kind::Records, Kind::Deployments, Kind::StatefulSets];
        if !kinds.into_iter().all(|kind| self.parts.is_known_in(kind, namespace)) {
            return None;
        }
        let mut mark = DefaultHasher::new();
        let releases = self.releases(namespace).into_iter().filter(|found| found.name == release);
        for seen in releases.map(|found| found.observation) {
            (seen.revision, seen.status, seen.updated).hash(&mut mark);
        }
        for (kind, table) in [&self.deployments, &self.stateful_sets].into_iter().enumerate() {
            let ours = table.within(namespace).filter(|(_, it)| it.release.as_deref() == Some(release));
            for (name, it) in ours {
                (kind, name, &it.generation).hash(&mut mark);
            }
        }
        Some(mark.finish())
    }

    /// The symptoms of a store, in a few words each; empty if there are none. `None` if none is observed, but not everything is observed
    /// either.
    pub fn symptoms(&self, expected: &Expected) -> Option<Vec<String>> {
        let namespace = &expected.namespace;
        let mut symptoms = Vec::new();
        match self.namespaces.get("", namespace) {
            None => return Some(vec![format!("Namespace {namespace} missing")]),
            Some(found) if found.terminating => return Some(vec![format!("Namespace {namespace} terminating")]),
            Some(found) if found.store_uid.is_some_and(|uid| uid != expected.store_uid) => {
                return Some(vec![format!("Namespace {namespace} foreign")]);
            }
            Some(found) if !found.labelled => symptoms.push(format!("Namespace {namespace} unlabelled")),
            Some(_) => {}
        }
        let is_known = |kind| self.parts.is_known_in(kind, namespace);
        if is_known(Kind::Records) {
            symptoms.extend(self.release_symptom(expected));
        }
        if is_known(Kind::Secrets) {
            let missing = expected.secrets.iter().filter(|name| self.secrets.get(namespace, name).is_none());
            symptoms.extend(missing.map(|name| format!("Secret {name} missing")));
        }
        if is_known(Kind::Deployments) && is_known(Kind::StatefulSets) {
            self.workload_symptoms(expected, &mut symptoms);
        }
        let lost = self.claims.within(namespace).filter(|(_, lost)| **lost);
        symptoms.extend(lost.map(|(name, _)| format!("PersistentVolumeClaim {name} lost")));
        (!symptoms.is_empty() || Kind::NAMESPACED.into_iter().all(is_known)).then_some(symptoms)
    }

    fn release_symptom(&self, expected: &Expected) -> Option<String> {
        let releases = self.releases(&expected.namespace);
        let release = releases.into_iter().find(|release| release.name == expected.release);
        match release.map(|release| release.observation.status) {
            None => Some(format!("release {} missing", expected.release)),
            Some(ReleaseStatus::Deployed) => None,
            Some(status) => Some(format!("release {} {}", expected.release, status.as_str())),
        }
    }

    fn workload_symptoms(&self, expected: &Expected, symptoms: &mut Vec<String>) {
        let namespace = &expected.namespace;
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
    }

    fn has(&self, namespace: &str, workload: &WorkloadName) -> bool {
        match workload.kind {
            ResourceKind::Deployment => self.deployments.get(namespace, &workload.name).is_some(),
            ResourceKind::StatefulSet => self.stateful_sets.get(namespace, &workload.name).is_some(),
            _ => true,
        }
    }

    /// Applies what the watch has seen.
    pub(super) fn apply(&mut self, part: &Part, seen: Seen) {
        if seen.is_listed() {
            self.parts.listed(part);
        }
        if self.is_replaced(part) {
            return;
        }
        let watched = part.namespace.as_ref();
        match seen {
            Seen::Namespace(change) => self.namespaces.apply(watched, change, |it| OwnedNamespace::read(&it.metadata)),
            Seen::Deployment(change) => self.deployments.apply(watched, change, |it| {
                let (serving, status) = Serving::of_deployment(it);
                Workload::of(&it.metadata, serving, status)
            }),
            Seen::StatefulSet(change) => self.stateful_sets.apply(watched, change, |it| {
                let (serving, status) = Serving::of_stateful_set(it);
                Workload::of(&it.metadata, serving, status)
            }),
            Seen::Claim(change) => self.claims.apply(watched, change, claim_is_lost),
            Seen::Record(change) => self.records.apply(watched, change, |it| ObjectMeta {
                namespace: it.metadata.namespace.clone(),
                labels: it.metadata.labels.clone(),
                ..ObjectMeta::default()
            }),
            Seen::Secret(change) => self.secrets.apply(watched, change, |_| ()),
        }
    }

    /// The watch was interrupted: what it showed is outdated and dropped.
    pub(super) fn lose(&mut self, part: &Part, error: ClusterError) {
        self.drop_objects(part);
        self.parts.lost(part, error);
    }

    /// The watch is not needed any more.
    pub(super) fn close(&mut self, part: &Part) {
        self.drop_objects(part);
        self.parts.close(part);
    }

    /// Drops what only this watch has shown: if it was not listed, the objects there are those of other watches.
    fn drop_objects(&mut self, part: &Part) {
        let shown = self.parts.is_known(part) && !self.is_replaced(part);
        let dropped = if shown { Dropped::Objects } else { Dropped::Listing };
        let watched = part.namespace.as_ref();
        match part.kind {
            Kind::Namespaces => self.namespaces.end(watched, dropped),
            Kind::Deployments => self.deployments.end(watched, dropped),
            Kind::StatefulSets => self.stateful_sets.end(watched, dropped),
            Kind::Claims => self.claims.end(watched, dropped),
            Kind::Records => self.records.end(watched, dropped),
            Kind::Secrets => self.secrets.end(watched, dropped),
        }
    }

    /// True for a watch inside a namespace whose objects the one of all namespaces shows as well.
    fn is_replaced(&self, part: &Part) -> bool {
        part.namespace.is_some() && self.parts.is_known(&Part::everywhere(part.kind))
    }

    /// Every namespace is known.
    pub(super) fn knows_namespaces(&self) -> bool {
        self.parts.is_known(&Part::everywhere(Kind::Namespaces))
    }

    /// The cluster is observed, except for single namespaces.
    pub(super) fn is_complete(&self) -> bool {
        self.parts.is_complete()
    }
}

#[cfg(test)]
mod tests {
    use ::kube::runtime::watcher::Event as Change;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::kube::error::ClusterErrorKind;

    const NAMESPACE: &str = "store-tea";

    fn refused() -> ClusterError {
        ClusterError::new(ClusterErrorKind::Forbidden, "no")
    }

    /// The end of a listing without objects.
    fn listed(kind: Kind) -> Seen {
        match kind {
            Kind::Namespaces => Seen::Namespace(Change::InitDone),
            Kind::Deployments => Seen::Deployment(Change::InitDone),
            Kind::StatefulSets => Seen::StatefulSet(Change::InitDone),
            Kind::Claims => Seen::Claim(Change::InitDone),
            Kind::Records => Seen::Record(Change::InitDone),
            Kind::Secrets => Seen::Secret(Change::InitDone),
        }
    }

    fn view() -> ClusterCacheView {
        let labels = json!({"app.kubernetes.io/managed-by": "storeplane", "storeplane.io/instance": "prod",
            "storeplane.io/store-uid": Uuid::nil()});
        let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE, "labels": labels}}));
        let mut view = ClusterCacheView::default();
        let namespaces = Part::everywhere(Kind::Namespaces);
        view.apply(&namespaces, Seen::Namespace(Change::InitApply(namespace.expect("a namespace"))));
        view.apply(&namespaces, listed(Kind::Namespaces));
        view
    }

    fn symptoms(view: &ClusterCacheView) -> Option<Vec<String>> {
        view.symptoms(&Expected {
            namespace: NAMESPACE.to_owned(),
            store_uid: StoreUid(Uuid::nil()),
            release: "store-tea".to_owned(),
            secrets: vec!["store-admin".to_owned()],
            workloads: Vec::new(),
        })
    }

    #[test]
    fn unknown_objects_are_not_missing_objects() {
        let mut view = view();
        assert_eq!(symptoms(&view), None);
        for kind in [Kind::Claims, Kind::Deployments] {
            view.apply(&Part::within(kind, NAMESPACE), listed(kind));
        }
        view.lose(&Part::within(Kind::Records, NAMESPACE), refused());
        view.lose(&Part::within(Kind::Secrets, "store-other"), refused());
        assert_eq!(symptoms(&view), None);
        view.apply(&Part::within(Kind::Secrets, NAMESPACE), listed(Kind::Secrets));
        assert_eq!(
            symptoms(&view),
            Some(vec!["Secret store-admin missing".to_owned()]),
            "one is enough for an examination"
        );
        view.close(&Part::within(Kind::Secrets, NAMESPACE));
        assert_eq!(symptoms(&view), None);
    }

    #[test]
    fn watch_of_all_namespaces_replaces_those_inside_namespaces() {
        let secret = json!({"metadata": {"name": "store-admin", "namespace": NAMESPACE}});
        let (mut view, all, one) = (view(), Part::everywhere(Kind::Secrets), Part::within(Kind::Secrets, NAMESPACE));
        let secret = || Seen::Secret(Change::InitApply(serde_json::from_value(secret.clone()).expect("a secret")));
        view.lose(&all, refused());
        view.apply(&one, secret());
        view.apply(&one, listed(Kind::Secrets));
        view.apply(&all, Seen::Secret(Change::Init));
        view.lose(&all, refused());
        assert!(view.secrets.get(NAMESPACE, "store-admin").is_some(), "another refusal changes nothing");
        view.apply(&all, secret());
        view.apply(&all, listed(Kind::Secrets));
        view.apply(&one, listed(Kind::Secrets));
        view.lose(&one, refused());
        view.close(&one);
        assert!(view.secrets.get(NAMESPACE, "store-admin").is_some());
        view.lose(&all, refused());
        assert!(view.secrets.get(NAMESPACE, "store-admin").is_none());
    }
}
