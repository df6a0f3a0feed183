//! The progress of a release.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, PersistentVolumeClaim, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use storeplane_core::failure::truncate;

use super::snapshot::Snapshot;
use super::{ResourceKind, ResourceStatus};
use crate::redact::plain;

/// Maximum length of a resource's state, in bytes; controllers' texts are shorter.
const PHASE_MAX: usize = 100;

/// All reported resources, workloads first.
pub(super) fn statuses(snapshot: &Snapshot) -> Vec<ResourceStatus> {
    let sets = snapshot.release_stateful_sets().map(stateful_set);
    let deployments = snapshot.release_deployments().map(deployment);
    let claims = snapshot.claims.iter().map(claim);
    let ingresses = snapshot.ingresses.iter().filter(|it| snapshot.is_ours(&it.metadata)).map(ingress);
    let pods = snapshot.release_pods().map(|(it, _)| pod(it));
    sets.chain(deployments).chain(claims).chain(ingresses).chain(pods).collect()
}

/// For a Job: it has ended, or does not exist. Otherwise: there is a workload, every workload's newest generation is observed and rolled out, and every claim is bound.
pub(super) fn is_ready(snapshot: &Snapshot) -> bool {
    if snapshot.job_name.is_some() {
        return snapshot.job().is_none_or(has_ended);
    }
    let any = snapshot.release_deployments().next().is_some() || snapshot.release_stateful_sets().next().is_some();
    any && snapshot.release_deployments().all(deployment_ready)
        && snapshot.release_stateful_sets().all(stateful_set_ready)
        && snapshot.claims.iter().all(|it| claim(it).is_ready())
}

/// True if the Job has succeeded or failed, and no pod of it runs.
pub(in crate::kube) fn has_ended(job: &Job) -> bool {
    ["Complete", "Failed"].iter().any(|end| condition(job, end).is_some())
}

/// A Job's condition of this type, if it is true.
pub(in crate::kube) fn condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let mut conditions = job.status.as_ref()?.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == kind && condition.status == "True")
}

/// How much of a workload serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::kube) enum Serving {
    /// All of it, in its newest revision.
    Fully,
    /// Some pods are missing or outdated.
    Partly,
    /// No pod serves.
    Not,
}

impl Serving {
    /// With the Deployment's state as text.
    pub(in crate::kube) fn of_deployment(object: &Deployment) -> (Self, String) {
        Self::of(&deployment(object), deployment_ready(object))
    }

    /// With the set's state as text.
    pub(in crate::kube) fn of_stateful_set(object: &StatefulSet) -> (Self, String) {
        Self::of(&stateful_set(object), stateful_set_ready(object))
    }

    fn of(status: &ResourceStatus, complete: bool) -> (Self, String) {
        let serving = match status.ready {
            0 => Self::Not,
            _ if complete => Self::Fully,
            _ => Self::Partly,
        };
        (serving, status.to_string())
    }
}

/// True if the volume behind a claim is lost.
pub(in crate::kube) fn claim_is_lost(object: &PersistentVolumeClaim) -> bool {
    object.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Lost")
}

pub(in crate::kube) fn deployment_ready(object: &Deployment) -> bool {
    let desired = object.spec.replicas.unwrap_or(1);
    object.status.as_ref().is_some_and(|status| {
        let updated = status.updated_replicas.unwrap_or(0);
        status.observed_generation >= object.metadata.generation
            && updated >= desired
            && status.replicas.unwrap_or(0) <= updated
            && status.available_replicas.unwrap_or(0) >= desired
    })
}

pub(in crate::kube) fn stateful_set_ready(object: &StatefulSet) -> bool {
    let desired = object.spec.replicas.unwrap_or(1);
    object.status.as_ref().is_some_and(|status| {
        let updated = if status.current_revision == status.update_revision {
            desired
        } else {
            status.updated_replicas.unwrap_or(0)
        };
        status.observed_generation >= object.metadata.generation
            && updated >= desired
            && status.ready_replicas.unwrap_or(0) >= desired
            && status.available_replicas.unwrap_or(0) >= desired
    })
}

pub(in crate::kube) fn deployment(object: &Deployment) -> ResourceStatus {
    let desired = object.spec.replicas.unwrap_or(1);
    let ready = object.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    workload(ResourceKind::Deployment, object.metadata.name.clone(), ready, desired)
}

pub(in crate::kube) fn stateful_set(object: &StatefulSet) -> ResourceStatus {
    let desired = object.spec.replicas.unwrap_or(1);
    let ready = object.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    workload(ResourceKind::StatefulSet, object.metadata.name.clone(), ready, desired)
}

fn workload(kind: ResourceKind, name: Option<String>, ready: i32, desired: i32) -> ResourceStatus {
    let count = |n: i32| u32::try_from(n).unwrap_or(0);
    let (ready, desired) = (count(ready), count(desired));
    ResourceStatus { kind, name: name.unwrap_or_default(), ready, desired, phase: format!("{ready}/{desired}") }
}

pub(in crate::kube) fn claim(object: &PersistentVolumeClaim) -> ResourceStatus {
    let phase = object.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_else(|| "Pending".into());
    let ready = u32::from(phase == "Bound");
    single(ResourceKind::PersistentVolumeClaim, object.metadata.name.clone(), ready, &phase)
}

pub(in crate::kube) fn ingress(object: &Ingress) -> ResourceStatus {
    let rules = object.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    let hosts: Vec<_> = rules.filter_map(|rule| rule.host.clone()).collect();
    single(ResourceKind::Ingress, object.metadata.name.clone(), 1, &hosts.join(","))
}

pub(in crate::kube) fn pod(object: &Pod) -> ResourceStatus {
    let status = object.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    let text = if ready {
        "Ready".to_owned()
    } else if let Some(reason) = init.iter().find_map(problem) {
        format!("Init:{reason}")
    } else if let Some(position) = init.iter().position(|it| !is_done(it)).filter(|_| phase == "Pending") {
        format!("Init:{position}/{}", init.len())
    } else if let Some(reason) = containers.iter().find_map(problem) {
        reason.to_owned()
    } else {
        phase.to_owned()
    };
    single(ResourceKind::Pod, object.metadata.name.clone(), u32::from(ready), &text)
}

/// The kubelet's reason for a container's waiting or exit. `PodInitializing` is left to the init containers.
fn problem(container: &ContainerStatus) -> Option<&str> {
    match container.state.as_ref()? {
        ContainerState { waiting: Some(waiting), .. } => {
            waiting.reason.as_deref().filter(|reason| *reason != "PodInitializing")
        }
        ContainerState { terminated: Some(ended), .. } if ended.exit_code != 0 => ended.reason.as_deref(),
        _ => None,
    }
}

/// An init container that succeeded, or a sidecar that has started.
fn is_done(container: &ContainerStatus) -> bool {
    let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    ended.is_some_and(|ended| ended.exit_code == 0) || container.started == Some(true)
}

fn single(kind: ResourceKind, name: Option<String>, ready: u32, phase: &str) -> ResourceStatus {
    ResourceStatus { kind, name: name.unwrap_or_default(), ready, desired: 1, phase: truncate(plain(phase), PHASE_MAX) }
}
