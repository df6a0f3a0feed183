//! Argument lists. Every value is attached to its flag or follows `--`, so that none can become a flag. Nothing chosen by a
//! caller is among them except the validated names of release and namespace.

use std::path::PathBuf;

use super::version::HelmVersion;

/// A release, identified by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    /// The namespace in which helm stores it.
    pub namespace: String,
    /// Its name, at most 53 characters.
    pub name: String,
}

/// A chart on disk and the values of one release.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The chart's directory.
    pub dir: PathBuf,
    /// Values files; later ones override earlier ones.
    pub values_files: Vec<PathBuf>,
    /// Generated values, which override all files. Helm reads them from a pipe; they are never on disk.
    pub values: serde_json::Value,
    /// Labels of helm's records of the release: our names and ids, without commas.
    pub labels: Vec<(String, String)>,
}

/// A package in an OCI registry.
#[derive(Debug, Clone)]
pub struct Pull {
    /// `oci://`, registry and repository.
    pub repository: String,
    /// The chart's version.
    pub version: String,
    /// An empty directory for the package.
    pub destination: PathBuf,
    /// Credentials for registries.
    pub registry_config: Option<PathBuf>,
    /// Over plain HTTP.
    pub plain_http: bool,
}

/// A helm command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb<'a> {
    Version,
    List,
    Install(&'a Chart),
    Upgrade(&'a Chart),
    Rollback(u32),
    Uninstall,
    Pull(&'a Pull),
}

/// Maximum number of revisions that helm keeps.
const HISTORY: &str = "--history-max=10";

/// Helm reads the cluster's whole `OpenAPI` document to find unknown fields, which takes longer than everything else
/// it does. Unknown fields depend on the chart alone, and its tests find them; the API server rejects invalid
/// values.
const UNCHECKED: &str = "--disable-openapi-validation";

impl Verb<'_> {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::List => "list",
            Self::Install(_) => "install",
            Self::Upgrade(_) => "upgrade",
            Self::Rollback(_) => "rollback",
            Self::Uninstall => "uninstall",
            Self::Pull(_) => "pull",
        }
    }

    /// Helm's standard input.
    pub(super) fn input(self) -> String {
        match self {
            // YAML is a superset of JSON.
            Self::Install(chart) | Self::Upgrade(chart) => chart.values.to_string(),
            Self::Version | Self::List | Self::Rollback(_) | Self::Uninstall | Self::Pull(_) => String::new(),
        }
    }

    pub(super) fn args(self, version: HelmVersion, release: &Release) -> Vec<String> {
        let mut args = vec![self.as_str().to_owned()];
        if let Self::Version = self {
            args.push("--template={{.Version}}".to_owned());
            return args;
        }
        if let Self::Pull(pull) = self {
            return pull_args(args, pull);
        }
        args.push(format!("--namespace={}", release.namespace));
        if let Self::List = self {
            args.extend(["--max=1", "--short"].map(str::to_owned));
            return args;
        }
        // Helm 4's server-side apply conflicts with changes by autoscalers and people, and cannot
        // take over releases of helm 3. The three-way merge works for releases of both, from both.
        if version.major >= 4 && !matches!(self, Self::Uninstall) {
            args.push("--server-side=false".to_owned());
        }
        let positionals = match self {
            Self::Version | Self::List | Self::Pull(_) => Vec::new(),
            Self::Install(chart) => {
                args.push(UNCHECKED.to_owned());
                args.extend(labels(chart));
                args.extend(values(chart));
                vec![release.name.clone(), path(&chart.dir)]
            }
            Self::Upgrade(chart) => {
                args.extend([UNCHECKED, "--reset-values", HISTORY].map(str::to_owned));
                args.extend(labels(chart));
                args.extend(values(chart));
                vec![release.name.clone(), path(&chart.dir)]
            }
            Self::Rollback(revision) => {
                args.push(HISTORY.to_owned());
                vec![release.name.clone(), revision.to_string()]
            }
            Self::Uninstall => vec![release.name.clone()],
        };
        args.push("--".to_owned());
        args.extend(positionals);
        args
    }
}

