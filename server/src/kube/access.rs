//! The server's permissions inside a store's namespace: a `RoleBinding` of its own account, created with the namespace.
//!
//! Without `store_role` in the configuration nothing is bound: the account then has its permissions cluster-wide.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::kube::Api;
use ::kube::api::{DeleteParams, PostParams, Preconditions};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::cluster::{self, Cluster};
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;
use super::namespace::NamespaceState;

/// Name of the `RoleBinding`, which the account's `ClusterRole` and the admission policy name as well.
const BINDING: &str = labels::STOREPLANE;
const RBAC: &str = "rbac.authorization.k8s.io";

/// Where the account may list and watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchScope {
    /// All namespaces at once.
    Cluster,
    /// Only in the namespaces of stores.
    Namespaced,
}

/// What the server's account is bound to in each store's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAccess {
    /// Name of the `ClusterRole`.
    pub role: String,
    /// Namespace of the server's `ServiceAccount`.
    pub account_namespace: String,
    /// Name of the server's `ServiceAccount`.
    pub account_name: String,
}

impl StoreAccess {
    /// The `RoleBinding` for one namespace.
    fn binding(&self, instance: &str) -> RoleBinding {
        let labels = [(labels::MANAGED_BY, labels::STOREPLANE), (labels::INSTANCE, instance)];
        RoleBinding {
            metadata: ObjectMeta {
                name: Some(BINDING.to_owned()),
                labels: Some(BTreeMap::from(labels.map(|(key, value)| (key.to_owned(), value.to_owned())))),
                ..ObjectMeta::default()
            },
            role_ref: RoleRef {
                api_group: Some(RBAC.to_owned()),
                kind: "ClusterRole".to_owned(),
                name: self.role.clone(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name: self.account_name.clone(),
                namespace: Some(self.account_namespace.clone()),
                api_group: None,
            }]),
        }
    }
}

/// The namespaces in which permissions were granted recently: an API server may not know of them yet.
#[derive(Debug, Default)]
pub(super) struct RecentGrants(Mutex<BTreeMap<String, Instant>>);

impl RecentGrants {
    fn add(&self, namespace: &str, keep: Duration) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, since| since.elapsed() < keep);
        recent.insert(namespace.to_owned(), Instant::now());
    }

    fn contains(&self, namespace: &str, within: Duration) -> bool {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(namespace).is_some_and(|since| since.elapsed() < within)
    }
}

impl Cluster {
    /// Grants the server's account its permissions in the store's namespace, and waits until they are effective.
    pub async fn ensure_access(&self, namespace: &str) -> Result<(), ClusterError> {
        if self.grant_access(namespace).await? { self.wait_until_effective(namespace).await } else { Ok(()) }
    }

    /// The same without waiting. True if they were granted now.
    pub async fn grant_access(&self, namespace: &str) -> Result<bool, ClusterError> {
        let Some(access) = &self.config().access else { return Ok(false) };
        let wanted = access.binding(self.instance());
        match self.access_binding(namespace).await? {
            Some(found) if found.role_ref == wanted.role_ref && found.subjects == wanted.subjects => return Ok(false),
            // A `RoleBinding`'s role cannot be changed: for example after the control plane was installed under another name.
            Some(found) => self.delete_binding(namespace, found.metadata).await?,
            None => {}
        }
        let what = format!("bind the role {} in {namespace}", access.role);
        let created = self.call(&what, |client| async move {
            Api::<RoleBinding>::namespaced(client, namespace).create(&PostParams::default(), &wanted).await.map(drop)
        });
        match created.await {
            // Another server was faster.
            Err(error) if error.kind() == ClusterErrorKind::Conflict => {}
            created => created?,
        }
        self.recent_grants().add(namespace, self.limits().forbidden);
        tracing::debug!(namespace, role = access.role, "permissions granted");
        Ok(true)
    }

    /// True if the account should be able to list and watch all namespaces at once.
    pub fn watches_all(&self) -> bool {
        self.config().scope == WatchScope::Cluster
    }

