//! A store's Kubernetes objects, logs and events, read on request and not stored.

use time::OffsetDateTime;

/// Default number of lines of each container's log.
pub const TAIL_LINES_DEFAULT: u32 = 100;
/// Maximum number of lines of each container's log.
pub const TAIL_LINES_MAX: u32 = 500;

/// One Kubernetes object of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveResource {
    /// For example `Deployment`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// A short status, for example `1/1 ready` or `CrashLoopBackOff`.
    pub status: String,
    /// Kubernetes' explanation; empty if there is none. Secrets are masked.
    pub message: String,
    /// Number of restarts of a pod's containers.
    pub restarts: i32,
    /// When it was created.
    pub created_at: Option<OffsetDateTime>,
    /// The controller of a pod, for example `Deployment/store`; otherwise empty.
    pub owner: String,
}

/// The last lines of a container's log. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLog {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// True for the container's previous, terminated instance.
    pub previous: bool,
    /// Oldest first.
    pub lines: Vec<String>,
}

/// An event of the Kubernetes API. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEvent {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// For example `FailedScheduling`.
    pub reason: String,
    /// For example `Pod/store-7d4b9`.
    pub object: String,
    /// The message.
    pub message: String,
    /// How often it occurred.
    pub count: i32,
    /// First occurrence.
    pub first_at: Option<OffsetDateTime>,
    /// Last occurrence.
    pub last_at: Option<OffsetDateTime>,
}

/// Logs and events of one store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveLogs {
    /// By pod and container.
    pub logs: Vec<ContainerLog>,
    /// Newest first.
    pub events: Vec<ClusterEvent>,
}
