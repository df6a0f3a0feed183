//! Jobs in a store's namespace, made from the `PodTemplate`s of its release: backups, restores, the maintenance page.
//!
//! `build` makes the Job's object, this file creates and deletes it. `watch` follows a Job until it has ended, `outcome` reads how.
//!
//! A Job is created suspended. It starts once its Secret exists, so that its pods never wait for it, and an interrupted creation
//! leaves nothing that runs with files of an earlier attempt.

mod build;
mod outcome;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use ::kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use ::kube::core::PartialObjectMeta;
use ::kube::{Api, ResourceExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodTemplate};
use serde_json::json;
use storeplane_core::ids::{OperationId, StoreUid};

pub(super) use outcome::Outcome;
pub use outcome::{ContainerEnd, JobFailure, JobFailureCause};
pub use watch::JobUpdate;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;
use super::rollout::{JOB_NAME, readiness};
use crate::backoff::Backoff;
use crate::secret::SecretText;

/// A Job to create.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// The name of the Job and of its Secret. Contains the operation's id, so that no two operations share one.
    pub name: String,
    /// The `PodTemplate` with its pod spec and labels.
    pub template: String,
    /// The store that it works for.
    pub store_uid: StoreUid,
    /// The operation that it belongs to.
    pub operation: OperationId,
    /// The fence of the caller's claim.
    pub fence: i64,
    /// How long it may run, in all of its attempts. In whole seconds.
    pub deadline: Duration,
    /// How often a failed pod is replaced.
    pub retries: u16,
    /// The files of the volume `transfer`: the entries of its Secret. Without any, it has no Secret.
    pub files: BTreeMap<String, SecretText>,
}

/// What [`Cluster::ensure_job`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnsured {
    /// It starts now, with the caller's files.
    Created,
    /// It had already been started, with the files of that time.
    Adopted,
}

/// A Job that the control plane created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedJob {
    /// Its name.
    pub name: String,
    /// The operation that it belongs to.
    pub operation: OperationId,
    /// Its pods may run: its creation was not interrupted.
    pub started: bool,
    /// It has succeeded or failed.
    pub ended: bool,
}

