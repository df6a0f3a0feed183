//! Pods that no node takes, that cannot start, or that run and are not ready.

use k8s_openapi::api::core::v1::Pod;
use storeplane_core::failure::Reason;

use super::{Finding, GracePeriod, sentence};
use crate::kube::rollout::snapshot::{Owner, Snapshot, containers};

const VOLUMES: [&str; 2] = ["FailedMount", "FailedAttachVolume"];
const SANDBOX: [&str; 1] = ["FailedCreatePodSandBox"];
const PROBES: [&str; 1] = ["Unhealthy"];
/// What the scheduler adds after the reason: what it tried to make room.
const ASIDES: [&str; 2] = [" no new claims to deallocate", " preemption:"];

/// Comes after the workloads and claims of the same reason.
const AFTER_OWNERS: u8 = 10;

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for (pod, owner) in snapshot.release_pods() {
        let rank = AFTER_OWNERS + owner.rank();
        let mut findings = Vec::new();
        let claims_told = found.iter().any(|finding| finding.failure.reason == Reason::VolumeNotBound);
        findings.extend(unscheduled(pod).filter(|it| !claims_told || it.failure.reason != Reason::VolumeNotBound));
        findings.extend(volumes(snapshot, pod));
        findings.extend(unready(snapshot, pod));
        found.extend(findings.into_iter().map(|finding| tame(finding, owner).rank(rank)));
    }
}

/// A pod of an older revision shows what was wrong before; it is worth saying, since its set may wait for it.
pub(super) fn tame(mut finding: Finding, owner: Owner<'_>) -> Finding {
    if let Owner::OldStatefulSet(name) = owner {
        finding.grace = GracePeriod::Unlimited;
        return finding.detail(format!("The pod is of an older revision of the StatefulSet {name}."));
    }
    finding
}

fn unscheduled(pod: &Pod) -> Option<Finding> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let condition = conditions.iter().find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
    if condition.reason.as_deref() != Some("Unschedulable") {
        return None;
    }
    let why = condition.message.as_deref().unwrap_or("no node fits");
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    // The scheduler's words for a claim that is in the way.
    let claim = ["unbound immediate PersistentVolumeClaims", "didn't find available persistent volumes to bind"];
    let (reason, grace) = if claim.iter().any(|text| why.contains(text))
        || (why.contains("persistentvolumeclaim") && why.contains("not found"))
    {
        (Reason::VolumeNotBound, GracePeriod::Provisioning)
    } else {
        (Reason::Unschedulable, GracePeriod::Unschedulable)
    };
    let telling = ASIDES.iter().fold(why, |text, aside| text.split(aside).next().unwrap_or(text));
    let message = format!("No node takes the pod {name}: {}", sentence(telling));
    Some(Finding::new(reason, format!("Pod {name}"), message, grace).detail(why))
}

fn volumes(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    if has_started(pod) {
        return None;
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let uid = pod.metadata.uid.as_deref();
    let subject = format!("Pod {name}");
    if let Some(said) = snapshot.said_about(uid, &VOLUMES).last() {
        let missing = said.message.contains("not found")
            && ["secret \"", "configmap \"", "references non-existent"].iter().any(|text| said.message.contains(text));
        let (reason, grace) = match (missing, said.news) {
            (true, true) => (Reason::ContainerConfigError, GracePeriod::Transient),
            (true, false) => (Reason::ContainerConfigError, GracePeriod::Unlimited),
            (false, _) => (Reason::VolumeNotBound, GracePeriod::Unlimited),
        };
        let message = format!("A volume of the pod {name} cannot be mounted: {}", sentence(said.message));
        return Some(Finding::new(reason, subject, message, grace));
    }
    let said = snapshot.said_about(uid, &SANDBOX);
    let said = said.last()?;
    let message = format!("The node cannot start the pod {name}");
    Some(Finding::new(Reason::NotReady, subject, message, GracePeriod::Unlimited).detail(said.message))
}

/// Said only when a probe has failed: until then the pod is just starting.
fn unready(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let status = pod.status.as_ref()?;
    let ready = status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    if ready || status.phase.as_deref() != Some("Running") {
        return None;
    }
    let said = snapshot.said_about(pod.metadata.uid.as_deref(), &PROBES);
    let said = said.last()?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let message = format!("The pod {name} runs and is not ready");
    Some(Finding::new(Reason::NotReady, format!("Pod {name}"), message, GracePeriod::Unlimited).detail(said.message))
}

fn has_started(pod: &Pod) -> bool {
    containers(pod).filter_map(|container| container.state.as_ref()).any(|state| state.waiting.is_none())
}
