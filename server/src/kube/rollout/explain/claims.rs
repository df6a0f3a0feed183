//! Volume claims that nothing is bound to.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use storeplane_core::failure::Reason;

use super::{Finding, GracePeriod, sentence};
use crate::kube::rollout::snapshot::{Said, Snapshot};

/// `WaitForFirstConsumer` and `WaitForPodScheduled` are not among them: such a claim waits for its pod.
const TELLING: [&str; 4] = ["FailedBinding", "ProvisioningFailed", "ExternalProvisioning", "Provisioning"];

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for claim in snapshot.claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let subject = format!("PersistentVolumeClaim {name}");
        let message = |why: &str| format!("{subject} is not bound: {}", sentence(why));
        match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
            Some("Bound") => {}
            // A claim is called lost for a moment when the controller has not yet seen the volume that was just made.
            Some("Lost") => {
                let why = message("its volume is lost");
                found.push(Finding::new(Reason::VolumeNotBound, subject.clone(), why, GracePeriod::Transient));
            }
            _ => {
                let said = snapshot.said_about(claim.metadata.uid.as_deref(), &TELLING);
                let Some(said) = said.last() else { continue };
                let finding = Finding::new(Reason::VolumeNotBound, subject.clone(), message(said.message), grace(said));
                found.push(finding.detail(format!("storage class: {}", storage_class(claim))));
            }
        }
    }
}

fn grace(said: &Said<'_>) -> GracePeriod {
    match said.reason {
        "ExternalProvisioning" | "Provisioning" => GracePeriod::Provisioning,
        // The controller says it again every 15 s.
        _ if !said.news => GracePeriod::Unlimited,
        "FailedBinding" => GracePeriod::Refused,
        _ if said.message.contains("storageclass") && said.message.contains("not found") => GracePeriod::Refused,
        _ => GracePeriod::Provisioning,
    }
}

fn storage_class(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()).unwrap_or("none")
}
