//! The objects that maintenance changes. Each change is one merge patch with what is needed to undo it, and is retried if the object has
//! changed meanwhile. Helm's next upgrade sees ordinary fields.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use ::kube::api::{ListParams, Patch, PatchParams};
use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::{Api, Resource, ResourceExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use storeplane_core::engine::Maintenance;
use storeplane_core::failure::{Failure, Reason};

use crate::kube::cluster::Cluster;
use crate::kube::error::{ClusterError, ClusterErrorKind};
use crate::kube::jobs::{JobEnsured, JobSpec, Outcome};
use crate::kube::labels::{REPLICAS_BEFORE, SUSPENDED_BEFORE};

/// How often a change is tried again if the object has changed meanwhile: controllers write its status.
const ATTEMPTS: usize = 8;
/// How long the pods of a page that has ended may take to be deleted.
const PAGE_GONE_WITHIN: Duration = Duration::from_secs(30);

/// A change of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<T> {
    /// The object does not exist.
    Missing,
    /// It was as wanted.
    None,
    /// It was changed.
    Made(T),
}

/// A Deployment's number of pods.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replicas {
    pub(super) wanted: i32,
    /// 0 until its controller has seen its newest generation.
    pub(super) available: i32,
}

/// A workload with a number of pods.
pub(super) trait Scaled:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned
{
    /// The number of pods that it should have.
    fn replicas(&self) -> i32;
}

impl Scaled for Deployment {
    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }
}

impl Scaled for StatefulSet {
    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }
}

/// A pod that has to end.
#[derive(Debug)]
pub(super) struct EndingPod {
    pub(super) name: String,
    /// Its grace period, if it is being deleted.
    pub(super) grace: Option<Duration>,
}

impl Cluster {
    /// True if it was not suspended before. A missing `CronJob` needs nothing.
    pub(super) async fn suspend_cron_job(&self, namespace: &str, name: &str) -> Result<bool, ClusterError> {
        let suspended = self.change(namespace, name, |object: &CronJob| {
            let is_suspended = object.spec.suspend == Some(true);
            if is_suspended && annotation(object, SUSPENDED_BEFORE).is_some() {
                return None;
            }
            let before = annotation(object, SUSPENDED_BEFORE).map_or(is_suspended.to_string(), ToOwned::to_owned);
            let patch = json!({"metadata": {"annotations": {SUSPENDED_BEFORE: before}}, "spec": {"suspend": true}});
            Some((patch, !is_suspended))
        });
        Ok(suspended.await? == Change::Made(true))
    }

    /// True if it runs again.
    pub(super) async fn resume_cron_job(&self, namespace: &str, name: &str) -> Result<bool, ClusterError> {
        let resumed = self.change(namespace, name, |object: &CronJob| {
            let before = annotation(object, SUSPENDED_BEFORE)? == "true";
            let annotations = json!({SUSPENDED_BEFORE: null});
            Some((json!({"metadata": {"annotations": annotations}, "spec": {"suspend": before}}), !before))
        });
        Ok(resumed.await? == Change::Made(true))
    }

    /// To 0; returns the number of replicas before. The current number counts, because an autoscaler may have changed the chart's.
    pub(super) async fn scale_down<K: Scaled>(&self, namespace: &str, name: &str) -> Result<Change<i32>, ClusterError> {
        self.change(namespace, name, |object: &K| {
            let replicas = object.replicas();
            let remembered = annotation(object, REPLICAS_BEFORE).and_then(|text| text.parse::<i32>().ok());
            if replicas == 0 && remembered.is_some() {
                return None;
            }
            let before = remembered.unwrap_or(replicas);
            let annotations = json!({REPLICAS_BEFORE: before.to_string()});
            Some((json!({"metadata": {"annotations": annotations}, "spec": {"replicas": 0}}), before))
        })
        .await
    }

