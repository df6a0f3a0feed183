//! How a Job ended, from its status and its newest pod.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};

use super::pods_of;
use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::kube::redact::Masks;
use crate::kube::rollout::readiness;
use crate::secret::SecretText;

/// Why a Job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    /// The cause of the last attempt.
    pub cause: JobFailureCause,
    /// What Kubernetes says about the pod or the Job; masked, may be empty.
    pub message: String,
    /// The containers of the last attempt that failed, the first one first. Empty if its pod is gone.
    pub containers: Vec<ContainerEnd>,
}

/// The kind of cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFailureCause {
    /// A container failed: its exit code tells why.
    Exit,
    /// A container exceeded its memory limit.
    OutOfMemory,
    /// It ran longer than its deadline.
    Deadline,
    /// Its node evicted or rejected the pod, was lost or shut down, or another pod needed the place.
    Evicted,
}

/// How a container failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEnd {
    /// Its name.
    pub container: String,
    /// Its exit code; not 0.
    pub exit_code: i32,
    /// The kubelet's reason, for example `Error` or `OOMKilled`.
    pub reason: String,
    /// Its termination message; masked and truncated.
    pub message: String,
}

/// The end of a Job.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kube) enum Outcome {
    Gone,
    Succeeded(BTreeMap<String, SecretText>),
    Failed(JobFailure),
}

impl Cluster {
    /// How a Job that has ended did so.
    pub(in crate::kube) async fn job_outcome(&self, namespace: &str, name: &str) -> Result<Outcome, ClusterError> {
        let Some(job) = self.job(namespace, name).await? else { return Ok(Outcome::Gone) };
        let pods = self.list_in::<Pod>(namespace, pods_of(name)).await?;
        let mut outcome = outcome(&job, &pods);
        if let Outcome::Failed(failure) = &mut outcome {
            let mut masks = Masks::default();
            let texts = failure.containers.iter_mut().flat_map(|end| [&mut end.message, &mut end.reason]);
            for text in texts.chain([&mut failure.message]) {
                *text = masks.text(self, namespace, text).await;
            }
        }
        Ok(outcome)
    }
}

