//! From a chart to the domain's [`Engine`]. `descriptor` reads the chart's `storeplane.yaml`, `images` the images that its values name.

mod descriptor;
mod images;
mod secrets;

use std::path::{Path, PathBuf};

use semver::Version;
use serde::Deserialize;
use storeplane_core::engine::{Engine, LostSecrets, Plan, PlanSize, Verification, VersionInfo};
use storeplane_core::store::Versions;

use super::plugins::OfferedPlugin;
use crate::config::{self, ChartSource, Charts};
use descriptor::DescriptorFile;
use images::ImagesFile;

/// The file in a chart that makes it an engine's.
pub(super) const DESCRIPTOR: &str = "storeplane.yaml";

/// Why an engine cannot be used. Names the key and the file.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file is missing or cannot be read.
    #[error("engines.{engine}: cannot read {}: {source}", path.display())]
    Read {
        /// Which engine.
        engine: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is invalid.
    #[error("engines.{engine}: {} {problem}", path.display())]
    Broken {
        /// Which engine.
        engine: String,
        /// Which file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A source of a chart cannot be used.
    #[error("engines.{engine}: {chart} {problem}")]
    Source {
        /// Which engine.
        engine: String,
        /// Which source.
        chart: ChartSource,
        /// The problem.
        problem: String,
    },
    /// A key of the engine does not fit its charts.
    #[error("engines.{engine}.{key}: {problem}")]
    Key {
        /// Which engine.
        engine: String,
        /// Which key.
        key: &'static str,
        /// The problem.
        problem: String,
    },
    /// No engine is configured, and there is none in the folder of charts.
    #[error("engines: none is configured, and {} has no folder with a {DESCRIPTOR}", dir.display())]
    Empty {
        /// `charts.dir`
        dir: PathBuf,
    },
    /// The folder of charts cannot be read.
    #[error("charts.dir: cannot read {}: {source}", dir.display())]
    Dir {
        /// `charts.dir`
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not said which engine is the default one.
    #[error("charts.default_engine: {0}")]
    Default(String),
}

#[derive(Deserialize)]
struct ChartFile {
    name: String,
    version: String,
    #[serde(default, rename = "appVersion")]
    app_version: String,
}

#[derive(Default, Deserialize)]
struct ValuesFile {
    #[serde(default)]
    ingress: Option<Route>,
    #[serde(default)]
    gateway: Option<Route>,
    #[serde(default)]
    plan: Option<PlanFile>,
    #[serde(default)]
    images: Option<ImagesFile>,
}

/// A plan's size: a block of the chart's values that no template uses. Later files override single keys.
#[derive(Clone, Default, Deserialize)]
struct PlanFile {
    order: Option<i64>,
    description: Option<String>,
    cpu: Option<String>,
    memory: Option<String>,
    storage: Option<String>,
}

impl PlanFile {
    fn under(self, later: Self) -> Self {
        Self {
            order: later.order.or(self.order),
            description: later.description.or(self.description),
            cpu: later.cpu.or(self.cpu),
            memory: later.memory.or(self.memory),
            storage: later.storage.or(self.storage),
        }
    }
}

impl From<PlanFile> for PlanSize {
    fn from(file: PlanFile) -> Self {
        Self {
            cpu: file.cpu.unwrap_or_default(),
            memory: file.memory.unwrap_or_default(),
            storage: file.storage.unwrap_or_default(),
            description: file.description.unwrap_or_default(),
        }
    }
}

/// A route to a shop: its Ingress, or its `HTTPRoute`.
#[derive(Clone, Copy, Default, Deserialize)]
struct Route {
    enabled: Option<bool>,
    #[serde(default)]
    tls: Option<Tls>,
}

impl Route {
    fn under(self, later: Self) -> Self {
        let tls = |route: Self| route.tls.and_then(|tls| tls.enabled);
        let tls = Tls { enabled: tls(later).or(tls(self)) };
        Self { enabled: later.enabled.or(self.enabled), tls: Some(tls) }
    }

    fn is_enabled(self, default: bool) -> bool {
        self.enabled.unwrap_or(default)
    }

    fn has_tls(self) -> bool {
        self.tls.and_then(|tls| tls.enabled).unwrap_or(false)
    }
}

/// True for a name that can be a file's or a directory's.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\'])
}

/// True if shops have https URLs: an enabled route (Ingress or `HTTPRoute`) has TLS; if none is enabled, the Ingress's TLS decides.
/// The same rule as the chart's `store.secure`.
fn is_secure(ingress: Route, gateway: Route) -> bool {
    let by_gateway = gateway.is_enabled(false);
    (by_gateway && gateway.has_tls()) || (ingress.has_tls() && (ingress.is_enabled(true) || !by_gateway))
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Tls {
    enabled: Option<bool>,
}

/// Reads the charts of an engine.
#[derive(Debug, Clone)]
pub struct ChartReader {
    /// The engine's name.
    name: String,
    /// Its values files.
    values: Vec<PathBuf>,
    /// The configured default plan.
    default_plan: String,
    /// The plugins that it offers.
    plugins: Vec<OfferedPlugin>,
}

impl ChartReader {
    /// Reads charts of the engine with this name.
    pub fn new(name: &str, engine: &config::Engine, charts: &Charts) -> Self {
        Self {
            name: name.to_owned(),
            values: engine.values.clone(),
            default_plan: charts.default_plan.clone(),
            plugins: engine.plugins.clone(),
        }
    }

    /// The engine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The engine at the version of the chart in this directory, whose files have this digest.
    pub fn read_engine(&self, dir: &Path, digest: String) -> Result<Engine, CatalogError> {
        let dir = std::path::absolute(dir).map_err(|source| self.unreadable(dir, source))?;
        let chart: ChartFile = self.read(&dir.join("Chart.yaml"))?;
        if !is_file_name(&chart.name) || Version::parse(&chart.version).is_err() {
            return Err(self.broken(&dir.join("Chart.yaml"), "has no name, or no semantic version such as 0.1.0"));
        }
        let values: Vec<PathBuf> = self.values.iter().map(|file| dir.join(file)).collect();
        let (mut ingress, mut gateway, mut size) = (Route::default(), Route::default(), PlanFile::default());
        let mut images = ImagesFile::default();
        for file in std::iter::once(&dir.join("values.yaml")).filter(|file| file.exists()).chain(&values) {
            let read = self.values_file(file)?;
            ingress = ingress.under(read.ingress.unwrap_or_default());
            gateway = gateway.under(read.gateway.unwrap_or_default());
            size = size.under(read.plan.unwrap_or_default());
            images = images.under(read.images.unwrap_or_default());
        }
        let descriptor = self.descriptor(&dir.join(DESCRIPTOR))?;
        let described = descriptor.describe(Engine {
            name: self.name.clone(),
            plans: self.plans(&dir.join("plans"), &size)?,
            default_plan: self.default_plan.clone(),
            secrets: Vec::new(),
            lost_secrets: LostSecrets::default(),
            admin_path: None,
            credentials: None,
            backup: None,
            domains: false,
            smtp: false,
            plugins: Some(self.plugins.iter().cloned().map(Into::into).collect()),
            verify: Verification::default(),
            chart: dir,
            chart_name: chart.name,
            values,
            versions: Versions { chart: chart.version, app: chart.app_version, digest, schema: String::new() },
            info: VersionInfo::default(),
            images: images.references(),
            secure: is_secure(ingress, gateway),
        });
        Ok(described)
    }

    /// By the chart's order; plans without one come last, by name.
    fn plans(&self, dir: &Path, size: &PlanFile) -> Result<Vec<Plan>, CatalogError> {
        let entries = std::fs::read_dir(dir).map_err(|source| self.unreadable(dir, source))?;
        let mut plans = Vec::new();
        for entry in entries {
            let values = entry.map_err(|source| self.unreadable(dir, source))?.path();
            let name = values.file_stem().and_then(|stem| stem.to_str());
            if let (Some(name), Some("yaml")) = (name, values.extension().and_then(|end| end.to_str())) {
                let own = self.values_file(&values)?.plan.unwrap_or_default();
                plans.push((size.clone().under(own), name.to_owned(), values));
            }
        }
        if plans.is_empty() {
            return Err(self.broken(dir, "has no plan: a file such as small.yaml"));
        }
        if let Some((_, _, values)) = plans.iter().find(|(size, _, _)| PlanSize::from(size.clone()).amounts().is_none())
        {
            return Err(self.broken(values, "has a plan whose cpu, memory or storage is not a Kubernetes quantity"));
        }
        plans.sort_by_key(|(size, name, _)| (size.order.unwrap_or(i64::MAX), name.clone()));
        let plan = |(size, name, values): (PlanFile, String, PathBuf)| Plan { name, values, size: size.into() };
        Ok(plans.into_iter().map(plan).collect())
    }

    /// The default if the chart has no such file.
    fn descriptor(&self, path: &Path) -> Result<DescriptorFile, CatalogError> {
        if !path.exists() {
            return Ok(DescriptorFile::default());
        }
        let text = std::fs::read_to_string(path).map_err(|source| self.unreadable(path, source))?;
        DescriptorFile::parse(&text).map_err(|problem| self.broken(path, &problem))
    }

    fn values_file(&self, path: &Path) -> Result<ValuesFile, CatalogError> {
        let values: serde_json::Value = self.read(path)?;
        if let Some(secret) = secrets::find(&values) {
            let problem = format!("contains a secret, {secret}: put it into a Secret, and name that");
            return Err(self.broken(path, &problem));
        }
        let read: Result<Option<ValuesFile>, _> = serde_json::from_value(values);
        Ok(read.map_err(|error| self.broken(path, &format!("is invalid: {error}")))?.unwrap_or_default())
    }

    fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T, CatalogError> {
        let text = std::fs::read_to_string(path).map_err(|source| self.unreadable(path, source))?;
        serde_saphyr::from_str(&text).map_err(|error| self.broken(path, &format!("is invalid: {error}")))
    }

    fn unreadable(&self, path: &Path, source: std::io::Error) -> CatalogError {
        CatalogError::Read { engine: self.name.clone(), path: path.to_owned(), source }
    }

    fn broken(&self, path: &Path, problem: &str) -> CatalogError {
        CatalogError::Broken { engine: self.name.clone(), path: path.to_owned(), problem: problem.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(enabled: Option<bool>, tls: Option<bool>) -> Route {
        Route { enabled, tls: tls.map(|enabled| Tls { enabled: Some(enabled) }) }
    }

    #[test]
    fn url_is_secure_if_an_enabled_route_has_tls() {
        let (yes, no) = (Some(true), Some(false));
        for (ingress, gateway, secure) in [
            (route(None, yes), route(None, None), true),
            (route(None, no), route(None, yes), false),
            (route(no, yes), route(no, None), true),
            (route(no, yes), route(yes, no), false),
            (route(no, no), route(yes, yes), true),
            (route(yes, no), route(yes, yes), true),
            (route(yes, yes), route(yes, no), true),
        ] {
            assert_eq!(is_secure(ingress, gateway), secure, "{:?} {:?}", ingress.enabled, gateway.enabled);
        }
        let later = route(no, None);
        assert_eq!(route(yes, yes).under(later).enabled, no);
        assert!(route(yes, yes).under(later).has_tls(), "a later file overrides single keys");
    }
}
