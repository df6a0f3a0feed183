//! Logins at mail servers: a Secret in the store's namespace for each password, which settings and revisions name.

use std::collections::BTreeMap;
use std::time::Duration;

use ::kube::api::ListParams;
use ::kube::core::PartialObjectMeta;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::smtp::{Encryption, Smtp};
use storeplane_core::store::Store;
use time::OffsetDateTime;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::labels;
use super::secrets::SecretSpec;
use crate::secret::SecretText;

/// A Secret that is younger may be that of a request whose settings are not stored yet. Much longer than a request takes, so that the clocks of this
/// server and the API server may differ.
const UNUSED_FOR: Duration = Duration::from_hours(1);

/// The Secret that the chart's value `smtp.existingSecret` names.
pub fn login_secret(name: &str, username: &str, password: &SecretText) -> SecretSpec {
    let entries = [("username", SecretText::new(username)), ("password", password.clone())];
    SecretSpec { name: name.to_owned(), entries: entries.map(|(key, text)| (key.to_owned(), text)).into() }
}

/// The chart's value `smtp.encryption`.
pub fn chart_value(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "none",
        Encryption::StartTls => "tls",
        Encryption::Tls => "ssl",
    }
}

impl Cluster {
    /// Creates a login's Secret. False if the namespace is not the store's.
    pub(super) async fn create_smtp_login(&self, store: &Store, login: &SecretSpec) -> Result<bool, ClusterError> {
        let namespace = &store.placement.namespace;
        if !self.is_store_namespace(namespace, store.uid).await? {
            return Ok(false);
        }
        let metadata = ObjectMeta {
            name: Some(login.name.clone()),
            labels: Some(BTreeMap::from([(labels::MANAGED_BY.into(), labels::STOREPLANE.into())])),
            ..ObjectMeta::default()
        };
        self.create_secret(namespace, metadata, &login.entries).await.map(|()| true)
    }

    /// The names of the Secrets with logins that are old enough to be removed if nothing names them.
    pub async fn old_smtp_logins(&self, namespace: &str, now: OffsetDateTime) -> Result<Vec<String>, ClusterError> {
        // They are old: the API server's cache has them.
        let created =
            ListParams::default().match_any().labels(&format!("{}={}", labels::MANAGED_BY, labels::STOREPLANE));
        let found: Vec<PartialObjectMeta<Secret>> = self.list_in(namespace, created).await?;
        let is_old = |secret: &PartialObjectMeta<Secret>| {
            let created = secret.metadata.creation_timestamp.as_ref().map(|it| it.0.as_second());
            created.is_some_and(|created| created.saturating_add_unsigned(UNUSED_FOR.as_secs()) < now.unix_timestamp())
        };
        let names = found.into_iter().filter(is_old).filter_map(|secret| secret.metadata.name);
        Ok(names.filter(|name| name.starts_with(Smtp::SECRET_PREFIX)).collect())
    }

    /// Removes a login's Secret, if it exists.
    pub async fn remove_smtp_login(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        self.delete_secret(namespace, name).await
    }
}
