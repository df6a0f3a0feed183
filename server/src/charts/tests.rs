use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::config::Overrides;
use crate::helm::HelmConfig;

/// Loads the charts of a configuration. Helm is not needed for directories and packages.
async fn loaded(file: &str) -> Result<Charts, CatalogError> {
    let config = Config::parse(file, &Overrides::default()).expect("a configuration");
    load(&config, &Helm::new(HelmConfig::default()), &CancellationToken::new()).await
}

/// Why they cannot be loaded.
async fn problem(file: &str) -> String {
    loaded(file).await.err().map(|error| error.to_string()).unwrap_or_default()
}

/// A folder of charts with the chart `tea` at this version.
fn folder(version: &str) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    write(&dir.path().join("tea"), version);
    dir
}

fn write(chart: &Path, version: &str) {
    std::fs::create_dir_all(chart.join("plans")).expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(chart.join(name), text).expect("a file");
    write("Chart.yaml", &format!("apiVersion: v2\nname: tea\nversion: {version}\nappVersion: '9'\n"));
    write("plans/small.yaml", "");
    write("storeplane.yaml", &format!("release: {{schema: 's{version}', security: true, notes: New in {version}}}\n"));
}

/// A package of the chart `tea` at this version, and its digest.
fn package(dir: &TempDir, version: &str) -> String {
    let chart = tempfile::tempdir().expect("a directory");
    write(chart.path(), version);
    let package = ChartFiles::read_dir(chart.path()).and_then(|files| files.pack("tea")).expect("a package");
    std::fs::write(dir.path().join(format!("tea-{version}.tgz")), &package).expect("a file");
    files::sha256(&package)
}

fn config(dir: &TempDir, engine: &str) -> String {
    format!("[charts]\ndir = {:?}\ndefault_engine = 'tea'\n[engines.tea]\n{engine}", dir.path())
}

fn versions(charts: &Charts) -> Vec<String> {
    charts.catalog.versions("tea").map(|engine| engine.versions.chart.clone()).collect()
}

#[tokio::test]
async fn packages_beside_the_chart_are_its_versions() {
    let dir = folder("0.2.0");
    package(&dir, "0.10.0");
    package(&dir, "0.1.0");
    std::fs::write(dir.path().join("tea-extra-1.0.0.tgz"), "another chart").expect("a file");
    std::fs::write(dir.path().join("tea-latest.tgz"), "no version").expect("a file");
    let charts = loaded(&config(&dir, "")).await.expect("charts");
    assert_eq!(versions(&charts), ["0.10.0", "0.2.0", "0.1.0"]);
    let default = charts.catalog.engine("tea").expect("the engine");
    assert_eq!(default.versions.chart, "0.2.0");
    let old = charts.catalog.engine_at("tea", "0.1.0").expect("unpacked");
    assert_eq!((old.versions.schema.as_str(), old.info.security, &*old.info.notes), ("s0.1.0", true, "New in 0.1.0"));
    assert!(old.chart.join("plans/small.yaml").is_file() && !old.chart.starts_with(dir.path()));
    assert_eq!(charts.catalog.engine_by_digest("tea", &old.versions.digest), Some(old));
    assert_eq!(charts.stored.len(), 3);
    for stored in &charts.stored {
        assert_eq!(ChartFiles::unpack(&stored.package).expect("a package").digest(), stored.versions.digest);
    }
}

#[tokio::test]
async fn default_version_may_be_a_package() {
    let dir = folder("0.2.0");
    package(&dir, "0.3.0");
    let charts = loaded(&config(&dir, "default_version = '0.3.0'")).await.expect("charts");
    assert_eq!(charts.catalog.engine("tea").map(|engine| engine.versions.chart.as_str()), Some("0.3.0"));
    let charts = loaded(&config(&dir, "chart = 'tea-0.3.0.tgz'\nversions = ['tea']")).await.expect("charts");
    assert_eq!(charts.catalog.engine("tea").map(|engine| engine.versions.chart.as_str()), Some("0.3.0"));
    assert_eq!(versions(&charts), ["0.3.0", "0.2.0"]);
    let error = problem(&config(&dir, "default_version = '7.0.0'")).await;
    assert_eq!(error, "engines.tea.default_version: must be one of: 0.2.0, 0.3.0");
}

#[tokio::test]
async fn wrong_versions_name_the_key() {
    let dir = folder("0.2.0");
    let digest = package(&dir, "0.3.0");
    assert!(loaded(&config(&dir, &format!("digests = {{'0.3.0' = '{digest}'}}"))).await.is_ok());
    let zeros = format!("sha256:{}", "0".repeat(64));
    let mismatch = problem(&config(&dir, &format!("digests = {{'0.3.0' = '{zeros}'}}"))).await;
    assert_eq!(mismatch, format!("engines.tea.digests: 0.3.0: tea-0.3.0.tgz has {digest}, not {zeros}"));
    let directory = problem(&config(&dir, &format!("digests = {{'0.2.0' = '{zeros}'}}"))).await;
    assert!(directory.starts_with("engines.tea.digests: 0.2.0: tea is a directory"), "{directory}");
    let unknown = problem(&config(&dir, &format!("digests = {{'7.0.0' = '{zeros}'}}"))).await;
    assert_eq!(unknown, "engines.tea.digests: 7.0.0: there is no version 7.0.0");

    std::fs::write(dir.path().join("tea/Chart.yaml"), "name: tea\nversion: 0.3.0\n").expect("a file");
    let twice = problem(&config(&dir, "")).await;
    assert_eq!(twice, "engines.tea.versions: tea and tea-0.3.0.tgz are different charts 0.3.0");
    std::fs::write(dir.path().join("tea/Chart.yaml"), "name: shop\nversion: 0.4.0\n").expect("a file");
    let other = problem(&config(&dir, "versions = ['tea-0.3.0.tgz']")).await;
    assert_eq!(other, "engines.tea.versions: tea-0.3.0.tgz is the chart tea, not shop");
    std::fs::write(dir.path().join("tea/Chart.yaml"), "name: tea\nversion: latest\n").expect("a file");
    let unordered = problem(&config(&dir, "")).await;
    assert!(unordered.contains("tea/Chart.yaml has no name, or no semantic version"), "{unordered}");
}

