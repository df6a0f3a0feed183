//! One chart from one source.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use semver::Version;
use storeplane_core::engine::Engine;
use storeplane_core::store::Versions;
use tokio_util::sync::CancellationToken;

use super::ChartFilesError;
use super::dirs::ChartDirs;
use super::files::{ChartFiles, PACKAGE_MAX, sha256};
use crate::config::{CatalogError, ChartReader, ChartSource, Charts};
use crate::helm::{Helm, Pull};
use crate::postgres::StoredChart;

/// Time limit of a download.
const PULL_TIMEOUT: Duration = Duration::from_mins(1);
/// How often a download is tried before the server gives up, and the time between.
const PULL_TRIES: u32 = 3;
const PULL_PAUSE: Duration = Duration::from_secs(2);

/// Opens charts.
pub(super) struct Sources<'a> {
    pub(super) config: &'a Charts,
    pub(super) helm: &'a Helm,
    pub(super) stop: &'a CancellationToken,
    pub(super) dirs: ChartDirs,
}

/// A chart that was read.
pub(super) struct Opened {
    pub(super) source: ChartSource,
    pub(super) engine: Engine,
    /// The digest of the package, if it is one.
    pub(super) package: Option<String>,
    files: ChartFiles,
}

impl Opened {
    pub(super) fn version(&self) -> &str {
        &self.engine.versions.chart
    }

    /// The row in Postgres.
    pub(super) fn stored(&self) -> Result<StoredChart, CatalogError> {
        let Engine { name, chart_name, versions, .. } = &self.engine;
        let package = self.files.pack(chart_name).map_err(|error| unusable(name, &self.source, &error))?;
        Ok(StoredChart { engine: name.clone(), chart: chart_name.clone(), versions: versions.clone(), package })
    }
}

impl Sources<'_> {
    /// The chart of an engine.
    pub(super) async fn open(&self, reader: &ChartReader, source: &ChartSource) -> Result<Opened, CatalogError> {
        let failed = |error: &ChartFilesError| unusable(reader.name(), source, error);
        let package = match source {
            ChartSource::Path(path) if is_package(path) => {
                read_package(&self.config.dir.join(path)).map_err(|error| failed(&error))?
            }
            ChartSource::Path(path) => return open_dir(reader, source, &self.config.dir.join(path)),
            ChartSource::Registry { repository, version } => self.pull(reader, source, repository, version).await?,
        };
        let files = ChartFiles::unpack(&package).map_err(|error| failed(&error))?;
        let digest = files.digest();
        let dir = self.dirs.unpack(&digest, &files).map_err(|error| failed(&error))?;
        let engine = reader.read_engine(&dir, digest)?;
        Ok(Opened { source: source.clone(), engine, package: Some(sha256(&package)), files })
    }

    /// The packages of a chart in the directory of the charts.
    pub(super) fn packages(&self, reader: &ChartReader, chart: &str) -> Result<Vec<ChartSource>, CatalogError> {
        let dir = &self.config.dir;
        let failed = |error| unusable(reader.name(), &ChartSource::Path(dir.clone()), &ChartFilesError::Io(error));
        let prefix = format!("{chart}-");
        let mut found = Vec::new();
        let entries = match fs::read_dir(dir) {
            // All charts may have absolute paths, or come from a registry.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let name = PathBuf::from(entry.map_err(failed)?.file_name());
            let version = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".tgz"));
            // `shop-extra-1.0.0.tgz` is of the chart `shop-extra`.
            if version.is_some_and(|version| Version::parse(version).is_ok()) {
                found.push(ChartSource::Path(name));
            }
        }
        found.sort();
        Ok(found)
    }

    /// True if both lead to the same chart.
    pub(super) fn is_same(&self, one: &ChartSource, other: &ChartSource) -> bool {
        match (one, other) {
            (ChartSource::Path(one), ChartSource::Path(other)) => {
                self.config.dir.join(one) == self.config.dir.join(other)
            }
            _ => one == other,
        }
    }

    async fn pull(
        &self,
        reader: &ChartReader,
        source: &ChartSource,
        repository: &str,
        version: &str,
    ) -> Result<Vec<u8>, CatalogError> {
        let failed = |error: ChartFilesError| unusable(reader.name(), source, &error);
        let root = self.dirs.root().map_err(failed)?;
        let mut tries = PULL_TRIES;
        loop {
            let destination = tempfile::Builder::new().prefix("pull-").tempdir_in(&root);
            let destination = destination.map_err(|error| failed(error.into()))?;
            let pull = Pull {
                repository: repository.to_owned(),
                version: version.to_owned(),
                destination: destination.path().to_owned(),
                registry_config: self.config.registry_config.clone(),
                plain_http: self.config.registry_plain_http,
            };
            tries -= 1;
            match self.helm.pull(&pull, PULL_TIMEOUT, self.stop.clone()).await {
                Ok(()) => return pulled(destination.path()).map_err(failed),
                Err(error) if tries == 0 || self.stop.is_cancelled() => {
                    return Err(CatalogError::Source {
                        engine: reader.name().to_owned(),
                        chart: source.clone(),
                        problem: error.to_string(),
                    });
                }
                Err(error) => tracing::warn!(%error, %source, "a chart could not be downloaded; trying again"),
            }
            self.stop.run_until_cancelled(tokio::time::sleep(PULL_PAUSE)).await;
        }
    }
}

fn open_dir(reader: &ChartReader, source: &ChartSource, dir: &Path) -> Result<Opened, CatalogError> {
    let engine = reader.read_engine(dir, String::new())?;
    let files = ChartFiles::read_dir(dir).map_err(|error| unusable(reader.name(), source, &error))?;
    let versions = Versions { digest: files.digest(), ..engine.versions };
    Ok(Opened { source: source.clone(), engine: Engine { versions, ..engine }, package: None, files })
}

fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tgz")
}

/// The one file that helm wrote.
fn pulled(dir: &Path) -> Result<Vec<u8>, ChartFilesError> {
    let paths = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let paths = paths.collect::<Result<Vec<_>, _>>()?;
    let package = paths.iter().find(|path| is_package(path));
    read_package(package.ok_or_else(|| std::io::Error::other("helm pull wrote no package"))?)
}

fn read_package(path: &Path) -> Result<Vec<u8>, ChartFilesError> {
    let mut package = Vec::new();
    fs::File::open(path)?.take(PACKAGE_MAX + 1).read_to_end(&mut package)?;
    Ok(package)
}

fn unusable(engine: &str, source: &ChartSource, error: &ChartFilesError) -> CatalogError {
    CatalogError::Source { engine: engine.to_owned(), chart: source.clone(), problem: error.to_string() }
}
