//! Cases with the objects and texts of Kubernetes 1.36, and the expected findings.

mod blocked;
mod containers;
mod jobs;
mod progress;

use serde_json::{Value, json};

use super::findings;
use crate::kube::rollout::snapshot::Snapshot;

/// A release `shop` with the database's set `store-db` and Deployment `store`, observed by their controllers, and `more`.
fn snapshot(more: impl IntoIterator<Item = Value>) -> Snapshot {
    let release = json!({"meta.helm.sh/release-name": "shop", "deployment.kubernetes.io/revision": "2"});
    let base = [
        json!({"kind": "StatefulSet", "metadata": {"name": "store-db", "uid": "set", "generation": 1, "annotations": release},
            "spec": {"replicas": 1, "selector": {}, "template": {}, "serviceName": "store-db"},
            "status": {"replicas": 0, "observedGeneration": 1, "updateRevision": "new", "currentRevision": "new"}}),
        json!({"kind": "Deployment", "metadata": {"name": "store", "uid": "deployment", "generation": 1, "annotations": release},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"replicas": 0, "observedGeneration": 1}}),
        replica_set("store-new", "2"),
    ];
    let mut snapshot = Snapshot::new("shop".into());
    for object in base.into_iter().chain(more) {
        put(&mut snapshot, object);
    }
    snapshot
}

fn put(snapshot: &mut Snapshot, object: Value) {
    fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).expect("a Kubernetes object")
    }
    match object["kind"].as_str().expect("a kind") {
        "StatefulSet" => snapshot.stateful_sets.put(read(object)),
        "Deployment" => snapshot.deployments.put(read(object)),
        "ReplicaSet" => snapshot.replica_sets.put(read(object)),
        "Job" => snapshot.jobs.put(read(object)),
        "Pod" => snapshot.pods.put(read(object)),
        "PersistentVolumeClaim" => snapshot.claims.put(read(object)),
        "Event" => snapshot.events.put(read(object)),
        other => panic!("no fixtures of kind {other}"),
    }
}

fn replica_set(name: &str, revision: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "uid": name,
        "annotations": {"deployment.kubernetes.io/revision": revision},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "store", "uid": "deployment", "controller": true}]}})
}

/// The database's pod, with a status.
fn db_pod(status: Value) -> Value {
    pod("store-db-0", "StatefulSet", "set", "new", status)
}

/// The shop's pod at its newest revision, with a status.
fn shop_pod(status: Value) -> Value {
    pod("store-new-x", "ReplicaSet", "store-new", "", status)
}

fn pod(name: &str, owner: &str, owner_uid: &str, revision: &str, status: Value) -> Value {
    json!({"kind": "Pod", "metadata": {"name": name, "uid": name, "labels": {"controller-revision-hash": revision},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner, "name": owner, "uid": owner_uid, "controller": true}]},
        "status": status})
}

fn container(state: Value, restarts: i32, last: Value) -> Value {
    json!({"phase": "Running", "containerStatuses": [{"name": "main", "image": "shop:1", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state, "lastState": last}]})
}

fn waiting(reason: &str, message: &str) -> Value {
    container(json!({"waiting": {"reason": reason, "message": message}}), 0, json!({}))
}

fn event(uid: &str, reason: &str, message: &str) -> Value {
    json!({"kind": "Event", "metadata": {"name": format!("{uid}.{reason}"), "resourceVersion": "7"},
        "involvedObject": {"uid": uid}, "reason": reason, "message": message})
}

/// `REASON obstacle: message | details`, one line per finding.
fn explained(snapshot: &Snapshot) -> String {
    let line = |finding: &super::Finding| {
        let failure = &finding.failure;
        format!(
            "{} {:?}: {} | {}\n",
            failure.reason.as_str(),
            finding.obstacle,
            failure.message,
            failure.details.join(" | ")
        )
    };
    findings(snapshot).iter().map(line).collect()
}
