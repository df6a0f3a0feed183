//! One store, looked at anew: is all of it there and ready, and if not, why?
//!
//! Every request of a look must be answered: what could not be seen is not known, and an error says so.

use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::{Api, Resource};
use k8s_openapi::api::apps::v1::ReplicaSet;
use serde::de::DeserializeOwned;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::ids::StoreUid;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::labels;
use super::namespace::OwnedNamespace;
use super::release::{ReleaseObservation, ReleaseStatus};
use super::rollout::{Diagnosis, Snapshot, Table, diagnose};

/// Most objects of a kind that are looked at in one namespace; its quota allows far fewer pods.
const MOST: u32 = 1000;

/// A store, as it should be in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its namespace.
    pub namespace: String,
    /// The store that the namespace is labelled with.
    pub store_uid: StoreUid,
    /// Its release.
    pub release: String,
    /// The Secrets that the control plane made.
    pub secrets: Vec<String>,
}

/// How a store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Examined {
    /// All of it is there and ready.
    Well,
    /// Not all of it is ready, and nothing is wrong: it may just be starting.
    Settling(Failure),
    /// Something is wrong; texts are masked.
    Unwell(Failure),
}

impl Cluster {
    /// Looks at a store. A failed request is an error: nothing is known then.
    pub async fn examine(&self, expected: &Expected) -> Result<Examined, ClusterError> {
        if let Some(failure) = self.namespace_trouble(expected).await? {
            return Ok(Examined::Unwell(failure));
        }
        let (namespace, name) = (expected.namespace.as_str(), expected.release.as_str());
        let (release, missing, snapshot) = futures::try_join!(
            self.release(namespace, name),
            self.missing_secrets(namespace, &expected.secrets),
            self.survey(namespace, name),
        )?;
        let facts = release_trouble(expected, release).into_iter().chain(secret_trouble(expected, &missing));
        Ok(match diagnose(&snapshot, facts.collect()) {
            Diagnosis::Well => Examined::Well,
            Diagnosis::Settling(failure) => Examined::Settling(self.masked(namespace, failure).await),
            Diagnosis::Unwell(mut failure, log) => {
                if let Some(source) = log {
                    failure = failure.with_details(self.last_log_lines(namespace, &source).await);
                }
                Examined::Unwell(self.masked(namespace, failure).await)
            }
        })
    }

    async fn namespace_trouble(&self, expected: &Expected) -> Result<Option<Failure>, ClusterError> {
        let namespace = &expected.namespace;
        let missing = |message: String| Ok(Some(Failure::new(Reason::NamespaceMissing, message)));
        let Some(found) = self.get_namespace(namespace).await? else {
            return missing(format!("The namespace {namespace} was deleted, and everything in it"));
        };
        let owned = OwnedNamespace::read(&found.metadata);
        if !self.is_of_this_instance(&found.metadata) || owned.store_uid != Some(expected.store_uid) {
            let message = format!("The namespace {namespace} is not labelled as this store's any more");
            let (instance, uid) = (&self.config().instance, expected.store_uid);
            let wanted = format!(
                "{}={}, {}={instance}, {}={uid}",
                labels::MANAGED_BY,
                labels::STOREPLANE,
                labels::INSTANCE,
                labels::STORE_UID
            );
            let told = format!("If it is this store's, put its labels back: {wanted}");
            return Ok(Some(Failure::new(Reason::NotOurs, message).with_details([told])));
        }
        if owned.terminating {
            return missing(format!("The namespace {namespace} is being deleted, and everything in it"));
        }
        Ok(None)
    }

    async fn survey(&self, namespace: &str, release: &str) -> Result<Snapshot, ClusterError> {
        let (deployments, sets, replica_sets, pods, claims, events) = futures::try_join!(
            self.list_in(namespace),
            self.list_in(namespace),
            self.list_in::<PartialObjectMeta<ReplicaSet>>(namespace),
            self.list_in(namespace),
            self.list_in(namespace),
            self.list_in(namespace),
        )?;
        let mut snapshot = Snapshot::new(release.to_owned());
        snapshot.deployments = Table::listed(deployments);
        snapshot.stateful_sets = Table::listed(sets);
        snapshot.replica_sets = Table::listed(replica_sets);
        snapshot.pods = Table::listed(pods);
        snapshot.claims = Table::listed(claims);
        snapshot.events = Table::listed(events);
        Ok(snapshot)
    }

    /// All objects of a kind in a namespace.
    pub(super) async fn list_in<K>(&self, namespace: &str) -> Result<Vec<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let what = format!("list the {} in {namespace}", K::plural(&()));
        let listing = self.call(&what, |client| async move {
            Api::<K>::namespaced(client, namespace).list(&ListParams::default().limit(MOST)).await
        });
        Ok(listing.await?.items)
    }
}

fn release_trouble(expected: &Expected, release: Option<ReleaseObservation>) -> Option<Failure> {
    let name = &expected.release;
    match release.map(|release| release.status) {
        Some(ReleaseStatus::Deployed) => None,
        None => {
            let message =
                format!("Helm knows the release {name} no more: its record was deleted, or it was uninstalled");
            Some(Failure::new(Reason::ReleaseMissing, message))
        }
        Some(status) => {
            let message = format!("The release {name} is {}, and nobody here works on it", status.as_str());
            Some(Failure::new(Reason::ReleaseConflict, message))
        }
    }
}

fn secret_trouble(expected: &Expected, missing: &[String]) -> Option<Failure> {
    let message = match missing {
        [] => return None,
        [one] => format!("The Secret {one} in {} was deleted", expected.namespace),
        all => format!("The Secrets {} in {} were deleted", all.join(", "), expected.namespace),
    };
    let running = "Pods that run keep what they read at their start; the next ones cannot start.";
    Some(Failure::new(Reason::SecretMissing, message).with_details([running]))
}
