//! The operation queue: who works on what. A worker claims an operation, holds a lease on it that it renews, and writes
//! under the fence of its claim; without the lease it can write nothing.
//!
//! Times are Postgres' own, those of events and deadlines as well, so that no worker's clock matters. A claim waits until the old lease has run out and
//! [`MARGIN`] has passed; by then the old worker's helm is dead, because its supervisor kills it after half a lease.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, QueryResult, Statement, TransactionTrait};
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::ports::Applied;
use storeplane_core::transition::{Decision, Snapshot, operation};
use time::OffsetDateTime;
use uuid::Uuid;

use super::apply;
use super::error::{broken, port_error};
use super::notifier::Notifier;
use crate::boottime::BootTime;

/// How long after its end a lease still keeps others away.
const MARGIN: Duration = Duration::from_secs(1);

/// The right to work on an operation, until it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// On which operation.
    pub operation: OperationId,
    /// Of which store.
    pub store: StoreUid,
    /// Rises with each claim; every write names it.
    pub fence: i64,
    /// Writes under any fence that this operation has seen. The one who writes counts on.
    pub writes: i64,
}

/// A claimed operation.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The moment before it was asked for: the lease began later.
    pub asked_at: BootTime,
    /// The time at which it was claimed, by Postgres' clock.
    pub at: OffsetDateTime,
    /// The right to work on it.
    pub lease: Lease,
    /// The store and the operation as they are now.
    pub snapshot: Snapshot,
}

/// What a worker has room for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimScope {
    /// Only deletions: the rest is in use.
    pub deletions_only: bool,
    /// Tenants that have their share; their deletions are claimed all the same.
    pub tenants_at_limit: Vec<String>,
}

/// What a renewal says about one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// Which operation's lease goes on.
    pub operation: OperationId,
    /// True if somebody asked for the operation to be cancelled.
    pub cancel_requested: bool,
}

/// Why a fenced write was not done.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The operation is somebody else's now, or has ended. Stop.
    #[error("the lease is lost")]
    Lost,
    /// The database did not do it.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The queue, as one worker sees it.
#[derive(Clone)]
pub struct Queue {
    database: DatabaseConnection,
    notifier: Notifier,
    worker: Uuid,
    lease: Duration,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("worker", &self.worker).field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// Stores with an operation that may be claimed; the most urgent first, and among those the tenant's with the fewest at
/// work. Locks the store's row, as every writer does, and skips those that are locked.
const CANDIDATE: &str = "
SELECT s.uid, o.id FROM operations o JOIN stores s ON s.uid = o.store
WHERE o.state IN ('PENDING', 'RUNNING') AND s.operation = o.id
  AND NOT EXISTS (
    SELECT FROM operations held
    WHERE held.store = o.store AND held.lease_expires_at + make_interval(secs => $1) > clock_timestamp())
  AND (o.kind = 'DELETE' OR NOT ($2 OR o.tenant = ANY($3)))
ORDER BY o.priority DESC,
  (SELECT count(*) FROM operations busy WHERE busy.tenant = o.tenant AND busy.state = 'RUNNING'),
  o.created_at
LIMIT 1
FOR UPDATE OF s SKIP LOCKED";

/// Takes, and ends what a dead worker held of an operation that was superseded under it.
const TAKE: &str = "
WITH left_over AS (
  UPDATE operations SET lease_owner = NULL, lease_expires_at = NULL
  WHERE store = (SELECT store FROM operations WHERE id = $1) AND id <> $1
    AND lease_expires_at + make_interval(secs => $5) <= clock_timestamp())
UPDATE operations SET fence = $2, lease_owner = $3, lease_expires_at = clock_timestamp() + make_interval(secs => $4)
WHERE id = $1 AND state IN ('PENDING', 'RUNNING')
  AND NOT EXISTS (
    SELECT FROM operations held
    WHERE held.store = operations.store AND held.lease_expires_at + make_interval(secs => $5) > clock_timestamp())
RETURNING writes, clock_timestamp()";

const RENEW: &str = "
UPDATE operations SET lease_expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE lease_owner = $1 AND lease_expires_at > clock_timestamp() AND state = 'RUNNING' AND id = ANY($3)
RETURNING id, cancel_requested";

/// Finds nothing if the lease is lost; leaves the count alone if the write was stored before.
const COUNT_WRITE: &str = "
UPDATE operations o SET writes = greatest(o.writes, $4 + 1)
FROM stores s, operations old
WHERE o.id = $1 AND o.fence = $2 AND o.lease_owner = $3 AND o.state = 'RUNNING'
  AND s.uid = o.store AND s.fence = $2 AND s.operation = o.id AND old.id = o.id
RETURNING old.writes, clock_timestamp()";

const RELEASE: &str = "
UPDATE operations SET lease_owner = NULL, lease_expires_at = NULL
WHERE id = $1 AND fence = $2 AND lease_owner = $3";

impl Queue {
    /// A queue for one worker; `lease` is how long a claim holds without renewal.
    pub fn new(database: DatabaseConnection, notifier: Notifier, lease: Duration) -> Self {
        Self { database, notifier, worker: Uuid::now_v7(), lease }
    }

