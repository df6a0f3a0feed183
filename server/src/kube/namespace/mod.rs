//! A store's namespace: creation, adoption, fencing, deletion, and what blocks its deletion.

mod gone;
mod hold;
pub(in crate::kube) mod ownership;
mod state;

pub use hold::Holding;
pub use ownership::Ownership;
pub use state::NamespaceState;

use std::collections::BTreeMap;

use ::kube::Api;
use ::kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use ::kube::core::PartialObjectMeta;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;
use storeplane_core::ids::{StoreId, StoreUid, Tenant};

use super::cluster::{self, Cluster};
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;

/// How often a change is retried after concurrent changes of the namespace.
const ATTEMPTS: usize = 20;

/// The desired namespace of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSpec {
    /// Its name, from the store's placement.
    pub name: String,
    /// The store's id.
    pub store_id: StoreId,
    /// The store's uid.
    pub store_uid: StoreUid,
    /// The store's tenant.
    pub tenant: Tenant,
    /// The fence of the caller's claim.
    pub fence: i64,
}

/// The result of [`Cluster::ensure_namespace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It was created.
    Created,
    /// It existed and is ours; it now carries our fence.
    Adopted,
}

/// A namespace's labels and annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedNamespace {
    /// Its name.
    pub name: String,
    /// The control plane that created it, if known.
    pub instance: Option<String>,
    /// The store's id, if known.
    pub store_id: Option<String>,
    /// The store's uid, if known.
    pub store_uid: Option<StoreUid>,
    /// The tenant, if known.
    pub tenant: Option<String>,
    /// The fence of the claim that acted last; 0 if unknown.
    pub fence: i64,
    /// True if it has all labels that we select it by.
    pub labelled: bool,
    /// It is being deleted.
    pub terminating: bool,
}

impl Cluster {
    /// Creates the namespace, or adopts ours and raises its fence to the caller's.
    ///
    /// Additional errors: [`ClusterErrorKind::NotOurs`] if it exists without our labels,
    /// [`ClusterErrorKind::Fenced`] if a later claim has acted, [`ClusterErrorKind::Terminating`] while it is being deleted.
    pub async fn ensure_namespace(&self, spec: &NamespaceSpec) -> Result<Ensured, ClusterError> {
        let mut backoff = cluster::backoff();
        let mut found = None;
        for _ in 0..ATTEMPTS {
            let done = match &found {
                None => self.create_namespace(spec).await.map(|()| Ensured::Created),
                Some(found) => {
                    self.check_owner(spec, found).await?;
                    self.raise_fence(spec, found).await.map(|()| Ensured::Adopted)
                }
            };
            match done.map_err(|error| (error.kind(), error)) {
                Ok(ensured) => return Ok(ensured),
                // It existed, was changed concurrently, or was deleted meanwhile.
                Err((ClusterErrorKind::Conflict | ClusterErrorKind::NotFound, _)) => {}
                Err((_, error)) => return Err(error),
            }
            if found.is_some() {
                backoff.pause().await;
            }
            found = self.get_namespace(&spec.name).await?;
        }
        let message = format!("could not adopt the namespace {}: it keeps changing", spec.name);
        Err(ClusterError::new(ClusterErrorKind::Conflict, message))
    }

    async fn create_namespace(&self, spec: &NamespaceSpec) -> Result<(), ClusterError> {
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(spec.name.clone()),
                labels: Some(self.namespace_labels(spec)),
                annotations: Some(self.namespace_annotations(spec)),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let what = format!("create the namespace {}", spec.name);
        self.call(&what, |client| async move {
            Api::<Namespace>::all(client).create(&PostParams::default(), &namespace).await.map(drop)
        })
        .await
    }

    pub(in crate::kube) async fn get_namespace(&self, name: &str) -> Result<Option<Namespace>, ClusterError> {
        let what = format!("read the namespace {name}");
        self.call(&what, |client| async move { Api::<Namespace>::all(client).get_opt(name).await }).await
    }

    fn namespace_labels(&self, spec: &NamespaceSpec) -> BTreeMap<String, String> {
        let mut wanted = BTreeMap::from([
            (labels::MANAGED_BY.to_owned(), labels::STOREPLANE.to_owned()),
            (labels::INSTANCE.to_owned(), self.config().instance.clone()),
            (labels::STORE_ID.to_owned(), spec.store_id.to_string()),
            (labels::STORE_UID.to_owned(), spec.store_uid.to_string()),
            (labels::TENANT.to_owned(), spec.tenant.to_string()),
            (labels::FENCE.to_owned(), spec.fence.to_string()),
        ]);
        wanted.extend(labels::POD_SECURITY.map(|label| (label.to_owned(), labels::RESTRICTED.to_owned())));
        for (label, value) in &self.config().namespace_labels {
            wanted.entry(label.clone()).or_insert_with(|| value.clone());
        }
        wanted
    }

