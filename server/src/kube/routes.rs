//! Why a store's `HTTPRoute` serves nothing. Clusters without the Gateway API have no such kind, and are not asked to.

use ::kube::Api;
use ::kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

use super::cluster::Cluster;
use super::error::ClusterError;

/// The conditions that a gateway's controller sets on a route for each of its gateways.
const NEEDED: [&str; 2] = ["Accepted", "ResolvedRefs"];

impl Cluster {
    /// One sentence about the first route in the namespace that a gateway does not serve; `None` if there is none, or if it is not known.
    pub async fn route_problem(&self, namespace: &str) -> Result<Option<String>, ClusterError> {
        Ok(self.http_routes(namespace).await?.iter().find_map(problem))
    }

    /// The routes in the namespace. Empty if the cluster has no such kind, or if the account may not list it.
    pub(super) async fn http_routes(&self, namespace: &str) -> Result<Vec<DynamicObject>, ClusterError> {
        let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
        let resource = ApiResource::from_gvk_with_plural(&kind, "httproutes");
        let listed = self
            .call("list the HTTPRoutes of a store", |client| async move {
                Api::<DynamicObject>::namespaced_with(client, namespace, &resource).list(&ListParams::default()).await
            })
            .await;
        match listed {
            Ok(routes) => Ok(routes.items),
            Err(error) if error.kind().is_refusal() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Why a gateway does not serve the route.
pub(super) fn problem(route: &DynamicObject) -> Option<String> {
    let name = route.metadata.name.as_deref().unwrap_or_default();
    let parents = route.data.pointer("/status/parents").and_then(Value::as_array);
    let Some(parents) = parents.filter(|parents| !parents.is_empty()) else {
        return Some(format!("No gateway has accepted the HTTPRoute {name}: does the Gateway that it names exist?"));
    };
    parents.iter().find_map(|parent| {
        let gateway = parent.pointer("/parentRef/name").and_then(Value::as_str).unwrap_or_default();
        let conditions = parent.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let text =
            |condition: &Value, key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let refused = |condition: &&Value| {
            NEEDED.contains(&text(condition, "type").as_str()) && text(condition, "status") == "False"
        };
        conditions.into_iter().find(refused).map(|condition| {
            let (kind, reason, message) =
                (text(condition, "type"), text(condition, "reason"), text(condition, "message"));
            let message = message.trim_end_matches('.');
            format!("The gateway {gateway} does not serve the HTTPRoute {name}: {kind} is False, {reason}: {message}.")
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(status: &Value) -> DynamicObject {
        let route = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "store"}, "status": status});
        serde_json::from_value(route).expect("a route")
    }

    fn parent(conditions: &Value) -> Value {
        json!({"controllerName": "example.com/gateway", "parentRef": {"name": "shops", "namespace": "edge"}, "conditions": conditions})
    }

    #[test]
    fn refused_route_is_explained_by_its_gateway() {
        let fine = json!([{"type": "Accepted", "status": "True"}, {"type": "ResolvedRefs", "status": "True"}]);
        assert_eq!(problem(&route(&json!({"parents": [parent(&fine)]}))), None);
        let refused = json!([
            {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": ""},
            {"type": "Accepted", "status": "False", "reason": "NotAllowedByListeners", "message": "No listener allows routes of this namespace."},
        ]);
        let expected = "The gateway shops does not serve the HTTPRoute store: Accepted is False, NotAllowedByListeners: \
                        No listener allows routes of this namespace.";
        assert_eq!(problem(&route(&json!({"parents": [parent(&fine), parent(&refused)]}))).as_deref(), Some(expected));
        for nobody in [json!({}), json!({"parents": []})] {
            let message = problem(&route(&nobody)).expect("a problem");
            assert!(message.starts_with("No gateway has accepted the HTTPRoute store"), "{message}");
        }
    }
}
