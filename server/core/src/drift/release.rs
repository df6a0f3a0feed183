//! Helm's record of the deployed release, compared with the revision that the control plane recorded.

use serde_json::{Map, Value};

use crate::revision::{DeployedWith, Revision};

/// The difference in the value with which the control plane deploys a maintenance page.
pub(super) const MAINTENANCE: &str = "value store.maintenance";
/// Begins differences in images.
pub(super) const IMAGE: &str = "image ";

/// How the deployed release differs from the revision. Values are named, not shown: somebody may have passed a secret to helm.
pub fn of_release(recorded: &Revision, deployed: &DeployedWith) -> Vec<String> {
    let mut differences = Vec::new();
    let (version, chart) = (&recorded.settings.versions.chart, &deployed.chart_version);
    if version != chart {
        differences.push(format!("chart version {chart} instead of {version}"));
    } else if !recorded.has_chart_content(&deployed.chart_content) {
        differences.push(format!("files of chart version {chart}"));
    }
    let mut paths = Vec::new();
    compare(&recorded.values, &deployed.values, "", &mut paths);
    differences.extend(paths.into_iter().map(|path| format!("value {path}")));
    let is_in = |images: &[String], image: &String| images.contains(image);
    let added = deployed.images.iter().filter(|image| !is_in(&recorded.images, image));
    let removed = recorded.images.iter().filter(|image| !is_in(&deployed.images, image));
    differences.extend(added.map(|image| format!("{IMAGE}{image} added")));
    differences.extend(removed.map(|image| format!("{IMAGE}{image} removed")));
    differences
}

/// The paths at which two sets of values differ. A list is one value.
fn compare(recorded: &Value, deployed: &Value, path: &str, differing: &mut Vec<String>) {
    let none = Map::new();
    let (Some(before), Some(after)) = (fields(recorded, path, &none), fields(deployed, path, &none)) else {
        if recorded != deployed {
            differing.push(path.to_owned());
        }
        return;
    };
    let added = after.keys().filter(|name| !before.contains_key(*name));
    for name in before.keys().chain(added) {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => compare(before, after, &inner, differing),
            _ => differing.push(inner),
        }
    }
}

/// The fields of an object. Helm records no values at all as null.
fn fields<'a>(value: &'a Value, path: &str, none: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        Value::Null if path.is_empty() => Some(none),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::host_name::ServedDomains;
    use crate::ids::OperationId;
    use crate::settings::{Environment, Settings, Versions};

    fn recorded() -> Revision {
        let versions = Versions { chart: "1.0.0".into(), ..Versions::default() };
        Revision {
            number: 2,
            settings: Settings {
                display_name: "Tea".into(),
                plan: "small".into(),
                admin_email: "a@b.co".into(),
                environment: Environment::Production,
                domains: ServedDomains::default(),
                versions,
                smtp: None,
                plugins: crate::plugins::Plugins::new(),
            },
            values: json!({"store": {"id": "tea", "plan": {"cpu": 1}}, "hosts": ["a", "b"]}),
            images: vec!["db:1".into(), "shop:1".into()],
            chart_content: "abc".into(),
            image_digests: Vec::new(),
            operation: OperationId(Uuid::nil()),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn deployed() -> DeployedWith {
        let Revision { values, images, chart_content, settings, .. } = recorded();
        DeployedWith { values, images, chart_content, chart_version: settings.versions.chart, schema: None }
    }

    fn differences(change: impl FnOnce(&mut DeployedWith)) -> Vec<String> {
        let mut deployed = deployed();
        change(&mut deployed);
        of_release(&recorded(), &deployed)
    }

    #[test]
    fn same_release_has_no_difference() {
        assert!(differences(|_| {}).is_empty());
        let none = Revision { values: json!({}), ..recorded() };
        assert!(of_release(&none, &DeployedWith { values: Value::Null, ..deployed() }).is_empty());
    }

    #[test]
    fn values_are_named_by_their_paths_without_their_content() {
        let values = json!({"store": {"id": "tea", "plan": {"cpu": 2}, "password": "geheim"}, "hosts": ["a"]});
        let found = differences(|deployed| deployed.values = values);
        assert_eq!(found, ["value hosts", "value store.plan.cpu", "value store.password"]);
        assert_eq!(differences(|deployed| deployed.values = Value::Null), ["value hosts", "value store"]);
    }

    #[test]
    fn chart_is_compared_by_version_and_then_by_content() {
        assert_eq!(differences(|it| it.chart_version = "2".into()), ["chart version 2 instead of 1.0.0"]);
        assert_eq!(differences(|it| it.chart_content = "def".into()), ["files of chart version 1.0.0"]);
        let unrecorded = Revision { chart_content: String::new(), ..recorded() };
        assert!(of_release(&unrecorded, &deployed()).is_empty(), "of an earlier release of this server");
    }

    #[test]
    fn images_are_named() {
        let found = differences(|deployed| deployed.images = vec!["db:1".into(), "shop:2".into()]);
        assert_eq!(found, ["image shop:2 added", "image shop:1 removed"]);
    }
}
