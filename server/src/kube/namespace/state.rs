//! Interprets a namespace's status.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::failure::{DETAIL_LINE_MAX, truncate};

use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::redact::plain;

/// Whether a namespace exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceState {
    /// It does not exist.
    Absent,
    /// It exists and is not being deleted.
    Active,
    /// It is being deleted.
    Terminating {
        /// What blocks the deletion, in Kubernetes' words: remaining content, finalizers.
        /// Empty in the first moments.
        blocked_by: Vec<String>,
    },
}

impl Cluster {
    /// Whether the namespace exists, and what blocks its deletion.
    pub async fn namespace_state(&self, name: &str) -> Result<NamespaceState, ClusterError> {
        Ok(self.get_namespace(name).await?.as_ref().map_or(NamespaceState::Absent, read))
    }
}

pub(super) fn read(namespace: &Namespace) -> NamespaceState {
    if namespace.metadata.deletion_timestamp.is_none() {
        return NamespaceState::Active;
    }
    NamespaceState::Terminating { blocked_by: blocked_by(namespace) }
}

/// The namespace controller reports remaining content in conditions that are True while something remains.
/// Finalizers come first: content is removed automatically, a finalizer only by its owner.
fn blocked_by(namespace: &Namespace) -> Vec<String> {
    const EXPLAINING: [&str; 5] = [
        "NamespaceFinalizersRemaining",
        "NamespaceContentRemaining",
        "NamespaceDeletionContentFailure",
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
    ];
    let conditions = namespace.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let messages = EXPLAINING.iter().flat_map(|kind| {
        conditions.iter().filter(move |condition| condition.type_ == *kind && condition.status == "True")
    });
    let messages = messages.filter_map(|condition| condition.message.clone());
    let own = own_finalizers(&namespace.metadata);
    messages.chain(own).map(|line| truncate(plain(&line), DETAIL_LINE_MAX)).collect()
}

fn own_finalizers(metadata: &ObjectMeta) -> impl Iterator<Item = String> {
    let all = metadata.finalizers.iter().flatten();
    all.map(|finalizer| format!("The namespace itself has the finalizer {finalizer}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(value: serde_json::Value) -> NamespaceState {
        read(&serde_json::from_value(value).expect("a namespace"))
    }

    #[test]
    fn terminating_namespace_reports_finalizers_first() {
        let going = json!({
            "metadata": {"name": "a", "deletionTimestamp": "2026-11-21T07:00:00Z", "finalizers": ["example.com/keep"]},
            "status": {"phase": "Terminating", "conditions": [
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources successfully discovered"},
                {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: configmaps. has 1 resource instances"},
                {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "Some content in the namespace has finalizers remaining: example.com/stuck in 1 resource instances"},
            ]},
        });
        assert_eq!(
            state(going),
            NamespaceState::Terminating {
                blocked_by: vec![
                    "Some content in the namespace has finalizers remaining: example.com/stuck in 1 resource instances"
                        .into(),
                    "Some resources are remaining: configmaps. has 1 resource instances".into(),
                    "The namespace itself has the finalizer example.com/keep.".into(),
                ]
            }
        );
    }

    #[test]
    fn namespace_without_deletion_is_active() {
        assert_eq!(state(json!({"metadata": {"name": "a"}})), NamespaceState::Active);
    }
}
