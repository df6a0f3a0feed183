//! The charts of the engines: from directories, packages and OCI registries to the domain's [`Catalog`], and the charts of stores whose
//! version the catalogue no longer has.
//!
//! - This file: what is read at start. `sources`: one chart from one source.
//! - `files`: a chart's files, their digest, packages. `dirs`: where packages are unpacked.
//! - `library`: the chart of a store, from the catalogue or from Postgres, where every server stores its catalogue.

mod dirs;
mod files;
mod library;
mod sources;

use std::collections::BTreeMap;
use std::sync::Arc;

use storeplane_core::engine::Catalog;
use tokio_util::sync::CancellationToken;

use crate::config::{self, CatalogError, ChartReader, Config};
use crate::helm::Helm;
use crate::postgres::StoredChart;

use dirs::ChartDirs;
pub use files::{ChartFiles, ChartFilesError};
pub use library::{ChartError, ChartLibrary};
use sources::{Opened, Sources};

/// The charts of all engines, as they were at start.
#[derive(Debug)]
pub struct Charts {
    /// The engines and their versions.
    pub catalog: Arc<Catalog>,
    /// The same charts as packages, for Postgres.
    stored: Vec<StoredChart>,
    dirs: ChartDirs,
    readers: BTreeMap<String, ChartReader>,
}

/// Reads the charts of all engines. The default engine comes first. `stop` ends downloads.
pub async fn load(config: &Config, helm: &Helm, stop: &CancellationToken) -> Result<Charts, CatalogError> {
    let found;
    let engines = if config.engines.is_empty() {
        found = find(&config.charts)?;
        &found
    } else {
        &config.engines
    };
    let default = config.charts.default_of(engines).map_err(CatalogError::Default)?;
    let mut engines: Vec<_> = engines.iter().collect();
    engines.sort_by_key(|(name, _)| *name != default);
    let sources = Sources { config: &config.charts, helm, stop, dirs: ChartDirs::new() };
    let (mut defaults, mut others, mut stored, mut readers) = (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    for (name, engine) in engines {
        let reader = ChartReader::new(name, engine, &config.charts);
        let versions = Versions { name, engine, sources: &sources, reader: &reader }.open().await?;
        for opened in &versions {
            stored.push(opened.stored()?);
        }
        let mut versions = versions.into_iter().map(|opened| opened.engine);
        defaults.extend(versions.next());
        others.extend(versions);
        readers.insert(name.clone(), reader);
    }
    let catalog = Catalog::with_versions(defaults, others).ok_or_else(|| empty(&config.charts))?;
    Ok(Charts { catalog: Arc::new(catalog), stored, dirs: sources.dirs, readers })
}

/// The engines of a configuration that names none; at least one.
fn find(charts: &config::Charts) -> Result<BTreeMap<String, config::Engine>, CatalogError> {
    let unreadable = |source| CatalogError::Dir { dir: charts.dir.clone(), source };
    let engines = charts.find_engines().map_err(unreadable)?;
    if engines.is_empty() { Err(empty(charts)) } else { Ok(engines) }
}

fn empty(charts: &config::Charts) -> CatalogError {
    CatalogError::Empty { dir: charts.dir.clone() }
}

/// The versions of an engine while they are read.
struct Versions<'a> {
    name: &'a str,
    engine: &'a config::Engine,
    sources: &'a Sources<'a>,
    reader: &'a ChartReader,
}

impl Versions<'_> {
    /// All versions, the default one first.
    async fn open(&self) -> Result<Vec<Opened>, CatalogError> {
        let first = self.sources.open(self.reader, &self.engine.chart).await?;
        let chart_name = first.engine.chart_name.clone();
        let mut sources = vec![self.engine.chart.clone()];
        let found = self.sources.packages(self.reader, &chart_name)?;
        for source in self.engine.versions.iter().cloned().chain(found) {
            if !sources.iter().any(|known| self.sources.is_same(known, &source)) {
                sources.push(source);
            }
        }
        let mut opened = vec![first];
        for source in sources.iter().skip(1) {
            let version = self.sources.open(self.reader, source).await?;
            if version.engine.chart_name != chart_name {
                let other = &version.engine.chart_name;
                return Err(self.wrong("versions", format!("{source} is the chart {other}, not {chart_name}")));
            }
            match opened.iter().find(|known| known.version() == version.version()) {
                Some(known) if known.engine.versions.digest == version.engine.versions.digest => {}
                Some(known) => {
                    let (one, other, version) = (&known.source, &version.source, version.version());
                    return Err(self.wrong("versions", format!("{one} and {other} are different charts {version}")));
                }
                None => opened.push(version),
            }
        }
        self.check_digests(&opened)?;
        if !self.engine.plugins.is_empty() && opened.iter().all(|opened| opened.engine.plugins.is_none()) {
            let problem = "must be empty: no version of its chart has `plugins: true` in its storeplane.yaml";
            return Err(self.wrong("plugins", problem.to_owned()));
        }
        self.default_first(opened)
    }

    fn check_digests(&self, opened: &[Opened]) -> Result<(), CatalogError> {
        for (version, expected) in &self.engine.digests {
            let found = opened.iter().find(|opened| opened.version() == version);
            let problem = match found.map(|opened| (&opened.source, opened.package.as_ref())) {
                Some((_, Some(actual))) if actual == expected => continue,
                Some((source, Some(actual))) => format!("{source} has {actual}, not {expected}"),
                Some((source, None)) => format!("{source} is a directory; only packages have a digest"),
                None => format!("there is no version {version}"),
            };
            return Err(self.wrong("digests", format!("{version}: {problem}")));
        }
        Ok(())
    }

    fn default_first(&self, mut opened: Vec<Opened>) -> Result<Vec<Opened>, CatalogError> {
        let Some(default) = &self.engine.default_version else { return Ok(opened) };
        let Some(at) = opened.iter().position(|opened| opened.version() == default) else {
            let versions: Vec<_> = opened.iter().map(Opened::version).collect();
            return Err(self.wrong("default_version", format!("must be one of: {}", versions.join(", "))));
        };
        opened.swap(0, at);
        Ok(opened)
    }

    fn wrong(&self, key: &'static str, problem: String) -> CatalogError {
        CatalogError::Key { engine: self.name.to_owned(), key, problem }
    }
}

#[cfg(test)]
mod tests;
