//! Watches a release until it is ready, or until it is certain that it will not be; and a Job until it has ended.

mod explain;
mod failure_detector;
mod health;
mod logs;
mod observer;
pub(in crate::kube) mod readiness;
mod snapshot;
mod watches;

use std::fmt;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use storeplane_core::failure::Failure;

pub(in crate::kube) use health::{Diagnosis, diagnose};
pub(in crate::kube) use readiness::{Serving, claim_is_lost};
pub(in crate::kube) use snapshot::{Snapshot, Table, release_of};
pub(in crate::kube) use watches::JOB_NAME;

use super::cluster::Cluster;
use super::error::ClusterError;

/// An update of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutUpdate {
    /// A resource's state changed.
    Resource(ResourceStatus),
    /// It is blocked for this reason; reported once per reason. It may still resolve.
    Waiting(Failure),
    /// The cause of the last [`RolloutUpdate::Waiting`] is resolved.
    Resumed,
    /// Everything is ready. The stream ends.
    Ready,
    /// It will not become ready without intervention. The stream ends.
    Failed(Failure),
}

/// A kind of resource that is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A `StatefulSet`.
    StatefulSet,
    /// A `Deployment`.
    Deployment,
    /// A `PersistentVolumeClaim`.
    PersistentVolumeClaim,
    /// An `Ingress`.
    Ingress,
    /// A `Pod`.
    Pod,
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Ingress => "Ingress",
            Self::Pod => "Pod",
        })
    }
}

/// A resource's state: `StatefulSet store-db 0/1`, `PersistentVolumeClaim data-store-db-0 Bound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceStatus {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// How many are ready: replicas of a workload, otherwise 0 or 1.
    pub ready: u32,
    /// How many are desired.
    pub desired: u32,
    /// A short state: `0/1`, `Bound`, `ContainerCreating`, or the host name of an Ingress.
    pub phase: String,
}

impl ResourceStatus {
    /// True if all are ready.
    pub fn is_ready(&self) -> bool {
        self.ready >= self.desired
    }
}

impl fmt::Display for ResourceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind, self.name, self.phase)
    }
}

impl Cluster {
    /// Watches a release that helm has just applied, until [`RolloutUpdate::Ready`] or [`RolloutUpdate::Failed`].
    ///
    /// Nothing is polled. While the API server is unavailable it reports `Waiting` and continues afterwards: an outage
    /// never fails a rollout, and there is no time limit here. An `Err` ends the stream; it occurs only if the API
    /// server has denied access for longer than [`ObstacleLimits::forbidden`](crate::obstacle::ObstacleLimits::forbidden). Dropping the stream ends its watches.
    pub fn rollout(&self, namespace: &str, release: &str) -> BoxStream<'static, Result<RolloutUpdate, ClusterError>> {
        self.observed(namespace, Snapshot::new(release.into()))
    }

    /// Watches a Job in the same way. [`RolloutUpdate::Ready`] means that it has ended, in whatever way, or that it does not exist, and
    /// [`RolloutUpdate::Failed`] that something blocks it for too long. The resources are its pods.
    pub(in crate::kube) fn job_rollout(
        &self,
        namespace: &str,
        job: &str,
    ) -> BoxStream<'static, Result<RolloutUpdate, ClusterError>> {
        self.observed(namespace, Snapshot::of_job(job.into()))
    }

    fn observed(&self, namespace: &str, snapshot: Snapshot) -> BoxStream<'static, Result<RolloutUpdate, ClusterError>> {
        let observer = observer::Observer::new(self.clone(), namespace.into(), snapshot);
        futures::stream::unfold(observer, |mut observer| async {
            let update = observer.next().await?;
            Some((update, observer))
        })
        .boxed()
    }
}
