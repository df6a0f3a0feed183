//! UpdateStore: as received, and after validation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Idempotency, PluginChoice, SmtpChange, SmtpInput, StoreCommand, StoreRef, check_etag, plugins};
use crate::backup_policy::{BackupPolicy, BackupPolicyInput, PolicySetting};
use crate::error::DomainError;
use crate::host_name::HostName;
use crate::ids::StoreUid;
use crate::labels::{self, Labels};
use crate::store::{Environment, Store};
use crate::validate::Check;

/// The fields that UpdateStore changes.
const CHANGEABLE: &str = "display_name, admin_email, plan, engine_version, environment, deletion_protection, labels, labels.NAME, backup_policy, backup_policy.every, \
     backup_policy.keep_days, backup_policy.keep_weekly, primary_domain, smtp, plugins";

/// UpdateStore as received.
#[derive(Debug, Clone, Default)]
pub struct UpdateStoreInput {
    /// The store's id.
    pub store_id: String,
    /// Its uid; empty if any.
    pub uid: String,
    /// The etag that it must have; empty if any.
    pub etag: String,
    /// The request id; empty if there is none.
    pub request_id: String,
    /// Paths of the fields to change.
    pub update_mask: Vec<String>,
    /// The new value of `display_name`.
    pub display_name: String,
    /// The new value of `admin_email`.
    pub admin_email: String,
    /// The new value of `plan`; empty for the engine's default one.
    pub plan: String,
    /// The new value of `engine_version`; empty for the engine's default one.
    pub engine_version: String,
    /// The new value of `environment`; `None` if the value is unknown.
    pub environment: Option<Environment>,
    /// The new value of `deletion_protection`.
    pub deletion_protection: bool,
    /// The new values of `labels`.
    pub labels: Labels,
    /// The new values of `backup_policy`.
    pub backup_policy: BackupPolicyInput,
    /// The new value of `primary_domain`; empty for the platform's own host name.
    pub primary_domain: String,
    /// The new value of `smtp`; `None` or empty to remove it.
    pub smtp: Option<SmtpInput>,
    /// The new value of `plugins`.
    pub plugins: Vec<PluginChoice>,
}

/// New values of a store's fields. What is not named is unchanged. A rollout stores them, and a server that does not know one of them does not
/// apply the others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreUpdate {
    /// The shop's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Administrator's e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_email: Option<String>,
    /// A plan, which may not exist; empty for the engine's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// A version of the engine, which may not exist; empty for the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// What the shop is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Whether it is protected from deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// All labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Single labels: a value, or `None` to remove it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub label_changes: BTreeMap<String, Option<String>>,
    /// The settings that change when it is backed up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_settings: Vec<PolicySetting>,
    /// Their values.
    #[serde(skip_serializing_if = "BackupPolicy::is_default")]
    pub backup_policy: BackupPolicy,
    /// The domain in the shop's URL, which no rollout changes; `Some(None)` for the platform's own host name.
    #[serde(skip)]
    pub primary_domain: Option<Option<HostName>>,
    /// The mail server, which no rollout changes.
    #[serde(skip)]
    pub smtp: Option<SmtpChange>,
    /// All plugins, which no rollout replaces.
    #[serde(skip)]
    pub plugins: Option<Vec<PluginChoice>>,
    /// Of a rollout: versions of those plugins that a store has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugin_versions: Vec<PluginChoice>,
}

impl UpdateStoreInput {
    /// Validates everything and reports all violations.
    pub fn check(&self) -> Result<(StoreCommand, StoreUpdate), DomainError> {
        let mut check = Check::default();
        let update = self.values(&mut check);
        let (id, uid) = (check.required("store_id", &self.store_id), check.optional("uid", &self.uid));
        let request = check.optional("request_id", &self.request_id);
        let uid_text = uid.map_or(String::new(), |uid: StoreUid| uid.to_string());
        let mut fields = vec![self.store_id.clone(), uid_text, self.etag.clone()];
        fields.extend(update.fields());
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let idempotency = Idempotency::of(request, "UpdateStore", &fields);
        let etag = check_etag(&mut check, &self.etag);
        let command = id.map(|id| StoreCommand { target: StoreRef { id, uid }, etag, force: false, idempotency });
        check.finish(command.map(|command| (command, update)))
    }

