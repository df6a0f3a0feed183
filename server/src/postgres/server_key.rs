//! The key that seals cursors and page tokens: created once per database, shared by all servers.

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
    key: Arc<OnceCell<[u8; 32]>>,
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKey").finish_non_exhaustive()
    }
}

impl ServerKey {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database, key: Arc::default() }
    }

    /// The key.
    pub async fn read(&self) -> Result<[u8; 32], PortError> {
        let read = || async {
            let sql = "SELECT key FROM server_keys WHERE name = 'cursor'";
            let statement = Statement::from_string(DbBackend::Postgres, sql);
            let row = self.database.query_one_raw(statement).await.map_err(port_error)?;
            let row = row.ok_or_else(|| broken("server_keys has no key for cursors"))?;
            let key: Vec<u8> = row.try_get_by_index(0).map_err(port_error)?;
            key.try_into().map_err(|_| broken("the key for cursors does not have 32 bytes"))
        };
        self.key.get_or_try_init(read).await.copied()
    }
}
