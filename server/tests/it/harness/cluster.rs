//! Access to the cluster's actual state.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Error;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use storeplane_server::kube::{Cluster, ClusterConfig, NamespaceState};

use super::account::{INSTANCE, admin_kubeconfig};

/// How long the API server may take to remove namespaces.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) struct Kubernetes {
    pub(crate) cluster: Cluster,
}

impl Kubernetes {
    /// As the administrator sees the objects of the usual instance.
    pub(crate) fn new() -> Self {
        Self::of(INSTANCE)
    }

    /// The same for another instance.
    pub(crate) fn of(instance: &str) -> Self {
        let config = ClusterConfig { kubeconfig: Some(admin_kubeconfig()), ..ClusterConfig::new(instance) };
        Self { cluster: Cluster::new(config) }
    }

    /// Removes every namespace of this control plane, and waits until the API server has none.
    pub(crate) async fn drop_all(&self) {
        let namespaces = Api::<Namespace>::all(self.client().await);
        let (mut since, mut fewest) = (Instant::now(), usize::MAX);
        loop {
            let left = self.cluster.all_namespaces().await.expect("the namespaces");
            if left.is_empty() {
                return;
            }
            if left.len() < fewest {
                (since, fewest) = (Instant::now(), left.len());
            }
            assert!(since.elapsed() < PATIENCE, "{} namespaces are left, such as {:?}", left.len(), left[0]);
            for namespace in left.iter().filter(|namespace| !namespace.terminating) {
                // A server that the test ended may have deleted it meanwhile.
                let deleted = namespaces.delete(&namespace.name, &DeleteParams::default()).await;
                let gone = matches!(&deleted, Err(Error::Api(status)) if status.is_not_found());
                assert!(deleted.is_ok() || gone, "{deleted:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Releases in a namespace, as `name status`.
    pub(crate) async fn releases(&self, namespace: &str) -> Vec<String> {
        let all = self.cluster.all_releases().await.expect("the releases");
        let here = all.into_iter().filter(|release| release.namespace == namespace);
        here.map(|release| format!("{} {}", release.name, release.observation.status.as_str())).collect()
    }

    /// True if the namespace exists.
    pub(crate) async fn has_namespace(&self, name: &str) -> bool {
        self.cluster.namespace_state(name).await.expect("the namespace") != NamespaceState::Absent
    }

    /// Asserts that a store has exactly one deployed release in its namespace.
    pub(crate) async fn assert_installed(&self, store_id: &str) {
        let name = format!("store-{store_id}");
        assert_eq!(self.releases(&name).await, [format!("{name} deployed")]);
    }

    /// Asserts that nothing of a store remains.
    pub(crate) async fn assert_gone(&self, store_id: &str) {
        let name = format!("store-{store_id}");
        assert!(!self.has_namespace(&name).await, "namespace {name} is left");
        assert_eq!(self.releases(&name).await, Vec::<String>::new());
    }

    pub(crate) async fn client(&self) -> kube::Client {
        self.cluster.client().await.expect("a client")
    }

    /// All texts in a namespace's config maps, which configure the shop.
    pub(crate) async fn configuration(&self, namespace: &str) -> Vec<String> {
        let maps = Api::<ConfigMap>::namespaced(self.client().await, namespace);
        let found = maps.list(&ListParams::default()).await.expect("the configuration");
        found.items.into_iter().flat_map(|map| map.data.unwrap_or_default().into_values()).collect()
    }

    /// A Secret created outside the control plane.
    pub(crate) async fn secret(&self, namespace: &str, name: &str, entries: &[(&str, &str)]) {
        let entries = entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned()));
        let mut secret = Secret { string_data: Some(entries.collect()), ..Secret::default() };
        secret.metadata.name = Some(name.to_owned());
        let secrets = Api::<Secret>::namespaced(self.client().await, namespace);
        secrets.create(&PostParams::default(), &secret).await.expect("a secret");
    }

    /// A namespace created outside the control plane.
    pub(crate) async fn foreign_namespace(&self, name: &str) {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        Api::<Namespace>::all(self.client().await)
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
    }

    /// Deletes it again.
    pub(crate) async fn drop_namespace(&self, name: &str) {
        Api::<Namespace>::all(self.client().await).delete(name, &DeleteParams::default()).await.expect("it was there");
    }
}