    /// The values of the fields that the mask names.
    pub(crate) fn values(&self, check: &mut Check) -> StoreUpdate {
        let mut update = StoreUpdate::default();
        for path in &self.update_mask {
            match path.as_str() {
                "display_name" => {
                    check.display_name("store.display_name", &self.display_name);
                    update.display_name = Some(self.display_name.clone());
                }
                "admin_email" => {
                    check.email("store.admin_email", &self.admin_email);
                    update.admin_email = Some(self.admin_email.clone());
                }
                "plan" => update.plan = Some(self.plan.clone()),
                "engine_version" => update.engine_version = Some(self.engine_version.clone()),
                "environment" => {
                    update.environment = self.environment;
                    if self.environment.is_none() {
                        check.fail("store.environment", "must be PRODUCTION or STAGING");
                    }
                }
                "deletion_protection" => update.deletion_protection = Some(self.deletion_protection),
                "primary_domain" => {
                    update.primary_domain = Some(check.optional("store.primary_domain", &self.primary_domain));
                }
                "labels" => {
                    labels::check(check, &self.labels);
                    update.labels = Some(self.labels.clone());
                }
                "smtp" => update.smtp = Some(SmtpInput::check(self.smtp.as_ref(), check)),
                "plugins" => update.plugins = Some(self.plugins.clone()),
                path if label(path).is_some() => {
                    let (name, value) = label(path).map(|name| (name, self.labels.get(name))).unwrap_or_default();
                    let one = value.map(|value| (name.to_owned(), value.clone()));
                    labels::check(check, &one.into_iter().collect());
                    update.label_changes.insert(name.to_owned(), value.cloned());
                }
                path if PolicySetting::of(path).next().is_some() => {
                    update.policy_settings.extend(PolicySetting::of(path));
                }
                _ => check.fail("update_mask", format!("must name only fields that can be changed: {CHANGEABLE}")),
            }
        }
        update.backup_policy = self.backup_policy.check(check, &update.policy_settings);
        if self.update_mask.is_empty() {
            check.fail("update_mask", format!("must name at least one field: {CHANGEABLE}"));
        }
        update
    }
}

/// The name of the label that a path names.
fn label(path: &str) -> Option<&str> {
    path.strip_prefix("labels.").filter(|name| labels::is_name(name))
}

impl StoreUpdate {
    /// True if it names what a store's chart is told.
    pub fn names_settings(&self) -> bool {
        let Self {
            display_name, admin_email, plan, engine_version, environment, primary_domain, smtp, plugins, ..
        } = self;
        [display_name, admin_email, plan, engine_version].into_iter().any(Option::is_some)
            || environment.is_some()
            || primary_domain.is_some()
            || smtp.is_some()
            || plugins.is_some()
            || !self.plugin_versions.is_empty()
    }

    /// True if it is for stores with certain plugins, of which this one has none.
    pub fn needs_plugins_of(&self, store: &Store) -> bool {
        let has = |choice: &PluginChoice| store.spec.plugins.contains_key(&choice.name);
        !self.plugin_versions.is_empty() && !self.plugin_versions.iter().any(has)
    }

    /// A store's labels with the wanted ones.
    pub fn labels_of(&self, present: &Labels) -> Labels {
        let mut labels = self.labels.as_ref().unwrap_or(present).clone();
        for (name, value) in &self.label_changes {
            match value {
                Some(value) => drop(labels.insert(name.clone(), value.clone())),
                None => drop(labels.remove(name)),
            }
        }
        labels
    }

    /// Its values for the fingerprint of a request. One that names only fields of earlier releases has the fingerprint of those.
    fn fields(&self) -> Vec<String> {
        let protection = self.deletion_protection.map_or(String::new(), |on| format!("deletion_protection={on}"));
        let text = |name: &str, value: Option<&str>| value.map(|value| format!("{name}={value}"));
        let texts = [
            text("display_name", self.display_name.as_deref()),
            text("admin_email", self.admin_email.as_deref()),
            text("plan", self.plan.as_deref()),
            text("engine_version", self.engine_version.as_deref()),
            text("environment", self.environment.map(Environment::as_str)),
            text("primary_domain", self.primary_domain.as_ref().map(|it| it.as_ref().map_or("", HostName::as_str))),
        ];
        let policy = self.backup_policy.fields(self.policy_settings.iter().copied());
        let all =
            self.labels.iter().flat_map(|labels| std::iter::once("labels".to_owned()).chain(labels::texts(labels)));
        let single = self.label_changes.iter().map(|(name, value)| format!("labels.{name}={value:?}"));
        let smtp = self.smtp.iter().map(SmtpChange::field);
        let plugins = self.plugins.iter().map(|wanted| plugins::field(wanted));
        let parts = smtp.chain(plugins);
        let settings = texts.into_iter().flatten();
        std::iter::once(protection).chain(policy).chain(settings).chain(all).chain(single).chain(parts).collect()
    }
}
