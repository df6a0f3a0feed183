//! The alerts and the dashboard, as Prometheus reads them: syntax, and which alerts fire.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{charts, env};

fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new(env("STOREPLANE_TEST_PROMTOOL")).args(arguments).arg(file).output().expect("promtool");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{}: {said}", file.display());
}

fn file(name: &str) -> PathBuf {
    charts().join("storeplane/files").join(name)
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &file("alerts.yaml"));
    promtool(&["test", "rules"], &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/alerts/alerts.test.yaml"));
}

#[test]
fn every_alert_is_expected_to_fire_in_a_test() {
    let rules = std::fs::read_to_string(file("alerts.yaml")).unwrap();
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    let tests = include_str!("alerts.test.yaml");
    let untested = |alert: &&str| !tests.contains(&format!("alertname=\"{alert}\""));
    let untested: Vec<_> = alerts.into_iter().filter(untested).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn dashboard_queries_are_valid() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file("dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(queries.len() > 20, "{queries:?}");
    let rules = queries.iter().enumerate().map(|(number, query)| {
        serde_json::json!({"record": format!("query:{number}"), "expr": query.replace("$__rate_interval", "5m")})
    });
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    let all = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(all.path(), rules.to_string()).unwrap();
    promtool(&["check", "rules"], all.path());
    let ids: HashSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
}
