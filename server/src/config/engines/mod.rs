//! From the configured engines and their charts to the domain's [`Catalog`]. `descriptor` reads a chart's `storeplane.yaml`.

mod descriptor;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use storeplane_core::engine::{Catalog, Engine, LostSecrets, Plan, PlanSize, Verification};
use storeplane_core::store::Versions;

use super::Config;
use descriptor::DescriptorFile;

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
    /// No engine is configured.
    #[error("engines: none is configured")]
    Empty,
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

/// Reads the charts of all engines. The default engine comes first.
pub fn catalog(config: &Config) -> Result<Catalog, CatalogError> {
    let default = &config.charts.default_engine;
    let mut names: Vec<&String> = config.engines.keys().collect();
    names.sort_by_key(|name| *name != default);
    let engines = names.into_iter().filter_map(|name| Some((name, config.engines.get(name)?)));
    let engines: Vec<Engine> =
        engines.map(|(name, engine)| Chart { config, name }.engine(engine)).collect::<Result<_, _>>()?;
    Catalog::new(engines).ok_or(CatalogError::Empty)
}

/// The chart of an engine while it is being read.
struct Chart<'a> {
    config: &'a Config,
    name: &'a str,
}

impl Chart<'_> {
    fn engine(&self, engine: &super::Engine) -> Result<Engine, CatalogError> {
        let dir = self.config.charts.dir.join(&engine.chart);
        let dir = std::path::absolute(&dir).map_err(|source| self.unreadable(&dir, source))?;
        let chart: ChartFile = self.read(&dir.join("Chart.yaml"))?;
        if chart.name.is_empty() || chart.version.is_empty() {
            return Err(self.broken(&dir.join("Chart.yaml"), "has no name or no version"));
        }
        let values: Vec<PathBuf> = engine.values.iter().map(|file| dir.join(file)).collect();
        let (mut ingress, mut gateway, mut size) = (Route::default(), Route::default(), PlanFile::default());
        for file in std::iter::once(&dir.join("values.yaml")).filter(|file| file.exists()).chain(&values) {
            let read: Option<ValuesFile> = self.read(file)?;
            let read = read.unwrap_or_default();
            ingress = ingress.under(read.ingress.unwrap_or_default());
            gateway = gateway.under(read.gateway.unwrap_or_default());
            size = size.under(read.plan.unwrap_or_default());
        }
        let descriptor = self.descriptor(&dir.join("storeplane.yaml"))?;
        let described = descriptor.describe(Engine {
            name: self.name.to_owned(),
            plans: self.plans(&dir.join("plans"), &size)?,
            default_plan: self.config.charts.default_plan.clone(),
            secrets: Vec::new(),
            lost_secrets: LostSecrets::default(),
            credentials: None,
            backup: None,
            verify: Verification::default(),
            chart: dir,
            values,
            versions: Versions { chart: chart.version, app: chart.app_version, ..Versions::default() },
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
                let file: Option<ValuesFile> = self.read(&values)?;
                let own = file.and_then(|values| values.plan).unwrap_or_default();
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

    fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T, CatalogError> {
        let text = std::fs::read_to_string(path).map_err(|source| self.unreadable(path, source))?;
        serde_saphyr::from_str(&text).map_err(|error| self.broken(path, &format!("is invalid: {error}")))
    }

    fn unreadable(&self, path: &Path, source: std::io::Error) -> CatalogError {
        CatalogError::Read { engine: self.name.to_owned(), path: path.to_owned(), source }
    }

    fn broken(&self, path: &Path, problem: &str) -> CatalogError {
        CatalogError::Broken { engine: self.name.to_owned(), path: path.to_owned(), problem: problem.to_owned() }
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
