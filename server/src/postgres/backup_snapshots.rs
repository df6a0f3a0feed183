//! Snapshots of volumes that were made with backups: which have to be compared with the cluster's, and what is known of them afterwards.
//!
//! Several servers may do it at once: each statement changes only what is as it was read, and repeating one changes nothing.

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, Statement, Value};
use storeplane_core::backup::snapshot::Snapshot;
use storeplane_core::backup::{Backup, BackupState};
use storeplane_core::error::PortError;
use storeplane_core::ids::{BackupId, StoreUid};
use time::OffsetDateTime;

use super::backups::read;
use super::entity::backup;
use super::error::{broken, port_error};
use crate::postgres::PgBackups;

/// Takes backups whose snapshots are due, and makes them due again later, in growing intervals. Uses the index `backups_snapshots_due`.
const DUE: &str = "
UPDATE backups SET snapshots_due = clock_timestamp()
  + least(interval '5 minutes', greatest(interval '2 seconds', (clock_timestamp() - completed_at) / 4))
WHERE id IN (SELECT id FROM backups WHERE snapshots_due <= clock_timestamp() ORDER BY snapshots_due LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, clock_timestamp()";
/// No operation reads it, also not the one that made it: the undo of an update does. Uses the index `operations_by_restored_backup`.
const UNUSED: &str =
    "NOT EXISTS (SELECT FROM operations o WHERE o.restores = backups.id AND o.state IN ('PENDING', 'RUNNING'))
  AND NOT EXISTS (SELECT FROM operations o WHERE o.id = backups.operation AND o.state IN ('PENDING', 'RUNNING'))";

/// A backup whose snapshots are due.
#[derive(Debug)]
pub struct DueSnapshots {
    /// The backup.
    pub backup: Backup,
    /// The store's namespace; `None` if it is gone.
    pub namespace: Option<String>,
    /// Postgres' time.
    pub now: OffsetDateTime,
}

impl PgBackups {
    /// Backups whose snapshots are due, at most `limit`. They are not due again for a while.
    pub async fn due_snapshots(&self, limit: u64) -> Result<Vec<DueSnapshots>, PortError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let taken = Statement::from_sql_and_values(DbBackend::Postgres, DUE, [limit.into()]);
        let mut due = Vec::new();
        for row in self.database.query_all_raw(taken).await.map_err(port_error)? {
            let (id, now): (uuid::Uuid, OffsetDateTime) =
                (row.try_get_by_index(0).map_err(port_error)?, row.try_get_by_index(1).map_err(port_error)?);
            let found = backup::Entity::find_by_id(id).one(&self.database).await.map_err(port_error)?;
            if let Some(backup) = found.map(read) {
                let namespace = self.namespace(backup.store).await?;
                due.push(DueSnapshots { backup, namespace, now });
            }
        }
        Ok(due)
    }

    /// The namespace of a store, unless it is deleted.
    pub async fn namespace(&self, store: StoreUid) -> Result<Option<String>, PortError> {
        let sql = "SELECT namespace FROM stores WHERE uid = $1 AND state <> 'DELETED'";
        let select = Statement::from_sql_and_values(DbBackend::Postgres, sql, [store.0.into()]);
        let row = self.database.query_one_raw(select).await.map_err(port_error)?;
        row.map(|row| row.try_get_by_index(0).map_err(port_error)).transpose()
    }

    /// The backups of a store with snapshots, newest first.
    pub async fn with_snapshots(&self, store: StoreUid) -> Result<Vec<Backup>, PortError> {
        use backup::Column;
        let select = backup::Entity::find().filter(Column::Store.eq(store.0));
        let select = select.filter(sea_orm::sea_query::Expr::cust("snapshots <> '[]'"));
        let rows = select.order_by_desc(Column::CreatedAt).all(&self.database).await.map_err(port_error)?;
        Ok(rows.into_iter().map(read).collect())
    }

    /// True if no operation reads the backup.
    pub async fn is_unused(&self, backup: BackupId) -> Result<bool, PortError> {
        let sql = format!("SELECT {UNUSED} FROM backups WHERE id = $1");
        let select = Statement::from_sql_and_values(DbBackend::Postgres, sql, [backup.0.into()]);
        let row = self.database.query_one_raw(select).await.map_err(port_error)?;
        row.map_or(Ok(true), |row| row.try_get_by_index(0).map_err(port_error))
    }

    /// Stores what is known of the snapshots of a complete backup. They are no longer due if they are `settled`.
    pub async fn snapshots_are(&self, id: BackupId, known: &[Snapshot], settled: bool) -> Result<(), PortError> {
        let known = serde_json::to_value(known).map_err(|_| broken("snapshots cannot be stored"))?;
        let sql = "UPDATE backups SET snapshots = $2, snapshots_due = CASE WHEN $3 THEN NULL ELSE snapshots_due END
            WHERE id = $1 AND state = $4";
        let values: [Value; 4] = [id.0.into(), known.into(), settled.into(), BackupState::Complete.as_str().into()];
        let update = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.database.execute_raw(update).await.map(drop).map_err(port_error)
    }
}
