//! A chart's `storeplane.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::VersionReq;
use serde::Deserialize;
use serde_json::Value;
use storeplane_core::engine::{
    AdminSecret, DataVolume, Engine, EngineBackup, LostSecrets, Maintenance, PurchaseTest, SecretEntry, SecretTemplate,
    Verification, VersionInfo, VolumeUser,
};
use storeplane_core::store::Versions;

use crate::config::read::is_label;

/// A chart's `storeplane.yaml`: what the control plane needs to know about the chart.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DescriptorFile {
    verify: Option<Value>,
    /// What `verify` says.
    #[serde(skip)]
    verification: Verification,
    #[serde(default)]
    lost_secrets: LostSecretsFile,
    admin_path: Option<String>,
    credentials: Option<CredentialsFile>,
    backup: Option<BackupFile>,
    #[serde(default)]
    domains: bool,
    #[serde(default)]
    smtp: bool,
    #[serde(default)]
    plugins: bool,
    #[serde(default)]
    release: ReleaseFile,
    /// Secrets by name, each with its entries by key.
    #[serde(default)]
    secrets: BTreeMap<String, BTreeMap<String, EntryFile>>,
}

impl DescriptorFile {
    /// Otherwise, what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut file: Self = serde_saphyr::from_str(text).map_err(|error| format!("is invalid: {error}"))?;
        file.verification = verification(file.verify.take())?;
        if file.admin_path.as_deref().is_some_and(|path| !is_path(path)) {
            return Err("has an admin_path that is not a path below the shop's URL such as admin/".to_owned());
        }
        let mut entries = file.secrets.values().flat_map(BTreeMap::values);
        if entries.any(|entry| matches!(entry, EntryFile::Random(length) if *length < RANDOM_MIN)) {
            return Err(format!("has a random entry of fewer than {RANDOM_MIN} characters"));
        }
        if let Some(login) = &file.credentials {
            let secret = file.secrets.get(&login.secret);
            if !secret.is_some_and(|keys| keys.contains_key(&login.username) && keys.contains_key(&login.password)) {
                return Err("has credentials that are not among its secrets".to_owned());
            }
        }
        file.backup.as_ref().map_or(Ok(()), BackupFile::check)?;
        file.release.check()?;
        Ok(file)
    }
}

/// Maximum number of characters of `admin_path`.
const PATH_MAX: usize = 100;

/// True for a path below a shop's URL: without a leading slash, another host, a query or a way up.
fn is_path(text: &str) -> bool {
    (1..=PATH_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b))
        && text.split('/').rev().skip(1).all(|part| !part.is_empty())
        && !text.split('/').any(|part| matches!(part, "." | ".."))
}

/// A test that older charts name: those of releases before a chart said itself how its shops are tested.
const STORE_API: &str = include_str!("store_api.yaml");

