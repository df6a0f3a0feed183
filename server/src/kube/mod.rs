//! The cluster, as worker and reconciler see it: namespaces and Secrets made, helm's records read, a rollout watched and explained.
//!
//! - [`Cluster`] is the handle (`cluster`); `connection` and `tls` make the client, anew when it no longer works; `error` says
//!   why something failed and whether asking again helps, `labels` are the names by which we know what is ours.
//! - `namespace`, `secrets` and `release` are one step's requests each; `proxy` reaches a shop through the API server, `credentials`
//!   is the domain's port to a login, `live` the one to a store's objects and logs.
//! - `rollout` watches one release until all of it is ready. `rollout::snapshot` is what was seen, `rollout::readiness`
//!   says how far it is, `rollout::explain` why it does not go on, `rollout::failure_detector` when that is a failure, and
//!   `rollout::observer` does the watching. Only the observer does I/O.
//! - `cache` watches what matters of all stores at once; `examine` looks at one anew, or at many, and says what is wrong.
//!   `listing` reads listings, `manifest` which workloads a release should have.
//!   `restart` makes pods take up Secrets that were changed, `volumes` says which volumes outlive a store; `outdated_pods`
//!   deletes pods that keep a corrected revision out; `copied_secrets` copies Secrets of another namespace and keeps them
//!   up to date; `claims` removes claims that were never bound.
//!
//! To add a terminal condition: in the file of `rollout::explain` that looks at that kind of object, push a `Finding`
//! with its reason (the order of `Reason` is the rank) and its `Obstacle`, which says how long it may last; add the objects of
//! a real case as a fixture in that file's tests. Nothing else changes. To watch another kind of workload: a table in
//! `rollout::snapshot`, a watch in `rollout::watches`, and what ready means in `rollout::readiness`.

mod cache;
mod claims;
mod cluster;
mod connection;
mod copied_secrets;
mod credentials;
mod error;
mod examine;
pub mod labels;
mod listing;
mod live;
mod manifest;
mod namespace;
mod outdated_pods;
mod proxy;
mod redact;
mod release;
mod restart;
mod rollout;
mod secrets;
mod tls;
mod volumes;

pub use cache::{ClusterCache, ClusterCacheView};
pub use cluster::{Cluster, ClusterConfig, ClusterInfo};
pub use copied_secrets::{CopiedSecret, CopiedSecretUse};
pub use error::{ClusterError, ClusterErrorKind};
pub use examine::{ClusterSnapshot, Examined, Expected};
pub use manifest::WorkloadName;
pub use namespace::{Ensured, Holding, NamespaceSpec, NamespaceState, OwnedNamespace, Ownership};
pub(crate) use proxy::api_server_error;
pub use release::{ListedRelease, ReleaseObservation, ReleaseStatus};
pub use rollout::{ResourceKind, ResourceStatus, RolloutUpdate};
pub use secrets::SecretSpec;
