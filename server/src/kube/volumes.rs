//! Volumes that outlive a store: those of its claims whose reclaim policy is `Retain`.

use ::kube::Api;
use ::kube::api::ListParams;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};

/// The reclaim policy that keeps a volume and its data.
const RETAIN: &str = "Retain";

impl Cluster {
    /// The volumes that remain when the namespace is deleted, for example `pvc-1 (5Gi, claim data)`. Empty
    /// if the account may not read claims or volumes.
    pub async fn retained_volumes(&self, namespace: &str) -> Result<Vec<String>, ClusterError> {
        let claims = match self.list_in::<PersistentVolumeClaim>(namespace, ListParams::default()).await {
            Err(error) if error.kind().is_refusal() => return Ok(Vec::new()),
            claims => claims?,
        };
        let mut retained = Vec::new();
        for claim in claims {
            let Some(name) = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()) else { continue };
            let what = format!("read the volume {name}");
            let read =
                self.call(&what, |client| async move { Api::<PersistentVolume>::all(client).get_opt(name).await });
            match read.await {
                Ok(volume) => retained.extend(volume.and_then(|volume| shown(&volume, &claim))),
                Err(error) if error.kind() == ClusterErrorKind::Forbidden => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        Ok(retained)
    }
}

fn shown(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> Option<String> {
    let spec = volume.spec.as_ref()?;
    if spec.persistent_volume_reclaim_policy.as_deref() != Some(RETAIN) {
        return None;
    }
    let size = spec.capacity.as_ref().and_then(|sizes| sizes.get("storage")).map(|size| format!("{}, ", size.0));
    let [volume, claim] = [&volume.metadata.name, &claim.metadata.name].map(|name| name.clone().unwrap_or_default());
    Some(format!("{volume} ({}claim {claim})", size.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_retained_volumes_are_listed() {
        let claim = serde_json::from_value(json!({"metadata": {"name": "data-store-db-0"}})).expect("a claim");
        let volume = |policy: &str| {
            let spec = json!({"persistentVolumeReclaimPolicy": policy, "capacity": {"storage": "5Gi"}});
            let volume =
                serde_json::from_value(json!({"metadata": {"name": "pvc-1"}, "spec": spec})).expect("a volume");
            shown(&volume, &claim)
        };
        assert_eq!(volume("Retain"), Some("pvc-1 (5Gi, claim data-store-db-0)".into()));
        assert_eq!(volume("Delete"), None);
    }
}
