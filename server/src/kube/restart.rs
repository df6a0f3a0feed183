//! Restarts pods with outdated Secrets. Pods read their Secrets at their start: those that are older than the last change of one
//! have old values, whether the Secret was recreated or edited.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ::kube::api::{ListParams, Patch, PatchParams};
use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::{Api, Resource, ResourceExt};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Container, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::labels;
use super::rollout::release_of;
use super::secrets::not_helms;

impl Cluster {
    /// Restarts the release's workloads with a pod that is older than the last change of a Secret it reads. Returns
    /// their kinds and names. Repeating it does not restart them again. Times have whole seconds: with `rotated`, a pod of the same second
    /// is older, unless it was restarted for that change.
    pub async fn restart_older_than_secrets(
        &self,
        namespace: &str,
        release: &str,
        rotated: bool,
    ) -> Result<Vec<String>, ClusterError> {
        let secrets: Vec<PartialObjectMeta<Secret>> = self.list_in(namespace, not_helms()).await?;
        let changed: BTreeMap<_, _> =
            secrets.iter().filter_map(|secret| Some((secret.name_any(), changed(&secret.metadata)?))).collect();
        let pods = self.list_in::<Pod>(namespace, ListParams::default()).await?;
        let Some(newest) = pods.iter().filter_map(|pod| missed(pod, &changed, rotated)).max() else {
            return Ok(Vec::new());
        };
        let mut restarted = self.restart_all::<StatefulSet>(namespace, release, newest).await?;
        restarted.extend(self.restart_all::<Deployment>(namespace, release, newest).await?);
        Ok(restarted)
    }

    /// Like `kubectl rollout restart`: an annotation on the pod template, which helm preserves.
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

/// When a Secret got its current values: its creation, or the last write to its data.
fn changed(secret: &ObjectMeta) -> Option<Time> {
    let writes = secret
        .managed_fields
        .iter()
        .flatten()
        .filter(|write| write.fields_v1.as_ref().is_some_and(|fields| fields.0.get("f:data").is_some()));
    writes.filter_map(|write| write.time.clone()).chain(secret.creation_timestamp.clone()).max()
}

/// The last change of a Secret that this pod reads, if that came after its start, or in the same second if it was `rotated`.
fn missed<'a>(pod: &Pod, changed: &'a BTreeMap<String, Time>, rotated: bool) -> Option<&'a Time> {
    if !runs_for_good(&pod.metadata) {
        return None;
    }
    let started = pod.metadata.creation_timestamp.as_ref()?;
    let since = pod.metadata.annotations.as_ref().and_then(|all| all.get(labels::SECRETS_SINCE));
    let since = since.and_then(|text| serde_json::from_value::<Time>(json!(text)).ok());
    let is_older = |changed: &&Time| started < *changed || (rotated && started == *changed);
    let is_known = |changed: &&Time| since.as_ref().is_some_and(|since| since >= *changed);
    let read = secrets(pod).into_iter().filter_map(|name| changed.get(name));
    read.filter(|changed| is_older(changed) && !is_known(changed)).max()
}

/// The Secrets that a pod reads.
fn secrets(pod: &Pod) -> Vec<&str> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let volumes = spec.volumes.iter().flatten();
    let mounted = volumes.clone().filter_map(|volume| volume.secret.as_ref()?.secret_name.as_deref());
    let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref()).flatten();
    let projected = sources.filter_map(|source| source.secret.as_ref().map(|secret| secret.name.as_str()));
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    mounted.chain(projected).chain(containers.flat_map(of_container)).collect()
}

fn of_container(container: &Container) -> impl Iterator<Item = &str> {
    let variables = container.env.iter().flatten();
    let single = variables.filter_map(|it| Some(it.value_from.as_ref()?.secret_key_ref.as_ref()?.name.as_str()));
    let whole = container.env_from.iter().flatten();
    single.chain(whole.filter_map(|it| it.secret_ref.as_ref().map(|secret| secret.name.as_str())))
}

/// A pod of a Deployment or a `StatefulSet` that is not terminating. A job's pod ends anyway.
fn runs_for_good(pod: &ObjectMeta) -> bool {
    let owners = pod.owner_references.as_deref().unwrap_or_default();
    let lasting = owners.iter().any(|owner| matches!(owner.kind.as_str(), "ReplicaSet" | "StatefulSet"));
    lasting && pod.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn secret(fields: &Value, written: &str) -> ObjectMeta {
        let metadata = json!({"name": "store-db", "creationTimestamp": "2026-11-25T10:00:00Z", "managedFields": [
            {"manager": "storeplane", "operation": "Update", "time": "2026-11-25T10:00:00Z", "fieldsV1": {"f:data": {}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": written, "fieldsV1": fields}]});
        serde_json::from_value(metadata).expect("metadata")
    }

    fn pod(owner: &str, started: &str, spec: &Value) -> Pod {
        let owners = json!([{"apiVersion": "v1", "kind": owner, "name": "x", "uid": "u", "controller": true}]);
        let metadata = json!({"name": "p", "creationTimestamp": started, "ownerReferences": owners});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("a pod")
    }

    #[test]
    fn pods_older_than_their_secret_are_found() {
        let edited = BTreeMap::from([(
            "store-db".to_owned(),
            changed(&secret(&json!({"f:data": {"f:password": {}}}), "2026-11-25T12:00:00Z")).expect("a time"),
        )]);
        let labelled = BTreeMap::from([(
            "store-db".to_owned(),
            changed(&secret(&json!({"f:metadata": {"f:labels": {}}}), "2026-11-25T12:00:00Z")).expect("a time"),
        )]);
        let env = json!({"containers": [{"name": "c", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "store-db", "key": "password"}}}]}]});
        let all = json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "store-db"}}]}]});
        let init = json!({"containers": [], "initContainers": [{"name": "c", "envFrom": [{"secretRef": {"name": "store-db"}}]}]});
        let mount = json!({"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "store-db"}}]});
        let none = json!({"containers": [{"name": "c"}]});
        let before = "2026-11-25T11:00:00Z";
        for spec in [&env, &all, &init, &mount] {
            assert!(missed(&pod("StatefulSet", before, spec), &edited, false).is_some(), "{spec}");
            assert!(missed(&pod("ReplicaSet", "2026-11-25T12:00:00Z", spec), &edited, false).is_none(), "{spec}");
            let rotated = pod("ReplicaSet", "2026-11-25T12:00:00Z", spec);
            assert!(missed(&rotated, &edited, true).is_some(), "in the same second: {spec}");
            let mut restarted = rotated;
            let since = BTreeMap::from([(labels::SECRETS_SINCE.to_owned(), "2026-11-25T12:00:00Z".to_owned())]);
            restarted.metadata.annotations = Some(since);
            assert!(missed(&restarted, &edited, true).is_none(), "restarted for that change: {spec}");
            assert!(missed(&pod("Job", before, spec), &edited, false).is_none(), "{spec}");
            assert!(
                missed(&pod("StatefulSet", before, spec), &labelled, false).is_none(),
                "its texts are the same: {spec}"
            );
        }
        assert!(missed(&pod("StatefulSet", before, &none), &edited, false).is_none());
    }
}