/// Credentials are in a file, never among the arguments.
fn pull_args(mut args: Vec<String>, pull: &Pull) -> Vec<String> {
    args.push(format!("--version={}", pull.version));
    args.push(format!("--destination={}", path(&pull.destination)));
    args.extend(pull.registry_config.as_ref().map(|file| format!("--registry-config={}", path(file))));
    args.extend(pull.plain_http.then(|| "--plain-http".to_owned()));
    args.extend(["--".to_owned(), pull.repository.clone()]);
    args
}

fn labels(chart: &Chart) -> impl Iterator<Item = String> {
    chart.labels.iter().map(|(name, value)| format!("--labels={name}={value}"))
}

fn values(chart: &Chart) -> impl Iterator<Item = String> {
    // Helm parses a values flag as CSV: commas separate, quotes escape.
    let files = chart.values_files.iter().map(|file| format!("--values=\"{}\"", path(file).replace('"', "\"\"")));
    files.chain(["--values=-".to_owned()])
}

/// An absolute path: helm takes a relative path without a file for the name of a chart in a repository.
fn path(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(verb: Verb<'_>, major: u32) -> String {
        let version = HelmVersion { major, minor: 20, patch: 0 };
        let release = Release { namespace: "--all".into(), name: "--help".into() };
        verb.args(version, &release).join("\n")
    }

    fn chart() -> Chart {
        Chart {
            dir: "/charts/woocommerce".into(),
            values_files: vec!["/charts/a,b \"c\".yaml".into(), "/charts/plan.yaml".into()],
            values: serde_json::json!({"store": {"displayName": "`$(id)`, a=b {{ .Values }}\n\"'"}}),
            labels: vec![("storeplane.io/store-uid".into(), "0191".into())],
        }
    }

    #[test]
    fn names_cannot_become_flags_and_values_are_not_arguments() {
        insta::assert_snapshot!(lines(Verb::Install(&chart()), 3), @r#"
        install
        --namespace=--all
        --disable-openapi-validation
        --labels=storeplane.io/store-uid=0191
        --values="/charts/a,b ""c"".yaml"
        --values="/charts/plan.yaml"
        --values=-
        --
        --help
        /charts/woocommerce
        "#);
    }

    #[test]
    fn upgrade_uses_client_side_merge_in_both_majors() {
        insta::assert_snapshot!(lines(Verb::Upgrade(&chart()), 4), @r#"
        upgrade
        --namespace=--all
        --server-side=false
        --disable-openapi-validation
        --reset-values
        --history-max=10
        --labels=storeplane.io/store-uid=0191
        --values="/charts/a,b ""c"".yaml"
        --values="/charts/plan.yaml"
        --values=-
        --
        --help
        /charts/woocommerce
        "#);
        insta::assert_snapshot!(lines(Verb::Rollback(7), 4), @r"
        rollback
        --namespace=--all
        --server-side=false
        --history-max=10
        --
        --help
        7
        ");
        insta::assert_snapshot!(lines(Verb::Uninstall, 4), @r"
        uninstall
        --namespace=--all
        --
        --help
        ");
    }

    #[test]
    fn package_is_pulled_without_credentials_among_the_arguments() {
        let pull = Pull {
            repository: "oci://r.test/charts/shop".into(),
            version: "1.2.3".into(),
            destination: "/run/pull".into(),
            registry_config: Some("/etc/registry.json".into()),
            plain_http: true,
        };
        insta::assert_snapshot!(lines(Verb::Pull(&pull), 4), @r"
        pull
        --version=1.2.3
        --destination=/run/pull
        --registry-config=/etc/registry.json
        --plain-http
        --
        oci://r.test/charts/shop
        ");
    }

    #[test]
    fn generated_values_round_trip_through_helm() {
        let chart = chart();
        let read: serde_json::Value = serde_json::from_str(&Verb::Install(&chart).input()).unwrap();
        assert_eq!(read, chart.values);
    }
}