    /// To what it was before, unless helm has scaled it since; returns its number of replicas.
    pub(super) async fn scale_up<K: Scaled>(&self, namespace: &str, name: &str) -> Result<Change<i32>, ClusterError> {
        self.change(namespace, name, |object: &K| {
            let before = annotation(object, REPLICAS_BEFORE)?.parse().unwrap_or(1);
            let replicas = if object.replicas() == 0 { before } else { object.replicas() };
            let annotations = json!({REPLICAS_BEFORE: null});
            Some((json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}}), replicas))
        })
        .await
    }

    /// Scales a `StatefulSet` to 0. Returns its number of replicas before, unless it had been scaled already.
    pub async fn stop_stateful_set(&self, namespace: &str, name: &str) -> Result<Option<i32>, ClusterError> {
        match self.scale_down::<StatefulSet>(namespace, name).await? {
            Change::Made(before) => Ok(Some(before)),
            Change::None => Ok(None),
            Change::Missing => {
                let message = format!("could not scale the StatefulSet {name} in {namespace}: it does not exist");
                Err(ClusterError::new(ClusterErrorKind::NotFound, message))
            }
        }
    }

    /// Scales a `StatefulSet` back to what it was before [`Cluster::stop_stateful_set`]; returns that.
    pub async fn start_stateful_set(&self, namespace: &str, name: &str) -> Result<Option<i32>, ClusterError> {
        match self.scale_up::<StatefulSet>(namespace, name).await? {
            Change::Made(replicas) => Ok(Some(replicas)),
            Change::None | Change::Missing => Ok(None),
        }
    }

    /// A Deployment's replicas, if it exists.
    pub(super) async fn replicas(&self, namespace: &str, name: &str) -> Result<Option<Replicas>, ClusterError> {
        let found: Option<Deployment> = self.find_object(namespace, name).await?;
        Ok(found.map(|found| {
            let observed = found.status.filter(|status| status.observed_generation >= found.metadata.generation);
            let available = observed.and_then(|status| status.available_replicas).unwrap_or(0);
            Replicas { wanted: found.spec.replicas.unwrap_or(1), available }
        }))
    }

    /// The pods of the Deployment and of the `CronJob`'s Jobs that have not ended.
    pub(super) async fn pods_to_end(
        &self,
        namespace: &str,
        maintenance: &Maintenance,
    ) -> Result<Vec<EndingPod>, ClusterError> {
        let (sets, jobs, pods) = futures::try_join!(
            self.list_in::<PartialObjectMeta<ReplicaSet>>(namespace, ListParams::default()),
            self.list_in::<PartialObjectMeta<Job>>(namespace, ListParams::default()),
            self.list_in::<Pod>(namespace, ListParams::default()),
        )?;
        let deployment = Some(maintenance.deployment.as_str());
        let sets = sets.iter().map(|set| &set.metadata).filter(|set| is_controlled(set, "Deployment", deployment));
        let jobs = jobs.iter().map(|job| &job.metadata);
        let jobs = jobs.filter(|job| is_controlled(job, "CronJob", maintenance.cron_job.as_deref()));
        let owners: BTreeSet<_> = sets.chain(jobs).filter_map(|owner| owner.uid.as_deref()).collect();
        let belongs = |pod: &&Pod| controller(&pod.metadata).is_some_and(|(_, _, uid)| owners.contains(uid));
        Ok(pods.iter().filter(belongs).filter(|pod| !has_ended(pod)).map(ending).collect())
    }

    /// Creates the Job of the page, again if it has ended.
    pub(super) async fn ensure_page(&self, namespace: &str, page: &JobSpec) -> Result<JobEnsured, ClusterError> {
        let ensured = self.ensure_job(namespace, page).await?;
        if ensured == JobEnsured::Created {
            return Ok(ensured);
        }
        let jobs = self.jobs_of(namespace).await?;
        if !jobs.iter().any(|job| job.name == page.name && job.ended) {
            return Ok(ensured);
        }
        self.delete_job(namespace, &page.name, Some(PAGE_GONE_WITHIN)).await?;
        self.ensure_job(namespace, page).await
    }

    /// True if there was one.
    pub(super) async fn remove_page(&self, namespace: &str, page: &str) -> Result<bool, ClusterError> {
        let found: Option<PartialObjectMeta<Job>> = self.find_object(namespace, page).await?;
        self.delete_job(namespace, page, None).await?;
        Ok(found.is_some())
    }

    /// Why the page ended.
    pub(super) async fn page_failure(&self, namespace: &str, page: &str) -> Result<Failure, ClusterError> {
        let message = format!("The maintenance page has ended: Job {page}");
        let failure = Failure::new(Reason::CrashLoop, message);
        Ok(match self.job_outcome(namespace, page).await? {
            Outcome::Failed(ended) => {
                let containers = ended.containers.into_iter();
                let lines = containers
                    .map(|end| format!("container {}, exit code {}: {}", end.container, end.exit_code, end.message));
                failure.with_details([ended.message].into_iter().filter(|line| !line.is_empty()).chain(lines))
            }
            Outcome::Gone => failure.with_details(["The Job was deleted."]),
            Outcome::Succeeded(_) => failure,
        })
    }

    /// An object, if it exists.
    pub(in crate::kube) async fn find_object<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let what = format!("read the {} {name} in {namespace}", K::kind(&()));
        self.call(&what, |client| async move { Api::<K>::namespaced(client, namespace).get_opt(name).await }).await
    }

    /// Changes an object as `decide` says, which also says what the change is; nothing if that is `None`.
    async fn change<K, T>(
        &self,
        namespace: &str,
        name: &str,
        decide: impl Fn(&K) -> Option<(Value, T)>,
    ) -> Result<Change<T>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let what = format!("change the {} {name} in {namespace}", K::kind(&()));
        for _ in 0..ATTEMPTS {
            let Some(found) = self.find_object::<K>(namespace, name).await? else { return Ok(Change::Missing) };
            let Some((mut patch, change)) = decide(&found) else { return Ok(Change::None) };
            if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("resourceVersion".to_owned(), json!(found.resource_version()));
            }
            let patched = self.call(&what, |client| async move {
                let objects = Api::<PartialObjectMeta<K>>::namespaced(client, namespace);
                objects.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
            });
            match patched.await {
                Ok(()) => return Ok(Change::Made(change)),
                Err(error) if error.kind() == ClusterErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(ClusterError::new(ClusterErrorKind::Conflict, format!("could not {what}: it keeps changing")))
    }
}

fn annotation<'a>(object: &'a impl ResourceExt, name: &str) -> Option<&'a str> {
    object.annotations().get(name).map(String::as_str)
}

/// Kind, name and uid of an object's controller.
fn controller(metadata: &ObjectMeta) -> Option<(&str, &str, &str)> {
    let mut owners = metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true))?;
    Some((&owner.kind, &owner.name, &owner.uid))
}

fn is_controlled(metadata: &ObjectMeta, kind: &str, name: Option<&str>) -> bool {
    controller(metadata).is_some_and(|controller| (controller.0, Some(controller.1)) == (kind, name))
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn ending(pod: &Pod) -> EndingPod {
    let seconds = pod.metadata.deletion_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let terminating = pod.metadata.deletion_timestamp.is_some();
    let grace = terminating.then(|| Duration::from_secs(seconds.unwrap_or(0)));
    EndingPod { name: pod.name_any(), grace }
}
