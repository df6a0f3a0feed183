//! The observed state of a release, or of one Job: its current objects, and Kubernetes' events about them.

use std::collections::BTreeMap;

use ::kube::ResourceExt;
use ::kube::core::PartialObjectMeta;
use ::kube::runtime::watcher;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, PersistentVolumeClaim, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::ResourceKind;
use crate::kube::manifest::WorkloadName;

/// Helm's annotation with the release's name, on all objects that it creates.
const RELEASE: &str = "meta.helm.sh/release-name";
/// The Deployment controller's revision number, on the Deployment and on each of its `ReplicaSet`s.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// The `StatefulSet` controller's revision name, on its pods.
const REVISION_HASH: &str = "controller-revision-hash";

/// All observed objects of one namespace.
#[derive(Debug, Default)]
pub(in crate::kube) struct Snapshot {
    /// Empty if a Job is observed.
    pub(super) release: String,
    /// The name of the Job that is observed instead of a release.
    pub(super) job_name: Option<String>,
    pub(super) jobs: Table<Job>,
    pub(in crate::kube) deployments: Table<Deployment>,
    pub(in crate::kube) stateful_sets: Table<StatefulSet>,
    pub(in crate::kube) replica_sets: Table<PartialObjectMeta<ReplicaSet>>,
    pub(in crate::kube) pods: Table<Pod>,
    pub(in crate::kube) claims: Table<PersistentVolumeClaim>,
    pub(in crate::kube) events: Table<Event>,
    pub(super) ingresses: Vec<Ingress>,
    /// Versions of events from before the watch began: their problems may be resolved.
    pub(super) old_events: BTreeMap<String, String>,
    /// Containers with a problem when the watch began, by pod uid and name, with their restarts.
    pub(super) initial_problems: Option<BTreeMap<(String, String), i32>>,
}

/// The objects of one kind, by name.
#[derive(Debug)]
pub(in crate::kube) struct Table<K> {
    live: BTreeMap<String, K>,
    listing: Option<BTreeMap<String, K>>,
    pub(super) synced: bool,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), listing: None, synced: false }
    }
}

impl<K: ResourceExt> Table<K> {
    pub(super) fn apply(&mut self, event: watcher::Event<K>) {
        match event {
            watcher::Event::Init => self.listing = Some(BTreeMap::new()),
            watcher::Event::InitApply(object) => {
                self.listing.get_or_insert_default().insert(object.name_any(), object);
            }
            watcher::Event::InitDone => {
                self.live = self.listing.take().unwrap_or_default();
                self.synced = true;
            }
            watcher::Event::Apply(object) => drop(self.live.insert(object.name_any(), object)),
            watcher::Event::Delete(object) => drop(self.live.remove(&object.name_any())),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &K> {
        self.live.values()
    }

    fn contains(&self, name: &str) -> bool {
        self.live.contains_key(name)
    }

    /// The result of one listing.
    pub(in crate::kube) fn listed(objects: Vec<K>) -> Self {
        let live = objects.into_iter().map(|object| (object.name_any(), object)).collect();
        Self { live, listing: None, synced: true }
    }

    #[cfg(test)]
    pub(in crate::kube) fn put(&mut self, object: K) {
        self.live.insert(object.name_any(), object);
    }
}

/// The owner of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// A `StatefulSet` of the release, at its newest revision.
    StatefulSet(&'a str),
    /// A Deployment of the release, at its newest revision.
    Deployment(&'a str),
    /// A `StatefulSet` of the release, at an older revision. The controller waits for such a pod before it replaces it.
    OldStatefulSet(&'a str),
    /// The observed Job. The pods of no other Job count: neither a backup's, nor a `CronJob`'s.
    Job,
}

impl Owner<'_> {
    /// Databases before their clients.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::StatefulSet(_) | Self::OldStatefulSet(_) => 0,
            Self::Deployment(_) | Self::Job => 1,
        }
    }
}

impl Snapshot {
    pub(in crate::kube) fn new(release: String) -> Self {
        Self { release, ..Self::default() }
    }

    /// Of one Job, without a release.
    pub(super) fn of_job(name: String) -> Self {
        Self { job_name: Some(name), ..Self::default() }
    }

    /// The observed Job, if it exists.
    pub(super) fn job(&self) -> Option<&Job> {
        self.jobs.live.get(self.job_name.as_ref()?)
    }

    /// True if a workload of that kind and name exists, whoever created it.
    pub(in crate::kube) fn has(&self, workload: &WorkloadName) -> bool {
        match workload.kind {
            ResourceKind::Deployment => self.deployments.contains(&workload.name),
            ResourceKind::StatefulSet => self.stateful_sets.contains(&workload.name),
            _ => true,
        }
    }

    /// The release's own Deployments.
    pub(super) fn release_deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.deployments.iter().filter(|object| self.is_ours(&object.metadata))
    }

    /// The release's own `StatefulSet`s.
    pub(super) fn release_stateful_sets(&self) -> impl Iterator<Item = &StatefulSet> {
        self.stateful_sets.iter().filter(|object| self.is_ours(&object.metadata))
    }

    /// Pods of the release's workloads, or of the observed Job, that are not terminating.
    pub(super) fn release_pods(&self) -> impl Iterator<Item = (&Pod, Owner<'_>)> {
        self.release_pods_and_terminating().filter(|(pod, _)| pod.metadata.deletion_timestamp.is_none())
    }

    /// The same, including terminating ones. A finished pod (evicted, rejected by its node, shut down with it) is a
    /// leftover: its controller creates another one.
    pub(super) fn release_pods_and_terminating(&self) -> impl Iterator<Item = (&Pod, Owner<'_>)> {
        let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
        let running =
            self.pods.iter().filter(move |pod| !matches!(phase(pod).as_deref(), Some("Failed" | "Succeeded")));
        running.filter_map(|pod| Some((pod, self.owner(pod)?)))
    }