/// A test by its name, or the chart's own. Otherwise, what is wrong with it.
fn verification(verify: Option<Value>) -> Result<Verification, String> {
    let own = match verify.as_ref().map(Value::as_str) {
        None | Some(Some("none")) => return Ok(Verification::None),
        Some(Some("store-api")) => serde_saphyr::from_str(STORE_API).map_err(|error| error.to_string()),
        _ => serde_json::from_value(verify.unwrap_or_default()).map_err(|error| error.to_string()),
    };
    let test: PurchaseTest = own.map_err(|error| format!("has an invalid verify: {error}"))?;
    match test.problem() {
        Some(problem) => Err(format!("has an invalid verify: {problem}")),
        None => Ok(Verification::Purchase(Arc::new(test))),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LostSecretsFile {
    #[default]
    Refuse,
    Renew,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    secret: String,
    username: String,
    password: String,
}

/// What this version of the chart says of itself.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseFile {
    #[serde(default)]
    schema: String,
    #[serde(default)]
    upgrades_from: String,
    #[serde(default)]
    security: bool,
    #[serde(default)]
    notes: String,
}

/// Maximum number of characters of `release.schema` and `release.notes`.
const SCHEMA_MAX: usize = 64;
const NOTES_MAX: usize = 200;

impl ReleaseFile {
    /// Otherwise, what is wrong with it.
    fn check(&self) -> Result<(), String> {
        if !self.upgrades_from.is_empty() {
            let read = VersionReq::parse(&self.upgrades_from);
            read.map_err(|error| {
                format!("has a release.upgrades_from that is not a requirement such as \">=0.1.0, <0.3.0\": {error}")
            })?;
        }
        for (key, text, max) in [("schema", &self.schema, SCHEMA_MAX), ("notes", &self.notes, NOTES_MAX)] {
            if text.chars().count() > max || text.chars().any(char::is_control) {
                return Err(format!("has a release.{key} that is not one line of at most {max} characters"));
            }
        }
        Ok(())
    }
}

/// Names of objects in the chart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupFile {
    create: String,
    restore: String,
    parts: Vec<String>,
    maintenance: Option<MaintenanceFile>,
    #[serde(default)]
    copies: bool,
    #[serde(default)]
    volumes: Vec<VolumeFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VolumeFile {
    claim: String,
    stateful_set: Option<String>,
    mount: Option<String>,
}

impl VolumeFile {
    fn user(&self) -> Option<VolumeUser> {
        match (&self.stateful_set, &self.mount) {
            (Some(set), None) => Some(VolumeUser::StatefulSet(set.clone())),
            (None, Some(template)) => Some(VolumeUser::Mount(template.clone())),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaintenanceFile {
    template: String,
    deployment: String,
    cron_job: Option<String>,
    service: Option<String>,
}

impl BackupFile {
    /// Otherwise, what is wrong with it.
    fn check(&self) -> Result<(), String> {
        let mut names = vec![("create", &self.create), ("restore", &self.restore)];
        names.extend(self.parts.iter().map(|part| ("parts", part)));
        if let Some(MaintenanceFile { template, deployment, cron_job, service }) = &self.maintenance {
            names.extend([("maintenance.template", template), ("maintenance.deployment", deployment)]);
            names.extend(cron_job.iter().map(|name| ("maintenance.cron_job", name)));
            names.extend(service.iter().map(|name| ("maintenance.service", name)));
        }
        for VolumeFile { claim, stateful_set, mount } in &self.volumes {
            names.push(("volumes.claim", claim));
            names.extend(stateful_set.iter().map(|name| ("volumes.stateful_set", name)));
            names.extend(mount.iter().map(|name| ("volumes.mount", name)));
        }
        if let Some((key, name)) = names.into_iter().find(|(_, name)| !is_label(name)) {
            return Err(format!("has a backup.{key} that is not a DNS label of at most 63 characters: {name:?}"));
        }
        if self.volumes.iter().any(|volume| volume.user().is_none()) {
            return Err("has an entry of backup.volumes without exactly one of stateful_set and mount".to_owned());
        }
        let claims: BTreeSet<_> = self.volumes.iter().map(|volume| &volume.claim).collect();
        if claims.len() != self.volumes.len() {
            return Err("has a backup.volumes that names a claim twice".to_owned());
        }
        if self.maintenance.is_none() && !claims.is_empty() {
            return Err("has backup.volumes without backup.maintenance: a restore replaces volumes that nothing uses"
                .to_owned());
        }
        let parts: BTreeSet<_> = self.parts.iter().collect();
        match self.parts.len() {
            0 => Err("has a backup.parts without a part".to_owned()),
            all if all != parts.len() => Err("has a backup.parts that names a part twice".to_owned()),
            _ => Ok(()),
        }
    }
}

impl From<BackupFile> for EngineBackup {
    fn from(BackupFile { create, restore, parts, maintenance, copies, volumes }: BackupFile) -> Self {
        let maintenance = maintenance.map(|MaintenanceFile { template, deployment, cron_job, service }| Maintenance {
            template,
            deployment,
            cron_job,
            service,
        });
        let volumes = volumes.into_iter().filter_map(|volume| {
            let user = volume.user()?;
            Some(DataVolume { claim: volume.claim, user })
        });
        Self { create, restore, parts, maintenance, copies, volumes: volumes.collect() }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum EntryFile {
    Fixed(String),
    Random(usize),
    Unique(String),
}

/// Minimum number of random characters for a secret: 16 of 36 are 82 bits.
const RANDOM_MIN: usize = 16;

impl DescriptorFile {
    /// Adds what the file declares to the engine.
    pub(super) fn describe(self, engine: Engine) -> Engine {
        let ReleaseFile { schema, upgrades_from, security, notes } = self.release;
        let upgrades_from = VersionReq::parse(&upgrades_from).ok().filter(|_| !upgrades_from.is_empty());
        Engine {
            versions: Versions { schema, ..engine.versions },
            info: VersionInfo { upgrades_from, security, notes },
            secrets: self.secrets.into_iter().map(template).collect(),
            lost_secrets: match self.lost_secrets {
                LostSecretsFile::Refuse => LostSecrets::Refuse,
                LostSecretsFile::Renew => LostSecrets::Renew,
            },
            admin_path: self.admin_path,
            credentials: self.credentials.map(|CredentialsFile { secret, username, password }| AdminSecret {
                secret,
                username,
                password,
            }),
            backup: self.backup.map(EngineBackup::from),
            domains: self.domains,
            smtp: self.smtp,
            plugins: engine.plugins.filter(|_| self.plugins),
            verify: self.verification,
            ..engine
        }
    }
}

fn template((name, entries): (String, BTreeMap<String, EntryFile>)) -> SecretTemplate {
    let entry = |entry| match entry {
        EntryFile::Fixed(text) => SecretEntry::Fixed(text),
        EntryFile::Random(length) => SecretEntry::Random(length),
        EntryFile::Unique(prefix) => SecretEntry::Unique(prefix),
    };
    SecretTemplate { name, entries: entries.into_iter().map(|(key, made)| (key, entry(made))).collect() }
}

#[cfg(test)]
mod tests;
