//! The account that servers under test use: a `ServiceAccount` with exactly the permissions that charts/storeplane gives it.
//! Tests themselves act as the cluster's administrator.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use storeplane_server::config::{Config, Overrides};
use storeplane_server::kube::ClusterConfig;

use super::env;

/// The instance of servers whose test needs none of its own.
pub(crate) const INSTANCE: &str = "storeplane";

/// An account, and the settings of a server that uses it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) instance: String,
    pub(crate) kubeconfig: PathBuf,
    /// Environment variables of a server.
    pub(crate) settings: Vec<(String, String)>,
}

/// The cluster's administrator.
pub(crate) fn admin_kubeconfig() -> PathBuf {
    env("STOREPLANE_TEST_KUBECONFIG").into()
}

impl Account {
    /// The account of the usual instance.
    pub(crate) fn usual() -> Self {
        Self::of(INSTANCE)
    }

    /// The account of an instance, which is created once.
    pub(crate) fn of(instance: &str) -> Self {
        type Created = HashMap<String, Arc<OnceLock<Account>>>;
        static CREATED: LazyLock<Mutex<Created>> = LazyLock::new(Mutex::default);
        let cell = Arc::clone(CREATED.lock().expect("no panic").entry(instance.to_owned()).or_default());
        cell.get_or_init(|| Self::create(instance, &[])).clone()
    }

    /// Creates it with further arguments of `dev/account`.
    pub(crate) fn create(instance: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/account");
        let output = Command::new(script)
            .arg("--kubeconfig")
            .arg(admin_kubeconfig())
            .args(["--instance", instance])
            .args(arguments)
            .output()
            .expect("dev/account runs");
        assert!(output.status.success(), "dev/account: {}", String::from_utf8_lossy(&output.stderr));
        let file = String::from_utf8(output.stdout).expect("a path");
        let text = std::fs::read_to_string(file.trim()).expect("settings");
        let settings: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let kubeconfig = settings.iter().find(|(name, _)| name == "KUBECONFIG").expect("a kubeconfig").1.clone().into();
        Self { instance: instance.to_owned(), kubeconfig, settings }
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// The cluster settings of a server that uses it.
    pub(crate) fn config(&self) -> ClusterConfig {
        let overrides = Overrides {
            kubeconfig: self.setting("KUBECONFIG"),
            instance: self.setting("STOREPLANE_INSTANCE"),
            kube_scope: self.setting("STOREPLANE_KUBE_SCOPE"),
            kube_store_role: self.setting("STOREPLANE_KUBE_STORE_ROLE"),
            kube_service_account: self.setting("STOREPLANE_KUBE_SERVICE_ACCOUNT"),
            ..Overrides::default()
        };
        storeplane_server::app::cluster_config(&Config::parse("", &overrides).expect("valid settings"))
    }
}