    async fn check_owner(&self, spec: &NamespaceSpec, found: &Namespace) -> Result<(), ClusterError> {
        let owned = OwnedNamespace::read(&found.metadata);
        let name = &spec.name;
        let not_ours = |message: String| Err(ClusterError::new(ClusterErrorKind::NotOurs, message));
        let is_ours = self.ownership(&found.metadata, spec.store_uid).await?.is_ours();
        if !is_ours && owned.instance.as_ref() != Some(&self.config().instance) {
            return not_ours(format!("the namespace {name} exists and was not created by this control plane"));
        }
        if owned.terminating {
            let message = format!("the namespace {name} is still being deleted");
            return Err(ClusterError::new(ClusterErrorKind::Terminating, message));
        }
        if !is_ours {
            return not_ours(format!("the namespace {name} belongs to another store"));
        }
        if owned.fence > spec.fence {
            let message = format!("a later claim ({} after {}) works on the namespace {name}", owned.fence, spec.fence);
            return Err(ClusterError::new(ClusterErrorKind::Fenced, message));
        }
        Ok(())
    }

    /// The resource version makes the patch fail with a conflict after a concurrent change.
    async fn raise_fence(&self, spec: &NamespaceSpec, found: &Namespace) -> Result<(), ClusterError> {
        let (labels, annotations) = (self.namespace_labels(spec), self.namespace_annotations(spec));
        let has = |all: Option<&BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| all.and_then(|all| all.get(key)) == Some(value))
        };
        let metadata = &found.metadata;
        if has(metadata.labels.as_ref(), &labels) && has(metadata.annotations.as_ref(), &annotations) {
            return Ok(());
        }
        let version = &metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version, "labels": labels, "annotations": annotations}});
        let what = format!("raise the fence of the namespace {}", spec.name);
        self.call(&what, |client| async move {
            let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client);
            namespaces.patch(&spec.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        })
        .await?;
        tracing::debug!(namespace = spec.name, fence = spec.fence, "fence raised");
        Ok(())
    }

    /// Requests the namespace's deletion, if it is that store's. One that is missing or already being deleted is fine.
    pub async fn delete_namespace(&self, name: &str, store_uid: StoreUid) -> Result<(), ClusterError> {
        let Some(found) = self.get_namespace(name).await? else { return Ok(()) };
        if !self.ownership(&found.metadata, store_uid).await?.is_ours() {
            let message = format!("the namespace {name} is not this store's, so it is not deleted");
            return Err(ClusterError::new(ClusterErrorKind::NotOurs, message));
        }
        if found.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        self.request_deletion(name, Preconditions { uid: found.metadata.uid, resource_version: None }).await
    }

    /// Requests the deletion of a namespace that this claim created, unless a later claim has taken it.
    pub async fn withdraw_namespace(&self, spec: &NamespaceSpec) -> Result<(), ClusterError> {
        let Some(found) = self.get_namespace(&spec.name).await? else { return Ok(()) };
        let owned = OwnedNamespace::read(&found.metadata);
        if owned.store_uid != Some(spec.store_uid) || owned.fence != spec.fence || owned.terminating {
            return Ok(());
        }
        // A claim that takes it meanwhile changes its fence, and with that its version.
        let metadata = found.metadata;
        let as_read = Preconditions { uid: metadata.uid, resource_version: metadata.resource_version };
        match self.request_deletion(&spec.name, as_read).await {
            Err(error) if error.kind() == ClusterErrorKind::Conflict => Ok(()),
            other => other,
        }
    }

    async fn request_deletion(&self, name: &str, only_this: Preconditions) -> Result<(), ClusterError> {
        let what = format!("delete the namespace {name}");
        let deleted = self.call(&what, |client| async move {
            let parameters = DeleteParams::background().preconditions(only_this);
            Api::<PartialObjectMeta<Namespace>>::all(client).delete(name, &parameters).await.map(drop)
        });
        match deleted.await {
            Err(error) if error.kind() == ClusterErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Every namespace in the cluster, whoever created it, read in pages.
    pub async fn every_namespace(&self) -> Result<Vec<OwnedNamespace>, ClusterError> {
        let found: Vec<PartialObjectMeta<Namespace>> =
            self.list_all("list the namespaces", ListParams::default()).await?;
        Ok(found.iter().map(|namespace| OwnedNamespace::read(&namespace.metadata)).collect())
    }

    /// The namespaces labelled with this instance.
    pub async fn all_namespaces(&self) -> Result<Vec<OwnedNamespace>, ClusterError> {
        let mut all = self.every_namespace().await?;
        all.retain(|namespace| namespace.instance.as_ref() == Some(&self.config().instance));
        Ok(all)
    }

    /// Distinguishes this control plane's namespaces from another's.
    pub fn instance(&self) -> &str {
        &self.config().instance
    }
}

impl OwnedNamespace {
    /// A namespace of which nothing but its name is known.
    pub fn unlabelled(name: &str) -> Self {
        Self::read(&ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() })
    }

    pub(super) fn read(found: &ObjectMeta) -> Self {
        let fact = |key: &str| ownership::fact(found, key).cloned();
        let labelled = [labels::MANAGED_BY, labels::INSTANCE, labels::STORE_UID];
        Self {
            name: found.name.clone().unwrap_or_default(),
            instance: fact(labels::INSTANCE),
            store_id: fact(labels::STORE_ID),
            store_uid: fact(labels::STORE_UID).and_then(|text| text.parse().ok()),
            tenant: fact(labels::TENANT),
            fence: ownership::fence(found),
            labelled: labelled.iter().all(|key| found.labels.as_ref().is_some_and(|all| all.contains_key(*key))),
            terminating: found.deletion_timestamp.is_some(),
        }
    }
}
