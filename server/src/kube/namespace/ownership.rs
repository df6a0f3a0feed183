//! The ownership of a namespace. People and controllers may remove labels, so they are not the only
//! evidence: annotations repeat them, and release records name the store as well.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::ids::StoreUid;

use super::NamespaceSpec;
use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::kube::labels;

/// The ownership of a namespace with respect to one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The store's.
    Ours,
    /// The store's, although some of our labels are missing.
    Unlabelled,
    /// Something else's. Nothing in it may be changed.
    Foreign,
}

impl Ownership {
    /// True if it is the store's.
    pub fn is_ours(self) -> bool {
        self != Self::Foreign
    }
}

/// A fact recorded on a namespace, both as a label and as an annotation.
pub(in crate::kube) fn fact<'a>(found: &'a ObjectMeta, key: &str) -> Option<&'a String> {
    let get = |all: &'a Option<BTreeMap<String, String>>| all.as_ref().and_then(|all| all.get(key));
    get(&found.labels).or_else(|| get(&found.annotations))
}

/// The fence of the claim that acted last, the higher one of label and annotation; 0 if there is none.
pub(in crate::kube) fn fence(found: &ObjectMeta) -> i64 {
    let all = [&found.labels, &found.annotations].into_iter().flatten();
    all.filter_map(|all| all.get(labels::FENCE)?.parse().ok()).max().unwrap_or(0)
}

/// According to the namespace itself. `None` if it has no evidence: release records must decide.
pub(in crate::kube) fn by_metadata(found: &ObjectMeta, instance: &str, store: StoreUid) -> Option<Ownership> {
    if fact(found, labels::INSTANCE).is_some_and(|of| of != instance) {
        return Some(Ownership::Foreign);
    }
    let uid = fact(found, labels::STORE_UID)?;
    if uid.parse() != Ok(store) {
        return Some(Ownership::Foreign);
    }
    let label = |key: &str| found.labels.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let labelled = label(labels::MANAGED_BY) == Some(labels::STOREPLANE)
        && label(labels::INSTANCE) == Some(instance)
        && label(labels::STORE_UID).is_some();
    Some(if labelled { Ownership::Ours } else { Ownership::Unlabelled })
}

/// According to the stores of the releases in a namespace without evidence of its own.
pub(in crate::kube) fn by_releases(mut stores: impl Iterator<Item = StoreUid>, store: StoreUid) -> Ownership {
    if stores.any(|of| of == store) { Ownership::Unlabelled } else { Ownership::Foreign }
}

impl Cluster {
    /// The ownership of the namespace with the name in the store's row.
    pub(in crate::kube) async fn ownership(
        &self,
        found: &ObjectMeta,
        store: StoreUid,
    ) -> Result<Ownership, ClusterError> {
        if let Some(known) = by_metadata(found, &self.config().instance, store) {
            return Ok(known);
        }
        self.ownership_by_releases(found.name.as_deref().unwrap_or_default(), store).await
    }

    /// True if a namespace without an owner has a release of this store.
    pub async fn has_release_of(&self, namespace: &str, store: StoreUid) -> Result<bool, ClusterError> {
        Ok(self.ownership_by_releases(namespace, store).await?.is_ours())
    }

    async fn ownership_by_releases(&self, namespace: &str, store: StoreUid) -> Result<Ownership, ClusterError> {
        let releases = match self.releases_in(namespace).await {
            // Not bound there, so not ours.
            Err(error) if error.kind().is_refusal() && self.is_bound_per_namespace() => Vec::new(),
            found => found?,
        };
        Ok(by_releases(releases.into_iter().filter_map(|release| release.observation.store_uid), store))
    }

    /// The annotations: those that repeat the labels, and those of the configuration.
    pub(super) fn namespace_annotations(&self, spec: &NamespaceSpec) -> BTreeMap<String, String> {
        let mut wanted = self.config().namespace_annotations.clone();
        wanted.extend([
            (labels::INSTANCE.to_owned(), self.config().instance.clone()),
            (labels::STORE_ID.to_owned(), spec.store_id.to_string()),
            (labels::STORE_UID.to_owned(), spec.store_uid.to_string()),
            (labels::TENANT.to_owned(), spec.tenant.to_string()),
            (labels::FENCE.to_owned(), spec.fence.to_string()),
        ]);
        wanted
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const STORE: StoreUid = StoreUid(Uuid::nil());

    fn says(labels: &Value, annotations: &Value) -> Option<Ownership> {
        let metadata = json!({"name": "store-demo", "labels": labels, "annotations": annotations});
        by_metadata(&serde_json::from_value(metadata).expect("metadata"), "prod", STORE)
    }

    #[test]
    fn ownership_needs_evidence_without_contradiction() {
        let (ours, other) = (Uuid::nil().to_string(), Uuid::max().to_string());
        let label = |uid: &str, instance: &str| json!({"app.kubernetes.io/managed-by": "storeplane", "storeplane.io/instance": instance, "storeplane.io/store-uid": uid});
        let annotated =
            |uid: &str, instance: &str| json!({"storeplane.io/instance": instance, "storeplane.io/store-uid": uid});
        let none = json!({});
        for (labels, annotations, expected) in [
            (label(&ours, "prod"), none.clone(), Some(Ownership::Ours)),
            (label(&ours, "prod"), annotated(&ours, "prod"), Some(Ownership::Ours)),
            (label(&ours, "staging"), none.clone(), Some(Ownership::Foreign)),
            (label(&other, "prod"), annotated(&ours, "prod"), Some(Ownership::Foreign)),
            (label("no uid", "prod"), none.clone(), Some(Ownership::Foreign)),
            (none.clone(), annotated(&ours, "prod"), Some(Ownership::Unlabelled)),
            (none.clone(), annotated(&ours, "staging"), Some(Ownership::Foreign)),
            (none.clone(), annotated(&other, "prod"), Some(Ownership::Foreign)),
            (json!({"storeplane.io/store-uid": ours}), none.clone(), Some(Ownership::Unlabelled)),
            (json!({"app.kubernetes.io/managed-by": "Helm"}), annotated(&ours, "prod"), Some(Ownership::Unlabelled)),
            (none.clone(), none.clone(), None),
            (json!({"team": "shops"}), none, None),
        ] {
            assert_eq!(says(&labels, &annotations), expected, "{labels} {annotations}");
        }
        assert_eq!(by_releases([STORE].into_iter(), STORE), Ownership::Unlabelled);
        assert_eq!(by_releases([StoreUid(Uuid::max())].into_iter(), STORE), Ownership::Foreign);
        assert_eq!(by_releases([].into_iter(), STORE), Ownership::Foreign);
    }

    #[test]
    fn higher_fence_wins() {
        let metadata = json!({"labels": {"storeplane.io/fence": "3"}, "annotations": {"storeplane.io/fence": "7"}});
        assert_eq!(fence(&serde_json::from_value(metadata).expect("metadata")), 7);
        assert_eq!(fence(&ObjectMeta::default()), 0);
    }
}
