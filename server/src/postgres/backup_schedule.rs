//! Scheduled backups: which stores have shops that run, and the operations that back them up.
//!
//! [`BackupSchedule::start`] decides again in its own transaction, under a lock of all servers, so two servers that both believe to be the
//! leader neither back up a store twice nor exceed the limit. All times are Postgres'.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult, Statement};
use storeplane_core::audit::SCHEDULER;
use storeplane_core::backup::schedule::{History, Policies};
use storeplane_core::backup::{BackupTrigger, restore_test};
use storeplane_core::backup_policy::BackupPolicy;
use storeplane_core::engine::Catalog;
use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;
use storeplane_core::ids::{BackupId, OperationId, StoreUid, Tenant};
use storeplane_core::ports::Ids;
use storeplane_core::transition::backup_request::back_up;
use storeplane_core::transition::request::Request;
use time::OffsetDateTime;

use super::error::{broken, port_error};
use super::pool::Pool;
use super::{apply, locks, rows};

/// Stores that are marked as overdue: the condition of the index `stores_backup_overdue`. Without parameters, so that any plan can use it.
pub(super) const OVERDUE: &str =
    r#"(state IN ('READY', 'DEGRADED') AND conditions @> '[{"kind": "BackedUp", "reason": "BACKUP_OVERDUE"}]')"#;

/// Rows of a page of stores.
const PAGE: usize = 500;

/// A page of the stores whose shops run, or one of them: `{}` is the condition on `uid`. Each subquery is a lookup in an index.
const SHOPS: &str = "
SELECT s.uid, s.tenant, s.engine, s.plan, s.backup_every, s.backup_keep_days, s.backup_keep_weekly, coalesce(s.ready_at, s.created_at) AS ready_at,
  s.conditions @> '[{\"kind\": \"BackedUp\", \"reason\": \"BACKUP_OVERDUE\"}]' AS marked,
  coalesce((SELECT o.state IN ('PENDING', 'RUNNING') FROM operations o WHERE o.id = s.operation), true) AS busy,
  complete.id AS complete_id, complete.created_at AS complete_at, scheduled.created_at AS scheduled_at,
  CASE WHEN last.state = 'FAILED' THEN last.ended_at END AS failed_at
FROM (SELECT * FROM stores WHERE state IN ('READY', 'DEGRADED') AND {} ORDER BY uid LIMIT $2) s
LEFT JOIN LATERAL (SELECT b.id, b.created_at FROM backups b WHERE b.store = s.uid AND b.state = 'COMPLETE'
  ORDER BY b.created_at DESC LIMIT 1) complete ON true
LEFT JOIN LATERAL (SELECT b.created_at FROM backups b WHERE b.store = s.uid AND b.trigger = 'SCHEDULED' AND b.state = 'COMPLETE'
  ORDER BY b.created_at DESC LIMIT 1) scheduled ON true
LEFT JOIN LATERAL (SELECT b.state, coalesce(made.ended_at, b.created_at) AS ended_at
  FROM backups b LEFT JOIN operations made ON made.id = b.operation
  WHERE b.store = s.uid AND b.trigger = 'SCHEDULED' ORDER BY b.created_at DESC LIMIT 1) last ON true
ORDER BY s.uid";

const NOW: &str = "SELECT clock_timestamp()";

/// The time, and the number of active operations that make backups.
const ACTIVE: &str = "
SELECT clock_timestamp(),
  (SELECT count(*) FROM operations WHERE state IN ('PENDING', 'RUNNING') AND kind = 'BACKUP')";

/// A store whose shop runs, and what decides when it is backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// The store.
    pub uid: StoreUid,
    /// Its tenant.
    pub tenant: Tenant,
    /// Its engine.
    pub engine: String,
    /// Its plan.
    pub plan: String,
    /// What was set for it.
    pub policy: BackupPolicy,
    /// Its backups.
    pub history: History,
    /// Its last complete backup.
    pub last: Option<BackupId>,
    /// True if its condition says that it is overdue.
    pub marked: bool,
    /// True if it has an active operation.
    pub busy: bool,
}

/// The result of [`BackupSchedule::start`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// A backup has begun.
    Backup(BackupId),
    /// As many backups are active as may be.
    Full,
    /// The store is not due any more, or cannot be backed up at present.
    NotDue,
}

