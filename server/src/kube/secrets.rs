//! A store's Secrets: created once, overwritten only by a rotation, never logged.
//!
//! Requests are built by hand, because the client's typed calls log a response that they cannot parse.

use std::collections::BTreeMap;

use ::kube::Resource;
use ::kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use ::kube::core::{ObjectList, PartialObjectMeta, Request};
use futures::future::try_join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;
use crate::secret::SecretText;

/// Values that are ordinary words ("wordpress") and not secret.
const PUBLIC: [&str; 2] = ["username", "database"];

/// A Secret to create.
#[derive(Debug, Clone)]
pub struct SecretSpec {
    /// Name in the namespace.
    pub name: String,
    /// Its keys and values.
    pub entries: BTreeMap<String, SecretText>,
}

impl Cluster {
    /// Creates missing Secrets. Existing ones are unchanged, so that repeated steps keep their passwords.
    pub async fn ensure_secrets(&self, namespace: &str, secrets: Vec<SecretSpec>) -> Result<(), ClusterError> {
        try_join_all(secrets.iter().map(|secret| self.ensure_secret(namespace, secret))).await.map(drop)
    }

    async fn ensure_secret(&self, namespace: &str, spec: &SecretSpec) -> Result<(), ClusterError> {
        let metadata = ObjectMeta {
            name: Some(spec.name.clone()),
            labels: Some(BTreeMap::from([(labels::MANAGED_BY.into(), labels::STOREPLANE.into())])),
            ..ObjectMeta::default()
        };
        match self.create_secret(namespace, metadata, &spec.entries).await {
            Err(error) if error.kind() == ClusterErrorKind::Conflict => {
                tracing::debug!(namespace, secret = spec.name, "secret kept");
                Ok(())
            }
            created => created,
        }
    }

    /// Creates a Secret. [`ClusterErrorKind::Conflict`] if it exists.
    pub(super) async fn create_secret(
        &self,
        namespace: &str,
        metadata: ObjectMeta,
        entries: &BTreeMap<String, SecretText>,
    ) -> Result<(), ClusterError> {
        let name = metadata.name.clone().unwrap_or_default();
        let what = format!("create the secret {name} in {namespace}");
        let entries = entries.iter().map(|(key, text)| (key.clone(), ByteString(text.expose().into())));
        let data = Some(entries.collect());
        let secret = Secret { metadata, type_: Some("Opaque".into()), data, ..Secret::default() };
        let unwritable = |_| ClusterError::new(ClusterErrorKind::Rejected, format!("could not {what}: not JSON"));
        let body = serde_json::to_vec(&secret).map_err(unwritable)?;
        self.call(&what, |client| async move {
            let request = requests(namespace).create(&PostParams::default(), body);
            client.request_text(request.map_err(::kube::Error::BuildRequest)?).await.map(drop)
        })
        .await?;
        tracing::debug!(namespace, secret = name, "secret created");
        Ok(())
    }

    /// Deletes a Secret, if it exists.
    pub(super) async fn delete_secret(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let what = format!("delete the secret {name} in {namespace}");
        let request = requests(namespace).delete(name, &DeleteParams::default());
        let deleted = self.call(&what, |client| async move {
            client.request_text(request.map_err(::kube::Error::BuildRequest)?).await.map(drop)
        });
        match deleted.await {
            Err(error) if error.kind() == ClusterErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }

    /// Replaces these values of an existing Secret, once for each `rotation`. Others are kept. A Secret that changed meanwhile is a
    /// [`ClusterErrorKind::Conflict`], and one that is missing is [`ClusterErrorKind::NotFound`].
    pub async fn rotate_secret(&self, namespace: &str, spec: SecretSpec, rotation: &str) -> Result<(), ClusterError> {
        let SecretSpec { name, entries } = spec;
        let what = format!("rotate the secret {name} in {namespace}");
        let metadata = self.secret(&what, namespace, &name).await?.metadata;
        if metadata.annotations.as_ref().and_then(|all| all.get(labels::ROTATED_BY)).is_some_and(|it| it == rotation) {
            return Ok(());
        }
        let entries = entries.iter().map(|(key, text)| (key.clone(), ByteString(text.expose().into())));
        let patch = json!({
            "metadata": {"annotations": {labels::ROTATED_BY: rotation}, "resourceVersion": metadata.resource_version},
            "data": entries.collect::<BTreeMap<_, _>>(),
        });
        let request = requests(namespace).patch(&name, &PatchParams::default(), &Patch::Merge(patch));
        self.call(&what, |client| async move {
            client.request_text(request.map_err(::kube::Error::BuildRequest)?).await.map(drop)
        })
        .await?;
        tracing::debug!(namespace, secret = name, "secret rotated");
        Ok(())
    }

    /// Which of these do not exist, whoever created them.
    pub async fn missing_secrets(&self, namespace: &str, names: &[String]) -> Result<Vec<String>, ClusterError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        Ok(missing(names, &self.list_in(namespace, not_helms()).await?))
    }