/// Of a Job that has ended. Texts are not masked yet.
fn outcome(job: &Job, pods: &[Pod]) -> Outcome {
    let newest = pods.iter().max_by_key(|pod| &pod.metadata.creation_timestamp);
    if readiness::condition(job, "Complete").is_some() {
        let message = |(name, end): (&str, &ContainerStateTerminated)| {
            let text = end.message.as_deref().filter(|text| !text.is_empty())?;
            Some((name.to_owned(), SecretText::new(text)))
        };
        let succeeded = pods.iter().filter(|pod| phase(pod) == Some("Succeeded"));
        let succeeded = succeeded.max_by_key(|pod| &pod.metadata.creation_timestamp);
        return Outcome::Succeeded(succeeded.into_iter().flat_map(ends).filter_map(message).collect());
    }
    let condition = readiness::condition(job, "Failed");
    let late = condition.is_some_and(|condition| condition.reason.as_deref() == Some("DeadlineExceeded"));
    let mut failed: Vec<_> = newest.into_iter().flat_map(ends).filter(|(_, end)| end.exit_code != 0).collect();
    failed.sort_by_key(|(_, end)| &end.finished_at);
    let cause = if late {
        JobFailureCause::Deadline
    } else if newest.is_some_and(was_evicted) {
        JobFailureCause::Evicted
    } else if failed.iter().any(|(_, end)| end.reason.as_deref() == Some("OOMKilled")) {
        JobFailureCause::OutOfMemory
    } else {
        JobFailureCause::Exit
    };
    let of_pod = newest.and_then(|pod| pod.status.as_ref()?.message.clone()).filter(|_| !late);
    let message = of_pod.or_else(|| condition?.message.clone()).unwrap_or_default();
    let containers = failed.into_iter().map(|(name, end)| ContainerEnd {
        container: name.to_owned(),
        exit_code: end.exit_code,
        reason: end.reason.clone().unwrap_or_default(),
        message: end.message.clone().unwrap_or_default(),
    });
    Outcome::Failed(JobFailure { cause, message, containers: containers.collect() })
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// The containers that have ended, init containers first.
fn ends(pod: &Pod) -> impl Iterator<Item = (&str, &ContainerStateTerminated)> {
    let status = pod.status.iter();
    let all = status.flat_map(|it| it.init_container_statuses.iter().chain(&it.container_statuses).flatten());
    all.filter_map(|container| Some((container.name.as_str(), container.state.as_ref()?.terminated.as_ref()?)))
}

/// The pod ended for another reason than its containers: the kubelet gives one for the pod itself, or a controller has announced it.
fn was_evicted(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return false };
    let mut conditions = status.conditions.iter().flatten();
    let disrupted = conditions.any(|it| it.type_ == "DisruptionTarget" && it.status == "True");
    disrupted || status.reason.as_deref().is_some_and(|reason| reason != "DeadlineExceeded")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(condition: &str, reason: &str) -> Job {
        let condition = json!({"type": condition, "status": "True", "reason": reason, "message": "the Job's message"});
        serde_json::from_value(json!({"metadata": {"name": "j"}, "status": {"conditions": [condition]}}))
            .expect("a Job")
    }

    /// A pod created at this minute, with the ends of its containers.
    fn pod(minute: u8, status: Value, ends: &[(&str, i32, &str, &str)]) -> Pod {
        let container = |(at, (name, code, reason, message)): (usize, &(&str, i32, &str, &str))| {
            json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"terminated":
                {"exitCode": code, "reason": reason, "message": message, "finishedAt": format!("2026-11-26T10:00:{:02}Z", 30 - at)}}})
        };
        let mut status = status;
        status["containerStatuses"] = ends.iter().enumerate().map(container).collect();
        let created = format!("2026-11-26T09:{minute:02}:00Z");
        let metadata = json!({"name": format!("p{minute}"), "creationTimestamp": created});
        serde_json::from_value(json!({"metadata": metadata, "status": status})).expect("a pod")
    }

    fn failed(job: &Job, pods: &[Pod]) -> JobFailure {
        let Outcome::Failed(failure) = outcome(job, pods) else { panic!("it failed") };
        failure
    }

    #[test]
    fn success_has_the_messages_of_the_pod_that_succeeded() {
        let checksum = format!("{{\"sha256\":\"{}\"}}", "0a".repeat(32));
        let pods = [
            pod(1, json!({"phase": "Failed"}), &[("database", 20, "Error", "no database")]),
            pod(
                2,
                json!({"phase": "Succeeded"}),
                &[("database", 0, "Completed", &checksum), ("uploads", 0, "Completed", "")],
            ),
        ];
        let expected = BTreeMap::from([("database".to_owned(), SecretText::new(checksum))]);
        assert_eq!(outcome(&job("Complete", "CompletionsReached"), &pods), Outcome::Succeeded(expected));
    }

    #[test]
    fn failure_has_the_failed_containers_of_the_newest_pod_in_the_order_of_their_ends() {
        let pods = [
            pod(
                2,
                json!({"phase": "Failed"}),
                &[
                    ("database", 11, "Error", "refused"),
                    ("uploads", 10, "Error", "unreachable"),
                    ("page", 0, "Completed", ""),
                ],
            ),
            pod(1, json!({"phase": "Failed"}), &[("database", 33, "Error", "full")]),
        ];
        let failure = failed(&job("Failed", "BackoffLimitExceeded"), &pods);
        let codes: Vec<_> = failure.containers.iter().map(|end| (end.container.as_str(), end.exit_code)).collect();
        assert_eq!(codes, [("uploads", 10), ("database", 11)]);
        assert_eq!((failure.cause, failure.message.as_str()), (JobFailureCause::Exit, "the Job's message"));
        assert_eq!(failure.containers[0].message, "unreachable");
    }

    #[test]
    fn causes_outside_of_the_container_are_recognized() {
        let exceeded = job("Failed", "BackoffLimitExceeded");
        let killed = pod(1, json!({"phase": "Failed"}), &[("database", 137, "OOMKilled", "")]);
        assert_eq!(failed(&exceeded, &[killed]).cause, JobFailureCause::OutOfMemory);
        let full = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."});
        let evicted = failed(&exceeded, &[pod(1, full, &[("database", 137, "Error", "")])]);
        assert_eq!(evicted.cause, JobFailureCause::Evicted);
        assert_eq!(evicted.message, "The node was low on resource: ephemeral-storage.");
        let drained = json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]});
        assert_eq!(failed(&exceeded, &[pod(1, drained, &[])]).cause, JobFailureCause::Evicted);
        let late = failed(&job("Failed", "DeadlineExceeded"), &[]);
        assert_eq!((late.cause, late.containers.len()), (JobFailureCause::Deadline, 0));
        assert_eq!(late.message, "the Job's message");
    }
}