/// Stores that are due, and their backups.
#[derive(Clone)]
pub struct BackupSchedule {
    database: Pool,
    catalog: Arc<Catalog>,
    ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for BackupSchedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupSchedule").finish_non_exhaustive()
    }
}

impl BackupSchedule {
    /// Uses this pool, and backs up the engines of this catalog that support it.
    pub fn new(database: Pool, catalog: Arc<Catalog>, ids: Arc<dyn Ids>) -> Self {
        Self { database, catalog, ids }
    }

    /// Postgres' time.
    pub async fn now(&self) -> Result<OffsetDateTime, PortError> {
        let now = Statement::from_string(DatabaseBackend::Postgres, NOW);
        let row = self.database.query_one_raw(now).await.map_err(port_error)?;
        row.ok_or_else(|| broken("no time"))?.try_get_by_index(0).map_err(port_error)
    }

    /// The stores after this uid whose shops run and whose engine supports backups, by uid; and the uid after which the next page begins,
    /// if there may be more.
    pub async fn shops(&self, after: StoreUid) -> Result<(Vec<Shop>, Option<StoreUid>), PortError> {
        let shops = shops(&self.database, "uid > $1", after, PAGE).await?;
        let next = shops.last().filter(|_| shops.len() == PAGE).map(|shop| shop.uid);
        Ok((shops.into_iter().filter(|shop| self.supports(shop)).collect(), next))
    }

    /// Starts the backup of a store that is due, unless `max_running` backups are active.
    pub async fn start(&self, uid: StoreUid, policies: &Policies, max_running: u32) -> Result<Started, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        locks::backup_schedule(&transaction).await?;
        let active = Statement::from_string(DatabaseBackend::Postgres, ACTIVE);
        let row = transaction.query_one_raw(active).await.map_err(port_error)?.ok_or_else(|| broken("no count"))?;
        let now: OffsetDateTime = row.try_get_by_index(0).map_err(port_error)?;
        let active: i64 = row.try_get_by_index(1).map_err(port_error)?;
        if active >= max_running.into() {
            return Ok(Started::Full);
        }
        let Some(before) = apply::lock(&transaction, uid).await? else { return Ok(Started::NotDue) };
        let shop = shops(&transaction, "uid = $1", uid, 1).await?.into_iter().next();
        let due = shop.and_then(|shop| policies.of(&shop.plan, &shop.policy).next_due(uid, &shop.history));
        if due.is_none_or(|due| due > now) {
            return Ok(Started::NotDue);
        }
        let caller = Caller::server(SCHEDULER, before.store.tenant.clone());
        let (operation, audit) = (OperationId(self.ids.uuid()), self.ids.uuid());
        let request = Request { caller: &caller, now, operation, audit, trace: None };
        let id = BackupId(self.ids.uuid());
        // Refused if another operation is active, or the engine does not support it.
        let new = (id, BackupTrigger::Scheduled, "");
        let Ok(change) = back_up(before.clone(), None, new, &self.catalog, &request) else {
            return Ok(Started::NotDue);
        };
        apply::update(&transaction, &before, change, now).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(Started::Backup(id))
    }

    fn supports(&self, shop: &Shop) -> bool {
        let supported = self.catalog.engine(&shop.engine).is_some_and(|engine| engine.backup.is_some());
        supported && shop.tenant != restore_test::tenant()
    }
}

async fn shops(
    connection: &impl ConnectionTrait,
    which: &str,
    uid: StoreUid,
    limit: usize,
) -> Result<Vec<Shop>, PortError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [uid.0.into(), limit.into()];
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, SHOPS.replace("{}", which), values);
    let rows = connection.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(port_error)
}

fn read(row: &QueryResult) -> Result<Shop, sea_orm::DbErr> {
    Ok(Shop {
        uid: StoreUid(row.try_get("", "uid")?),
        tenant: Tenant::stored(row.try_get::<String>("", "tenant")?),
        engine: row.try_get("", "engine")?,
        plan: row.try_get("", "plan")?,
        policy: rows::policy_columns(row)?,
        history: History {
            ready_at: row.try_get("", "ready_at")?,
            complete: row.try_get("", "complete_at")?,
            scheduled: row.try_get("", "scheduled_at")?,
            failed: row.try_get("", "failed_at")?,
        },
        last: row.try_get::<Option<_>>("", "complete_id")?.map(BackupId),
        marked: row.try_get("", "marked")?,
        busy: row.try_get("", "busy")?,
    })
}
