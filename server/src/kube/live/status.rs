//! Short statuses of objects, as in `kubectl get`. Messages are not masked yet.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ContainerStatus, Namespace, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::live_view::LiveResource;

use crate::kube::rollout::{ResourceStatus, readiness};

fn live(ready: bool, status: impl Into<String>, message: Option<&str>) -> LiveResource {
    let message = message.unwrap_or_default().to_owned();
    LiveResource { ready, status: status.into(), message, ..LiveResource::default() }
}

fn replicas(status: &ResourceStatus, complete: bool, message: Option<&str>) -> LiveResource {
    live(complete, format!("{} ready", status.phase), message)
}

pub(super) fn namespace(object: &Namespace) -> LiveResource {
    let phase = object.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Active");
    let conditions = object.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let blocking = conditions.filter(|condition| condition.status == "True").find_map(|it| it.message.as_deref());
    live(phase == "Active", phase, blocking)
}

pub(super) fn deployment(object: &Deployment) -> LiveResource {
    let conditions = object.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_failure = |it: &DeploymentCondition| it.type_.as_deref() == Some("ReplicaFailure");
    let bad = conditions.filter(|it| is_failure(it) == (it.status.as_deref() == Some("True")));
    let message = bad.max_by_key(|it| is_failure(it)).and_then(|it| it.message.as_deref());
    replicas(&readiness::deployment(object), readiness::deployment_ready(object), message)
}

pub(super) fn stateful_set(object: &StatefulSet) -> LiveResource {
    replicas(&readiness::stateful_set(object), readiness::stateful_set_ready(object), None)
}

pub(super) fn claim(object: &PersistentVolumeClaim) -> LiveResource {
    let status = readiness::claim(object);
    let bound = object.status.as_ref().and_then(|status| status.capacity.as_ref());
    let asked = object.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
    let size = bound.or(asked).and_then(|sizes| sizes.get("storage"));
    let text = size.map_or_else(|| status.phase.clone(), |size| format!("{} {}", status.phase, size.0));
    live(status.is_ready(), text, None)
}

pub(super) fn pod(object: &Pod) -> LiveResource {
    let status = object.status.as_ref();
    let containers = || status.into_iter().flat_map(containers);
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Pending");
    let seen = readiness::pod(object);
    let text = match phase {
        _ if object.metadata.deletion_timestamp.is_some() => "Terminating",
        "Succeeded" => "Completed",
        _ if seen.is_ready() => "Running",
        "Failed" => status.and_then(|status| status.reason.as_deref()).unwrap_or(&seen.phase),
        _ => &seen.phase,
    };
    let of_container =
        containers().find_map(|it| reason(it, false)).or_else(|| containers().find_map(|it| reason(it, true)));
    let conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
    let unmet = conditions.filter(|it| it.status == "False").find_map(|it| it.message.as_deref());
    let own = status.and_then(|status| status.message.as_deref());
    let done = seen.is_ready() || phase == "Succeeded";
    LiveResource {
        restarts: containers().map(|container| container.restart_count).sum(),
        owner: owner(&object.metadata),
        ..live(done, text, own.or(of_container).or(unmet).filter(|_| !done))
    }
}

fn containers(status: &k8s_openapi::api::core::v1::PodStatus) -> impl Iterator<Item = &ContainerStatus> {
    status.init_container_statuses.iter().chain(&status.container_statuses).flatten()
}

/// The kubelet's message about a waiting container, or about its last exit. What a Job's container says at its success is no problem.
fn reason(container: &ContainerStatus, before: bool) -> Option<&str> {
    let state = if before { container.last_state.as_ref() } else { container.state.as_ref() }?;
    let waiting = state.waiting.as_ref().and_then(|waiting| waiting.message.as_deref());
    let ended = state.terminated.as_ref().filter(|ended| before || ended.exit_code != 0);
    waiting.or_else(|| ended.and_then(|ended| ended.message.as_deref()))
}

/// The Deployment instead of its ReplicaSet, whose name ends in the template's hash.
fn owner(pod: &ObjectMeta) -> String {
    let owners = pod.owner_references.as_deref().unwrap_or_default();
    let Some(owner) = owners.iter().find(|owner| owner.controller == Some(true)) else { return String::new() };
    let hash = pod.labels.as_ref().and_then(|labels| labels.get("pod-template-hash"));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match deployment.filter(|_| owner.kind == "ReplicaSet") {
        Some(name) => format!("Deployment/{name}"),
        None => format!("{}/{}", owner.kind, owner.name),
    }
}

/// A Service is ready if one of its pods is. One without a selector is managed by something else.
pub(super) fn service(object: &Service, pods: &[Pod]) -> LiveResource {
    let spec = object.spec.as_ref();
    let kind = spec.and_then(|spec| spec.type_.as_deref()).unwrap_or("ClusterIP");
    let Some(selector) = spec.and_then(|spec| spec.selector.as_ref()).filter(|selector| !selector.is_empty()) else {
        return live(true, kind, None);
    };
    let is_selected = |pod: &&Pod| {
        let labels = pod.metadata.labels.as_ref();
        selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
    };
    let serves = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && readiness::pod(pod).is_ready();
    let ready = pods.iter().filter(is_selected).filter(serves).count();
    let noun = if ready == 1 { "pod" } else { "pods" };
    live(ready > 0, format!("{kind}, {ready} ready {noun}"), None)
}

pub(super) fn cron_job(object: &CronJob) -> LiveResource {
    let spec = &object.spec;
    let suspended = spec.suspend == Some(true);
    let running = object.status.iter().flat_map(|status| status.active.iter().flatten()).count();
    let text = match (suspended, running) {
        (true, _) => "Suspended".to_owned(),
        (false, 0) => spec.schedule.clone(),
        (false, running) => format!("{}, {running} running", spec.schedule),
    };
    live(!suspended, text, None)
}

