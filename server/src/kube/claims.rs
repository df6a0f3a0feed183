//! Volume claims that were never bound: they hold no data, and block a corrected one.

use ::kube::api::{DeleteParams, ListParams, Preconditions};
use ::kube::{Api, ResourceExt as _};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};

impl Cluster {
    /// Deletes the namespace's pending claims. One with a volume is kept, whatever it contains.
    pub async fn delete_unbound_claims(&self, namespace: &str) -> Result<(), ClusterError> {
        let claims = self.list_in::<PersistentVolumeClaim>(namespace, ListParams::default()).await?;
        for claim in claims.iter().filter(|claim| is_unbound(claim)) {
            let name = claim.name_any();
            // If it is bound meanwhile, its version differs.
            let only_this =
                Preconditions { uid: claim.uid(), resource_version: claim.metadata.resource_version.clone() };
            let what = format!("delete the pending volume claim {name} in {namespace}");
            let deleted = self.call(&what, |client| async {
                let claims = Api::<PersistentVolumeClaim>::namespaced(client, namespace);
                claims.delete(&name, &DeleteParams::default().preconditions(only_this)).await.map(drop)
            });
            match deleted.await {
                Err(error) if error.kind() == ClusterErrorKind::NotFound => {}
                deleted => deleted?,
            }
        }
        Ok(())
    }
}

fn is_unbound(claim: &PersistentVolumeClaim) -> bool {
    let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    volume.is_empty() && phase == "Pending"
}