#[tokio::test]
async fn every_version_needs_the_engine_s_values_files() {
    let dir = folder("0.2.0");
    std::fs::write(dir.path().join("tea/prod.yaml"), "").expect("a file");
    assert!(loaded(&config(&dir, "values = ['prod.yaml']")).await.is_ok());
    package(&dir, "0.3.0");
    let missing = problem(&config(&dir, "values = ['prod.yaml']")).await;
    assert!(missing.contains("engines.tea: cannot read ") && missing.contains("/prod.yaml: "), "{missing}");
    let absolute = dir.path().join("tea/prod.yaml");
    let charts = loaded(&config(&dir, &format!("values = [{absolute:?}]"))).await.expect("one for all versions");
    assert!(charts.catalog.versions("tea").all(|engine| engine.values == [absolute.clone()]));
}

#[tokio::test]
async fn engines_without_a_configuration_are_the_folders_with_a_descriptor() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |rest: &str| format!("[charts]\ndir = {:?}\n{rest}", dir.path());
    let none = problem(&file("")).await;
    assert!(none.contains("has no folder with a storeplane.yaml"), "{none}");
    for name in ["tea", "cake"] {
        write(&dir.path().join(name), "1.0.0");
    }
    write(&dir.path().join("other"), "1.0.0");
    std::fs::remove_file(dir.path().join("other/storeplane.yaml")).expect("a file");
    let names = "must name one of the engines: cake, tea";
    assert_eq!(problem(&file("")).await, format!("charts.default_engine: {names}"));
    assert_eq!(problem(&file("default_engine = 'other'")).await, format!("charts.default_engine: {names} (is other)"));
    let listed = async |rest: &str| {
        let charts = loaded(&file(rest)).await.expect("charts");
        charts.catalog.engines().iter().map(|engine| engine.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed("default_engine = 'tea'").await, ["tea", "cake"], "the default one first");
    std::fs::remove_dir_all(dir.path().join("cake")).expect("a folder");
    assert_eq!(listed("").await, ["tea"]);
}

#[tokio::test]
async fn engines_are_loaded_from_their_charts() {
    let dir = tempfile::tempdir().expect("a directory");
    let chart = dir.path().join("tea");
    std::fs::create_dir_all(chart.join("plans")).expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(chart.join(name), text).expect("a file");
    let file = format!(
        "[charts]\ndir = {:?}\ndefault_engine = 'tea'\ndefault_plan = 'tiny'\nvalues = ['prod.yaml']\n[engines.tea]",
        dir.path()
    );
    let missing = problem(&file).await;
    assert!(missing.contains("engines.tea") && missing.contains("tea/Chart.yaml"), "{missing}");

    write("Chart.yaml", "apiVersion: v2\nname: tea\nversion: 1.2.3\nappVersion: \"9\"\n");
    write("values.yaml", "ingress: {tls: {enabled: false}}\n");
    write("prod.yaml", "ingress: {tls: {enabled: true}}\nplan: {cpu: '2', memory: 1Gi}\n");
    assert!(problem(&file).await.contains("plans"));
    for (plan, size) in [("large", "{order: 2, memory: 4Gi}"), ("tiny", "{order: 1}"), ("other", "{}"), ("alone", "{}")]
    {
        write(&format!("plans/{plan}.yaml"), &format!("plan: {size}\n"));
    }
    write("prod.yaml", "smtp: {password: x}\n");
    assert!(problem(&file).await.contains("prod.yaml contains a secret, smtp.password"));
    write("prod.yaml", "ingress: {tls: {enabled: true}}\nplan: {cpu: '2', memory: 1Gi}\n");
    write("storeplane.yaml", "verify: by-looking\n");
    assert!(problem(&file).await.contains("tea/storeplane.yaml"));
    write("storeplane.yaml", "credentials: {secret: a, username: u, password: p}\nsecrets: {a: {u: {fixed: me}}}\n");
    assert!(problem(&file).await.contains("not among its secrets"));
    write(
        "storeplane.yaml",
        "verify: store-api\ncredentials: {secret: a, username: u, password: p}\n\
         secrets: {a: {u: {fixed: me}, p: {random: 20}}}\n",
    );
    let charts = loaded(&file).await.expect("complete");
    let tea = &charts.catalog.engines()[0];
    assert_eq!((tea.versions.chart.as_str(), tea.versions.app.as_str()), ("1.2.3", "9"));
    assert!(tea.secure && tea.chart.is_absolute());
    assert_eq!((tea.verify.purchase().is_some(), tea.secrets.len()), (true, 1));
    assert_eq!(tea.credentials.as_ref().map(|login| login.secret.as_str()), Some("a"));
    let sizes = tea.plans.iter().map(|plan| (plan.name.as_str(), plan.size.cpu.as_str(), plan.size.memory.as_str()));
    let expected = [("tiny", "2", "1Gi"), ("large", "2", "4Gi"), ("alone", "2", "1Gi"), ("other", "2", "1Gi")];
    assert_eq!(sizes.collect::<Vec<_>>(), expected, "in the chart's order, then by name");
    assert_eq!(tea.default_plan().map(|plan| plan.name.as_str()), Some("tiny"));
}
