//! Examines a store: does everything exist, is it ready, and if not, why?
//!
//! `snapshot` observes one store or many; this file interprets it. Every request must be
//! answered: missing data is not evidence, and an error says so.

mod snapshot;

use storeplane_core::failure::{Failure, Reason};
use storeplane_core::ids::StoreUid;

pub use snapshot::ClusterSnapshot;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::labels;
use super::manifest::WorkloadName;
use super::namespace::{Ownership, ownership};
use super::release::ReleaseStatus;
use super::rollout::{Diagnosis, Snapshot, diagnose};

/// What a store should have in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its namespace.
    pub namespace: String,
    /// The store that the namespace's labels name.
    pub store_uid: StoreUid,
    /// Its release.
    pub release: String,
    /// The generated Secrets.
    pub secrets: Vec<String>,
    /// The workloads of the release, if known.
    pub workloads: Vec<WorkloadName>,
}

/// The result of an examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// Everything exists and is ready.
    Healthy,
    /// Not everything is ready, but no problem is visible: it may be starting.
    Settling(Failure),
    /// There is a problem; texts are masked.
    Unhealthy(Failure),
}

impl Cluster {
    /// Examines a store. A failed request is an error: the store's health is then unknown.
    pub async fn examine(&self, expected: &Expected) -> Result<Examined, ClusterError> {
        let snapshot = self.observe(expected).await?;
        Ok(self.interpret(expected, snapshot).await)
    }

    /// Interprets an observation. Sends requests only if there is a problem: for the secrets to mask, and
    /// for a container's log.
    pub async fn interpret(&self, expected: &Expected, snapshot: ClusterSnapshot) -> Examined {
        let namespace = expected.namespace.as_str();
        if let Some(failure) = self.namespace_problem(expected, &snapshot) {
            return Examined::Unhealthy(failure);
        }
        let facts = release_problem(expected, snapshot.release).into_iter();
        let facts = facts.chain(secret_problem(expected, &snapshot.missing_secrets));
        let facts = facts.chain(workload_problem(expected, &snapshot.objects));
        let facts = facts.chain(self.label_problem(expected, &snapshot));
        match diagnose(&snapshot.objects, facts.map(Into::into).collect()) {
            Diagnosis::Healthy => Examined::Healthy,
            Diagnosis::Settling(failure) => Examined::Settling(self.masked(namespace, failure).await),
            Diagnosis::Unhealthy(mut failure, log) => {
                if let Some(source) = log {
                    failure = self.with_log(namespace, failure, &source).await;
                }
                Examined::Unhealthy(self.masked(namespace, failure).await)
            }
        }
    }

    fn namespace_problem(&self, expected: &Expected, snapshot: &ClusterSnapshot) -> Option<Failure> {
        let namespace = &expected.namespace;
        let missing = |message: String| Some(Failure::new(Reason::NamespaceMissing, message));
        let Some(found) = &snapshot.namespace else {
            return missing(format!("The namespace {namespace} was deleted, and everything in it"));
        };
        if self.owner(expected, snapshot) == Some(Ownership::Foreign) {
            let message = format!("The namespace {namespace} no longer belongs to this store");
            return Some(Failure::new(Reason::NotOurs, message).with_details([self.wanted_labels(expected)]));
        }
        if found.deletion_timestamp.is_some() {
            return missing(format!("The namespace {namespace} is being deleted, and everything in it"));
        }
        None
    }

    fn owner(&self, expected: &Expected, snapshot: &ClusterSnapshot) -> Option<Ownership> {
        let (found, store) = (snapshot.namespace.as_ref()?, expected.store_uid);
        let known = ownership::by_metadata(found, self.instance(), store);
        Some(known.unwrap_or_else(|| ownership::by_releases(snapshot.release_stores.iter().copied(), store)))
    }

    fn label_problem(&self, expected: &Expected, snapshot: &ClusterSnapshot) -> Option<Failure> {
        if self.owner(expected, snapshot) != Some(Ownership::Unlabelled) {
            return None;
        }
        let message = format!("Labels of the namespace {} were removed", expected.namespace);
        Some(Failure::new(Reason::NamespaceUnlabelled, message).with_details([self.wanted_labels(expected)]))
    }

    fn wanted_labels(&self, expected: &Expected) -> String {
        let (instance, uid) = (self.instance(), expected.store_uid);
        let [managed, of, store] = [labels::MANAGED_BY, labels::INSTANCE, labels::STORE_UID];
        format!(
            "This store's namespace has the labels {managed}={}, {of}={instance}, {store}={uid}",
            labels::STOREPLANE
        )
    }
}

fn release_problem(expected: &Expected, status: Option<ReleaseStatus>) -> Option<Failure> {
    let name = &expected.release;
    match status {
        Some(ReleaseStatus::Deployed) => None,
        None => {
            let message =
                format!("Helm no longer has the release {name}: its record was deleted, or it was uninstalled");
            Some(Failure::new(Reason::ReleaseMissing, message))
        }
        Some(status) => {
            let message =
                format!("The release {name} is {}, and this control plane is not working on it", status.as_str());
            Some(Failure::new(Reason::ReleaseConflict, message))
        }
    }
}

fn workload_problem(expected: &Expected, objects: &Snapshot) -> Option<Failure> {
    let missing = expected.workloads.iter().filter(|workload| !objects.has(workload));
    let missing: Vec<_> = missing.map(|workload| format!("{} {}", workload.kind, workload.name)).collect();
    let message = match &missing[..] {
        [] => return None,
        [one] => format!("The {one} in {} was deleted", expected.namespace),
        all => format!("The {} in {} were deleted", all.join(" and the "), expected.namespace),
    };
    Some(Failure::new(Reason::WorkloadMissing, message))
}

fn secret_problem(expected: &Expected, missing: &[String]) -> Option<Failure> {
    let message = match missing {
        [] => return None,
        [one] => format!("The Secret {one} in {} was deleted", expected.namespace),
        all => format!("The Secrets {} in {} were deleted", all.join(", "), expected.namespace),
    };
    let running = "Running pods keep the values that they read at their start; new pods cannot start.";
    Some(Failure::new(Reason::SecretMissing, message).with_details([running]))
}
