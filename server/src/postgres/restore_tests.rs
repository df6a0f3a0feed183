//! Test restores: which backup of a tenant is due, and the stores into which backups are restored.
//!
//! Each change decides again in its own transaction, so two servers that both believe to be the leader do nothing twice. All times are
//! Postgres'.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait as _, QuerySelect as _, Statement, Value};
use storeplane_core::audit::{Action, AuditRecord, SCHEDULER};
use storeplane_core::backup::restore_test::{self, RestoreTestState};
use storeplane_core::backup::{Backup, BackupState};
use storeplane_core::engine::Catalog;
use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;
use storeplane_core::ids::{BackupId, OperationId, RESTORE_TEST_TENANT, StoreId, StoreUid, Tenant};
use storeplane_core::ports::Ids;
use storeplane_core::transition::Snapshot;
use storeplane_core::transition::request::{Request, delete};
use storeplane_core::transition::restore_test as transition;
use time::OffsetDateTime;
use uuid::Uuid;

use super::backups::{read, save};
use super::entity::{backup, operation, store};
use super::error::{broken, port_error};
use super::pool::{End, Pool, Transaction};
use super::{apply, audit, backups, locks, rows};
use crate::metrics::RestoreTestEnd;

/// Rows of one round.
const LIMIT: i64 = 100;

/// For each tenant that is not suspended and has had no test since $1: the newest complete backup of the store whose last test is longest ago.
/// The tenant whose last test is longest ago comes first. Tests are known from their stores, whose rows outlive the backups, and from backups.
const DUE: &str = "
WITH tests AS (
  SELECT tenant, store, max(at) AS at FROM (
    SELECT original.tenant, original.uid AS store, test.created_at AS at
      FROM stores test JOIN stores original ON original.uid = test.source_store WHERE test.tenant = $3
    UNION ALL SELECT tenant, store, tested_at FROM backups WHERE tested_at IS NOT NULL) known
  GROUP BY tenant, store)
SELECT id FROM (
  SELECT DISTINCT ON (b.tenant) b.tenant, b.id FROM backups b LEFT JOIN tests ON tests.store = b.store
  WHERE b.state = 'COMPLETE' AND NOT b.simulated
    AND NOT EXISTS (SELECT FROM tests recent WHERE recent.tenant = b.tenant AND recent.at > $1)
    AND NOT EXISTS (SELECT FROM tenants WHERE name = b.tenant AND state <> 'ACTIVE')
  ORDER BY b.tenant, tests.at NULLS FIRST, b.created_at DESC) due
ORDER BY (SELECT max(at) FROM tests WHERE tests.tenant = due.tenant) NULLS FIRST, tenant
LIMIT $2";
/// Whether the tenant $1 has had a test since $2.
const TESTED: &str = "
SELECT EXISTS (SELECT FROM backups WHERE tenant = $1 AND tested_at > $2) OR EXISTS (
  SELECT FROM stores test JOIN stores original ON original.uid = test.source_store
  WHERE test.tenant = $3 AND test.created_at > $2 AND original.tenant = $1)";
const RUNNING: &str = "SELECT id FROM backups WHERE restore_test ->> 'state' = 'RUNNING' ORDER BY tested_at LIMIT $1";
/// Stores of tests whose results are known. Others in the tenant are left alone: it may have existed before its id was reserved.
const TO_DELETE: &str = "
SELECT uid FROM stores s WHERE tenant = $1 AND state IN ('READY', 'DEGRADED', 'FAILED') AND source_backup IS NOT NULL
  AND store_id LIKE 'test-%' AND NOT EXISTS (
    SELECT FROM backups WHERE restore_test ->> 'state' = 'RUNNING' AND restore_test ->> 'store' = s.uid::text)
  AND ($3::uuid IS NULL OR uid = $3)
ORDER BY uid LIMIT $2";

