//! The workloads that a release should have, from its manifest. This works for every chart and for all values.

use serde::Deserialize;

use super::rollout::ResourceKind;

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkloadName {
    /// `Deployment` or `StatefulSet`.
    pub kind: ResourceKind,
    /// Its name in the store's namespace.
    pub name: String,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
}

/// The workloads in the release's own namespace.
pub(super) fn workloads(manifest: &str, namespace: &str) -> Vec<WorkloadName> {
    let documents = manifest.split("\n---").map(|document| document.trim_start_matches("---"));
    let objects = documents.filter_map(|document| serde_saphyr::from_str::<Object>(document).ok());
    let here = objects.filter(|object| object.metadata.namespace.as_deref().is_none_or(|of| of == namespace));
    let found = here.filter_map(|object| {
        let kind = match object.kind.as_str() {
            "Deployment" => ResourceKind::Deployment,
            "StatefulSet" => ResourceKind::StatefulSet,
            _ => return None,
        };
        Some(WorkloadName { kind, name: object.metadata.name })
    });
    found.collect()
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
}
