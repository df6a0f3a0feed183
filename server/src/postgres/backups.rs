//! Backups: read and deleted here, changed with their operations in [`super::apply`].

use async_trait::async_trait;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder as _, QuerySelect,
    Statement,
};
use storeplane_core::access::Access;
use storeplane_core::audit::{AuditRecord, Changes};
use storeplane_core::backup::command::DeleteBackup;
use storeplane_core::backup::{Backup, BackupState, BackupTrigger};
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::ids::{BackupId, OperationId, StoreId, StoreUid, Tenant};
use storeplane_core::operation::OperationKind;
use storeplane_core::ports;
use storeplane_core::query::{BackupQuery, Page};
use storeplane_core::store::Versions;
use storeplane_core::transition::{self, Change, Snapshot};
use time::OffsetDateTime;
use uuid::Uuid;

use super::entity::{backup, operation};
use super::error::port_error;
use super::pool::{Pool, Transaction};
use super::unreadable::Problems;
use super::{apply, audit, list, requests, scope};

/// The row of a new backup and its operation are stored in one transaction.
const FAIL_ABANDONED: &str = "
UPDATE backups SET state = 'FAILED', failure = $1
WHERE state = 'CREATING' AND NOT EXISTS (
  SELECT FROM operations o WHERE o.id = backups.operation AND o.state IN ('PENDING', 'RUNNING'))";

/// Once a backup is complete, [`super::backup_snapshots`] alone changes what is known of its snapshots.
const SNAPSHOTS: &str = "CASE WHEN backups.state = 'CREATING' THEN excluded.snapshots ELSE backups.snapshots END";
const SNAPSHOTS_DUE: &str = "CASE WHEN backups.state = 'CREATING' AND excluded.state = 'COMPLETE'
  AND excluded.snapshots <> '[]' THEN clock_timestamp() ELSE backups.snapshots_due END";

/// Backups of stores.
#[derive(Clone)]
pub struct PgBackups {
    pub(super) database: Pool,
}

impl std::fmt::Debug for PgBackups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgBackups").finish_non_exhaustive()
    }
}

impl PgBackups {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// Backups whose objects are to be removed from the storage, oldest first, at most `limit`, after the one that was created at that time.
    pub async fn to_remove(&self, after: Option<&Backup>, limit: u64) -> Result<Vec<Backup>, PortError> {
        use backup::Column;
        // The condition of the partial index, so that failed backups of which nothing is left are not read.
        let left = Expr::cust("(state = 'DELETING' OR (state = 'FAILED' AND attempt IS NOT NULL))");
        // A worker that does not know yet that it lost the operation may still write.
        let written = "NOT EXISTS (SELECT FROM operations o WHERE o.id = backups.operation AND o.lease_expires_at > clock_timestamp())";
        let mut select = backup::Entity::find().filter(left).filter(Expr::cust(written));
        if let Some(after) = after {
            let same = Column::CreatedAt.eq(after.created_at).and(Column::Id.gt(after.id.0));
            select = select.filter(Column::CreatedAt.gte(after.created_at));
            select = select.filter(Column::CreatedAt.gt(after.created_at).or(same));
        }
        let ordered = select.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id);
        let found = ordered.limit(limit).all(&self.database).await.map_err(port_error)?;
        Ok(found.into_iter().map(read).collect())
    }

    /// Fails backups whose operations ended without noting it: an older server, which does not know backups, ended them.
    pub async fn fail_abandoned(&self) -> Result<u64, PortError> {
        let message = "Its operation ended without completing it.";
        let failure = serde_json::json!(Failure::new(Reason::Internal, message));
        let abandoned = Statement::from_sql_and_values(DbBackend::Postgres, FAIL_ABANDONED, [failure.into()]);
        Ok(self.database.execute_raw(abandoned).await.map_err(port_error)?.rows_affected())
    }

    /// Records that nothing is stored of a backup any more: a deleted one is forgotten, a failed one is kept for its history.
    pub async fn removed(&self, removed: &Backup) -> Result<(), PortError> {
        let (id, state) = (removed.id.0, removed.state.as_str());
        if removed.state == BackupState::Deleting {
            let gone = backup::Entity::delete_by_id(id).filter(backup::Column::State.eq(state));
            return gone.exec(&self.database).await.map(drop).map_err(port_error);
        }
        let failed = backup::Entity::update_many()
            .col_expr(backup::Column::Attempt, Expr::cust("NULL"))
            .col_expr(backup::Column::Snapshots, Expr::cust("'[]'"))
            .filter(backup::Column::Id.eq(id))
            .filter(backup::Column::State.eq(state));
        failed.exec(&self.database).await.map(drop).map_err(port_error)
    }
}