/// Test restores of backups.
#[derive(Clone)]
pub struct RestoreTests {
    database: Pool,
    catalog: Arc<Catalog>,
    domain: Arc<str>,
    ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for RestoreTests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestoreTests").finish_non_exhaustive()
    }
}

impl RestoreTests {
    /// Uses this pool; stores of tests get host names under `domain`.
    pub fn new(database: Pool, catalog: Arc<Catalog>, domain: Arc<str>, ids: Arc<dyn Ids>) -> Self {
        Self { database, catalog, domain, ids }
    }

    /// The backups to test: one of each tenant that has had no test since then.
    pub async fn due(&self, since: OffsetDateTime) -> Result<Vec<BackupId>, PortError> {
        let ids = ids(&self.database, DUE, [since.into(), LIMIT.into(), RESTORE_TEST_TENANT.into()]).await?;
        Ok(ids.into_iter().map(BackupId).collect())
    }

    /// The backups whose tests have begun and whose results are not known.
    pub async fn running(&self) -> Result<Vec<BackupId>, PortError> {
        Ok(ids(&self.database, RUNNING, [LIMIT.into()]).await?.into_iter().map(BackupId).collect())
    }

    /// Stores of tests whose results are known.
    pub async fn to_delete(&self) -> Result<Vec<StoreUid>, PortError> {
        Ok(to_delete(&self.database, None).await?.into_iter().map(StoreUid).collect())
    }

    /// Begins the test of a backup, unless its tenant has had one since then, or it cannot be restored any more. True if it began.
    pub async fn begin(&self, id: BackupId, since: OffsetDateTime, now: OffsetDateTime) -> Result<bool, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        locks::backup_schedule(&transaction).await?;
        let Some((Some(original), source)) = lock_with_store(&transaction, id).await? else { return Ok(false) };
        // Another server may have been faster.
        if source.state != BackupState::Complete || was_tested(&transaction, &source.tenant, since).await? {
            return Ok(false);
        }
        let caller = Caller::server(SCHEDULER, restore_test::tenant());
        let new = (StoreUid(self.ids.uuid()), store_id(self.ids.as_ref()));
        let begun = transition::begin(
            &source,
            &original.store,
            new.clone(),
            (&self.catalog, &self.domain),
            &self.request(&caller, now),
        );
        let (change, tested) = match begun {
            Ok(begun) => begun,
            Err(refusal) => {
                tracing::warn!(backup_id = %id, %refusal, "a backup cannot be restored for a test");
                let tested = transition::refused(&source, new.0, &refusal, now);
                record(&transaction, Some(original), &tested, now).await?;
                transaction.commit().await.map_err(port_error)?;
                return Ok(false);
            }
        };
        let store = change.store.id.clone();
        save(&transaction, &tested).await?;
        apply::insert(&transaction, change, 0).await?;
        let (tenant, target) = (tested.tenant.clone(), id.to_string());
        let record = AuditRecord::new(self.ids.uuid(), now, tenant, SCHEDULER, Action::TestRestore, target);
        audit::append(&transaction, AuditRecord { store: Some(tested.store), ..record }).await?;
        transaction.commit().await.map_err(port_error)?;
        tracing::info!(backup_id = %id, tenant = %tested.tenant, store_id = %store, "a backup is restored for a test");
        Ok(true)
    }

    /// Records the result of a test that has ended, on the backup and as an event of the backup's store. True if it has ended.
    pub async fn end(&self, id: BackupId, now: OffsetDateTime) -> Result<bool, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some((original, tested)) = lock_with_store(&transaction, id).await? else { return Ok(false) };
        let Some(store) = tested.restore_test.as_ref().map(|test| test.store) else { return Ok(false) };
        let of_test = store::Entity::find_by_id(store.0).one(&transaction).await.map_err(port_error)?;
        let Some(of_test) = of_test else { return Ok(false) };
        let last = operation::Entity::find_by_id(of_test.operation).one(&transaction).await.map_err(port_error)?;
        let ended = last.map(rows::operation).and_then(|operation| transition::end(&tested, &operation, now));
        let Some(ended) = ended else { return Ok(false) };
        record(&transaction, original, &ended, now).await?;
        transaction.commit().await.map_err(port_error)?;
        if ended.restore_test.is_some_and(|test| test.state == RestoreTestState::Failed) {
            tracing::warn!(backup_id = %id, tenant = %ended.tenant, "the test restore of a backup failed");
        }
        Ok(true)
    }

    /// Deletes the store of a test whose result is known. While it is not, the store's last operation has to remain the one that tells it.
    pub async fn delete(&self, uid: StoreUid, now: OffsetDateTime) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some(before) = apply::lock(&transaction, uid).await? else { return Ok(()) };
        if to_delete(&transaction, Some(uid)).await?.is_empty() || !transition::needs_deletion(&before, now) {
            return Ok(());
        }
        let caller = Caller::server(SCHEDULER, restore_test::tenant());
        let change = match delete(before.clone(), None, false, &self.request(&caller, now)) {
            Ok(change) => change,
            Err(refusal) => {
                tracing::warn!(store_uid = %uid, %refusal, "the store of a test restore cannot be deleted");
                return Ok(());
            }
        };
        apply::update(&transaction, &before, change, now).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(())
    }

    fn request<'a>(&self, caller: &'a Caller, now: OffsetDateTime) -> Request<'a> {
        let (operation, audit) = (OperationId(self.ids.uuid()), self.ids.uuid());
        Request { caller, now, operation, audit, trace: None }
    }
}

