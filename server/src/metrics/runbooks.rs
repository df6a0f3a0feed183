//! Tests that alerts, dashboard and operations guide name only what exists, and that each alert has its runbook.

use std::collections::BTreeSet;

use regex::Regex;
use serde::Deserialize;
use storeplane_core::failure::Reason;
use storeplane_core::operation::{OperationKind, OperationState, Step};
use storeplane_core::store::State;

use super::Metrics;

const ALERTS: &str = include_str!("../../../charts/storeplane/files/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../charts/storeplane/files/dashboard.json");
const GUIDE: &str = include_str!("../../../docs/operations.md");

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: Option<String>,
    expr: String,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

fn rules() -> Vec<Rule> {
    let rules: Rules = serde_saphyr::from_str(ALERTS).expect("YAML");
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// The section of the guide with this heading, without the next one.
fn section(heading: &str) -> Option<&'static str> {
    let (_, rest) = GUIDE.split_once(&format!("\n### {heading}\n"))?;
    Some(rest.split("\n### ").next().and_then(|rest| rest.split("\n## ").next()).unwrap_or_default())
}

#[test]
fn every_alert_has_its_runbook() {
    let alerts: Vec<_> = rules().into_iter().filter(|rule| rule.alert.is_some()).collect();
    assert!(alerts.len() > 10, "the alerts were read");
    for rule in &alerts {
        let name = rule.alert.as_deref().unwrap_or_default();
        let url = rule.annotations.get("runbook_url").map(String::as_str).unwrap_or_default();
        assert!(url.ends_with(&format!("/docs/operations.md#{}", name.to_lowercase())), "{name}: {url}");
        assert!(["summary", "description"].iter().all(|key| rule.annotations.contains_key(*key)), "{name}");
        assert!(["critical", "warning"].contains(&rule.labels["severity"].as_str()), "{name}");
        let runbook = section(name).unwrap_or_else(|| panic!("docs/operations.md has no section {name}"));
        for part in ["- Meaning: ", "- First look: ", "- Remedy: "] {
            assert_eq!(runbook.matches(part).count(), 1, "{name} lacks {part:?}");
        }
    }
    let sections = GUIDE.lines().filter(|line| line.starts_with("### Storeplane")).count();
    assert_eq!(sections, alerts.len(), "docs/operations.md has a runbook of an alert that does not exist");
}

#[test]
fn runbooks_name_reasons_that_exist() {
    let word = Regex::new(r"`([A-Z]+_[A-Z_]+)`").expect("a pattern");
    let mut named = BTreeSet::new();
    for rule in rules() {
        let runbook = rule.alert.as_deref().and_then(section).unwrap_or_default();
        named.extend(word.captures_iter(runbook).map(|found| found[1].to_owned()));
    }
    // Events of the log, which are documented in the same guide.
    for event in ["HEALTH_UNKNOWN", "CIRCUIT_OPENED"] {
        named.remove(event);
    }
    let unknown: Vec<_> = named.iter().filter(|name| name.parse::<Reason>().is_err()).collect();
    assert!(unknown.is_empty() && named.len() > 10, "{unknown:?} of {named:?}");
}

#[test]
fn alerts_and_dashboard_name_metrics_and_values_that_exist() {
    let name = Regex::new(r"\b(?:storeplane|process)_[a-z_]+").expect("a pattern");
    let matcher = Regex::new(r#"\b(\w+)=~?\\?"([^"\\$]*)\\?""#).expect("a pattern");
    let codes = ["UNAVAILABLE", "INTERNAL", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED"];
    let exists = |found: &str| {
        let known = |metric: &str| Metrics::ALL.iter().any(|each| each.name == metric);
        known(found) || ["_bucket", "_count", "_sum"].iter().any(|end| found.strip_suffix(end).is_some_and(known))
    };
    let exprs: String = rules().into_iter().map(|rule| rule.expr.replace("job:storeplane_rpc_errors:", "")).collect();
    for text in [exprs.as_str(), DASHBOARD] {
        let names: Vec<_> = name.find_iter(text).map(|found| found.as_str()).collect();
        let unknown: Vec<_> = names.iter().filter(|found| !exists(found)).collect();
        assert!(names.len() > 20 && unknown.is_empty(), "{unknown:?}");
        for found in matcher.captures_iter(text) {
            for value in found[2].split('|').filter(|value| !value.is_empty()) {
                let known = match &found[1] {
                    "state" => State::parse(value).is_some() || ["used", "idle"].contains(&value),
                    "kind" => OperationKind::parse(value).is_some(),
                    "step" => Step::parse(value).is_some(),
                    "outcome" => OperationState::parse(value).is_some(),
                    "code" => codes.contains(&value) || value == "OK",
                    "cause" => ["EXPIRED", "SUPERSEDED"].contains(&value),
                    "dependency" => ["postgres", "kubernetes", "helm"].contains(&value),
                    "method" => value == "WaitOperation",
                    other => panic!("{other} = {value}: say which values it has"),
                };
                assert!(known, "{}", &found[0]);
            }
        }
    }
}