#[async_trait]
impl ports::Backups for PgBackups {
    async fn find(&self, access: &Access, id: BackupId) -> Result<Option<Backup>, PortError> {
        let row = owned(access, id).one(&self.database).await.map_err(port_error)?;
        Ok(row.map(read))
    }

    async fn list(&self, query: &BackupQuery) -> Result<Page<Backup>, PortError> {
        list::backups(&self.database, query).await
    }

    async fn newest_with_schema(&self, store: StoreUid, schema: &str) -> Result<Option<Backup>, PortError> {
        use backup::Column;
        let complete = backup::Entity::find()
            .filter(Column::Store.eq(store.0))
            .filter(Column::State.eq(BackupState::Complete.as_str()))
            .filter(Column::SchemaVersion.eq(schema))
            .order_by_desc(Column::CreatedAt);
        Ok(complete.limit(1).one(&self.database).await.map_err(port_error)?.map(read))
    }

    async fn delete(&self, access: &Access, command: DeleteBackup, audit: AuditRecord) -> Result<Backup, PortError> {
        let DeleteBackup { id, idempotency } = command;
        let transaction = self.database.begin().await.map_err(port_error)?;
        let repeated = requests::reserve_id(&transaction, &access.tenant, idempotency, audit.at).await?.is_some();
        let found = owned(access, id).one(&transaction).await.map_err(port_error)?.ok_or_else(|| missing(id))?;
        let store = apply::lock(&transaction, StoreUid(found.store)).await?;
        let row = owned(access, id).lock_exclusive().one(&transaction).await.map_err(port_error)?;
        let before = row.map(read).ok_or_else(|| missing(id))?;
        if repeated {
            return Ok(before);
        }
        if let Some(operation) = user_of(&transaction, (id, before.operation)).await? {
            return Err(DomainError::BackupInProgress { backup: id, operation }.into());
        }
        let after = transition::backup::delete(before.clone())?;
        if after != before {
            save(&transaction, &after).await?;
            report_deleted(&transaction, store, std::slice::from_ref(&after), (&audit.actor, audit.at)).await?;
        }
        requests::remember(&transaction, &access.tenant, idempotency, (id.0, Uuid::nil())).await?;
        let fields = |backup: &Backup| serde_json::json!({ "state": backup.state.as_str() });
        let changes = Changes::between(fields(&before), fields(&after));
        audit::append(&transaction, AuditRecord { store: Some(before.store), changes, ..audit }).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(after)
    }
}

/// Reports in the store's log that backups are being removed. The store was locked before them, as every change locks it.
pub(super) async fn report_deleted(
    transaction: &Transaction,
    store: Option<Snapshot>,
    deleted: &[Backup],
    (actor, now): (&str, OffsetDateTime),
) -> Result<(), PortError> {
    let Some(before) = store else { return Ok(()) };
    let change = transition::backup::deleted(before.clone(), deleted, actor);
    Box::pin(apply::update(transaction, &before, change, now)).await.map(drop)
}

fn missing(id: BackupId) -> PortError {
    DomainError::NotFound { kind: "backup", name: id.to_string() }.into()
}

fn owned(access: &Access, id: BackupId) -> sea_orm::Select<backup::Entity> {
    backup::Entity::find_by_id(id.0).filter(scope::condition(access))
}

/// The backup that an operation makes, if it still exists.
pub(super) async fn of_operation(
    connection: &impl ConnectionTrait,
    operation: Uuid,
) -> Result<Option<Backup>, PortError> {
    let found = backup::Entity::find().filter(backup::Column::Operation.eq(operation)).one(connection);
    Ok(found.await.map_err(port_error)?.map(read))
}

/// Locks the backup that the change's operation reads, until the end of the transaction: from then on the operation prevents its deletion.
pub(super) async fn lock_source(transaction: &Transaction, change: &Change) -> Result<(), PortError> {
    let Some(id) = change.operation.restore.map(|restore| restore.backup) else { return Ok(()) };
    // A copy waits for the backup that is made for it.
    let usable = match change.operation.kind {
        OperationKind::Copy => &[BackupState::Complete, BackupState::Creating][..],
        _ => &[BackupState::Complete],
    };
    let usable = usable.iter().map(|state| state.as_str());
    let complete = backup::Entity::find_by_id(id.0).filter(backup::Column::State.is_in(usable));
    if complete.lock_shared().one(transaction).await.map_err(port_error)?.is_some() {
        return Ok(());
    }
    let (name, why) = (change.store.id.to_string(), "it is not COMPLETE");
    Err(DomainError::BackupNotUsable { backup: id, name, why }.into())
}

/// The backup with this id, of any tenant.
pub(super) async fn find(connection: &impl ConnectionTrait, id: BackupId) -> Result<Option<Backup>, PortError> {
    let found = backup::Entity::find_by_id(id.0).one(connection).await.map_err(port_error)?;
    Ok(found.map(read))
}

