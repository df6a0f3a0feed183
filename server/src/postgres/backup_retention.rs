//! Backups that are no longer kept: they become DELETING, and [`crate::backup_removal`] removes what is stored of them.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect, Statement,
};
use storeplane_core::audit::{Action, AuditRecord, Changes, SCHEDULER};
use storeplane_core::backup::schedule::{KEEP_FAILED, Kept, Policies};
use storeplane_core::backup::{BackupState, BackupTrigger};
use storeplane_core::backup_policy::BackupPolicy;
use storeplane_core::error::PortError;
use storeplane_core::ids::{BackupId, StoreUid};
use storeplane_core::ports::Ids;
use storeplane_core::transition;
use time::OffsetDateTime;
use uuid::Uuid;

use super::backups::{read, report_deleted, save, user_of};
use super::entity::backup;
use super::error::port_error;
use super::pool::Pool;
use super::{apply, audit, rows};

/// Rows of a page of complete backups: more than a store usually has.
const PAGE: usize = 5000;
/// Maximum number of backups that one transaction marks.
const BATCH: usize = 100;

/// Uses the index `backups_complete`. The limit of one makes each store a lookup, also where a hash of all stores looks cheaper.
const COMPLETE: &str = "
SELECT b.store, b.id, b.trigger, b.created_at, s.plan, s.backup_every, s.backup_keep_days, s.backup_keep_weekly,
  CASE WHEN s.state = 'DELETED' THEN coalesce(s.deleted_at, s.updated_at) END AS deleted_at
FROM (SELECT store, id, trigger, created_at FROM backups WHERE state = 'COMPLETE' AND store > $1
  ORDER BY store, created_at LIMIT $2) b
JOIN LATERAL (SELECT plan, backup_every, backup_keep_days, backup_keep_weekly, state, deleted_at, updated_at FROM stores WHERE uid = b.store LIMIT 1) s ON true
ORDER BY b.store, b.created_at";

/// Uses the index `backups_failed`.
const FAILED: &str =
    "SELECT store, id FROM backups WHERE state = 'FAILED' AND created_at < $1 ORDER BY created_at LIMIT $2";

/// Backups that are no longer kept, by store.
pub type Expired = HashMap<StoreUid, Vec<BackupId>>;

/// Marks backups that are no longer kept.
#[derive(Clone)]
pub struct BackupRetention {
    database: Pool,
    ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for BackupRetention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupRetention").finish_non_exhaustive()
    }
}

struct Row {
    store: StoreUid,
    plan: String,
    policy: BackupPolicy,
    deleted_at: Option<OffsetDateTime>,
    backup: Kept,
}

impl BackupRetention {
    /// Uses this pool.
    pub fn new(database: Pool, ids: Arc<dyn Ids>) -> Self {
        Self { database, ids }
    }

    /// The complete backups that are no longer kept, of a page of the stores after this uid; and the store after which the next page
    /// begins, if there may be more.
    pub async fn complete(
        &self,
        after: StoreUid,
        policies: &Policies,
        now: OffsetDateTime,
    ) -> Result<(Expired, Option<StoreUid>), PortError> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let page = [after.0.into(), limit.into()];
        let page = Statement::from_sql_and_values(DatabaseBackend::Postgres, COMPLETE, page);
        let rows = self.database.query_all_raw(page).await.map_err(port_error)?;
        let mut rows = rows.iter().map(complete).collect::<Result<Vec<_>, _>>().map_err(port_error)?;
        let last = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.store);
        // The last store's backups may continue on the next page, unless it is the only one on this page: then its oldest ones are decided.
        if let Some(last) = last
            && rows.first().is_some_and(|first| first.store != last)
        {
            rows.retain(|row| row.store != last);
        }
        let next = last.and_then(|_| rows.last()).map(|row| row.store);
        let expired = rows.chunk_by(|one, other| one.store == other.store).filter_map(|rows| {
            let first = rows.first()?;
            let backups: Vec<_> = rows.iter().map(|row| row.backup).collect();
            let expired = policies.of(&first.plan, &first.policy).expired(first.deleted_at, &backups, now);
            (!expired.is_empty()).then_some((first.store, expired))
        });
        Ok((expired.collect(), next))
    }

    /// Failed backups that are no longer kept, at most as many as one transaction marks.
    pub async fn failed(&self, now: OffsetDateTime) -> Result<Expired, PortError> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let failed = [(now - KEEP_FAILED).into(), limit.into()];
        let failed = Statement::from_sql_and_values(DatabaseBackend::Postgres, FAILED, failed);
        let mut expired = Expired::new();
        for row in self.database.query_all_raw(failed).await.map_err(port_error)? {
            let store: Uuid = row.try_get_by_index(0).map_err(port_error)?;
            let id: Uuid = row.try_get_by_index(1).map_err(port_error)?;
            expired.entry(StoreUid(store)).or_default().push(BackupId(id));
        }
        Ok(expired)
    }

    /// Marks backups of one store, each with an audit record. Those that an operation reads stay as they are. Returns how many were marked.
    pub async fn expire(&self, store: StoreUid, backups: &[BackupId], now: OffsetDateTime) -> Result<usize, PortError> {
        let mut marked = 0;
        for batch in backups.chunks(BATCH) {
            marked += self.expire_batch(store, batch, now).await?;
        }
        Ok(marked)
    }

    async fn expire_batch(&self, store: StoreUid, batch: &[BackupId], now: OffsetDateTime) -> Result<usize, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let store = apply::lock(&transaction, store).await?;
        let rows = backup::Entity::find()
            .filter(backup::Column::Id.is_in(batch.iter().map(|id| id.0)))
            .filter(backup::Column::State.is_in([BackupState::Complete, BackupState::Failed].map(BackupState::as_str)))
            .order_by_asc(backup::Column::Id)
            .lock_exclusive();
        let rows = rows.all(&transaction).await.map_err(port_error)?;
        let (mut records, mut expired) = (Vec::with_capacity(rows.len()), Vec::new());
        for before in rows.into_iter().map(read) {
            // Kept until the operation ends, which locks the backup before it begins, or made it.
            if user_of(&transaction, (before.id, before.operation)).await?.is_some() {
                continue;
            }
            let after = transition::backup::delete(before.clone())?;
            save(&transaction, &after).await?;
            let tenant = before.tenant.clone();
            let target = before.id.to_string();
            let record = AuditRecord::new(self.ids.uuid(), now, tenant, SCHEDULER, Action::ExpireBackup, target);
            let state = |state: BackupState| serde_json::json!({ "state": state.as_str() });
            let changes = Changes::between(state(before.state), state(after.state));
            records.push(AuditRecord { store: Some(before.store), changes, ..record });
            expired.push(after);
        }
        report_deleted(&transaction, store, &expired, (SCHEDULER, now)).await?;
        let marked = records.len();
        // Last: the tenant's chain is locked from here to the end of the transaction.
        for record in records {
            audit::append(&transaction, record).await?;
        }
        transaction.commit().await.map_err(port_error)?;
        Ok(marked)
    }
}

fn complete(row: &QueryResult) -> Result<Row, DbErr> {
    let trigger: String = row.try_get("", "trigger")?;
    Ok(Row {
        store: StoreUid(row.try_get("", "store")?),
        plan: row.try_get("", "plan")?,
        policy: rows::policy_columns(row)?,
        deleted_at: row.try_get("", "deleted_at")?,
        backup: Kept {
            id: BackupId(row.try_get("", "id")?),
            trigger: BackupTrigger::parse(&trigger).unwrap_or(BackupTrigger::Unreadable),
            created_at: row.try_get("", "created_at")?,
        },
    })
}
