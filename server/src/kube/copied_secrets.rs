//! Secrets that operators maintain in one place and every store needs: for pulling images, and certificates for all shops. Each
//! store's namespace gets a copy of the same type; copies follow their original.

use std::collections::BTreeMap;
use std::time::Duration;

use ::kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use ::kube::core::PartialObjectMeta;
use ::kube::{Api, Resource as _};
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;

/// Field manager of the copies.
const MANAGER: &str = "storeplane";
/// How often copies are compared with their originals.
const REFRESH: Duration = Duration::from_mins(2);

/// The purpose of a copy: which value of the chart names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopiedSecretUse {
    /// `imagePullSecrets` names it.
    ImagePull,
    /// `ingress.tls.secretName` names it.
    Tls,
    /// No value names it.
    None,
}

/// A Secret that every store's namespace gets a copy of, under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiedSecret {
    /// Where the original is.
    pub namespace: String,
    /// Its name, in both namespaces.
    pub name: String,
    /// Its purpose.
    #[serde(rename = "use")]
    pub purpose: CopiedSecretUse,
}

impl Cluster {
    /// The Secrets that are copied into every store's namespace.
    pub fn copied_secrets(&self) -> &[CopiedSecret] {
        &self.config().copied_secrets
    }

    /// Creates or updates all copies in the namespace.
    pub async fn copy_secrets(&self, namespace: &str) -> Result<(), ClusterError> {
        for wanted in self.copied_secrets() {
            let original = self.original(wanted).await?;
            self.write_copy(namespace, wanted, &original).await?;
        }
        Ok(())
    }

    /// Keeps the copies in all of this control plane's namespaces up to date until `stop`.
    pub async fn refresh_copied_secrets(self, stop: CancellationToken) {
        while !self.copied_secrets().is_empty() {
            if stop.run_until_cancelled(tokio::time::sleep(REFRESH)).await.is_none() {
                return;
            }
            if let Err(error) = self.refresh_copies().await {
                tracing::warn!(%error, "copied Secrets are not refreshed");
            }
        }
    }

    /// Brings the copies that exist up to date.
    pub async fn refresh_copies(&self) -> Result<(), ClusterError> {
        for wanted in self.copied_secrets() {
            let original = self.original(wanted).await?;
            let version = original.metadata.resource_version.clone().unwrap_or_default();
            let copies = ListParams::default().labels(&format!("{}={}", labels::COPIED_FROM, mark(wanted)));
            let copies: Vec<PartialObjectMeta<Secret>> = self.list_visible("list the copied secrets", copies).await?;
            for copy in copies {
                let annotations = copy.metadata.annotations.unwrap_or_default();
                let Some(namespace) = copy.metadata.namespace else { continue };
                if annotations.get(labels::COPIED_VERSION) == Some(&version)
                    || annotations.get(labels::INSTANCE) != Some(&self.config().instance)
                {
                    continue;
                }
                self.write_copy(&namespace, wanted, &original).await?;
                tracing::info!(namespace, secret = wanted.name, "copied Secret refreshed");
            }
        }
        Ok(())
    }

    async fn original(&self, wanted: &CopiedSecret) -> Result<Secret, ClusterError> {
        let CopiedSecret { namespace, name, .. } = wanted;
        let what = format!("read the secret {name} in {namespace}, which every store gets a copy of");
        self.secret(&what, namespace, name).await
    }

    async fn write_copy(&self, namespace: &str, wanted: &CopiedSecret, original: &Secret) -> Result<(), ClusterError> {
        let name = &wanted.name;
        let annotations = BTreeMap::from([
            (labels::COPIED_VERSION, original.metadata.resource_version.clone().unwrap_or_default()),
            (labels::INSTANCE, self.config().instance.clone()),
        ]);
        let copy = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": {labels::COPIED_FROM: mark(wanted)}, "annotations": annotations},
            "type": original.type_,
            "data": original.data,
        });
        match self.apply_secret(namespace, name, &copy).await {
            // A Secret's type cannot be changed in place.
            Err(error) if error.kind() == ClusterErrorKind::Rejected => {
                let what = format!("replace the secret {name} in {namespace}");
                self.call(&what, |client| async move {
                    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client, namespace);
                    secrets.delete(name, &DeleteParams::default()).await.map(drop)
                })
                .await?;
                self.apply_secret(namespace, name, &copy).await
            }
            written => written,
        }
    }

    async fn apply_secret(&self, namespace: &str, name: &str, copy: &serde_json::Value) -> Result<(), ClusterError> {
        let what = format!("copy the secret {name} to {namespace}");
        let apply = PatchParams::apply(MANAGER).force();
        self.call(&what, |client| async move {
            let path = Secret::url_path(&(), Some(namespace));
            let request = ::kube::core::Request::new(path).patch(name, &apply, &Patch::Apply(copy));
            client.request_text(request.map_err(::kube::Error::BuildRequest)?).await.map(drop)
        })
        .await
    }
}

/// A label value; a namespace and a Secret's name contain dots at most, but together may exceed a label's length.
fn mark(wanted: &CopiedSecret) -> String {
    let full = format!("{}.{}", wanted.namespace, wanted.name);
    if full.len() <= 63 { full } else { blake3::hash(full.as_bytes()).to_hex().chars().take(32).collect() }
}
