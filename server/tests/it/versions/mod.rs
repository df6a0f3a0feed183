//! An engine with several versions: from a folder and from a registry, and stores whose version is no longer there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use storeplane_proto::v1::{CreateStoreRequest, Engine, ListEnginesRequest, StoreState};
use tempfile::TempDir;
use tonic::Code;

use crate::command_line::run;
use crate::failures::copy;
use crate::harness::{Api, Lab, Registry, Setup, env, fields, fresh, sha256};

/// Longer than a server needs to store its charts.
const WITHIN: Duration = Duration::from_secs(30);

/// A folder with the chart `sample` 1.0.0, and a configuration that uses it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/charts"), dir.path());
        let folder = Self(dir);
        folder.configure("");
        folder
    }

    /// Sets keys of the engine, and of `[charts]` after a line `[charts]`.
    fn configure(&self, engine: &str) {
        let (engine, charts) = engine.split_once("[charts]").unwrap_or((engine, ""));
        let file = format!("[charts]\ndefault_engine = 'sample'\n{charts}\n[engines.sample]\n{engine}\n");
        std::fs::write(self.file(), file).expect("a file");
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("storeplane.toml")
    }

    /// Packages the chart with helm as 1.1.0, a security release, and returns the package.
    fn package(&self, destination: &Path) -> PathBuf {
        let release = "release: {schema: '2', upgrades_from: '>=1.0.0', security: true, notes: Closes a hole}";
        package(&self.0.path().join("sample"), "1.1.0", destination, |chart| {
            append(&chart.join("storeplane.yaml"), release);
            append(&chart.join("values.yaml"), "images: {registry: r.test, store: {repository: a/store, tag: '2'}}");
        })
    }

    fn setup(&self) -> Setup {
        let configuration = self.file().to_str().expect("a path in UTF-8").to_owned();
        Setup { charts: self.0.path().to_owned(), ..Setup::small() }.with("STOREPLANE_CONFIG", configuration)
    }

    /// Why a server does not start with it.
    async fn refusal(&self) -> String {
        let home = tempfile::tempdir().expect("a directory");
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let env = [
            ("STOREPLANE_CONFIG", text(&self.file())),
            ("STOREPLANE_CHARTS_DIR", text(self.0.path())),
            ("STOREPLANE_HELM_BIN", env("STOREPLANE_TEST_HELM3")),
            ("STOREPLANE_LISTEN", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none".to_owned()),
            ("TMPDIR", text(home.path())),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ];
        // A registry of the test answers meanwhile.
        let serve = move || run(&["serve"], &env.each_ref().map(|(name, value)| (*name, value.as_str())));
        let output = tokio::task::spawn_blocking(serve).await.expect("it ran");
        assert!(!output.status.success(), "it started");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// Packages a chart with helm as this version, after a copy of it was edited, and returns the package.
pub(crate) fn package(chart: &Path, version: &str, destination: &Path, edit: impl FnOnce(&Path)) -> PathBuf {
    let edited = tempfile::tempdir().expect("a directory");
    copy(chart, edited.path());
    edit(edited.path());
    let mut helm = Command::new(env("STOREPLANE_TEST_HELM3"));
    helm.args(["package", &format!("--version={version}"), "--app-version=2"]);
    let output = helm.arg("-d").arg(destination).arg(edited.path()).output().expect("helm");
    assert!(output.status.success(), "{output:?}");
    destination.join(format!("sample-{version}.tgz"))
}

/// Appends a line to a file.
pub(crate) fn append(file: &Path, line: &str) {
    let text = std::fs::read_to_string(file).expect("a file");
    std::fs::write(file, format!("{text}{line}\n")).expect("a file");
}

fn at(store_id: &str, version: &str) -> CreateStoreRequest {
    let mut request = Api::wanted(store_id);
    version.clone_into(&mut request.store.as_mut().expect("a store").engine_version);
    request
}

async fn engine(lab: &Lab) -> Engine {
    let answer = lab.api.platform.clone().list_engines(ListEnginesRequest {}).await.expect("the engines");
    answer.into_inner().engines.remove(0)
}

/// The chart that the store's release was installed from.
async fn installed(lab: &Lab, store_id: &str) -> String {
    let namespace = lab.api.get(store_id).await.expect("the store").namespace;
    let deployments: kube::Api<Deployment> = kube::Api::namespaced(lab.kubernetes.client().await, &namespace);
    let deployment = deployments.get("store").await.expect("a Deployment");
    deployment.metadata.labels.unwrap_or_default().remove("helm.sh/chart").unwrap_or_default()
}

async fn until_stored(lab: &Lab, charts: &str) {
    let began = Instant::now();
    while lab.database.value("SELECT count(*) FROM charts").await != charts {
        assert!(began.elapsed() < WITHIN, "the charts are not stored");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn stores_keep_a_version_that_is_no_longer_offered() {
    let folder = Folder::new();
    let package = folder.package(folder.0.path());
    let mut lab = folder.setup().start().await;

    let listed = engine(&lab).await.versions;
    let [new, old] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((new.chart_version.as_str(), new.default, new.security_release), ("1.1.0", false, true));
    assert_eq!((new.app_version.as_str(), new.schema.as_str(), new.upgrades_from.as_str()), ("2", "2", ">=1.0.0"));
    assert_eq!((new.notes.as_str(), &new.images[..]), ("Closes a hole", &["r.test/a/store:2".to_owned()][..]));
    assert_eq!((old.chart_version.as_str(), old.default, old.security_release), ("1.0.0", true, false));
    assert!(old.digest.starts_with("sha256:") && old.digest != new.digest && old.images.is_empty());

    let (usual, newer) = (fresh("usual"), fresh("newer"));
    let first = lab.api.ready(&usual).await;
    let versions = first.versions.clone().expect("versions");
    assert_eq!((versions.chart.as_str(), &versions.chart_digest, &*versions.schema), ("1.0.0", &old.digest, ""));
    let upgrade = first.available_upgrade.expect("a newer version");
    assert_eq!((upgrade.engine_version.as_str(), upgrade.app_version.as_str()), ("1.1.0", "2"));
    assert!(upgrade.security_release && upgrade.changes_schema);
    let unknown = lab.api.create(at(&fresh("unknown"), "7.0.0")).await.expect_err("there is none");
    assert_eq!((unknown.code(), fields(&unknown)), (Code::InvalidArgument, vec!["store.engine_version".to_owned()]));

    let created = lab.api.create(at(&newer, "1.1.0")).await.expect("accepted");
    assert_eq!((created.engine_version.as_str(), &created.available_upgrade), ("1.1.0", &None));
    assert_eq!(lab.api.settle(&newer).await.0.state(), StoreState::Ready);
    assert_eq!(
        (installed(&lab, &usual).await, installed(&lab, &newer).await),
        ("sample-1.0.0".into(), "sample-1.1.0".into())
    );

    until_stored(&lab, "2").await;
    std::fs::remove_file(&package).expect("a file");
    lab.server.terminate().await;
    lab.server.restart().await;
    assert_eq!(engine(&lab).await.versions.len(), 1);
    assert_eq!(lab.api.get(&usual).await.expect("a store").available_upgrade, None);
    lab.api.retry(&newer).await.expect("accepted");
    let (retried, seen) = lab.api.settle(&newer).await;
    assert_eq!(retried.state(), StoreState::Ready, "{}", seen.text());
    assert_eq!((&retried.engine_version, retried.versions), (&created.engine_version, created.versions));
    assert_eq!(installed(&lab, &newer).await, "sample-1.1.0");
    lab.api.delete(&newer).await.expect("accepted");
    assert_eq!(lab.api.settle(&newer).await.0.state(), StoreState::Deleted);
    lab.api.delete(&usual).await.expect("accepted");
    lab.api.settle(&usual).await;
}

#[tokio::test]
async fn changed_directory_is_applied_by_a_retry_and_recorded() {
    let folder = Folder::new();
    let mut lab = folder.setup().start().await;
    let id = fresh("changed");
    let before = lab.api.ready(&id).await.versions.expect("versions");
    lab.server.terminate().await;
    std::fs::write(folder.0.path().join("sample/values-extra.yaml"), "").expect("a file");
    lab.server.restart().await;
    lab.api.retry(&id).await.expect("accepted");
    let after = lab.api.settle(&id).await.0.versions.expect("versions");
    let offered = engine(&lab).await.versions.remove(0).digest;
    assert!(after.chart == before.chart && after.chart_digest != before.chart_digest);
    assert_eq!(after.chart_digest, offered);
    lab.api.delete(&id).await.expect("accepted");
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn chart_that_no_server_and_no_store_needs_is_removed_after_a_week() {
    let folder = Folder::new();
    folder.package(folder.0.path());
    let mut lab = folder.setup().start().await;
    let id = fresh("needs");
    lab.api.create(at(&id, "1.1.0")).await.expect("accepted");
    lab.api.settle(&id).await;
    until_stored(&lab, "2").await;
    std::fs::remove_file(folder.0.path().join("sample-1.1.0.tgz")).expect("a file");
    // Both are old; the server offers one again when it starts, and a store has the other.
    let mut charts = async |expected: &str| {
        lab.server.terminate().await;
        lab.database.execute("UPDATE charts SET offered_at = clock_timestamp() - interval '8 days'").await;
        lab.server.restart().await;
        until_stored(&lab, expected).await;
        let began = Instant::now();
        let fresh = "SELECT count(*) FROM charts WHERE offered_at > clock_timestamp() - interval '1 hour'";
        while lab.database.value(fresh).await != "1" {
            assert!(began.elapsed() < WITHIN, "the charts are not offered");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        lab.database.value("SELECT string_agg(version, ' ' ORDER BY version) FROM charts").await
    };
    assert_eq!(charts("2").await, "1.0.0 1.1.0");
    lab.api.delete(&id).await.expect("accepted");
    lab.api.settle(&id).await;
    let mut charts = async |expected: &str| {
        lab.server.terminate().await;
        lab.database.execute("UPDATE charts SET offered_at = clock_timestamp() - interval '8 days'").await;
        lab.server.restart().await;
        until_stored(&lab, expected).await;
        lab.database.value("SELECT string_agg(version, ' ' ORDER BY version) FROM charts").await
    };
    assert_eq!(charts("1").await, "1.0.0");
}

#[tokio::test]
async fn server_does_not_start_with_another_package_than_configured() {
    let folder = Folder::new();
    let package = std::fs::read(folder.package(folder.0.path())).expect("a package");
    let zeros = format!("sha256:{}", "0".repeat(64));
    folder.configure(&format!("digests = {{'1.1.0' = '{zeros}'}}"));
    let refusal = folder.refusal().await;
    let expected = format!("engines.sample.digests: 1.1.0: sample-1.1.0.tgz has {}, not {zeros}", sha256(&package));
    assert!(refusal.contains(&expected), "{refusal}");
}

#[tokio::test]
async fn versions_are_pulled_from_a_registry_with_a_login() {
    let folder = Folder::new();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let package = std::fs::read(folder.package(elsewhere.path())).expect("a package");
    let registry = Registry::serve("1.1.0", package.clone()).await;
    let login = elsewhere.path().join("login.json");
    registry.write_login(&login);
    let reference = format!("oci://{}/charts/sample:1.1.0", registry.address);
    let keys = |digest: &str, login: &str| {
        format!(
            "versions = ['{reference}']\ndigests = {{'1.1.0' = '{digest}'}}\n[charts]\nregistry_plain_http = true\n{login}"
        )
    };
    let login = format!("registry_config = '{}'", login.display());
    folder.configure(&keys(&sha256(&package), &login));
    for helm in ["STOREPLANE_TEST_HELM3", "STOREPLANE_TEST_HELM4"] {
        let lab = Setup { helm: env(helm), ..folder.setup() }.start().await;
        let id = fresh("pulled");
        lab.api.create(at(&id, "1.1.0")).await.expect("accepted");
        assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Ready);
        assert_eq!(installed(&lab, &id).await, "sample-1.1.0");
        assert!(!lab.server.log().contains("a password of tests only"));
        lab.api.delete(&id).await.expect("accepted");
        lab.api.settle(&id).await;
    }
    folder.configure(&keys(&sha256(b"other"), &login));
    let refusal = folder.refusal().await;
    assert!(refusal.contains(&format!("engines.sample.digests: 1.1.0: {reference} has ")), "{refusal}");
    folder.configure(&keys(&sha256(&package), ""));
    let refusal = folder.refusal().await;
    assert!(
        refusal.contains(&format!("engines.sample: {reference} ")) && refusal.contains("no basic auth credentials"),
        "{refusal}"
    );
}
