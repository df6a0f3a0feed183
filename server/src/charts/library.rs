//! The chart of a store: from the catalogue, otherwise from Postgres.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use storeplane_core::engine::{Catalog, Engine};
use storeplane_core::error::PortError;
use storeplane_core::store::Versions;
use tokio_util::sync::CancellationToken;

use super::Charts;
use super::dirs::ChartDirs;
use super::files::{ChartFiles, ChartFilesError};
use crate::config::{CatalogError, ChartReader};
use crate::outage::OutageLog;
use crate::postgres::{PgCharts, StoredChart};

/// Between two records of the versions that this server offers. Charts are kept for longer ([`crate::postgres::PgCharts::remove_unused`]).
const OFFER: Duration = Duration::from_hours(1);
/// Between attempts while Postgres is unavailable.
const RETRY: Duration = Duration::from_secs(2);

static OUTAGE: OutageLog = OutageLog::new("store the charts of the catalogue");

/// Why a store's chart cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The engine is not configured.
    #[error("engine {0} is no longer in the configuration")]
    NoEngine(String),
    /// The version is in neither place. A server that offers it may be about to store it.
    #[error(
        "version {version} of engine {engine} ({digest}) is neither in the configuration nor stored in the database"
    )]
    Missing {
        /// The engine.
        engine: String,
        /// The version.
        version: String,
        /// The chart's digest.
        digest: String,
    },
    /// Postgres does not answer.
    #[error("the chart cannot be read from the database: {0}")]
    Postgres(#[from] PortError),
    /// What is stored cannot be unpacked here.
    #[error("the stored chart {0}")]
    Files(#[from] ChartFilesError),
    /// What is stored does not fit the configuration.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Finds charts. Clones are the same library.
#[derive(Debug, Clone)]
pub struct ChartLibrary(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Arc<Catalog>,
    offered: Vec<StoredChart>,
    dirs: ChartDirs,
    readers: BTreeMap<String, ChartReader>,
    database: PgCharts,
}

impl ChartLibrary {
    /// A library of these charts and of those in Postgres.
    pub fn new(charts: Charts, database: PgCharts) -> Self {
        let Charts { catalog, stored, dirs, readers } = charts;
        Self(Arc::new(Inner { catalog, offered: stored, dirs, readers, database }))
    }

    /// The engine with exactly the chart of this digest if it is offered or stored, otherwise as [`Self::engine`].
    pub async fn engine_as_recorded(&self, name: &str, versions: &Versions) -> Result<Engine, ChartError> {
        let Inner { catalog, dirs, readers, database, .. } = &*self.0;
        let digest = &versions.digest;
        let is_there = catalog.engine_by_digest(name, digest).is_some_and(|engine| engine.chart.is_dir());
        if digest.is_empty() || is_there {
            return self.engine(name, versions).await;
        }
        let dir = match dirs.find(digest)? {
            Some(dir) => Some(dir),
            None => match database.package(digest).await? {
                Some(package) => Some(dirs.unpack(digest, &unpack(digest, &package)?)?),
                None => None,
            },
        };
        match (dir, readers.get(name)) {
            (Some(dir), Some(reader)) => Ok(reader.read_engine(&dir, digest.clone())?),
            _ => self.engine(name, versions).await,
        }
    }

    /// The engine at the version that a store has. Stores that recorded neither digest nor a known version have the default one.
    pub async fn engine(&self, name: &str, versions: &Versions) -> Result<Engine, ChartError> {
        let Inner { catalog, dirs, readers, database, .. } = &*self.0;
        let no_engine = || ChartError::NoEngine(name.to_owned());
        let default = catalog.engine(name).ok_or_else(no_engine)?;
        let installed = catalog.installed(name, versions);
        // A directory of packages may have been cleaned up.
        if let Some(engine) = installed.filter(|engine| engine.chart.is_dir()) {
            return Ok(engine.clone());
        }
        if installed.is_none() && versions.digest.is_empty() {
            return Ok(default.clone());
        }
        let digest = installed.map_or(&versions.digest, |engine| &engine.versions.digest);
        let dir = match dirs.find(digest)? {
            Some(dir) => dir,
            None => match database.package(digest).await? {
                Some(package) => dirs.unpack(digest, &unpack(digest, &package)?)?,
                None => return Err(missing(name, versions)),
            },
        };
        let reader = readers.get(name).ok_or_else(no_engine)?;
        Ok(reader.read_engine(&dir, digest.clone())?)
    }

    /// Stores the catalogue's charts in Postgres until `shutdown`, and removes those that nobody needs.
    pub async fn maintain_until(self, shutdown: CancellationToken) {
        let maintain = async {
            loop {
                let wait = match self.maintain().await {
                    Ok(()) => {
                        OUTAGE.worked();
                        OFFER
                    }
                    Err(error) => {
                        OUTAGE.failed(&error);
                        RETRY
                    }
                };
                tokio::time::sleep(wait).await;
            }
        };
        shutdown.run_until_cancelled(maintain).await;
    }

    async fn maintain(&self) -> Result<(), PortError> {
        self.0.database.offer(&self.0.offered).await?;
        let removed = self.0.database.remove_unused().await?;
        if removed > 0 {
            tracing::info!(removed, "removed charts that no store has");
        }
        Ok(())
    }
}

/// The files of a stored package, if they are those of its digest.
fn unpack(digest: &str, package: &[u8]) -> Result<ChartFiles, ChartFilesError> {
    let files = ChartFiles::unpack(package)?;
    if files.digest() == digest { Ok(files) } else { Err(ChartFilesError::Digest) }
}

fn missing(name: &str, versions: &Versions) -> ChartError {
    ChartError::Missing { engine: name.to_owned(), version: versions.chart.clone(), digest: versions.digest.clone() }
}
