//! Pods and claims that the API server does not let a controller create.

use storeplane_core::failure::Reason;

use super::{Finding, sentence};
use crate::kube::rollout::snapshot::{EventMessage, Snapshot};
use crate::obstacle::{Obstacle, messages};

const REFUSED: [&str; 1] = ["FailedCreate"];

pub(super) fn inspect(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    if snapshot.job_name.is_some() {
        return job(snapshot, found);
    }
    if snapshot.release_deployments().next().is_none() && snapshot.release_stateful_sets().next().is_none() {
        let message = format!("The release {} has no workload", snapshot.release);
        found.push(Finding::new(Reason::WorkloadMissing, "release".into(), message, Obstacle::Reported));
    }
    scaled_to_zero(snapshot, found);
    stateful_sets(snapshot, found);
    deployments(snapshot, found);
}

/// Our charts run at least one pod of each workload.
fn scaled_to_zero(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    let sets = snapshot.release_stateful_sets().map(|it| ("StatefulSet", &it.metadata, it.spec.replicas, 0));
    let deployments = snapshot.release_deployments().map(|it| ("Deployment", &it.metadata, it.spec.replicas, 1));
    for (kind, metadata, _, rank) in sets.chain(deployments).filter(|(_, _, replicas, _)| *replicas == Some(0)) {
        let subject = format!("{kind} {}", metadata.name.as_deref().unwrap_or_default());
        let message = format!("{subject} is scaled to 0 replicas");
        found.push(Finding::new(Reason::ScaledToZero, subject, message, Obstacle::Failing).rank(rank));
    }
}

/// A `StatefulSet` reports this only in events. They count as long as pods are missing.
fn stateful_sets(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for set in snapshot.release_stateful_sets() {
        let desired = set.spec.replicas.unwrap_or(1);
        let created = set.status.as_ref().map_or(0, |status| status.replicas);
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let events = snapshot.events_about(set.metadata.uid.as_deref(), &REFUSED);
        if let Some(event) = events.last().filter(|_| created < desired) {
            found.push(refusal(&format!("StatefulSet {name}"), *event, 0));
        }
    }
}

/// A Job reports this only in events. They count as long as it has no pod.
fn job(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    let Some(job) = snapshot.job() else { return };
    let active = job.status.as_ref().and_then(|status| status.active).unwrap_or(0);
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let events = snapshot.events_about(job.metadata.uid.as_deref(), &REFUSED);
    if let Some(event) = events.last().filter(|_| active == 0) {
        found.push(refusal(&format!("Job {name}"), *event, 0));
    }
}

/// A Deployment has a condition for this; the events of its newest `ReplicaSet` show whether it is current.
fn deployments(snapshot: &Snapshot, found: &mut Vec<Finding>) {
    for deployment in snapshot.release_deployments() {
        let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let failing = conditions
            .iter()
            .find(|it| it.type_.as_deref() == Some("ReplicaFailure") && it.status.as_deref() == Some("True"));
        let Some(message) = failing.and_then(|it| it.message.as_deref()) else { continue };
        let sets = snapshot.replica_sets.iter().filter_map(|set| set.metadata.uid.as_deref());
        let mut sets =
            sets.filter(|uid| snapshot.deployment_of(uid).is_some_and(|it| it.metadata.uid == deployment.metadata.uid));
        let news = sets.any(|uid| snapshot.events_about(Some(uid), &REFUSED).iter().any(|event| event.news));
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        found.push(refusal(&format!("Deployment {name}"), EventMessage { reason: "FailedCreate", message, news }, 1));
    }
}

fn refusal(subject: &str, event: EventMessage<'_>, rank: u8) -> Finding {
    let known = messages::refusal(event.message);
    let (reason, obstacle, why) = if let Some(known) = &known {
        (known.reason, known.obstacle, known.why)
    } else {
        let start = event.message.find("forbidden:").and_then(|at| event.message.get(at..));
        (Reason::CreationRefused, messages::creation(event.message), start.unwrap_or(event.message))
    };
    // A problem from before the watch began may be resolved; otherwise the controller reports it again.
    let obstacle = if event.news { obstacle } else { Obstacle::Reported };
    let message = format!("{subject} cannot create its pods: {}", sentence(why));
    Finding::new(reason, subject.into(), message, obstacle).rank(rank).detail(event.message)
}
