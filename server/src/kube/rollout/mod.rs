//! Watching one release until all of it is ready, or until it is certain that it will not be.

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

use super::cluster::Cluster;
use super::error::ClusterError;

/// What happened to a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutUpdate {
    /// A resource is in another state than before.
    Resource(ResourceStatus),
    /// It does not go on, for this reason; said once for each reason. It may still go on by itself.
    Waiting(Failure),
    /// What was said by the last [`RolloutUpdate::Waiting`] is over.
    Resumed,
    /// Everything is ready. The stream ends.
    Ready,
    /// It will not become ready by itself. The stream ends.
    Failed(Failure),
}

/// A kind of resource that a person wants to see.
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

/// One resource's state, as a person reads it: `StatefulSet store-db 0/1`, `PersistentVolumeClaim data-store-db-0 Bound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceStatus {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// How many of it are ready: replicas of a workload, else 0 or 1.
    pub ready: u32,
    /// How many should be.
    pub desired: u32,
    /// The state in a word or two: `0/1`, `Bound`, `ContainerCreating`, or the host name of an Ingress.
    pub phase: String,
}

impl ResourceStatus {
    /// Nothing is missing.
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
    /// Nothing is polled. While the API server is away it says `Waiting` and goes on by itself afterwards: an outage
    /// never fails a rollout, and there is no time limit here. An `Err` ends the stream; it comes only when the API
    /// server has refused us for longer than [`ObstacleLimits::forbidden`](crate::obstacle::ObstacleLimits::forbidden). Dropping the stream ends its watches.
    pub fn rollout(&self, namespace: &str, release: &str) -> BoxStream<'static, Result<RolloutUpdate, ClusterError>> {
        let observer = observer::Observer::new(self.clone(), namespace.into(), release.into());
        futures::stream::unfold(observer, |mut observer| async {
            let update = observer.next().await?;
            Some((update, observer))
        })
        .boxed()
    }
}
