//! Containers that cannot start, or that exit repeatedly.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use storeplane_core::failure::Reason;

use super::{Finding, pods, sentence};
use crate::kube::rollout::snapshot::{Owner, Snapshot, containers};
use crate::obstacle::{Obstacle, messages};

/// Exits that will recur.
const ENOUGH_RESTARTS: i32 = 2;
/// Ranks after workloads, claims and pods with the same reason.
const AFTER_PODS: u8 = 20;

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for (pod, owner) in snapshot.release_pods() {
        for container in containers(pod) {
            // How a Job's containers end is its result, and not an obstacle.
            if owner == Owner::Job && container.state.as_ref().is_some_and(|state| state.terminated.is_some()) {
                continue;
            }
            let Some(mut finding) = symptom(snapshot, pod, container) else { continue };
            if snapshot.is_old_problem(pod, container) {
                finding.obstacle = Obstacle::Reported;
            }
            found.push(pods::tame(finding, owner).rank(AFTER_PODS + owner.rank()));
        }
    }
}

fn symptom(snapshot: &Snapshot, pod: &Pod, container: &ContainerStatus) -> Option<Finding> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let why = waiting.message.as_deref().unwrap_or_default();
        return match waiting.reason.as_deref()? {
            reason @ ("ImagePullBackOff" | "ErrImagePull" | "RegistryUnavailable" | "SignatureValidationFailed") => {
                Some(pull_failed(snapshot, pod, container, reason, why))
            }
            reason @ ("InvalidImageName" | "ErrImageNeverPull") => {
                Some(image(pod, container, reason, why, Obstacle::Refused))
            }
            "CreateContainerConfigError" | "CreateContainerError" => Some(config(pod, container, why)),
            "CrashLoopBackOff" => Some(ended(pod, container, last_end(container))),
            _ => ended_often(pod, container),
        };
    }
    if let Some(now) = &state.terminated {
        let well = now.exit_code == 0 && container.restart_count == 0;
        return (!well && !is_finished_init(pod, container, now)).then(|| ended(pod, container, Some(now)));
    }
    ended_often(pod, container)
}

/// It runs (or is about to) for the third time or more, after an out-of-memory kill or a crash. Only reported, because
/// this time it may succeed.
fn ended_often(pod: &Pod, container: &ContainerStatus) -> Option<Finding> {
    if container.ready || container.started == Some(true) && is_init(pod, container) {
        return None;
    }
    let last = last_end(container).filter(|last| last.exit_code != 0 && container.restart_count > 0)?;
    let mut finding = ended(pod, container, Some(last));
    finding.obstacle = Obstacle::Reported;
    Some(finding)
}

/// The kubelet reports "Back-off pulling image" without the cause, which is in the newest event.
fn pull_failed(snapshot: &Snapshot, pod: &Pod, container: &ContainerStatus, reason: &str, why: &str) -> Finding {
    let events = snapshot.events_about(pod.metadata.uid.as_deref(), &["Failed"]);
    let is_pull = |text: &&str| text.contains("pull image") && text.contains(&container.image);
    let cause = events.iter().rev().map(|event| event.message).find(is_pull);
    let why = if why.contains(": ") { why } else { cause.unwrap_or(why) };
    image(pod, container, reason, why, messages::image_pull(why))
}

fn image(pod: &Pod, container: &ContainerStatus, reason: &str, why: &str, obstacle: Obstacle) -> Finding {
    let message = format!("The image {} of {} cannot be pulled", container.image, place(pod, container));
    let finding = Finding::new(Reason::ImagePullFailed, subject(pod, container), message, obstacle);
    finding.detail(format!("{reason}: {}", sentence(why)))
}

fn config(pod: &Pod, container: &ContainerStatus, why: &str) -> Finding {
    let message = format!("{} cannot be created: {}", capital(&place(pod, container)), sentence(why));
    Finding::new(Reason::ContainerConfigError, subject(pod, container), message, Obstacle::Failing)
}

/// An exited container: out of memory, or a crash with its last log lines.
fn ended(pod: &Pod, container: &ContainerStatus, last: Option<&ContainerStateTerminated>) -> Finding {
    let killed = last.is_some_and(|last| last.reason.as_deref() == Some("OOMKilled"));
    let obstacle = if container.restart_count >= ENOUGH_RESTARTS { Obstacle::Certain } else { Obstacle::Failing };
    let place = place(pod, container);
    let (reason, message) = if killed {
        (Reason::OutOfMemory, format!("{} was killed: it exceeded its memory limit", capital(&place)))
    } else {
        (Reason::CrashLoop, format!("{} exits repeatedly{}", capital(&place), code(last)))
    };
    let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
    let mut finding = Finding::new(reason, subject(pod, container), message, obstacle).log(pod_name, &container.name);
    finding = finding.detail(format!("restarts: {}", container.restart_count));
    match last.and_then(|last| last.message.as_deref()).filter(|text| !text.is_empty()) {
        Some(text) if messages::is_disk_full(text) => disk_full(finding, &place).detail(sentence(text)),
        Some(text) => finding.detail(sentence(text)),
        None => finding,
    }
}

fn disk_full(mut finding: Finding, place: &str) -> Finding {
    finding.failure.reason = Reason::VolumeFull;
    finding.failure.message = format!("A volume of {place} has no space left");
    finding
}

fn code(last: Option<&ContainerStateTerminated>) -> String {
    match last {
        Some(last) => match last.signal.filter(|signal| *signal != 0) {
            Some(signal) => format!(", the last time by signal {signal}"),
            None => format!(", the last time with exit code {}", last.exit_code),
        },
        None => String::new(),
    }
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let ended = |state: &'_ Option<ContainerState>| state.as_ref().and_then(|state| state.terminated.clone()).is_some();
    let state = if ended(&container.last_state) { &container.last_state } else { &container.state };
    state.as_ref().and_then(|state| state.terminated.as_ref())
}

fn is_finished_init(pod: &Pod, container: &ContainerStatus, now: &ContainerStateTerminated) -> bool {
    is_init(pod, container) && now.exit_code == 0
}

fn is_init(pod: &Pod, container: &ContainerStatus) -> bool {
    let init = pod.status.iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    init.into_iter().any(|it| it.name == container.name)
}

fn place(pod: &Pod, container: &ContainerStatus) -> String {
    format!("the container {} of the pod {}", container.name, pod.metadata.name.as_deref().unwrap_or_default())
}

fn subject(pod: &Pod, container: &ContainerStatus) -> String {
    format!("Pod {} container {}", pod.metadata.name.as_deref().unwrap_or_default(), container.name)
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
