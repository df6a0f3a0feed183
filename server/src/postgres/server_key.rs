//! Keys that are created once per database and shared by all servers: one seals cursors and page tokens, one signs the audit
//! log's checkpoints.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use storeplane_core::error::PortError;
use tokio::sync::OnceCell;

use super::error::{broken, port_error};
use super::pool::Pool;

/// Reads the key on first use: the database may be unavailable when the server starts.
#[derive(Clone)]
pub struct ServerKey {
    database: Pool,
    name: &'static str,
    key: Arc<OnceCell<[u8; 32]>>,
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKey").finish_non_exhaustive()
    }
}

impl ServerKey {
    /// The key that seals cursors and page tokens.
    pub fn new(database: Pool) -> Self {
        Self { database, name: "cursor", key: Arc::default() }
    }

    /// The key that signs the audit log's checkpoints.
    pub fn audit(database: Pool) -> Self {
        Self { name: "audit", ..Self::new(database) }
    }

    /// The key.
    pub async fn read(&self) -> Result<[u8; 32], PortError> {
        let read = || async {
            let sql = "SELECT key FROM server_keys WHERE name = $1";
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [self.name.into()]);
            let row = self.database.query_one_raw(statement).await.map_err(port_error)?;
            let row = row.ok_or_else(|| broken(format!("server_keys has no key {:?}", self.name)))?;
            let key: Vec<u8> = row.try_get_by_index(0).map_err(port_error)?;
            key.try_into().map_err(|_| broken(format!("the key {:?} does not have 32 bytes", self.name)))
        };
        self.key.get_or_try_init(read).await.copied()
    }
}
