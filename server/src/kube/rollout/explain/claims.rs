//! Unbound volume claims.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use storeplane_core::failure::Reason;

use super::{Finding, sentence};
use crate::kube::rollout::snapshot::{EventMessage, Snapshot};
use crate::obstacle::{Obstacle, messages};

/// Without `WaitForFirstConsumer` and `WaitForPodScheduled`: such a claim waits for its pod.
const EXPLAINING: [&str; 4] = ["FailedBinding", "ProvisioningFailed", "ExternalProvisioning", "Provisioning"];

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for claim in snapshot.claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()) {
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let subject = format!("PersistentVolumeClaim {name}");
        let message = |why: &str| format!("{subject} is not bound: {}", sentence(why));
        match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
            Some("Bound") => {}
            // A claim is briefly called lost until the controller has seen its new volume.
            Some("Lost") => {
                let why = message("its volume is lost");
                found.push(Finding::new(Reason::VolumeNotBound, subject.clone(), why, Obstacle::Failing));
            }
            _ => {
                let events = snapshot.events_about(claim.metadata.uid.as_deref(), &EXPLAINING);
                let Some(last) = events.last() else { continue };
                let finding =
                    Finding::new(Reason::VolumeNotBound, subject.clone(), message(last.message), obstacle(last));
                found.push(finding.detail(format!("storage class: {}", storage_class(claim))));
            }
        }
    }
}

fn obstacle(event: &EventMessage<'_>) -> Obstacle {
    let obstacle = messages::claim(event.reason, event.message);
    // A problem from before the watch began may be resolved; otherwise the controller repeats its event every 15 s.
    if event.news || obstacle == Obstacle::Progress { obstacle } else { Obstacle::Reported }
}

fn storage_class(claim: &PersistentVolumeClaim) -> &str {
    claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()).unwrap_or("none")
}
