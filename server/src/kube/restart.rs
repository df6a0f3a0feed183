//! Pods read their Secrets when they start: those that are older than a Secret hold texts that are gone.

use std::fmt::Debug;

use ::kube::api::{ListParams, Patch, PatchParams};
use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::{Api, Resource, ResourceExt};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::labels;
use super::rollout::release_of;

impl Cluster {
    /// Restarts the release's workloads if a pod of one is older than the newest of the Secrets that we made. Gives
    /// their kinds and names. Done twice, it restarts once.
    pub async fn restart_older_than_secrets(
        &self,
        namespace: &str,
        release: &str,
    ) -> Result<Vec<String>, ClusterError> {
        let Some(newest) = self.newest_secret(namespace).await? else { return Ok(Vec::new()) };
        let pods = self.list_in::<PartialObjectMeta<Pod>>(namespace, ListParams::default()).await?;
        let is_stale = |pod: &ObjectMeta| pod.creation_timestamp.as_ref().is_some_and(|made| *made < newest);
        if !pods.iter().any(|pod| runs_for_good(&pod.metadata) && is_stale(&pod.metadata)) {
            return Ok(Vec::new());
        }
        let mut restarted = self.restart_all::<StatefulSet>(namespace, release, &newest).await?;
        restarted.extend(self.restart_all::<Deployment>(namespace, release, &newest).await?);
        Ok(restarted)
    }

    async fn newest_secret(&self, namespace: &str) -> Result<Option<Time>, ClusterError> {
        let what = format!("list the secrets in {namespace}");
        let ours = ListParams::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::STOREPLANE));
        let secrets = self.call(&what, |client| async move {
            Api::<PartialObjectMeta<Secret>>::namespaced(client, namespace).list(&ours).await
        });
        Ok(secrets.await?.items.into_iter().filter_map(|secret| secret.metadata.creation_timestamp).max())
    }

    /// As `kubectl rollout restart` does it: an annotation on the pods' template. Helm leaves alone what it does not know.
    async fn restart_all<K>(&self, namespace: &str, release: &str, since: &Time) -> Result<Vec<String>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut restarted = Vec::new();
        let all = self.list_in::<PartialObjectMeta<K>>(namespace, ListParams::default()).await?;
        for workload in all.iter().filter(|it| release_of(&it.metadata).is_some_and(|of| of == release)) {
            let name = workload.name_any();
            let annotations = json!({labels::SECRETS_SINCE: since});
            let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
            let what = format!("restart the {} {name} in {namespace}", K::kind(&()));
            self.call(&what, |client| async {
                let workloads = Api::<PartialObjectMeta<K>>::namespaced(client, namespace);
                workloads.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
            })
            .await?;
            restarted.push(format!("{} {name}", K::kind(&())));
        }
        Ok(restarted)
    }
}

/// A pod of a Deployment or a `StatefulSet` that is not on its way out. A job's pod ends by itself.
fn runs_for_good(pod: &ObjectMeta) -> bool {
    let owners = pod.owner_references.as_deref().unwrap_or_default();
    let lasting = owners.iter().any(|owner| matches!(owner.kind.as_str(), "ReplicaSet" | "StatefulSet"));
    lasting && pod.deletion_timestamp.is_none()
}