async fn ids(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Uuid>, PortError> {
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    let rows = connection.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>().map_err(port_error)
}

/// Stores of tests whose results are known: all of them, or this one.
async fn to_delete(connection: &impl ConnectionTrait, one: Option<StoreUid>) -> Result<Vec<Uuid>, PortError> {
    let one = one.map(|uid| uid.0);
    ids(connection, TO_DELETE, [RESTORE_TEST_TENANT.into(), LIMIT.into(), one.into()]).await
}

async fn was_tested(transaction: &Transaction, tenant: &Tenant, since: OffsetDateTime) -> Result<bool, PortError> {
    let values = [tenant.as_str().into(), since.into(), RESTORE_TEST_TENANT.into()];
    let tested = Statement::from_sql_and_values(DatabaseBackend::Postgres, TESTED, values);
    let row = transaction.query_one_raw(tested).await.map_err(port_error)?.ok_or_else(|| broken("no answer"))?;
    row.try_get_by_index(0).map_err(port_error)
}

/// The backup and its store, locked in the order of every other change: the store first.
async fn lock_with_store(
    transaction: &Transaction,
    id: BackupId,
) -> Result<Option<(Option<Snapshot>, Backup)>, PortError> {
    let Some(unlocked) = backups::find(transaction, id).await? else { return Ok(None) };
    let original = apply::lock(transaction, unlocked.store).await?;
    let row = backup::Entity::find_by_id(id.0).lock_exclusive().one(transaction).await.map_err(port_error)?;
    Ok(row.map(|row| (original, read(row))))
}

/// Stores the result of a test, and announces it to the store unless that is deleted: then its events are complete.
async fn record(
    transaction: &Transaction,
    original: Option<Snapshot>,
    tested: &Backup,
    now: OffsetDateTime,
) -> Result<(), PortError> {
    save(transaction, tested).await?;
    let outcome = tested.restore_test.as_ref().map(|test| test.state);
    transaction.count_on_commit(outcome.map(|outcome| End::RestoreTest(RestoreTestEnd { outcome })));
    if let Some(before) = original.filter(|original| original.store.deleted_at.is_none()) {
        let change = transition::announce(before.clone(), tested);
        apply::update(transaction, &before, change, now).await?;
    }
    Ok(())
}

fn store_id(ids: &dyn Ids) -> StoreId {
    StoreId::stored(format!("test-{}", ids.random_text(12)))
}
