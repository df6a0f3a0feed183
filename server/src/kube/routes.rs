//! Why a store's `HTTPRoute` serves nothing. Clusters without the Gateway API have no such kind, and are not asked to.

use ::kube::Api;
use ::kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

use super::cluster::Cluster;
use super::error::ClusterError;

/// Kinds of a route's parents. The first is the default.
const GATEWAY: &str = "Gateway";
const LISTENER_SET: &str = "ListenerSet";

/// The conditions that a gateway's controller sets on a route for each of its parents.
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
        return Some(format!("No gateway has accepted the HTTPRoute {name}: {}", question(route)));
    };
    parents.iter().find_map(|parent| {
        let parent_name = parent.pointer("/parentRef/name").and_then(Value::as_str).unwrap_or_default();
        let parent_kind = parent.get("parentRef").map_or(GATEWAY, kind_of);
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
            format!(
                "The {parent_kind} {parent_name} does not serve the HTTPRoute {name}: {kind} is False, {reason}: {message}."
            )
        })
    })
}

/// What to check if nothing has accepted the route.
fn question(route: &DynamicObject) -> String {
    let parents = route.data.pointer("/spec/parentRefs").and_then(Value::as_array);
    let set = parents.into_iter().flatten().find(|parent| kind_of(parent) == LISTENER_SET);
    match set.and_then(|parent| parent.get("name")).and_then(Value::as_str) {
        None => "does the Gateway that it names exist?".to_owned(),
        Some(name) => {
            format!("does the Gateway of the ListenerSet {name} exist, and admit it (spec.allowedListeners)?")
        }
    }
}

/// The kind of object that a `parentRef` names.
fn kind_of(parent: &Value) -> &str {
    parent.get("kind").and_then(Value::as_str).unwrap_or(GATEWAY)
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
        let expected = "The Gateway shops does not serve the HTTPRoute store: Accepted is False, NotAllowedByListeners: \
                        No listener allows routes of this namespace.";
        assert_eq!(problem(&route(&json!({"parents": [parent(&fine), parent(&refused)]}))).as_deref(), Some(expected));
        for nobody in [json!({}), json!({"parents": []})] {
            let message = problem(&route(&nobody)).expect("a problem");
            assert!(message.starts_with("No gateway has accepted the HTTPRoute store: does the Gateway"), "{message}");
        }
    }

    #[test]
    fn refused_route_of_a_domain_is_explained_by_its_listeners() {
        let parent_ref = json!({"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "store-domains"});
        let refused = json!([{"type": "Accepted", "status": "False", "reason": "NoReadyListeners", "message": "No listener is ready"}]);
        let explained = problem(&route(&json!({"parents": [{"parentRef": parent_ref, "conditions": refused}]})));
        let expected = "The ListenerSet store-domains does not serve the HTTPRoute store: Accepted is False, NoReadyListeners: \
                        No listener is ready.";
        assert_eq!(explained.as_deref(), Some(expected));
        let mut ignored = route(&json!({}));
        ignored.data["spec"] = json!({"parentRefs": [parent_ref]});
        let message = problem(&ignored).expect("a problem");
        assert!(
            message.ends_with("ListenerSet store-domains exist, and admit it (spec.allowedListeners)?"),
            "{message}"
        );
    }
}
