//! Settings of helm runs, and helm's environment.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Settings of helm runs.
#[derive(Debug, Clone)]
pub struct HelmConfig {
    /// A path, or a name that is looked up on `PATH` at each run.
    pub binary: PathBuf,
    /// The binary whose hidden subcommand supervises helm: this program. `/proc/self/exe` stays valid
    /// while an upgrade replaces the file.
    pub supervisor: PathBuf,
    /// Maximum number of concurrent helm processes; each takes 60 to 250 MB. `helm version` comes on top, one at a time.
    pub max_processes: usize,
    /// `None`: `~/.kube/config` if it exists, otherwise the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// `None`: the kubeconfig's current context.
    pub kube_context: Option<String>,
    /// Parent of the server's directory, which holds the directories of its runs. Several servers may share it.
    pub home: PathBuf,
    /// Time between SIGTERM and SIGKILL. Together with a run's `silence` it must be shorter than a lease.
    pub grace: Duration,
    /// Time limit of `helm version`.
    pub version_timeout: Duration,
    /// How long the result of `helm version` is cached while the file is unchanged.
    pub version_ttl: Duration,
    /// Bytes kept of the beginning and of the end of each output.
    pub keep: (usize, usize),
    /// Additional variables that helm inherits from the server, for credential plugins.
    pub pass_env: Vec<String>,
}

impl Default for HelmConfig {
    fn default() -> Self {
        Self {
            binary: "helm".into(),
            supervisor: "/proc/self/exe".into(),
            max_processes: 4,
            kubeconfig: None,
            kube_context: None,
            home: std::env::temp_dir().join("storeplane-helm"),
            grace: Duration::from_secs(5),
            version_timeout: Duration::from_secs(10),
            version_ttl: Duration::from_mins(1),
            keep: (16 * 1024, 48 * 1024),
            pass_env: Vec::new(),
        }
    }
}

/// Variables that helm inherits: its access to the API server and to proxies.
const INHERITED: [&str; 14] = [
    "PATH",
    "HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
];

/// Request rate and burst of one helm process: a store has some twenty objects.
const QPS: (&str, &str) = ("HELM_QPS", "50");
const BURST: (&str, &str) = ("HELM_BURST_LIMIT", "100");

impl HelmConfig {
    /// Helm's complete environment, given the server's directory, the run's, and the server's environment.
    pub(super) fn environment(
        &self,
        server_dir: &Path,
        run_dir: &Path,
        inherited: impl Fn(&str) -> Option<OsString>,
    ) -> BTreeMap<String, String> {
        let text = |name: &str| inherited(name).and_then(|value| value.into_string().ok());
        let names = INHERITED.into_iter().chain(self.pass_env.iter().map(String::as_str));
        let mut env: BTreeMap<String, String> = names.filter_map(|name| Some((name.to_owned(), text(name)?))).collect();
        let own = [("HELM_DRIVER", "secret"), QPS, BURST];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let own_dirs = [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
            ("TMPDIR", "tmp"),
        ];
        let path = |dir: &Path, folder| dir.join(folder).to_string_lossy().into_owned();
        env.extend(own_dirs.map(|(name, folder)| (name.to_owned(), path(run_dir, folder))));
        // All runs of this server share the discovery cache, as all kubectl processes of a user do: its files are replaced
        // atomically, helm revalidates them at every start, and writing and removing some 40 of them costs a fifth of a run.
        env.insert("KUBECACHEDIR".to_owned(), path(server_dir, "kube"));
        let users = || text("HOME").map(|home| PathBuf::from(home).join(".kube/config")).filter(|path| path.exists());
        if let Some(path) = self.kubeconfig.clone().or_else(users) {
            env.insert("KUBECONFIG".to_owned(), path.to_string_lossy().into_owned());
        }
        if let Some(context) = &self.kube_context {
            env.insert("HELM_KUBECONTEXT".to_owned(), context.clone());
        }
        env
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(config: &HelmConfig) -> BTreeMap<String, String> {
        config.environment(Path::new("/server"), Path::new("/run"), |name| match name {
            "PATH" | "HTTPS_PROXY" | "KUBERNETES_SERVICE_HOST" | "AWS_PROFILE" | "DATABASE_URL" => Some(name.into()),
            "HOME" => Some("/nowhere".into()),
            _ => None,
        })
    }

    #[test]
    fn helm_environment_has_only_required_variables() {
        let env = environment(&HelmConfig::default());
        let lines: Vec<_> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        HELM_BURST_LIMIT=100
        HELM_CACHE_HOME=/run/cache
        HELM_CONFIG_HOME=/run/config
        HELM_DATA_HOME=/run/data
        HELM_DRIVER=secret
        HELM_QPS=50
        HOME=/nowhere
        HTTPS_PROXY=HTTPS_PROXY
        KUBECACHEDIR=/server/kube
        KUBERNETES_SERVICE_HOST=KUBERNETES_SERVICE_HOST
        PATH=PATH
        TMPDIR=/run/tmp
        ");
    }

    #[test]
    fn kubeconfig_is_explicit_and_extra_variables_need_configuration() {
        let env = environment(&HelmConfig {
            kubeconfig: Some("/etc/kube".into()),
            kube_context: Some("prod".into()),
            pass_env: vec!["AWS_PROFILE".into()],
            ..HelmConfig::default()
        });
        assert_eq!(env["KUBECONFIG"], "/etc/kube");
        assert_eq!(env["HELM_KUBECONTEXT"], "prod");
        assert_eq!(env["AWS_PROFILE"], "AWS_PROFILE");
        assert!(!env.contains_key("DATABASE_URL"));
    }
}
