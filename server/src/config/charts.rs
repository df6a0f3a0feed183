//! `[charts]` and `[engines]`: where the charts of the engines come from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::engines::DESCRIPTOR;
use super::plugins::OfferedPlugin;
use super::read::is_label;
use super::section::Section;

/// `[charts]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charts {
    /// Directory of the charts.
    pub dir: PathBuf,
    /// Values files of engines without their own; relative to the chart. Default: none, the chart's own values.
    pub values: Vec<PathBuf>,
    /// Plan of stores that name none, if the engine has it.
    pub default_plan: String,
    /// Engine of stores that name none; default: the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_engine: Option<String>,
    /// Credentials for registries, as `helm registry login` and `docker login` write them; default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_config: Option<PathBuf>,
    /// Registries are asked over plain HTTP.
    pub registry_plain_http: bool,
}

/// `[engines.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// The chart, which is the default version unless `default_version` names another one.
    pub chart: ChartSource,
    /// Further versions of the same chart, besides the packages in `charts.dir`.
    pub versions: Vec<ChartSource>,
    /// Version of stores that name none; default: that of `chart`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_version: Option<String>,
    /// Values files of all stores of this engine; relative to the chart.
    pub values: Vec<PathBuf>,
    /// SHA-256 of packages by version.
    pub digests: BTreeMap<String, String>,
    /// The plugins that its shops may have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<OfferedPlugin>,
}

/// Where a chart is read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ChartSource {
    /// A directory, or a package (`.tgz`); relative to `charts.dir`.
    Path(PathBuf),
    /// A package in an OCI registry.
    Registry {
        /// `oci://`, registry and repository.
        repository: String,
        /// The chart's version.
        version: String,
    },
}

impl fmt::Display for ChartSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Registry { repository, version } => write!(f, "{repository}:{version}"),
        }
    }
}

impl From<ChartSource> for String {
    fn from(source: ChartSource) -> Self {
        source.to_string()
    }
}

/// The prefix of references to an OCI registry.
const OCI: &str = "oci://";

impl TryFrom<String> for ChartSource {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err("must be a directory, a package (.tgz) or oci://REGISTRY/REPOSITORY:VERSION");
        }
        if !text.starts_with(OCI) {
            return Ok(Self::Path(text.into()));
        }
        // Without an at sign: a password does not belong here.
        let registry = |(repository, version): (&str, &str)| {
            let good = repository.len() > OCI.len()
                && !text.contains(['@', '?', '#', ' ', ','])
                && repository.trim_start_matches(OCI).contains('/')
                && Version::parse(version).is_ok();
            good.then(|| Self::Registry { repository: repository.to_owned(), version: version.to_owned() })
        };
        text.rsplit_once(':')
            .and_then(registry)
            .ok_or("must be oci://REGISTRY/REPOSITORY:VERSION with a semantic version")
    }
}

pub(super) fn charts(section: &mut Section) -> Charts {
    Charts {
        dir: section.take("dir", PathBuf::from("charts")),
        values: section.take("values", Vec::new()),
        default_plan: section.take("default_plan", "small".into()),
        default_engine: section.optional("default_engine"),
        registry_config: section.optional("registry_config"),
        registry_plain_http: section.take("registry_plain_http", false),
    }
}

pub(super) fn engines(section: &mut Section, charts: &Charts) -> BTreeMap<String, Engine> {
    let names = section.keys();
    let mut engines = BTreeMap::new();
    for name in names {
        if !is_label(&name) {
            section.fail(&name, "an engine's name must be a DNS label of at most 63 characters");
        }
        let engine = section.section(&name, |section| engine(section, &name, charts));
        engines.insert(name, engine);
    }
    engines
}

fn engine(section: &mut Section, name: &str, charts: &Charts) -> Engine {
    let digests: BTreeMap<String, String> = section.take("digests", BTreeMap::new());
    for (version, digest) in &digests {
        if Version::parse(version).is_err() || !is_digest(digest) {
            section.fail("digests", format!("must be sha256: and 64 hexadecimal digits by version (has {version:?})"));
        }
    }
    let default_version: Option<String> = section.optional("default_version");
    if default_version.as_ref().is_some_and(|version| Version::parse(version).is_err()) {
        section.fail("default_version", "must be a semantic version such as 0.1.0");
    }
    Engine {
        chart: section.take("chart", ChartSource::Path(name.into())),
        versions: section.take("versions", Vec::new()),
        default_version,
        values: section.take("values", charts.values.clone()),
        plugins: super::plugins::read(section),
        digests,
    }
}

impl Engine {
    /// The engine of a chart in `charts.dir` for which there is no configuration.
    fn found(name: &str, charts: &Charts) -> Self {
        Self {
            chart: ChartSource::Path(name.into()),
            versions: Vec::new(),
            default_version: None,
            values: charts.values.clone(),
            digests: BTreeMap::new(),
            plugins: Vec::new(),
        }
    }
}

impl Charts {
    /// The engines of a configuration that names none: the folders of `dir` with a `storeplane.yaml`.
    pub fn find_engines(&self) -> std::io::Result<BTreeMap<String, Engine>> {
        let mut engines = BTreeMap::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(name) = name.to_str().filter(|name| is_label(name))
                && entry.path().join(DESCRIPTOR).is_file()
            {
                engines.insert(name.to_owned(), Engine::found(name, self));
            }
        }
        Ok(engines)
    }

    /// Which of these engines, of which there is at least one, is the default one. Otherwise, what is wrong with `default_engine`.
    pub fn default_of<'a>(&self, engines: &'a BTreeMap<String, Engine>) -> Result<&'a str, String> {
        let names = || engines.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        match (&self.default_engine, engines.keys().next()) {
            (None, Some(only)) if engines.len() == 1 => Ok(only),
            (None, _) => Err(format!("must name one of the engines: {}", names())),
            (Some(name), _) => match engines.get_key_value(name) {
                Some((known, _)) => Ok(known),
                None => Err(format!("must name one of the engines: {} (is {name})", names())),
            },
        }
    }
}

/// True for `sha256:` and 64 hexadecimal digits.
pub(super) fn is_digest(text: &str) -> bool {
    let is_hex = |hex: &str| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    text.strip_prefix("sha256:").is_some_and(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_paths_or_references_with_a_version() {
        let read = |text: &str| ChartSource::try_from(text.to_owned());
        for text in ["woocommerce", "/charts/shop-1.0.0.tgz", "oci://r.test:5000/charts/shop:1.2.3"] {
            assert_eq!(read(text).expect(text).to_string(), text);
        }
        let registry = ChartSource::Registry { repository: "oci://r.test/shop".into(), version: "1.2.3".into() };
        assert_eq!(read("oci://r.test/shop:1.2.3"), Ok(registry));
        for bad in [
            "",
            "oci://",
            "oci://:1.0.0",
            "oci://r.test:1.0.0",
            "oci://r.test/shop",
            "oci://r.test/shop:latest",
            "oci://r.test:5000/shop",
            "oci://user:word@r.test/shop:1.0.0",
            "oci://r.test/sh op:1.0.0",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