    /// How long a claim holds without renewal.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Takes up one operation, if there is one to take.
    pub async fn claim(&self, scope: &ClaimScope) -> Result<Option<Claim>, PortError> {
        let asked_at = BootTime::now();
        let transaction = self.database.begin().await.map_err(port_error)?;
        let candidate = statement(
            CANDIDATE,
            [MARGIN.as_secs_f64().into(), scope.deletions_only.into(), scope.tenants_at_limit.clone().into()],
        );
        let Some(row) = transaction.query_one_raw(candidate).await.map_err(port_error)? else { return Ok(None) };
        let uid: Uuid = row.try_get_by_index(0).map_err(port_error)?;
        let Some(before) = apply::lock(&transaction, StoreUid(uid)).await? else { return Ok(None) };
        if !before.operation.state.is_active() {
            return Ok(None);
        }
        let Some((lease, at)) = self.take(&transaction, &before).await? else { return Ok(None) };
        let applied = apply::update(&transaction, &before, operation::claim(before.clone(), at), at).await?;
        transaction.commit().await.map_err(port_error)?;
        self.notifier.notify_events();
        let Applied { store, operation } = applied;
        Ok(Some(Claim { asked_at, at, lease, snapshot: Snapshot { store, operation } }))
    }

    async fn take(
        &self,
        transaction: &DatabaseTransaction,
        before: &Snapshot,
    ) -> Result<Option<(Lease, OffsetDateTime)>, PortError> {
        let raise = statement(
            "UPDATE stores SET fence = fence + 1 WHERE uid = $1 RETURNING fence",
            [before.store.uid.0.into()],
        );
        let row =
            transaction.query_one_raw(raise).await.map_err(port_error)?.ok_or_else(|| broken("a store vanished"))?;
        let fence: i64 = row.try_get_by_index(0).map_err(port_error)?;
        let take = statement(
            TAKE,
            [
                before.operation.id.0.into(),
                fence.into(),
                self.worker.into(),
                self.lease.as_secs_f64().into(),
                MARGIN.as_secs_f64().into(),
            ],
        );
        let Some(taken) = transaction.query_one_raw(take).await.map_err(port_error)? else { return Ok(None) };
        let (writes, at) = read(&taken)?;
        Ok(Some((Lease { operation: before.operation.id, store: before.store.uid, fence, writes }, at)))
    }

    /// Makes these leases of this worker last again. One that is not in the answer is lost.
    pub async fn renew(&self, operations: &[OperationId]) -> Result<Vec<Renewed>, PortError> {
        let ids: Vec<Uuid> = operations.iter().map(|operation| operation.0).collect();
        let renew = statement(RENEW, [self.worker.into(), self.lease.as_secs_f64().into(), ids.into()]);
        let rows = self.database.query_all_raw(renew).await.map_err(port_error)?;
        rows.into_iter()
            .map(|row| {
                let operation = OperationId(row.try_get_by_index(0).map_err(port_error)?);
                Ok(Renewed { operation, cancel_requested: row.try_get_by_index(1).map_err(port_error)? })
            })
            .collect()
    }

    /// Stores a change under the lease's fence, or nothing. After an error that leaves open whether it was stored, the
    /// same call again stores it if it was not, and nothing if it was.
    pub async fn write(&self, lease: &mut Lease, transition: &Decision<'_>) -> Result<Applied, FenceError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let before = apply::lock(&transaction, lease.store).await?.ok_or(FenceError::Lost)?;
        let (written, now) = self.written(&transaction, lease).await?;
        if written > lease.writes {
            lease.writes += 1;
            let Snapshot { store, operation } = before;
            return Ok(Applied { store, operation });
        }
        let change = transition(before.clone()).map_err(PortError::from)?;
        let ends = !change.operation.state.is_active();
        let applied = apply::update(&transaction, &before, change, now).await?;
        if ends {
            self.let_go(&transaction, *lease).await?;
        }
        transaction.commit().await.map_err(port_error)?;
        lease.writes += 1;
        if ends {
            self.notifier.notify_operations();
        } else {
            self.notifier.notify_events();
        }
        Ok(applied)
    }

    /// Counts this write, and says how many there were before it under any fence, and what time it is.
    async fn written(
        &self,
        transaction: &DatabaseTransaction,
        lease: &Lease,
    ) -> Result<(i64, OffsetDateTime), FenceError> {
        let count = statement(
            COUNT_WRITE,
            [lease.operation.0.into(), lease.fence.into(), self.worker.into(), lease.writes.into()],
        );
        let row = transaction.query_one_raw(count).await.map_err(port_error)?.ok_or(FenceError::Lost)?;
        Ok(read(&row)?)
    }

    /// Lets go of an operation, done or not: another worker can take it up at once. Says nothing if it was lost already.
    pub async fn release(&self, lease: Lease) -> Result<(), PortError> {
        self.let_go(&self.database, lease).await?;
        self.database.execute_unprepared(super::notifier::NOTIFY_OPERATIONS).await.map_err(port_error)?;
        self.notifier.notify_operations();
        Ok(())
    }

    async fn let_go(&self, connection: &impl ConnectionTrait, lease: Lease) -> Result<(), PortError> {
        let release = statement(RELEASE, [lease.operation.0.into(), lease.fence.into(), self.worker.into()]);
        connection.execute_raw(release).await.map(drop).map_err(port_error)
    }
}

/// A count of writes, and Postgres' time.
fn read(row: &QueryResult) -> Result<(i64, OffsetDateTime), PortError> {
    Ok((row.try_get_by_index(0).map_err(port_error)?, row.try_get_by_index(1).map_err(port_error)?))
}

fn statement(sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(sea_orm::DatabaseBackend::Postgres, sql, values)
}
