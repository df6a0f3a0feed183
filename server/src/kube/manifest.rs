//! The workloads that a release should have, from helm's record of the release's revision.
//!
//! This works for every chart and for all values. Only kinds and names leave this file, because a record also contains the values.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use k8s_openapi::ByteString;
use serde::Deserialize;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::rollout::ResourceKind;

/// Maximum size of a decompressed record; a Secret holds 1 MiB of a compressed one.
const RECORD_MAX: u64 = 32 * 1024 * 1024;
/// The key in the record's Secret.
const KEY: &str = "release";

/// A workload by kind and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkloadName {
    /// `Deployment` or `StatefulSet`.
    pub kind: ResourceKind,
    /// Its name in the store's namespace.
    pub name: String,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    manifest: String,
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

impl Cluster {
    /// The workloads of a release's revision. `None` if the record no longer exists.
    pub async fn release_workloads(
        &self,
        namespace: &str,
        release: &str,
        revision: u32,
    ) -> Result<Vec<WorkloadName>, ClusterError> {
        let name = format!("sh.helm.release.v1.{release}.v{revision}");
        let Some(entries) = self.secret_entries(namespace, &name).await? else { return Ok(Vec::new()) };
        let workloads = entries.get(KEY).and_then(|ByteString(packed)| read(packed, namespace));
        workloads.ok_or_else(|| {
            let message =
                format!("could not read the workloads of the release {release} in {namespace}: not helm's format");
            ClusterError::new(ClusterErrorKind::Unintelligible, message)
        })
    }
}

/// Helm encodes a record with gzip and base64, before Kubernetes' own base64.
fn read(packed: &[u8], namespace: &str) -> Option<Vec<WorkloadName>> {
    let zipped = STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    if zipped.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(&zipped[..]).take(RECORD_MAX).read_to_string(&mut text).ok()?;
    } else {
        text = String::from_utf8(zipped).ok()?;
    }
    let record: Record = serde_json::from_str(&text).ok()?;
    Some(workloads(&record.manifest, namespace))
}

fn workloads(manifest: &str, namespace: &str) -> Vec<WorkloadName> {
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
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    const MANIFEST: &str = "---\n# Source: shop/templates/a.yaml\napiVersion: v1\nkind: Service\nmetadata: {name: store}\n\
        ---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: store-db\nspec:\n  template: {spec: {containers: [{args: [\"a\\n---\\nb\"]}]}}\n\
        ---\nkind: Deployment\nmetadata: {name: store, namespace: store-demo}\n\
        ---\nkind: Deployment\nmetadata: {name: agent, namespace: elsewhere}\n---\n# nothing\n";

    fn names(found: &[WorkloadName]) -> Vec<String> {
        found.iter().map(|it| format!("{} {}", it.kind, it.name)).collect()
    }

    #[test]
    fn workloads_of_own_namespace_are_read_from_release_record() {
        let record = json!({"name": "store-demo", "config": {"secret": "values"}, "manifest": MANIFEST}).to_string();
        let mut zip = GzEncoder::new(Vec::new(), Compression::best());
        zip.write_all(record.as_bytes()).expect("memory");
        let zipped = STANDARD.encode(zip.finish().expect("memory"));
        let expected = ["StatefulSet store-db", "Deployment store"];
        assert_eq!(names(&read(zipped.as_bytes(), "store-demo").expect("a record")), expected);
        let plain = STANDARD.encode(&record);
        assert_eq!(names(&read(plain.as_bytes(), "store-demo").expect("helm's old format")), expected);
    }

    #[test]
    fn invalid_release_record_is_ignored() {
        for broken in [&b"%%%"[..], b"aGVsbG8=", b"H4sIAAAA"] {
            assert_eq!(read(broken, "store-demo"), None);
        }
    }
}