impl Cluster {
    /// Creates a Job and its Secret, or continues an interrupted creation. A Job that has already been started is unchanged.
    ///
    /// [`ClusterErrorKind::NotFound`] if the release has no such `PodTemplate`; [`ClusterErrorKind::Fenced`] if a later claim has acted;
    /// [`ClusterErrorKind::NotOurs`] if a Job of this name belongs to something else.
    pub async fn ensure_job(&self, namespace: &str, spec: &JobSpec) -> Result<JobEnsured, ClusterError> {
        let job = match Box::pin(self.job(namespace, &spec.name)).await? {
            Some(job) => job,
            None => Box::pin(self.create_job(namespace, spec)).await?,
        };
        let refused = |kind, why: &str| {
            Err(ClusterError::new(kind, format!("could not create the job {} in {namespace}: {why}", spec.name)))
        };
        if job.labels().get(labels::OPERATION) != Some(&spec.operation.to_string()) {
            return refused(ClusterErrorKind::NotOurs, "one of that name belongs to something else");
        }
        if job.metadata.deletion_timestamp.is_some() {
            return refused(ClusterErrorKind::Conflict, "the one that exists is being deleted");
        }
        let fence = job.annotations().get(labels::FENCE).and_then(|fence| fence.parse().ok()).unwrap_or(0);
        if fence > spec.fence {
            return refused(ClusterErrorKind::Fenced, "a later claim has acted on it");
        }
        if job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true) {
            Box::pin(self.start_job(namespace, spec, &job)).await?;
            return Ok(JobEnsured::Created);
        }
        if fence < spec.fence {
            self.patch_job(namespace, &spec.name, json!({"metadata": fenced(spec, &job)})).await?;
        }
        Ok(JobEnsured::Adopted)
    }

    /// Our Jobs in a namespace, ordered by name.
    pub async fn jobs_of(&self, namespace: &str) -> Result<Vec<OwnedJob>, ClusterError> {
        let ours = format!("{}={},{}", labels::MANAGED_BY, labels::STOREPLANE, labels::OPERATION);
        let jobs = self.list_in::<Job>(namespace, ListParams::default().labels(&ours)).await?;
        let mut jobs: Vec<_> = jobs.iter().filter_map(owned).collect();
        jobs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(jobs)
    }

    /// Deletes a Job, its pods and its Secret; one that does not exist is fine. With a time limit, waits until its pods are gone:
    /// after it, [`ClusterErrorKind::Stuck`] names those that are left.
    pub async fn delete_job(&self, namespace: &str, name: &str, within: Option<Duration>) -> Result<(), ClusterError> {
        let what = format!("delete the job {name} in {namespace}");
        let how = if within.is_some() { DeleteParams::foreground() } else { DeleteParams::background() };
        let deleted = self.call(&what, |client| async move {
            Api::<Job>::namespaced(client, namespace).delete(name, &how).await.map(drop)
        });
        match deleted.await {
            Err(error) if error.kind() == ClusterErrorKind::NotFound => {}
            deleted => deleted?,
        }
        let Some(within) = within else { return Ok(()) };
        let mut left = Vec::new();
        let gone = tokio::time::timeout(within, self.until_pods_are_gone(namespace, name, &mut left)).await;
        gone.unwrap_or_else(|_| {
            let message = format!("the job {name} in {namespace} was not deleted within {} s", within.as_secs());
            Err(ClusterError::new(ClusterErrorKind::Stuck, message).with_details(left))
        })
    }

    async fn until_pods_are_gone(
        &self,
        namespace: &str,
        job: &str,
        left: &mut Vec<String>,
    ) -> Result<(), ClusterError> {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            let pods = self.list_in::<PartialObjectMeta<Pod>>(namespace, pods_of(job)).await?;
            *left = pods.iter().map(|pod| format!("Pod {}", pod.name_any())).collect();
            if left.is_empty() && self.job(namespace, job).await?.is_none() {
                return Ok(());
            }
            backoff.pause().await;
        }
    }

    async fn job(&self, namespace: &str, name: &str) -> Result<Option<Job>, ClusterError> {
        let what = format!("read the job {name} in {namespace}");
        self.call(&what, |client| async move { Api::<Job>::namespaced(client, namespace).get_opt(name).await }).await
    }

    /// Suspended. The existing one if another caller was faster.
    async fn create_job(&self, namespace: &str, spec: &JobSpec) -> Result<Job, ClusterError> {
        let template = &spec.template;
        let what = format!("read the pod template {template} in {namespace}");
        let found = self.call(&what, |client| async move {
            Api::<PodTemplate>::namespaced(client, namespace).get_opt(template).await
        });
        let job = match found.await? {
            Some(found) => build::job(spec, found),
            None => Err("it does not exist: the release is of a chart version without it; retry the store".to_owned()),
        };
        let unusable = |why| {
            let message = format!("could not use the pod template {template} in {namespace}: {why}");
            ClusterError::new(ClusterErrorKind::NotFound, message)
        };
        let job = job.map_err(unusable)?;
        let what = format!("create the job {} in {namespace}", spec.name);
        let created = self.call(&what, |client| async {
            Api::<Job>::namespaced(client, namespace).create(&PostParams::default(), &job).await
        });
        match created.await {
            Err(error) if error.kind() == ClusterErrorKind::Conflict => {
                self.job(namespace, &spec.name).await?.ok_or(error)
            }
            created => created,
        }
    }

    /// Creates its Secret, which goes with it, and lets it run.
    async fn start_job(&self, namespace: &str, spec: &JobSpec, job: &Job) -> Result<(), ClusterError> {
        if !spec.files.is_empty() {
            // One of an earlier attempt has other files. No pod has read them.
            self.delete_secret(namespace, &spec.name).await?;
            self.create_secret(namespace, build::secret_metadata(spec, job), &spec.files).await?;
        }
        self.patch_job(namespace, &spec.name, json!({"metadata": fenced(spec, job), "spec": {"suspend": false}})).await
    }

    async fn patch_job(&self, namespace: &str, name: &str, patch: serde_json::Value) -> Result<(), ClusterError> {
        let what = format!("change the job {name} in {namespace}");
        self.call(&what, |client| async move {
            let jobs = Api::<Job>::namespaced(client, namespace);
            jobs.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        })
        .await
    }
}

/// The caller's fence, for exactly this Job.
fn fenced(spec: &JobSpec, job: &Job) -> serde_json::Value {
    json!({"uid": job.metadata.uid, "annotations": {labels::FENCE: spec.fence.to_string()}})
}

fn owned(job: &Job) -> Option<OwnedJob> {
    let operation = job.labels().get(labels::OPERATION)?.parse().ok()?;
    let started = job.spec.as_ref().and_then(|spec| spec.suspend) != Some(true);
    Some(OwnedJob { name: job.name_any(), operation, started, ended: readiness::has_ended(job) })
}

/// Selects the pods of a Job.
fn pods_of(job: &str) -> ListParams {
    ListParams::default().labels(&format!("{JOB_NAME}={job}"))
}
