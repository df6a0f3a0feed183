//! Helm's record of a release's revision: a Secret that holds everything about it, also the values. Only what is named here leaves
//! this file.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::Deserialize;
use storeplane_core::plugins::Plugins;
use storeplane_core::revision::DeployedWith;
use storeplane_core::smtp::{Encryption, Smtp};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;
use super::manifest::{WorkloadName, images, workloads};
use super::release::{ReleaseStatus, status_of};
use super::smtp_login;

/// Maximum size of a decompressed record; a Secret holds 1 MiB of a compressed one.
const RECORD_MAX: u64 = 32 * 1024 * 1024;
/// The key in the record's Secret.
const KEY: &str = "release";
/// The chart's file about the shop.
const DESCRIPTOR: &str = "storeplane.yaml";

/// What a release's record says of its store. A text is empty, or `None`, if it is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreRecord {
    /// The store's uid in the chart's values.
    pub store_uid: String,
    /// The store's id in the chart's values.
    pub store_id: String,
    /// The tenant in the chart's values.
    pub tenant: String,
    /// The shop's name.
    pub display_name: String,
    /// Administrator's e-mail address.
    pub admin_email: String,
    /// True if it is a copy for tests.
    pub staging: bool,
    /// The mail server, if the control plane set it and it has a login; without the user name, which is in its Secret.
    pub smtp: Option<Smtp>,
    /// The store's plugins.
    pub plugins: Plugins,
    /// The shop's host name.
    pub host: String,
    /// The engine, from the record's labels.
    pub engine: Option<String>,
    /// The plan, from the record's labels.
    pub plan: Option<String>,
    /// The plan's size as Kubernetes quantities: CPU, memory and storage.
    pub size: [Option<String>; 3],
    /// The chart's name.
    pub chart: String,
    /// The chart's version.
    pub chart_version: String,
    /// The shop software's version, according to the chart.
    pub app_version: String,
    /// When the release was first installed.
    pub first_deployed: Option<OffsetDateTime>,
    /// The workloads of the release.
    pub workloads: Vec<WorkloadName>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    manifest: String,
    config: Values,
    info: Info,
    chart: Chart,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Values {
    store: Store,
    ingress: Ingress,
    plan: Plan,
    smtp: MailServer,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Store {
    uid: String,
    id: String,
    tenant: String,
    display_name: String,
    admin_email: String,
    staging: bool,
    plugins: Plugins,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ingress {
    host: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MailServer {
    host: String,
    port: u16,
    encryption: String,
    from: String,
    from_name: String,
    existing_secret: String,
}

impl MailServer {
    fn read(self) -> Option<Smtp> {
        let is_ours = self.existing_secret.starts_with(Smtp::SECRET_PREFIX);
        let encryption = Encryption::ALL.into_iter().find(|it| smtp_login::chart_value(*it) == self.encryption);
        encryption.filter(|_| is_ours).map(|encryption| Smtp {
            host: self.host,
            port: self.port,
            encryption,
            username: String::new(),
            from_address: self.from,
            from_name: self.from_name,
            secret: self.existing_secret,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plan {
    cpu: Option<String>,
    memory: Option<String>,
    storage: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Info {
    first_deployed: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Chart {
    metadata: ChartFile,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ChartFile {
    name: String,
    version: String,
    app_version: String,
}

impl Cluster {
    /// The workloads of a release's revision. Empty if the record no longer exists.
    pub async fn release_workloads(
        &self,
        namespace: &str,
        release: &str,
        revision: u32,
    ) -> Result<Vec<WorkloadName>, ClusterError> {
        let Some(secret) = self.record(namespace, release, revision).await? else { return Ok(Vec::new()) };
        let record = packed(&secret).and_then(decode::<Manifest>);
        let workloads = record.map(|record| workloads(&record.manifest, namespace));
        workloads.ok_or_else(|| unintelligible("workloads", namespace, release))
    }

    /// What a release's revision records of its store. `None` if the record no longer exists.
    pub async fn store_record(
        &self,
        namespace: &str,
        release: &str,
        revision: u32,
    ) -> Result<Option<StoreRecord>, ClusterError> {
        let Some(secret) = self.record(namespace, release, revision).await? else { return Ok(None) };
        let record = packed(&secret).and_then(decode::<Record>);
        let record = record.ok_or_else(|| unintelligible("values", namespace, release))?;
        let mut read = store_record(record, namespace);
        let label = |key: &str| secret.metadata.labels.as_ref()?.get(key).cloned();
        (read.engine, read.plan) = (label(labels::ENGINE), label(labels::PLAN));
        Ok(Some(read))
    }

    /// The values that helm was given for a release's revision, its images and its chart. `None` if the record no longer exists.
    pub async fn deployed_with(
        &self,
        namespace: &str,
        release: &str,
        revision: u32,
    ) -> Result<Option<DeployedWith>, ClusterError> {
        Ok(self.deployed_manifest(namespace, release, revision).await?.map(|(with, _)| with))
    }

    /// The same, if helm's status of that revision is `deployed`.
    pub async fn deployed_revision(
        &self,
        namespace: &str,
        release: &str,
        revision: u32,
    ) -> Result<Option<DeployedWith>, ClusterError> {
        let record = self.record(namespace, release, revision).await?;
        let is_deployed = |record: &Secret| status_of(&record.metadata) == Some(ReleaseStatus::Deployed);
        match record.filter(is_deployed) {
            Some(record) => Ok(Some(applied(&record, namespace, release)?.into())),
            None => Ok(None),
        }
    }

    /// [`Self::deployed_with`], and the release's manifest.
    pub(super) async fn deployed_manifest(
        &self,
        namespace: &str,
        release: &str,
        revision: u32,
    ) -> Result<Option<(DeployedWith, String)>, ClusterError> {
        let Some(secret) = self.record(namespace, release, revision).await? else { return Ok(None) };
        let record = applied(&secret, namespace, release)?;
        let manifest = record.manifest.clone();
        Ok(Some((record.into(), manifest)))
    }

    async fn record(&self, namespace: &str, release: &str, revision: u32) -> Result<Option<Secret>, ClusterError> {
        let name = format!("sh.helm.release.v1.{release}.v{revision}");
        self.find_secret(namespace, &name).await
    }
}

#[derive(Deserialize)]
struct Applied {
    #[serde(default)]
    config: serde_json::Value,
    #[serde(default)]
    manifest: String,
    #[serde(default)]
    chart: AppliedChart,
}

/// Helm writes null for no files, and for an empty file.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AppliedChart {
    metadata: ChartFile,
    templates: Option<Vec<File>>,
    files: Option<Vec<File>>,
}

#[derive(Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default)]
struct File {
    name: String,
    data: Option<String>,
}

impl From<Applied> for DeployedWith {
    fn from(Applied { config, manifest, chart }: Applied) -> Self {
        let (images, chart_content, schema) = (images(&manifest), chart.content(), chart.schema());
        Self { values: config, images, chart_version: chart.metadata.version, chart_content, schema }
    }
}

/// What is read of a chart's `storeplane.yaml`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Descriptor {
    release: DescribedRelease,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DescribedRelease {
    schema: String,
}

impl AppliedChart {
    /// The schema that the chart's `storeplane.yaml` names; empty if it names none.
    fn schema(&self) -> Option<String> {
        let file = self.files.iter().flatten().find(|file| file.name == DESCRIPTOR)?;
        let text = String::from_utf8(STANDARD.decode(file.data.as_deref()?).ok()?).ok()?;
        Some(serde_saphyr::from_str::<Descriptor>(&text).ok()?.release.schema)
    }

    /// Identifies the chart's templates and files, in whatever order it was packed. Its default values are not among them: helm mixes those that a
    /// release had into them with `--reuse-values`.
    fn content(&self) -> String {
        let mut files: Vec<_> = self.templates.iter().chain(&self.files).flatten().collect();
        files.sort();
        let mut hash = blake3::Hasher::new();
        let texts = files.iter().flat_map(|file| [file.name.as_str(), file.data.as_deref().unwrap_or_default()]);
        for text in texts {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    manifest: String,
}

fn unintelligible(what: &str, namespace: &str, release: &str) -> ClusterError {
    let message = format!("could not read the {what} of the release {release} in {namespace}: not helm's format");
    ClusterError::new(ClusterErrorKind::Unintelligible, message)
}

fn applied(record: &Secret, namespace: &str, release: &str) -> Result<Applied, ClusterError> {
    packed(record).and_then(decode::<Applied>).ok_or_else(|| unintelligible("values", namespace, release))
}

fn packed(secret: &Secret) -> Option<&[u8]> {
    secret.data.as_ref()?.get(KEY).map(|ByteString(packed)| packed.as_slice())
}

/// Helm encodes a record with gzip and base64, before Kubernetes' own base64.
fn decode<T: serde::de::DeserializeOwned>(packed: &[u8]) -> Option<T> {
    let zipped = STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    if zipped.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(&zipped[..]).take(RECORD_MAX).read_to_string(&mut text).ok()?;
    } else {
        text = String::from_utf8(zipped).ok()?;
    }
    serde_json::from_str(&text).ok()
}

fn store_record(record: Record, namespace: &str) -> StoreRecord {
    let Record { manifest, config: Values { store, ingress, plan, smtp }, info, chart: Chart { metadata: chart } } =
        record;
    StoreRecord {
        store_uid: store.uid,
        store_id: store.id,
        tenant: store.tenant,
        display_name: store.display_name,
        admin_email: store.admin_email,
        staging: store.staging,
        smtp: smtp.read(),
        plugins: store.plugins,
        host: ingress.host,
        engine: None,
        plan: None,
        size: [plan.cpu, plan.memory, plan.storage],
        chart: chart.name,
        chart_version: chart.version,
        app_version: chart.app_version,
        first_deployed: OffsetDateTime::parse(&info.first_deployed, &Rfc3339).ok(),
        workloads: workloads(&manifest, namespace),
    }
}

#[cfg(test)]
mod tests;