pub(super) fn ingress(object: &Ingress) -> LiveResource {
    let status = readiness::ingress(object);
    let balancers = object.status.iter().filter_map(|status| status.load_balancer.as_ref());
    let mut addresses = balancers.flat_map(|balancer| balancer.ingress.iter().flatten());
    let address = addresses.find_map(|it| it.ip.as_deref().or(it.hostname.as_deref()));
    let text = address.map_or_else(|| status.phase.clone(), |address| format!("{} at {address}", status.phase));
    live(true, text, None)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    fn object<K: DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).expect("an object")
    }

    fn a_pod(status: &Value) -> Pod {
        object(json!({"metadata": {"name": "store-7d4b9-x", "labels": {"app": "store", "pod-template-hash": "7d4b9"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "store-7d4b9", "uid": "r", "controller": true}]},
            "status": status}))
    }

    fn ready() -> Pod {
        a_pod(&json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "web", "image": "i", "imageID": "", "ready": true, "restartCount": 3,
                "lastState": {"terminated": {"exitCode": 1, "message": "old news"}}, "state": {"running": {}}}]}))
    }

    #[test]
    fn pod_status_matches_kubectl() {
        let running = pod(&ready());
        assert_eq!((running.ready, running.status.as_str(), running.restarts), (true, "Running", 3));
        assert_eq!((running.owner.as_str(), running.message.as_str()), ("Deployment/store", ""));

        let crashing = pod(&a_pod(
            &json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "message": "containers with unready status"}],
            "containerStatuses": [{"name": "web", "image": "i", "imageID": "", "ready": false, "restartCount": 7,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"}}}]}),
        ));
        assert_eq!((crashing.ready, crashing.status.as_str()), (false, "CrashLoopBackOff"));
        assert_eq!((crashing.restarts, crashing.message.as_str()), (7, "back-off 5m0s restarting"));

        let waiting = pod(&a_pod(&json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]})));
        assert_eq!((waiting.status.as_str(), waiting.message.as_str()), ("Pending", "0/1 nodes are available"));

        let evicted = pod(&a_pod(&json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"})));
        assert_eq!((evicted.status.as_str(), evicted.message.as_str()), ("Evicted", "low on memory"));

        let done = pod(&a_pod(&json!({"phase": "Succeeded"})));
        assert_eq!((done.ready, done.status.as_str()), (true, "Completed"));
    }

    #[test]
    fn pod_of_a_job_shows_its_job_and_what_failed() {
        let container = |name: &str, state: Value| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state});
        let shown = |phase: &str, code: i32, message: &str| {
            let ended = json!({"terminated": {"exitCode": code, "reason": "Error", "message": message}});
            let containers = json!([container("database", ended), container("uploads", json!({"running": {}}))]);
            let mut backup = a_pod(&json!({"phase": phase, "containerStatuses": containers,
                "conditions": [{"type": "Ready", "status": "False", "message": "containers with unready status: [database]"}]}));
            let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "store-backup-1", "uid": "j", "controller": true});
            backup.metadata.owner_references = Some(vec![serde_json::from_value(owner).expect("an owner")]);
            let LiveResource { owner, status, message, .. } = pod(&backup);
            (owner, status, message)
        };
        let job = || "Job/store-backup-1".to_owned();
        let running = shown("Running", 0, "{\"bytes\":1}");
        assert_eq!(running, (job(), "Running".into(), "containers with unready status: [database]".into()));
        assert_eq!(shown("Failed", 20, "no database"), (job(), "Error".into(), "no database".into()));
    }

    #[test]
    fn service_is_ready_with_one_ready_pod() {
        let selecting = |app: &str| {
            let shown = service(&object(json!({"spec": {"type": "ClusterIP", "selector": {"app": app}}})), &[ready()]);
            (shown.ready, shown.status)
        };
        assert_eq!(selecting("store"), (true, "ClusterIP, 1 ready pod".into()));
        assert_eq!(selecting("other"), (false, "ClusterIP, 0 ready pods".into()));
    }

    #[test]
    fn workloads_claims_and_jobs_have_a_status() {
        let failing: Deployment = object(
            json!({"metadata": {"name": "store", "generation": 1}, "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"observedGeneration": 1, "conditions": [
                {"type": "Available", "status": "False", "message": "no minimum availability"},
                {"type": "Progressing", "status": "True", "message": "progressing"},
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}}),
        );
        let shown = deployment(&failing);
        assert_eq!(
            (shown.ready, shown.status.as_str(), shown.message.as_str()),
            (false, "0/1 ready", "exceeded quota")
        );
        let bound: PersistentVolumeClaim =
            object(json!({"status": {"phase": "Bound", "capacity": {"storage": "5Gi"}}}));
        assert_eq!((claim(&bound).ready, claim(&bound).status.as_str()), (true, "Bound 5Gi"));
        let pending: PersistentVolumeClaim = object(json!({"spec": {"resources": {"requests": {"storage": "8Gi"}}}}));
        assert_eq!((claim(&pending).ready, claim(&pending).status.as_str()), (false, "Pending 8Gi"));
        let mut cron: CronJob = object(json!({"spec": {"schedule": "*/5 * * * *", "jobTemplate": {}}}));
        assert_eq!((cron_job(&cron).ready, cron_job(&cron).status.as_str()), (true, "*/5 * * * *"));
        cron.spec.suspend = Some(true);
        assert_eq!((cron_job(&cron).ready, cron_job(&cron).status.as_str()), (false, "Suspended"));
    }
}
