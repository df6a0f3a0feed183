//! Pods of an older revision that never became ready: a `StatefulSet` waits for them forever.

use std::time::Duration;

use ::kube::api::{DeleteParams, ListParams, Preconditions};
use ::kube::{Api, ResourceExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::rollout::release_of;

/// On a pod of a `StatefulSet`: its revision.
const REVISION: &str = "controller-revision-hash";
/// How long its controller may take to observe helm's change.
const OBSERVED_WITHIN: u32 = 20;
const LOOK: Duration = Duration::from_millis(250);

impl Cluster {
    /// Deletes pods of the release's `StatefulSets` that are not ready and of an older revision. Returns their names.
    pub async fn delete_outdated_pods(&self, namespace: &str, release: &str) -> Result<Vec<String>, ClusterError> {
        let mut deleted = Vec::new();
        for set in self.observed_sets(namespace, release).await? {
            let Some(update) = set.status.as_ref().and_then(|status| status.update_revision.clone()) else { continue };
            let pods = self.list_in::<Pod>(namespace, ListParams::default()).await?;
            for pod in pods.iter().filter(|pod| is_of(pod, &set) && is_outdated(pod, &update) && !is_ready(pod)) {
                let name = pod.name_any();
                let only_this = Preconditions { uid: pod.uid(), resource_version: None };
                let what = format!("delete the outdated pod {name} in {namespace}");
                let gone = self.call(&what, |client| async {
                    let pods = Api::<Pod>::namespaced(client, namespace);
                    pods.delete(&name, &DeleteParams::default().preconditions(only_this)).await.map(drop)
                });
                match gone.await {
                    Ok(()) => deleted.push(name),
                    // Its controller was faster.
                    Err(error) if matches!(error.kind(), ClusterErrorKind::NotFound | ClusterErrorKind::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(deleted)
    }

    /// The release's sets, once their controller has observed their newest generation, or after a while.
    async fn observed_sets(&self, namespace: &str, release: &str) -> Result<Vec<StatefulSet>, ClusterError> {
        for _ in 0..OBSERVED_WITHIN {
            let sets = self.list_in::<StatefulSet>(namespace, ListParams::default()).await?;
            let sets: Vec<_> =
                sets.into_iter().filter(|set| release_of(&set.metadata).is_some_and(|of| of == release)).collect();
            if sets.iter().all(is_observed) {
                return Ok(sets);
            }
            tokio::time::sleep(LOOK).await;
        }
        // If the controller is unavailable, the rollout reports it.
        Ok(Vec::new())
    }
}

fn is_observed(set: &StatefulSet) -> bool {
    set.status.as_ref().and_then(|status| status.observed_generation) >= set.metadata.generation
}

fn is_of(pod: &Pod, set: &StatefulSet) -> bool {
    pod.owner_references().iter().any(|owner| Some(&owner.uid) == set.metadata.uid.as_ref())
}

fn is_outdated(pod: &Pod, update: &str) -> bool {
    pod.metadata.deletion_timestamp.is_none() && pod.labels().get(REVISION).is_some_and(|revision| revision != update)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_unready_pods_of_older_revisions_are_deleted() {
        let set: StatefulSet =
            serde_json::from_value(json!({"metadata": {"name": "db", "uid": "set"}})).expect("a set");
        let pod = |revision: &str, owner: &str, ready: &str, waiting: &str| -> Pod {
            let pod = json!({
                "metadata": {
                    "name": "db-0",
                    "labels": {REVISION: revision},
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": owner}],
                },
                "status": {
                    "conditions": [{"type": "Ready", "status": ready}],
                    "containerStatuses": [{"name": "db", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                        "state": {"waiting": {"reason": waiting}}}],
                },
            });
            serde_json::from_value(pod).expect("a pod")
        };
        let goes = |pod: &Pod| is_of(pod, &set) && is_outdated(pod, "new") && !is_ready(pod);
        for waiting in ["ImagePullBackOff", "CrashLoopBackOff", "ContainerCreating"] {
            assert!(goes(&pod("old", "set", "False", waiting)), "{waiting}");
        }
        let unschedulable: Pod = serde_json::from_value(json!({
            "metadata": pod("old", "set", "False", "").metadata,
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]},
        }))
        .expect("a pod");
        assert!(goes(&unschedulable));
        assert!(!goes(&pod("new", "set", "False", "ImagePullBackOff")), "of the newest revision");
        assert!(!goes(&pod("old", "set", "True", "")), "it serves");
        assert!(!goes(&pod("old", "another", "False", "")), "of another set");
    }
}
