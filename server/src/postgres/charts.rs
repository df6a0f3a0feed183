//! Charts by digest, so that a store whose version no server offers any more can still be handled.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement, Value};
use storeplane_core::error::PortError;
use storeplane_core::store::Versions;

use super::error::port_error;
use super::pool::Pool;

/// A chart as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChart {
    /// The engine that offers it.
    pub engine: String,
    /// The chart's name.
    pub chart: String,
    /// Its versions and digest.
    pub versions: Versions,
    /// Its files.
    pub package: Vec<u8>,
}

const OFFER: &str = "UPDATE charts SET offered_at = clock_timestamp() WHERE digest = $1";

const STORE: &str = "
INSERT INTO charts (digest, engine, chart, version, app_version, schema_version, package)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (digest) DO NOTHING";

/// Servers offer their charts each hour; one that is started later with an older configuration, during a rolling update or a rollback, finds
/// them here for a week.
const REMOVE: &str = "
DELETE FROM charts c WHERE c.offered_at < clock_timestamp() - interval '7 days'
  AND NOT EXISTS (SELECT FROM stores s WHERE s.chart_digest = c.digest AND s.state <> 'DELETED')
  AND NOT EXISTS (SELECT FROM revisions r JOIN stores s ON s.uid = r.store
    WHERE r.settings #>> '{versions,digest}' = c.digest AND s.state <> 'DELETED')";

/// The table of charts.
#[derive(Clone)]
pub struct PgCharts {
    database: Pool,
}

impl std::fmt::Debug for PgCharts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgCharts").finish_non_exhaustive()
    }
}

impl PgCharts {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// Stores charts that are not there, and records that a server offers them.
    pub async fn offer(&self, charts: &[StoredChart]) -> Result<(), PortError> {
        for StoredChart { engine, chart, versions, package } in charts {
            if self.execute(OFFER, vec![(&versions.digest).into()]).await? > 0 {
                continue;
            }
            let Versions { chart: version, app, digest, schema } = versions;
            let mut values: Vec<Value> = [digest, engine, chart, version, app, schema].map(Value::from).into();
            values.push(package.clone().into());
            self.execute(STORE, values).await?;
        }
        Ok(())
    }

    /// The package of the chart with this digest.
    pub async fn package(&self, digest: &str) -> Result<Option<Vec<u8>>, PortError> {
        let sql = "SELECT package FROM charts WHERE digest = $1";
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [digest.into()]);
        let row = self.database.query_one_raw(statement).await.map_err(port_error)?;
        row.map(|row| row.try_get_by_index(0)).transpose().map_err(port_error)
    }

    /// Removes charts that no server has offered for a week, and that no store has. Returns how many.
    pub async fn remove_unused(&self) -> Result<u64, PortError> {
        self.execute(REMOVE, Vec::new()).await
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, PortError> {
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let done: Result<_, DbErr> = self.database.execute_raw(statement).await;
        Ok(done.map_err(port_error)?.rows_affected())
    }
}
