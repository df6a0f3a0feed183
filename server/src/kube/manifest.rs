//! The workloads that a release should have, from its manifest. This works for every chart and for all values.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use storeplane_core::drift::PodSpec;

use super::rollout::ResourceKind;

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkloadName {
    /// `Deployment` or `StatefulSet`.
    pub kind: ResourceKind,
    /// Its name in the store's namespace.
    pub name: String,
}

/// A workload, and the pods that its manifest wants.
#[derive(Debug)]
pub(super) struct WorkloadPods {
    pub(super) name: WorkloadName,
    pub(super) pods: PodSpec,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
}

/// The workloads in the release's own namespace.
pub(super) fn workloads(manifest: &str, namespace: &str) -> Vec<WorkloadName> {
    workload_pods(manifest, namespace).into_iter().map(|workload| workload.name).collect()
}

/// The same, with their pods.
pub(super) fn workload_pods(manifest: &str, namespace: &str) -> Vec<WorkloadPods> {
    let objects = documents(manifest).filter_map(|document| serde_saphyr::from_str::<Object>(document).ok());
    let here = objects.filter(|object| object.metadata.namespace.as_deref().is_none_or(|of| of == namespace));
    let found = here.filter_map(|object| {
        let kind = match object.kind.as_str() {
            "Deployment" => ResourceKind::Deployment,
            "StatefulSet" => ResourceKind::StatefulSet,
            _ => return None,
        };
        let pods = object.spec.pointer("/template/spec").cloned().unwrap_or_default();
        Some(WorkloadPods { name: WorkloadName { kind, name: object.metadata.name }, pods: PodSpec(pods) })
    });
    found.collect()
}

/// The images of all pods in the manifest, sorted, each once.
pub(super) fn images(manifest: &str) -> Vec<String> {
    let mut images = BTreeSet::new();
    for object in documents(manifest).filter_map(|document| serde_saphyr::from_str::<Value>(document).ok()) {
        collect_images(&object, &mut images);
    }
    images.into_iter().collect()
}

/// The images of `containers` and `initContainers`, at any depth: a `CronJob` nests its pod three times.
fn collect_images(value: &Value, images: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if name == "containers" || name == "initContainers" {
                    let named = inner.as_array().into_iter().flatten().filter_map(|each| each.get("image")?.as_str());
                    images.extend(named.map(str::to_owned));
                }
                collect_images(inner, images);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_images(item, images)),
        _ => {}
    }
}

fn documents(manifest: &str) -> impl Iterator<Item = &str> {
    manifest.split("\n---").map(|document| document.trim_start_matches("---"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "---\n# Source: shop/templates/a.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: store}\n\
        ---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: store-db\nspec:\n  template: {spec: {containers: [{args: [\"a\\n---\\nb\"]}]}}\n\
        ---\nkind: Deployment\nmetadata: {name: store, namespace: store-demo}\n\
        ---\nkind: Deployment\nmetadata: {name: agent, namespace: elsewhere}\n---\n# nothing\n";

    #[test]
    fn workloads_of_own_namespace_are_read_from_manifest() {
        let names: Vec<_> =
            workloads(MANIFEST, "store-demo").iter().map(|it| format!("{} {}", it.kind, it.name)).collect();
        assert_eq!(names, ["StatefulSet store-db", "Deployment store"]);
    }

    #[test]
    fn images_are_found_in_every_kind_of_pod() {
        let manifest = "kind: Deployment\nspec: {template: {spec: {initContainers: [{image: b:1}], containers: [{image: a:1}, {image: b:1}]}}}\n\
            ---\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{image: c:1}]}}}}}\n\
            ---\nkind: ConfigMap\ndata: {image: not-one}\n";
        assert_eq!(images(manifest), ["a:1", "b:1", "c:1"]);
    }
}
