//! Follows a Job until it has ended.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use storeplane_core::failure::Failure;

use super::outcome::{JobFailure, Outcome};
use crate::backoff::Backoff;
use crate::kube::cluster::{self, Cluster};
use crate::kube::error::ClusterError;
use crate::kube::rollout::{ResourceKind, ResourceStatus, RolloutUpdate};
use crate::secret::SecretText;

/// An update of a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobUpdate {
    /// It is blocked for this reason, or the cluster does not answer; reported once per reason. It may still resolve.
    Waiting(Failure),
    /// A pod of it runs, or runs again after the last [`JobUpdate::Waiting`].
    Running,
    /// It has succeeded: the termination messages of its containers, by name. They are data for the caller, and not masked: that would
    /// remove checksums. The stream ends.
    Succeeded(BTreeMap<String, SecretText>),
    /// It has failed in its last attempt. The stream ends.
    Failed(JobFailure),
    /// It cannot run without intervention; it still exists. The stream ends.
    Blocked(Failure),
    /// It does not exist, or no longer. The stream ends.
    Gone,
}

impl Cluster {
    /// Watches a Job until it has ended.
    ///
    /// Nothing is polled, and outages of the API server are handled as in [`Cluster::rollout`]. Dropping the stream ends its watches.
    pub fn watch_job(&self, namespace: &str, name: &str) -> BoxStream<'static, Result<JobUpdate, ClusterError>> {
        let watched = Watched {
            cluster: self.clone(),
            namespace: namespace.into(),
            name: name.into(),
            updates: self.job_rollout(namespace, name),
            runs: false,
            backoff: cluster::backoff(),
        };
        futures::stream::unfold(Some(watched), |watched| async {
            let mut watched = watched?;
            let (update, last) = watched.next().await;
            Some((update, (!last).then_some(watched)))
        })
        .boxed()
    }
}

struct Watched {
    cluster: Cluster,
    namespace: String,
    name: String,
    updates: BoxStream<'static, Result<RolloutUpdate, ClusterError>>,
    /// A pod of it was seen running.
    runs: bool,
    backoff: Backoff,
}

impl Watched {
    /// The next update, and whether it is the last one.
    async fn next(&mut self) -> (Result<JobUpdate, ClusterError>, bool) {
        loop {
            match self.updates.next().await {
                Some(Ok(RolloutUpdate::Resource(status))) => {
                    if is_running(&status) && !std::mem::replace(&mut self.runs, true) {
                        return (Ok(JobUpdate::Running), false);
                    }
                }
                Some(Ok(RolloutUpdate::Waiting(failure))) => return (Ok(JobUpdate::Waiting(failure)), false),
                Some(Ok(RolloutUpdate::Resumed)) if self.runs => return (Ok(JobUpdate::Running), false),
                Some(Ok(RolloutUpdate::Resumed)) => {}
                Some(Ok(RolloutUpdate::Failed(failure))) => return (Ok(JobUpdate::Blocked(failure)), true),
                Some(Ok(RolloutUpdate::Ready)) | None => return (self.end().await, true),
                Some(Err(error)) => return (Err(error), true),
            }
        }
    }

    /// How it ended, read anew: pods and Job have separate watches.
    async fn end(&mut self) -> Result<JobUpdate, ClusterError> {
        loop {
            match self.cluster.job_outcome(&self.namespace, &self.name).await {
                Ok(Outcome::Gone) => return Ok(JobUpdate::Gone),
                Ok(Outcome::Succeeded(messages)) => return Ok(JobUpdate::Succeeded(messages)),
                Ok(Outcome::Failed(failure)) => return Ok(JobUpdate::Failed(failure)),
                Err(error) if error.retryable() => {
                    self.cluster.pause(self.backoff.next(), error.retry_after()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_running(status: &ResourceStatus) -> bool {
    status.kind == ResourceKind::Pod && matches!(status.phase.as_str(), "Ready" | "Running")
}