    /// True if the namespace has a volume claim.
    pub async fn has_claims(&self, namespace: &str) -> Result<bool, ClusterError> {
        Ok(!self
            .list_in::<PartialObjectMeta<PersistentVolumeClaim>>(namespace, ListParams::default())
            .await?
            .is_empty())
    }

    /// One value of a Secret, if both exist.
    pub async fn read_secret(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<SecretText>, ClusterError> {
        let entry = self.secret_entries(namespace, name).await?.and_then(|mut entries| entries.remove(key));
        let text = entry.map(|ByteString(bytes)| String::from_utf8(bytes)).transpose();
        text.map(|text| text.map(SecretText::new)).map_err(|_| {
            let message = format!("could not read the secret {name} in {namespace}: the entry {key} is not text");
            ClusterError::new(ClusterErrorKind::Unintelligible, message)
        })
    }

    /// A whole Secret.
    pub(super) async fn secret(&self, what: &str, namespace: &str, name: &str) -> Result<Secret, ClusterError> {
        self.secret_request::<Secret>(what, requests(namespace).get(name, &GetParams::default())).await
    }

    /// All values of a Secret, if it exists.
    pub(super) async fn secret_entries(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, ByteString>>, ClusterError> {
        Ok(self.find_secret(namespace, name).await?.map(|secret| secret.data.unwrap_or_default()))
    }

    /// A whole Secret, if it exists.
    pub(super) async fn find_secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ClusterError> {
        let what = format!("read the secret {name} in {namespace}");
        match self.secret(&what, namespace, name).await {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if error.kind() == ClusterErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The secret values of all Secrets in the namespace, whoever created them: to be masked in every text from it.
    pub(super) async fn secret_texts(&self, namespace: &str) -> Result<Vec<SecretText>, ClusterError> {
        let what = format!("read the secrets in {namespace}");
        let list = self.secret_request::<ObjectList<Secret>>(&what, requests(namespace).list(&not_helms())).await?;
        let entries = list.items.into_iter().filter_map(|secret| secret.data).flatten();
        let hidden = entries.filter(|(key, _)| !PUBLIC.contains(&key.as_str()));
        Ok(hidden.filter_map(|(_, ByteString(bytes))| String::from_utf8(bytes).ok()).map(SecretText::new).collect())
    }

    async fn secret_request<T: DeserializeOwned>(
        &self,
        what: &str,
        request: Result<http::Request<Vec<u8>>, ::kube::core::request::Error>,
    ) -> Result<T, ClusterError> {
        let text = self
            .call(what, |client| async move {
                client.request_text(request.map_err(::kube::Error::BuildRequest)?).await.map(SecretText::new)
            })
            .await?;
        // The parser's own message could quote the response.
        serde_json::from_str(text.expose()).map_err(|_| {
            let message = format!("could not {what}: the response is invalid");
            ClusterError::new(ClusterErrorKind::Unintelligible, message)
        })
    }
}

/// Selects all Secrets except release records.
pub(super) fn not_helms() -> ListParams {
    ListParams::default().fields("type!=helm.sh/release.v1")
}

/// The names without a Secret.
pub(super) fn missing(names: &[String], found: &[PartialObjectMeta<Secret>]) -> Vec<String> {
    let is_there = |name: &String| found.iter().any(|secret| secret.metadata.name.as_ref() == Some(name));
    names.iter().filter(|name| !is_there(name)).cloned().collect()
}

fn requests(namespace: &str) -> Request {
    Request::new(Secret::url_path(&(), Some(namespace)))
}