/// The active operation that makes or reads a backup, or may still need it.
pub(super) async fn user_of(
    transaction: &Transaction,
    (id, made_by): (BackupId, OperationId),
) -> Result<Option<OperationId>, PortError> {
    use operation::Column;
    let active = Expr::cust("state IN ('PENDING', 'RUNNING')");
    // The operation that made it may still need it: a restore that replaces what it holds.
    let uses = Column::Restores.eq(id.0).or(Column::Id.eq(made_by.0));
    let reading = operation::Entity::find().filter(uses).filter(active);
    let row = reading.limit(1).one(transaction).await.map_err(port_error)?;
    Ok(row.map(|row| OperationId(row.id)))
}

/// Stores a new backup, or the changes of one.
pub(super) async fn save(transaction: &Transaction, changed: &Backup) -> Result<(), PortError> {
    use backup::Column;
    let changing = [
        Column::State,
        Column::Attempt,
        Column::Parts,
        Column::Failure,
        Column::CompletedAt,
        Column::RestoreTest,
        Column::TestedAt,
    ];
    let known = OnConflict::column(Column::Id)
        .update_columns(changing)
        .value(Column::Snapshots, Expr::cust(SNAPSHOTS))
        .value(Column::SnapshotsDue, Expr::cust(SNAPSHOTS_DUE))
        .to_owned();
    let stored = backup::Entity::insert(row(changed)?).on_conflict(known).exec_without_returning(transaction);
    stored.await.map(drop).map_err(port_error)
}

/// A backup from its row. Unknown values are reported, and the rest is shown.
pub(super) fn read(row: backup::Model) -> Backup {
    let mut problems = Problems::of("backups", row.id);
    let state = problems.known("state", &row.state, BackupState::parse(&row.state), BackupState::Unreadable);
    let trigger = BackupTrigger::parse(&row.trigger);
    let trigger = problems.known("trigger", &row.trigger, trigger, BackupTrigger::Unreadable);
    let attempt = problems.json("attempt", row.attempt);
    let parts = problems.json("parts", Some(row.parts)).unwrap_or_default();
    let snapshots = problems.json("snapshots", Some(row.snapshots)).unwrap_or_default();
    let restore_test = problems.json("restore_test", row.restore_test);
    let mut failure = problems.failure(row.failure);
    problems.report(&mut failure);
    Backup {
        id: BackupId(row.id),
        store: StoreUid(row.store),
        store_id: StoreId::stored(row.store_id),
        tenant: Tenant::stored(row.tenant),
        state,
        trigger,
        description: row.description,
        requested_by: row.requested_by,
        operation: OperationId(row.operation),
        engine: row.engine,
        versions: Versions {
            chart: row.chart_version,
            app: row.app_version,
            digest: row.chart_digest,
            schema: row.schema_version,
        },
        simulated: row.simulated,
        attempt,
        parts,
        snapshots,
        failure,
        created_at: row.created_at,
        completed_at: row.completed_at,
        restore_test,
    }
}

fn row(backup: &Backup) -> Result<backup::ActiveModel, PortError> {
    let json = |value: Result<_, serde_json::Error>| value.map_err(|error| PortError::Internal(error.into()));
    let attempt = backup.attempt.as_ref().map(serde_json::to_value);
    let failure = backup.failure.as_ref().map(serde_json::to_value);
    let restore_test = backup.restore_test.as_ref().map(serde_json::to_value);
    let set = backup::Model {
        id: backup.id.0,
        store: backup.store.0,
        store_id: backup.store_id.to_string(),
        tenant: backup.tenant.to_string(),
        state: backup.state.as_str().to_owned(),
        trigger: backup.trigger.as_str().to_owned(),
        description: backup.description.clone(),
        requested_by: backup.requested_by.clone(),
        operation: backup.operation.0,
        engine: backup.engine.clone(),
        chart_version: backup.versions.chart.clone(),
        app_version: backup.versions.app.clone(),
        chart_digest: backup.versions.digest.clone(),
        schema_version: backup.versions.schema.clone(),
        simulated: backup.simulated,
        attempt: json(attempt.transpose())?,
        parts: json(serde_json::to_value(&backup.parts).map(Some))?.unwrap_or_default(),
        snapshots: json(serde_json::to_value(&backup.snapshots).map(Some))?.unwrap_or_default(),
        snapshots_due: None,
        failure: json(failure.transpose())?,
        created_at: backup.created_at,
        completed_at: backup.completed_at,
        restore_test: json(restore_test.transpose())?,
        tested_at: backup.restore_test.as_ref().map(|test| test.started_at),
    };
    Ok(sea_orm::ActiveModelTrait::reset_all(set.into_active_model()))
}
