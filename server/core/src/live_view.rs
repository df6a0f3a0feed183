//! A store's Kubernetes objects, logs and events as they are at this moment: read when somebody asks, and kept nowhere.

use time::OffsetDateTime;

/// Lines of each container's log when the caller does not say how many.
pub const TAIL_LINES_DEFAULT: u32 = 100;
/// Most lines of each container's log.
pub const TAIL_LINES_MAX: u32 = 500;

/// One Kubernetes object of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveResource {
    /// For example `Deployment`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// Whether it does what it is there for.
    pub ready: bool,
    /// A short text, for example `1/1 ready` or `CrashLoopBackOff`.
    pub status: String,
    /// What Kubernetes says about it; empty if nothing. Secrets are masked.
    pub message: String,
    /// Restarts of a pod's containers.
    pub restarts: i32,
    /// When it was created.
    pub created_at: Option<OffsetDateTime>,
    /// The controller of a pod, for example `Deployment/store`; else empty.
    pub owner: String,
}

/// The end of one container's log. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLog {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// True for the container's previous, terminated instance.
    pub previous: bool,
    /// The oldest first.
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
    /// What happened.
    pub message: String,
    /// How often.
    pub count: i32,
    /// When it happened first.
    pub first_at: Option<OffsetDateTime>,
    /// When it happened last.
    pub last_at: Option<OffsetDateTime>,
}

/// Logs and events of one store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LiveLogs {
    /// By pod and container.
    pub logs: Vec<ContainerLog>,
    /// The newest first.
    pub events: Vec<ClusterEvent>,
}