    fn owner(&self, pod: &Pod) -> Option<Owner<'_>> {
        let controller = controller(&pod.metadata)?;
        match controller.0 {
            "StatefulSet" => {
                let mut all = self.release_stateful_sets();
                let set = all.find(|set| set.metadata.uid.as_deref() == Some(controller.1))?;
                let name = set.metadata.name.as_deref()?;
                let newest = set.status.as_ref().and_then(|status| status.update_revision.as_deref());
                let is_newest = newest.is_none() || pod.labels().get(REVISION_HASH).map(String::as_str) == newest;
                Some(if is_newest { Owner::StatefulSet(name) } else { Owner::OldStatefulSet(name) })
            }
            "ReplicaSet" => self.deployment_of(controller.1)?.metadata.name.as_deref().map(Owner::Deployment),
            "Job" => (self.job()?.metadata.uid.as_deref() == Some(controller.1)).then_some(Owner::Job),
            _ => None,
        }
    }

    /// The Deployment whose newest revision this `ReplicaSet` is.
    pub(super) fn deployment_of(&self, replica_set_uid: &str) -> Option<&Deployment> {
        let set = self.replica_sets.iter().find(|set| set.metadata.uid.as_deref() == Some(replica_set_uid))?;
        let (_, deployment_uid) = controller(&set.metadata)?;
        let mut all = self.release_deployments();
        let deployment = all.find(|it| it.metadata.uid.as_deref() == Some(deployment_uid))?;
        let revision = |metadata: &ObjectMeta| metadata.annotations.as_ref().and_then(|all| all.get(REVISION)).cloned();
        let newest = revision(&deployment.metadata);
        (newest.is_none() || revision(&set.metadata) == newest).then_some(deployment)
    }

    pub(super) fn is_ours(&self, metadata: &ObjectMeta) -> bool {
        release_of(metadata) == Some(&self.release)
    }

    /// Events about an object, newest last.
    pub(super) fn events_about<'a>(&'a self, uid: Option<&'a str>, reasons: &'a [&str]) -> Vec<EventMessage<'a>> {
        let about = |event: &&Event| {
            uid.is_some()
                && event.involved_object.uid.as_deref() == uid
                && event.reason.as_deref().is_some_and(|reason| reasons.contains(&reason))
        };
        let mut events: Vec<&Event> = self.events.iter().filter(about).collect();
        events.sort_by_key(|event| version(event));
        events.into_iter().map(|event| EventMessage::new(event, self.is_news(event))).collect()
    }

    fn is_news(&self, event: &Event) -> bool {
        let old = event.metadata.name.as_ref().and_then(|name| self.old_events.get(name));
        old.is_none() || old != event.metadata.resource_version.as_ref()
    }

    /// The container had a problem before the watch began, and nothing has happened since: it may be
    /// resolved, and the kubelet may wait up to five minutes before it retries.
    pub(super) fn is_old_problem(&self, pod: &Pod, container: &ContainerStatus) -> bool {
        let key = (pod.uid().unwrap_or_default(), container.name.clone());
        let restarts = self.initial_problems.as_ref().and_then(|all| all.get(&key));
        let tried = || self.events_about(pod.metadata.uid.as_deref(), &["Failed"]).iter().any(|reported| reported.news);
        restarts == Some(&container.restart_count) && !tried()
    }

    /// Marks every problem so far as older than the watch: called when the first listing is complete.
    pub(super) fn mark_problems_old(&mut self) {
        let mut old = BTreeMap::new();
        for pod in self.pods.iter() {
            for container in containers(pod) {
                if container.restart_count > 0 || has_problem(container) {
                    old.insert((pod.uid().unwrap_or_default(), container.name.clone()), container.restart_count);
                }
            }
        }
        self.initial_problems = Some(old);
    }

    /// Marks every event so far as older than the watch: called when the first listing is complete.
    pub(super) fn age_events(&mut self) {
        let versions = self.events.iter().map(|event| (event.name_any(), event.resource_version().unwrap_or_default()));
        self.old_events = versions.collect();
    }
}

/// The name of the release that an object belongs to.
pub(in crate::kube) fn release_of(metadata: &ObjectMeta) -> Option<&String> {
    metadata.annotations.as_ref().and_then(|all| all.get(RELEASE))
}

/// A Kubernetes event about an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventMessage<'a> {
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// It occurred, or was repeated, since the watch began.
    pub(super) news: bool,
}

impl<'a> EventMessage<'a> {
    fn new(event: &'a Event, news: bool) -> Self {
        let message = event.message.as_deref().unwrap_or_default();
        let message = message.strip_prefix("(combined from similar events): ").unwrap_or(message);
        Self { reason: event.reason.as_deref().unwrap_or_default(), message, news }
    }
}

fn version(event: &Event) -> u64 {
    event.metadata.resource_version.as_ref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Init containers first.
pub(super) fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.iter();
    status.flat_map(|it| it.init_container_statuses.iter().chain(&it.container_statuses).flatten())
}

fn has_problem(container: &ContainerStatus) -> bool {
    let Some(state) = &container.state else { return false };
    let waits_for = state.waiting.as_ref().map(|waiting| waiting.reason.as_deref().unwrap_or_default());
    state.terminated.is_some() || waits_for.is_some_and(|it| !matches!(it, "ContainerCreating" | "PodInitializing"))
}

/// Kind and uid of an object's controller.
fn controller(metadata: &ObjectMeta) -> Option<(&str, &str)> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some((&controller.kind, &controller.uid))
}
