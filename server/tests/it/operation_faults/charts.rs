//! The engines of the cases, a newer version of each, and the helm that installs them.

use std::path::Path;

use tempfile::TempDir;

use crate::failures::copy;
use crate::harness::{Failpoints, Setup};
use crate::versions::{append, package};

/// A small chart, and those of the repository.
pub(super) const ENGINES: [&str; 3] = [SMALL, "woocommerce", "medusa"];
/// The small chart, which takes helm a fifth of a shop's time. The default one.
pub(super) const SMALL: &str = "sample";
/// A version of each that migrates data.
pub(super) const NEWER: &str = "1.1.0";

const CONFIGURATION: &str = "[charts]\ndefault_engine = 'sample'\n[engines]\nsample = {}
woocommerce = {values = ['values-local.yaml']}\nmedusa = {values = ['values-local.yaml']}\n";

/// A folder with their charts, the packages of the newer versions, and a configuration.
pub(super) fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    copy(&Setup::small().charts, dir.path());
    for engine in ENGINES {
        let chart = dir.path().join(engine);
        if engine != SMALL {
            copy(&crate::harness::charts().join(engine), &chart);
        }
        package(&chart, NEWER, dir.path(), |chart| other_schema(&chart.join("storeplane.yaml")));
    }
    std::fs::write(configuration(dir.path()), CONFIGURATION).expect("a configuration");
    dir
}

/// The configuration in that folder.
pub(super) fn configuration(dir: &Path) -> String {
    dir.join("storeplane.toml").to_str().expect("a path in UTF-8").to_owned()
}

/// Changes the schema that a descriptor names.
fn other_schema(descriptor: &Path) {
    let text = std::fs::read_to_string(descriptor).expect("a descriptor");
    match text.split_once("release: {schema: \"") {
        Some((before, after)) => {
            std::fs::write(descriptor, format!("{before}release: {{schema: \"newer-{after}")).expect("a descriptor");
        }
        None => append(descriptor, "release: {schema: '2'}"),
    }
}

/// The script that wraps the real helm.
pub(super) fn wrapper(control: &Failpoints, helm: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let text =
        include_str!("helm.sh").replace("@CONTROL@", &control.path().display().to_string()).replace("@HELM@", helm);
    let path = control.path().join("helm");
    std::fs::write(&path, text).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a script");
    path.display().to_string()
}
