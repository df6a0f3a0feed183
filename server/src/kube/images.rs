//! What the pods of a store run.

use std::collections::BTreeSet;

use ::kube::ResourceExt;
use ::kube::api::ListParams;
use k8s_openapi::api::core::v1::Pod;
use storeplane_core::revision::ImageDigest;

use super::cluster::Cluster;
use super::error::ClusterError;

/// On a pod of a Deployment: the end of its `ReplicaSet`'s name.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The pods of the Deployments and `StatefulSets` in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadPods {
    /// The images of their containers, each once. Nodes that do not run containers report none.
    pub images: Vec<ImageDigest>,
    /// Some are being deleted.
    pub are_ending: bool,
}

impl Cluster {
    /// The pods of the Deployments and `StatefulSets` in a namespace.
    pub async fn workload_pods(&self, namespace: &str) -> Result<WorkloadPods, ClusterError> {
        let pods = self.list_in::<Pod>(namespace, ListParams::default()).await?;
        let images: BTreeSet<_> = pods.iter().flat_map(images).collect();
        let are_ending = pods.iter().any(|pod| workload(pod).is_some() && is_ending(pod));
        Ok(WorkloadPods { images: images.into_iter().collect(), are_ending })
    }
}

fn is_ending(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn images(pod: &Pod) -> Vec<ImageDigest> {
    let Some(workload) = workload(pod).filter(|_| !is_ending(pod)) else { return Vec::new() };
    let Some(status) = &pod.status else { return Vec::new() };
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let named = containers.filter_map(|container| {
        let specs = pod.spec.as_ref()?;
        let specs = specs.init_containers.iter().flatten().chain(&specs.containers);
        // The status names the image as the node does.
        let image = specs.into_iter().find(|spec| spec.name == container.name)?.image.clone()?;
        let digest = digest(&container.image_id)?.to_owned();
        Some(ImageDigest { workload: workload.clone(), container: container.name.clone(), image, digest })
    });
    named.collect()
}

/// For example `Deployment store`.
fn workload(pod: &Pod) -> Option<String> {
    let owner = pod.owner_references().iter().find(|owner| owner.controller == Some(true))?;
    match owner.kind.as_str() {
        "StatefulSet" => Some(format!("StatefulSet {}", owner.name)),
        "ReplicaSet" => {
            let hash = pod.labels().get(TEMPLATE_HASH)?;
            Some(format!("Deployment {}", owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?))
        }
        _ => None,
    }
}

/// Runtimes report `repository@sha256:…`, some with their own name before it, or only the digest.
fn digest(image_id: &str) -> Option<&str> {
    let digest = image_id.rsplit(['@', '/']).next()?;
    digest.starts_with("sha256:").then_some(digest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(owner: &str, name: &str, image_id: &str) -> Pod {
        let status = json!({"name": "store", "image": "docker.io/shop:1", "imageID": image_id, "ready": true, "restartCount": 0});
        let wait =
            json!({"name": "wait", "image": "tools", "imageID": "tools@sha256:bb", "ready": true, "restartCount": 0});
        serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {TEMPLATE_HASH: "5f7"}, "ownerReferences":
                [{"apiVersion": "apps/v1", "kind": owner, "name": name, "uid": "u", "controller": true}]},
            "spec": {"containers": [{"name": "store", "image": "shop:1"}], "initContainers": [{"name": "wait", "image": "tools"}]},
            "status": {"containerStatuses": [status], "initContainerStatuses": [wait]},
        }))
        .expect("a pod")
    }

    fn lines(pod: &Pod) -> Vec<String> {
        let line =
            |ImageDigest { workload, container, image, digest }| format!("{workload} {container} {image} {digest}");
        images(pod).into_iter().map(line).collect()
    }

    #[test]
    fn images_are_read_by_workload_and_container() {
        let found = lines(&pod("ReplicaSet", "store-5f7", "docker.io/library/shop@sha256:aa"));
        assert_eq!(found, ["Deployment store wait tools sha256:bb", "Deployment store store shop:1 sha256:aa"]);
        let found = lines(&pod("StatefulSet", "store-db", "docker-pullable://shop@sha256:cc"));
        assert_eq!(found[1], "StatefulSet store-db store shop:1 sha256:cc");
        assert!(lines(&pod("Job", "backup", "shop@sha256:aa")).is_empty());
        let mut ending = pod("StatefulSet", "store-db", "shop@sha256:aa");
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-25T10:00:00Z")).expect("a time");
        assert!(lines(&ending).is_empty());
    }

    #[test]
    fn digests_are_read_in_every_form_of_runtimes() {
        for (image_id, expected) in [
            ("docker.io/library/shop@sha256:aa", Some("sha256:aa")),
            ("docker://sha256:aa", Some("sha256:aa")),
            ("sha256:aa", Some("sha256:aa")),
            ("", None),
            ("shop:1", None),
        ] {
            assert_eq!(digest(image_id), expected, "{image_id}");
        }
    }
}
