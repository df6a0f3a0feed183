//! The cluster, for worker and reconciler: creates namespaces and Secrets, reads release records, watches and explains rollouts.
//!
//! - [`Cluster`] is the handle (`cluster`); `connection` and `tls` create the client, again when it no longer works; `error`
//!   classifies failures; `circuit` is the circuit breaker that requests pass; `labels` are the labels of our objects.
//! - `access` gives the server's account its permissions in a store's namespace.
//! - `namespace`, `secrets` and `release` serve one step each; `proxy` reaches a shop through the API server, `credentials`
//!   implements the domain's port for logins, with `smtp_login` for mail servers, `live` the one for a store's objects and logs.
//! - `rollout` watches one release until it is ready. `rollout::snapshot` holds the observed objects, `rollout::readiness`
//!   computes the progress, `rollout::explain` finds obstacles, `rollout::failure_detector` decides when one is a failure, and
//!   `rollout::observer` maintains the watches. Only the observer does I/O.
//! - `cache` watches the relevant objects of all stores; `examine` examines one store, or many, and finds the problem.
//!   `listing` reads listings, `manifest` the workloads that a release should have.
//!   `restart` restarts pods with outdated Secrets, `volumes` finds volumes that outlive a store; `outdated_pods`
//!   deletes pods that block a corrected revision; `copied_secrets` copies Secrets of another namespace and keeps them
//!   up to date; `drift` compares the live workloads with helm's manifest, `images` reads which images run; `claims` removes claims that were never bound; `isolation` reads whether network policies are enforced, `routes` why
//!   a gateway does not serve a store.
//!   `certificates` reads those of custom domains.
//!   `jobs` runs Jobs from the `PodTemplate`s of a release; `maintenance` takes a shop offline and puts it back. `snapshots` makes
//!   snapshots of volumes, and `volume_restore` makes volumes from them.
//!
//! To add a terminal condition: in the file of `rollout::explain` for that kind of object, push a `Finding`
//! with its reason (the order of `Reason` is the rank) and its `Obstacle`, which limits how long it may last; add the objects of
//! a real case as a fixture in that file's tests. To watch another kind of workload: a table in
//! `rollout::snapshot`, a watch in `rollout::watches`, and its readiness in `rollout::readiness`.

mod access;
mod cache;
mod certificates;
mod circuit;
mod claims;
mod cluster;
mod connection;
mod copied_secrets;
mod credentials;
mod drift;
mod error;
mod examine;
mod images;
mod isolation;
mod jobs;
pub mod labels;
mod listing;
mod live;
mod maintenance;
mod manifest;
mod namespace;
mod outdated_pods;
mod proxy;
mod record;
mod redact;
mod release;
mod restart;
mod rollout;
mod routes;
mod secrets;
mod smtp_login;
mod snapshots;
mod tls;
mod transport;
mod volume_restore;
mod volumes;

pub use access::{StoreAccess, WatchScope};
pub use cache::{ClusterCache, ClusterCacheView};
pub use cluster::{Cluster, ClusterConfig, ClusterInfo};
pub use copied_secrets::{CopiedSecret, CopiedSecretUse};
pub use drift::DeployedConfiguration;
pub use error::{ClusterError, ClusterErrorKind};
pub use examine::{ClusterSnapshot, Examined, Expected};
pub use images::WorkloadPods;
pub use isolation::NetworkIsolation;
pub use jobs::{ContainerEnd, JobEnsured, JobFailure, JobFailureCause, JobSpec, JobUpdate, OwnedJob};
pub use maintenance::{MaintenanceChange, MaintenanceUpdate};
pub use manifest::WorkloadName;
pub use namespace::{Ensured, Holding, NamespaceSpec, NamespaceState, OwnedNamespace, Ownership};
pub(crate) use proxy::api_server_error;
pub use record::StoreRecord;
pub use release::{ListedRelease, ReleaseObservation, ReleaseStatus};
pub use rollout::{ResourceKind, ResourceStatus, RolloutUpdate};
pub use secrets::SecretSpec;
pub use smtp_login::{chart_value, login_secret};
pub use snapshots::{OwnedSnapshot, SnapshotSpec};
pub use volume_restore::{ClaimReplaced, ClaimSource, VolumePhase, VolumeRecord, as_new, is_bound, is_replaceable};