    /// True if permissions in the namespace were granted so recently that some API server may still refuse requests.
    pub fn has_recent_access(&self, namespace: &str) -> bool {
        self.recent_grants().contains(namespace, self.limits().forbidden)
    }

    /// Whether the account has its permissions per namespace: then a namespace that it may not read is not its own.
    pub(super) fn is_bound_per_namespace(&self) -> bool {
        self.config().access.is_some()
    }

    /// Why requests in the namespace are refused, if that is because it is gone or being deleted: the `RoleBinding` goes with it. `None`
    /// if it exists.
    pub async fn refused_because(&self, namespace: &str) -> Result<Option<ClusterError>, ClusterError> {
        if !self.is_bound_per_namespace() {
            return Ok(None);
        }
        let state = Box::pin(self.namespace_state(namespace)).await?;
        let error = |kind, why: &str| Some(ClusterError::new(kind, format!("could not work in {namespace}: {why}")));
        Ok(match state {
            NamespaceState::Absent => error(ClusterErrorKind::NotFound, "the namespace does not exist"),
            NamespaceState::Terminating { .. } => {
                error(ClusterErrorKind::Terminating, "the namespace is being deleted")
            }
            NamespaceState::Active => None,
        })
    }

    async fn access_binding(&self, namespace: &str) -> Result<Option<RoleBinding>, ClusterError> {
        let what = format!("read the role binding {BINDING} in {namespace}");
        self.call(
            &what,
            |client| async move { Api::<RoleBinding>::namespaced(client, namespace).get_opt(BINDING).await },
        )
        .await
    }

    async fn delete_binding(&self, namespace: &str, found: ObjectMeta) -> Result<(), ClusterError> {
        let only_this = Preconditions { uid: found.uid, resource_version: None };
        let what = format!("replace the role binding {BINDING} in {namespace}");
        let deleted = self.call(&what, |client| async move {
            let parameters = DeleteParams::default().preconditions(only_this);
            Api::<RoleBinding>::namespaced(client, namespace).delete(BINDING, &parameters).await.map(drop)
        });
        match deleted.await {
            Err(error) if matches!(error.kind(), ClusterErrorKind::NotFound | ClusterErrorKind::Conflict) => Ok(()),
            deleted => deleted,
        }
    }

    async fn wait_until_effective(&self, namespace: &str) -> Result<(), ClusterError> {
        let (mut backoff, since) = (cluster::backoff(), Instant::now());
        while !self.may_create_secrets(namespace).await? {
            if since.elapsed() >= self.limits().forbidden {
                let message = format!(
                    "the role binding {BINDING} in {namespace} has no effect: its cluster role is missing, or grants too little"
                );
                return Err(ClusterError::new(ClusterErrorKind::Forbidden, message));
            }
            backoff.pause().await;
            // A conflict does not prove that the binding exists.
            self.grant_access(namespace).await?;
        }
        Ok(())
    }

    async fn may_create_secrets(&self, namespace: &str) -> Result<bool, ClusterError> {
        let attributes = ResourceAttributes {
            namespace: Some(namespace.to_owned()),
            verb: Some("create".to_owned()),
            resource: Some("secrets".to_owned()),
            ..ResourceAttributes::default()
        };
        self.is_allowed(&format!("check the permissions in {namespace}"), attributes).await
    }

    /// Whether the API server allows the account a request.
    pub(super) async fn is_allowed(&self, what: &str, attributes: ResourceAttributes) -> Result<bool, ClusterError> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(attributes),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let reviewed = self.call(what, |client| async move {
            Api::<SelfSubjectAccessReview>::all(client).create(&PostParams::default(), &review).await
        });
        Ok(reviewed.await?.status.is_some_and(|status| status.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_recent_for_a_while_and_then_forgotten() {
        let (grants, long) = (RecentGrants::default(), Duration::from_mins(1));
        grants.add("store-a", long);
        assert!(grants.contains("store-a", long) && !grants.contains("store-b", long));
        assert!(!grants.contains("store-a", Duration::ZERO));
        grants.add("store-b", Duration::ZERO);
        assert_eq!(grants.0.lock().unwrap().len(), 1, "expired ones are removed");
    }
}
