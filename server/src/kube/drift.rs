//! What of a release is deployed, and how its live workloads differ from it.

use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::NamespaceResourceScope;
use ::kube::{Resource, ResourceExt};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storeplane_core::drift::{PodSpec, of_pods};
use storeplane_core::revision::DeployedWith;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::manifest::{WorkloadPods, workload_pods};
use super::release::ReleaseStatus;
use super::rollout::ResourceKind;

/// A deployed release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedConfiguration {
    /// With what it is deployed.
    pub with: DeployedWith,
    /// How its live workloads differ from its manifest. A missing workload is none: the store's health shows it.
    pub workloads: Vec<String>,
}

impl Cluster {
    /// Reads a release and its workloads, in four requests. `None` if its newest revision is not deployed.
    pub async fn deployed_configuration(
        &self,
        namespace: &str,
        release: &str,
    ) -> Result<Option<DeployedConfiguration>, ClusterError> {
        let found = self.release(namespace, release).await?;
        let Some(found) = found.filter(|found| found.status == ReleaseStatus::Deployed) else { return Ok(None) };
        let deployed = self.deployed_manifest(namespace, release, found.revision).await?;
        let Some((with, manifest)) = deployed else { return Ok(None) };
        let expected = workload_pods(&manifest, namespace);
        let mut workloads = self.differing::<Deployment>(namespace, ResourceKind::Deployment, &expected).await?;
        workloads.extend(self.differing::<StatefulSet>(namespace, ResourceKind::StatefulSet, &expected).await?);
        Ok(Some(DeployedConfiguration { with, workloads }))
    }

    async fn differing<K>(
        &self,
        namespace: &str,
        kind: ResourceKind,
        expected: &[WorkloadPods],
    ) -> Result<Vec<String>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
    {
        let live = self.list_in::<K>(namespace, ListParams::default()).await?;
        let found = live.iter().filter_map(|object| {
            let name = object.name_any();
            let expected = expected.iter().find(|each| each.name.kind == kind && each.name.name == name)?;
            let object = serde_json::to_value(object).ok()?;
            let live = PodSpec(object.pointer("/spec/template/spec")?.clone());
            Some(of_pods(&format!("{kind} {name}"), &expected.pods, &live))
        });
        Ok(found.flatten().collect())
    }
}
