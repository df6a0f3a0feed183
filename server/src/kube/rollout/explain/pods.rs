//! Pods that cannot be scheduled or started, that run but are not ready, or whose node is lost.

use k8s_openapi::api::core::v1::Pod;
use storeplane_core::failure::Reason;

use super::{Finding, sentence};
use crate::kube::rollout::snapshot::{Owner, Snapshot, containers};
use crate::obstacle::{Obstacle, messages};

const VOLUMES: [&str; 2] = ["FailedMount", "FailedAttachVolume"];
const SANDBOX: [&str; 1] = ["FailedCreatePodSandBox"];
const PROBES: [&str; 1] = ["Unhealthy"];
const NODE_LOST: [&str; 1] = ["NodeNotReady"];
/// The scheduler appends what it tried in order to make room.
const ASIDES: [&str; 2] = [" no new claims to deallocate", " preemption:"];

/// Ranks after workloads and claims with the same reason.
const AFTER_OWNERS: u8 = 10;

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for (pod, owner) in snapshot.release_pods() {
        let rank = AFTER_OWNERS + owner.rank();
        let mut findings = Vec::new();
        let claims_told = found.iter().any(|finding| finding.failure.reason == Reason::VolumeNotBound);
        findings.extend(
            unscheduled(snapshot, pod).filter(|it| !claims_told || it.failure.reason != Reason::VolumeNotBound),
        );
        findings.extend(volumes(snapshot, pod));
        findings.extend(unready(snapshot, pod));
        found.extend(findings.into_iter().map(|finding| tame(finding, owner).rank(rank)));
    }
    for (pod, owner) in snapshot.release_pods_and_terminating() {
        found.extend(node_lost(snapshot, pod).map(|finding| finding.rank(AFTER_OWNERS + owner.rank())));
    }
}

/// A pod of an older revision shows the previous problem; it is reported, because its set may wait for it.
pub(super) fn tame(mut finding: Finding, owner: Owner<'_>) -> Finding {
    if let Owner::OldStatefulSet(name) = owner {
        finding.obstacle = Obstacle::Reported;
        return finding.detail(format!("The pod is of an older revision of the StatefulSet {name}."));
    }
    finding
}

fn unscheduled(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let condition = conditions.iter().find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
    if condition.reason.as_deref() != Some("Unschedulable") {
        return None;
    }
    let why = condition.message.as_deref().unwrap_or("no node fits");
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    // The scheduler's message for an unbound claim.
    let claim = ["unbound immediate PersistentVolumeClaims", "didn't find available persistent volumes to bind"];
    let events = snapshot.events_about(pod.metadata.uid.as_deref(), &messages::SCALING);
    let scaling = events.last();
    let (reason, obstacle) = if claim.iter().any(|text| why.contains(text))
        || (why.contains("persistentvolumeclaim") && why.contains("not found"))
    {
        (Reason::VolumeNotBound, Obstacle::Progress)
    } else {
        let nominated = pod.status.as_ref().is_some_and(|status| status.nominated_node_name.is_some());
        (Reason::Unschedulable, messages::scheduling(scaling.map(|event| event.reason), nominated))
    };
    let telling = ASIDES.iter().fold(why, |text, aside| text.split(aside).next().unwrap_or(text));
    let coming =
        if obstacle == Obstacle::Progress && reason == Reason::Unschedulable { "; a node is on its way" } else { "" };
    let message = format!("No node can schedule pod {name}: {}{coming}", sentence(telling));
    let finding = Finding::new(reason, format!("Pod {name}"), message, obstacle).detail(why);
    Some(match scaling {
        Some(event) => finding.detail(format!("{}: {}", event.reason, event.message)),
        None => finding,
    })
}

fn volumes(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    if has_started(pod) {
        return None;
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let uid = pod.metadata.uid.as_deref();
    let subject = format!("Pod {name}");
    if let Some(event) = snapshot.events_about(uid, &VOLUMES).last() {
        let missing = event.message.contains("not found")
            && ["secret \"", "configmap \"", "references non-existent"].iter().any(|text| event.message.contains(text));
        let (reason, obstacle) = match (missing, event.news) {
            (true, true) => (Reason::ContainerConfigError, Obstacle::Failing),
            (true, false) => (Reason::ContainerConfigError, Obstacle::Reported),
            (false, _) => (Reason::VolumeNotBound, Obstacle::Reported),
        };
        let message = format!("A volume of the pod {name} cannot be mounted: {}", sentence(event.message));
        return Some(Finding::new(reason, subject, message, obstacle));
    }
    let events = snapshot.events_about(uid, &SANDBOX);
    let event = events.last()?;
    let message = format!("The node cannot start the pod {name}");
    Some(Finding::new(Reason::NotReady, subject, message, Obstacle::Reported).detail(event.message))
}

/// Only after a probe has failed: until then the pod is starting.
fn unready(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let status = pod.status.as_ref()?;
    let ready = status.conditions.iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True");
    if ready || status.phase.as_deref() != Some("Running") {
        return None;
    }
    let events = snapshot.events_about(pod.metadata.uid.as_deref(), &PROBES);
    let event = events.last()?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let (reason, message, obstacle) = if messages::is_disk_full(event.message) {
        (Reason::VolumeFull, format!("A volume of the pod {name} has no space left"), Obstacle::Failing)
    } else {
        (Reason::NotReady, format!("The pod {name} runs and is not ready"), Obstacle::Reported)
    };
    Some(Finding::new(reason, format!("Pod {name}"), message, obstacle).detail(event.message))
}

/// A pod whose node does not respond: it is not ready, and after its eviction it remains Terminating, because nothing confirms its end.
fn node_lost(snapshot: &Snapshot, pod: &Pod) -> Option<Finding> {
    let status = pod.status.as_ref()?;
    let node = pod.spec.as_ref()?.node_name.as_deref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let ready = conditions.iter().find(|it| it.type_ == "Ready")?;
    let events = snapshot.events_about(pod.metadata.uid.as_deref(), &NODE_LOST);
    let said_so = events.last().is_some_and(|event| event.reason == "NodeNotReady");
    let evicted = conditions.iter().any(|it| {
        it.type_ == "DisruptionTarget" && it.status == "True" && it.reason.as_deref() == Some("DeletionByTaintManager")
    });
    let lost = ready.status == "Unknown" || status.reason.as_deref() == Some("NodeLost") || evicted || said_so;
    if ready.status == "True" || !lost {
        return None;
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let message = if pod.metadata.deletion_timestamp.is_some() {
        format!("The node {node} does not answer: pod {name} stays Terminating, and nothing can replace it")
    } else {
        format!("The node {node} of pod {name} does not answer")
    };
    let detail = events.last().map_or_else(|| format!("node: {node}"), |event| event.message.to_owned());
    Some(Finding::new(Reason::NodeLost, format!("Pod {name}"), message, Obstacle::Passing).detail(detail))
}

fn has_started(pod: &Pod) -> bool {
    containers(pod).filter_map(|container| container.state.as_ref()).any(|state| state.waiting.is_none())
}
