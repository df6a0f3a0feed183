//! A live workload's pods, compared with those of helm's manifest.
//!
//! The manifest is compared as a subset: defaults, sidecars and variables that only the live object has are not helm's, which leaves them
//! there. Replicas are not compared: autoscalers and maintenance change them.

use serde_json::Value;

use crate::quota::quantity;

/// What a pod's containers run, as in a manifest or a live object: a Kubernetes `PodSpec`.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSpec(pub Value);

/// How the pods of a live workload differ from those of the manifest. Variables are named, not shown.
pub fn of_pods(workload: &str, manifest: &PodSpec, live: &PodSpec) -> Vec<String> {
    let mut differences = Vec::new();
    for list in ["initContainers", "containers"] {
        for expected in named(&manifest.0, list) {
            let name = text(expected, "name");
            match find(named(&live.0, list), name) {
                None => differences.push(format!("{workload} lacks container {name}")),
                Some(found) => {
                    let mut fields = Vec::new();
                    compare(expected, found, &mut fields);
                    differences
                        .extend(fields.into_iter().map(|field| format!("{workload}, container {name}: {field}")));
                }
            }
        }
    }
    differences
}

fn compare(expected: &Value, found: &Value, fields: &mut Vec<String>) {
    let (before, after) = (text(expected, "image"), text(found, "image"));
    if before != after {
        fields.push(format!("image {after} instead of {before}"));
    }
    for field in ["command", "args"] {
        let named = expected.get(field).filter(|named| !is_empty(named));
        if named.is_some_and(|named| found.get(field) != Some(named)) {
            fields.push(field.to_owned());
        }
    }
    for variable in named(expected, "env") {
        let name = text(variable, "name");
        // A name may occur twice.
        let last = find(named(expected, "env"), name).unwrap_or(variable);
        let same = find(named(found, "env"), name).is_some_and(|found| is_same_variable(last, found));
        if !same && last == variable {
            fields.push(format!("env {name}"));
        }
    }
    for (kind, resource, wanted) in resources(expected) {
        let found = found.get("resources").and_then(|all| all.get(kind)?.get(resource));
        if !found.is_some_and(|found| is_same_quantity(wanted, found)) {
            fields.push(format!("resources.{kind}.{resource}"));
        }
    }
}

/// The named objects of a list.
fn named<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// The last one with that name: it is the one that takes effect.
fn find<'a>(all: impl Iterator<Item = &'a Value>, name: &str) -> Option<&'a Value> {
    all.filter(|each| text(each, "name") == name).last()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Kubernetes does not store empty fields.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn is_same_variable(expected: &Value, found: &Value) -> bool {
    let source = expected.get("valueFrom").filter(|source| !is_empty(source));
    text(expected, "value") == text(found, "value")
        && source.is_none_or(|source| found.get("valueFrom").is_some_and(|found| is_subset(source, found)))
}

/// True if the live value has all fields of the manifest's, and perhaps defaults.
fn is_subset(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().all(|(name, expected)| {
            is_empty(expected) || found.get(name).is_some_and(|found| is_subset(expected, found))
        }),
        _ => expected == found,
    }
}

/// The requests and limits: kind, resource, quantity.
fn resources(container: &Value) -> impl Iterator<Item = (&'static str, &str, &Value)> {
    ["requests", "limits"].into_iter().flat_map(move |kind| {
        let fields = container.get("resources").and_then(|all| all.get(kind)?.as_object());
        let each = fields.into_iter().flatten().map(move |(resource, wanted)| (kind, resource.as_str(), wanted));
        each.filter(|(_, _, wanted)| !is_empty(wanted))
    })
}

/// `1` and `1000m` are the same: the API server stores quantities in its own form.
fn is_same_quantity(expected: &Value, found: &Value) -> bool {
    let texts = [expected, found].map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let [before, after] = texts.each_ref().map(|text| quantity::millis(text));
    // One that is not read here, such as `1e3`, is not judged unless it is another text of the same form.
    match (before, after) {
        (Some(before), Some(after)) => before == after,
        (None, None) => texts[0] == texts[1],
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest() -> Value {
        json!({
            "initContainers": [{"name": "wait", "image": "tools:1", "command": ["wait", "db"]}],
            "containers": [{
                "name": "store", "image": "shop:1", "args": [], "command": null,
                "env": [
                    {"name": "HOST", "value": "overridden"},
                    {"name": "HOST", "value": "tea.test"},
                    {"name": "EMPTY", "value": ""},
                    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                ],
                "resources": {"requests": {"cpu": "1000m", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": null}},
            }],
        })
    }

    /// As the API server stores it.
    fn live() -> Value {
        json!({
            "restartPolicy": "Always",
            "initContainers": [{"name": "wait", "image": "tools:1", "command": ["wait", "db"], "imagePullPolicy": "Always"}],
            "containers": [
                {"name": "proxy", "image": "injected:1"},
                {
                    "name": "store", "image": "shop:1", "imagePullPolicy": "IfNotPresent",
                    "env": [
                        {"name": "HOST", "value": "tea.test"},
                        {"name": "EMPTY"},
                        {"name": "ADDED", "value": "by hand"},
                        {"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}},
                    ],
                    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "storage": "1"}},
                },
            ],
        })
    }

    fn differences(pointer: &str, value: Value) -> Vec<String> {
        let mut live = live();
        *live.pointer_mut(pointer).expect(pointer) = value;
        of_pods("Deployment store", &PodSpec(manifest()), &PodSpec(live))
    }

    #[test]
    fn what_only_the_live_object_has_is_no_difference() {
        assert!(of_pods("Deployment store", &PodSpec(manifest()), &PodSpec(live())).is_empty());
    }

    #[test]
    fn changed_fields_are_named() {
        let container = "Deployment store, container store: ";
        for (pointer, value, expected) in [
            ("/containers/1/image", json!("shop:2"), "image shop:2 instead of shop:1"),
            ("/containers/1/env/0/value", json!("secret"), "env HOST"),
            ("/containers/1/env/0/name", json!("OTHER"), "env HOST"),
            ("/containers/1/env/1", json!({"name": "EMPTY", "value": "1"}), "env EMPTY"),
            ("/containers/1/env/3/valueFrom/fieldRef/fieldPath", json!("spec.hostIP"), "env NODE"),
            ("/containers/1/env/3", json!({"name": "NODE", "value": "n1"}), "env NODE"),
            ("/containers/1/resources/requests/cpu", json!("1001m"), "resources.requests.cpu"),
            ("/containers/1/resources/limits", json!({}), "resources.limits.cpu"),
        ] {
            assert_eq!(differences(pointer, value), [format!("{container}{expected}")], "{pointer}");
        }
        let found = differences("/initContainers/0/command", json!(["true"]));
        assert_eq!(found, ["Deployment store, container wait: command"]);
        assert_eq!(differences("/initContainers", json!([])), ["Deployment store lacks container wait"]);
    }

    #[test]
    fn quantities_of_another_form_are_not_judged() {
        assert!(differences("/containers/1/resources/limits/cpu", json!("2e0")).is_empty());
    }
}
