//! The objects of a store's namespace.

use std::fmt::Debug;

use ::kube::Resource;
use ::kube::api::{DynamicObject, ListParams};
use ::kube::core::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use serde::de::DeserializeOwned;
use serde_json::Value;
use storeplane_core::failure::{DETAIL_LINE_MAX, truncate};
use storeplane_core::live_view::LiveResource;
use storeplane_core::store::Store;

use super::{Found, at, status};
use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::kube::redact::mask;
use crate::kube::routes;

/// Maximum number of objects of each kind, newest first.
const EACH_MAX: usize = 100;

impl Cluster {
    pub(super) async fn live_resources(&self, store: &Store) -> Result<Vec<LiveResource>, ClusterError> {
        let name = &store.placement.namespace;
        let namespace = match self.live_namespace(store).await? {
            Found::Missing => return Ok(vec![absent(name, "Missing", "")]),
            Found::Foreign => {
                return Ok(vec![absent(
                    name,
                    "Foreign",
                    "A namespace with this name exists but does not belong to this store.",
                )]);
            }
            Found::Ours(namespace) => namespace,
        };
        let (deployments, sets, pods, claims, services, cron_jobs, ingresses, routes) = futures::try_join!(
            self.live_list::<Deployment>(name),
            self.live_list::<StatefulSet>(name),
            self.live_list::<Pod>(name),
            self.live_list::<PersistentVolumeClaim>(name),
            self.live_list::<Service>(name),
            self.live_list::<CronJob>(name),
            self.live_list::<Ingress>(name),
            self.http_routes(name),
        )?;
        let mut all = vec![shown(&*namespace, status::namespace)];
        all.extend(services.iter().map(|object| shown(object, |service| status::service(service, &pods))));
        all.extend(deployments.iter().map(|object| shown(object, status::deployment)));
        all.extend(sets.iter().map(|object| shown(object, status::stateful_set)));
        all.extend(pods.iter().map(|object| shown(object, status::pod)));
        all.extend(claims.iter().map(|object| shown(object, status::claim)));
        all.extend(cron_jobs.iter().map(|object| shown(object, status::cron_job)));
        all.extend(ingresses.iter().map(|object| shown(object, status::ingress)));
        all.extend(routes.iter().take(EACH_MAX).map(route));
        all.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        self.mask_messages(name, &mut all).await;
        Ok(all)
    }

    /// The newest objects of a kind. Empty if the account may not list that kind, or no longer in a namespace that is being deleted: the others are still useful.
    async fn live_list<K>(&self, namespace: &str) -> Result<Vec<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut all: Vec<K> = match self.list_in(namespace, ListParams::default()).await {
            Err(error) if error.kind().is_refusal() => Vec::new(),
            listed => listed?,
        };
        all.sort_by(|a, b| b.meta().creation_timestamp.cmp(&a.meta().creation_timestamp));
        all.truncate(EACH_MAX);
        Ok(all)
    }

    async fn mask_messages(&self, namespace: &str, all: &mut [LiveResource]) {
        if all.iter().all(|resource| resource.message.is_empty()) {
            return;
        }
        let values = self.secret_texts(namespace).await;
        for resource in all {
            resource.message = match &values {
                // Masked first and truncated afterwards: a truncated secret no longer looks like one.
                Ok(values) => truncate(mask(&resource.message, values), DETAIL_LINE_MAX),
                Err(_) => String::new(),
            };
        }
    }
}

fn absent(name: &str, status: &str, message: &str) -> LiveResource {
    LiveResource {
        kind: Namespace::kind(&()).into_owned(),
        name: name.to_owned(),
        status: status.to_owned(),
        message: message.to_owned(),
        ..LiveResource::default()
    }
}

fn route(object: &DynamicObject) -> LiveResource {
    let hosts = object.data.pointer("/spec/hostnames").and_then(Value::as_array).into_iter().flatten();
    let problem = routes::problem(object);
    LiveResource {
        kind: "HTTPRoute".to_owned(),
        name: object.metadata.name.clone().unwrap_or_default(),
        ready: problem.is_none(),
        status: hosts.filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        message: problem.unwrap_or_default(),
        created_at: at(object.metadata.creation_timestamp.as_ref()),
        ..LiveResource::default()
    }
}

fn shown<K: Resource<DynamicType = ()>>(object: &K, status: impl FnOnce(&K) -> LiveResource) -> LiveResource {
    LiveResource {
        kind: K::kind(&()).into_owned(),
        name: object.meta().name.clone().unwrap_or_default(),
        created_at: at(object.meta().creation_timestamp.as_ref()),
        ..status(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn route_shows_its_hosts_and_why_it_is_not_served() {
        let object = |parents: Value| -> DynamicObject {
            let object = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "store"},
                "spec": {"hostnames": ["a.example.com", "b.example.com"]}, "status": {"parents": parents}});
            serde_json::from_value(object).expect("a route")
        };
        let served = route(&object(json!([{"conditions": [{"type": "Accepted", "status": "True"}]}])));
        assert_eq!((served.kind.as_str(), served.name.as_str(), served.ready), ("HTTPRoute", "store", true));
        assert_eq!((served.status.as_str(), served.message.as_str()), ("a.example.com,b.example.com", ""));
        let ignored = route(&object(json!([])));
        assert!(!ignored.ready && ignored.message.contains("No gateway has accepted"), "{ignored:?}");
    }
}
