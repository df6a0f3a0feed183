//! The operation queue. A worker claims an operation, holds a lease that it renews, and writes
//! under the fence of its claim; without the lease it can write nothing.
//!
//! All times are Postgres', including those of events and deadlines, so that no worker's clock matters. An operation can be claimed again when the old lease has expired and
//! [`MARGIN`] has passed; by then the old worker's helm is dead, because its supervisor kills it after half a lease.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Statement};
use storeplane_core::backup::Backup;
use storeplane_core::error::PortError;
use storeplane_core::ids::{BackupId, OperationId, StoreUid};
use storeplane_core::operation::{OperationKind, Step};
use storeplane_core::ports::Applied;
use storeplane_core::revision::Revision;
use storeplane_core::store::State;
use storeplane_core::transition::{Decision, Snapshot, operation};
use time::OffsetDateTime;
use uuid::Uuid;

use super::claims::Claims;
use super::error::{broken, port_error};
use super::pool::{Pool, Transaction};
use super::{apply, backups, revisions};
use crate::boottime::BootTime;
use crate::outage::OutageLog;

/// How long after its expiry a lease still prevents other claims.
const MARGIN: Duration = Duration::from_secs(1);

/// The right to execute an operation, until it is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The operation.
    pub operation: OperationId,
    /// The store.
    pub store: StoreUid,
    /// Rises with each claim; every write names it.
    pub fence: i64,
    /// The number of fenced writes to this operation so far, by all workers.
    pub writes: i64,
}

/// A claimed operation.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The local time before the claim was requested: the lease began later.
    pub asked_at: BootTime,
    /// The time of the claim, by Postgres' clock.
    pub at: OffsetDateTime,
    /// The lease.
    pub lease: Lease,
    /// The current store and operation.
    pub snapshot: Snapshot,
}

/// What a worker has capacity for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimScope {
    /// Deletions may be claimed.
    pub deletions: bool,
    /// Creations and retries may be claimed.
    pub others: bool,
    /// Tenants that have reached their share; only their deletions are claimed.
    pub tenants_at_limit: Vec<String>,
}

impl Default for ClaimScope {
    /// Everything may be claimed.
    fn default() -> Self {
        Self { deletions: true, others: true, tenants_at_limit: Vec::new() }
    }
}

/// The result of renewing one lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The operation whose lease was renewed.
    pub operation: OperationId,
    /// True if the operation's cancellation was requested.
    pub cancel_requested: bool,
}

/// Why a fenced write was not stored.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The operation belongs to another worker, or has ended. Stop.
    #[error("the lease is lost")]
    Lost,
    /// The database failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

static CLAIMS: OutageLog = OutageLog::new("claim operations");
static WRITES: OutageLog = OutageLog::new("store the progress of operations");

/// The queue of one worker.
#[derive(Clone)]
pub struct Queue {
    database: Pool,
    worker: Uuid,
    lease: Duration,
    claims: Arc<Claims>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("worker", &self.worker).field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// Stores with a claimable operation; the most urgent first, and then those of tenants with the fewest running
/// operations. Those that only a newer server understands are excluded. Locks the store's row, as every writer does, and skips locked ones.
const CANDIDATE: &str = "
SELECT s.uid, o.id FROM operations o JOIN stores s ON s.uid = o.store
WHERE o.state IN ('PENDING', 'RUNNING') AND s.operation = o.id
  AND s.state = ANY($2) AND o.kind = ANY($3)
  AND (o.step IS NULL OR o.step = ANY($4)) AND (o.reached IS NULL OR o.reached = ANY($4))
  AND o.id <> ALL($5)
  AND NOT EXISTS (
    SELECT FROM operations held
    WHERE held.store = o.store AND held.lease_expires_at + make_interval(secs => $1) > clock_timestamp())
  AND CASE o.kind WHEN 'DELETE' THEN $6 ELSE $7 AND o.tenant <> ALL($8) END
ORDER BY o.priority DESC,
  (SELECT count(*) FROM operations busy WHERE busy.tenant = o.tenant AND busy.state = 'RUNNING'),
  o.created_at
LIMIT 1
FOR UPDATE OF s SKIP LOCKED";

/// Claims, and releases what a dead worker held of a superseded operation.
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

/// Returns nothing if the lease is lost; does not increment the count if the write was already stored.
const COUNT_WRITE: &str = "
UPDATE operations o SET writes = greatest(o.writes, $4 + 1)
FROM stores s, operations old
WHERE o.id = $1 AND o.fence = $2 AND o.lease_owner = $3 AND o.state = 'RUNNING'
  AND s.uid = o.store AND s.fence = $2 AND s.operation = o.id AND old.id = o.id
RETURNING old.writes, clock_timestamp()";

/// Active operations that [`CANDIDATE`] leaves to newer servers.
const LEFT_TO_OTHERS: &str = "
SELECT o.id FROM operations o JOIN stores s ON s.uid = o.store
WHERE o.state IN ('PENDING', 'RUNNING') AND s.operation = o.id
  AND (s.state <> ALL($1) OR o.kind <> ALL($2) OR o.step <> ALL($3) OR o.reached <> ALL($3))
ORDER BY o.created_at LIMIT 20";

const CANCELLED: &str =
    "SELECT id FROM operations WHERE cancel_requested AND state IN ('PENDING', 'RUNNING') AND id = ANY($1)";

const RELEASE: &str = "
UPDATE operations SET lease_owner = NULL, lease_expires_at = NULL
WHERE id = $1 AND fence = $2 AND lease_owner = $3";

impl Queue {
    /// A queue for one worker; `lease` is the duration of a claim without renewal.
    pub fn new(database: Pool, lease: Duration) -> Self {
        Self { database, worker: Uuid::now_v7(), lease, claims: Arc::default() }
    }

    /// The duration of a claim without renewal.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Claims one operation, if there is one. One that cannot be claimed for a reason of its own is logged and
    /// skipped for a while, so that it does not block the others.
    pub async fn claim(&self, scope: &ClaimScope) -> Result<Option<Claim>, PortError> {
        loop {
            let mut operation = None;
            match self.try_claim(scope, &mut operation).await {
                Err(PortError::Internal(error)) if let Some(operation) = operation => {
                    tracing::error!(operation_id = %operation, error = ?error, "an operation cannot be claimed");
                    self.claims.skip(operation);
                }
                ended => {
                    match &ended {
                        Ok(_) => CLAIMS.worked(),
                        Err(error) => CLAIMS.failed(error),
                    }
                    return ended;
                }
            }
        }
    }

    async fn try_claim(&self, scope: &ClaimScope, candidate: &mut Option<Uuid>) -> Result<Option<Claim>, PortError> {
        let asked_at = BootTime::now();
        let transaction = self.database.begin().await.map_err(port_error)?;
        let wanted = statement(
            CANDIDATE,
            [
                MARGIN.as_secs_f64().into(),
                states().into(),
                kinds().into(),
                steps().into(),
                self.claims.skipped().into(),
                scope.deletions.into(),
                scope.others.into(),
                scope.tenants_at_limit.clone().into(),
            ],
        );
        let Some(row) = transaction.query_one_raw(wanted).await.map_err(port_error)? else {
            drop(transaction);
            self.report_left_to_others().await?;
            return Ok(None);
        };
        let uid: Uuid = row.try_get_by_index(0).map_err(port_error)?;
        *candidate = Some(row.try_get_by_index(1).map_err(port_error)?);
        let Some(before) = apply::lock(&transaction, StoreUid(uid)).await? else { return Ok(None) };
        if !before.operation.state.is_active() {
            return Ok(None);
        }
        let Some((lease, at)) = self.take(&transaction, &before).await? else { return Ok(None) };
        let applied = apply::update(&transaction, &before, operation::claim(before.clone(), at), at).await?;
        transaction.commit().await.map_err(port_error)?;
        let Applied { store, operation, backup } = applied;
        Ok(Some(Claim { asked_at, at, lease, snapshot: Snapshot { store, operation, backup } }))
    }

    /// Logs occasionally which operations wait for a newer server.
    async fn report_left_to_others(&self) -> Result<(), PortError> {
        if !self.claims.is_report_due() {
            return Ok(());
        }
        let left = statement(LEFT_TO_OTHERS, [states().into(), kinds().into(), steps().into()]);
        let rows = self.database.query_all_raw(left).await.map_err(port_error)?;
        let ids: Vec<Uuid> =
            rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>().map_err(port_error)?;
        if !ids.is_empty() {
            tracing::error!(operation_ids = ?ids, "operations wait for a newer server: this one does not know their steps");
        }
        Ok(())
    }

    /// A backup that an operation reads.
    pub async fn backup(&self, id: BackupId) -> Result<Option<Backup>, PortError> {
        backups::find(&self.database, id).await
    }

    /// The Secrets with logins at mail servers that the revisions of a store name.
    pub async fn smtp_secrets(&self, store: StoreUid) -> Result<Vec<String>, PortError> {
        revisions::smtp_secrets(&self.database, store).await
    }

    /// A revision of a store.
    pub async fn revision(&self, store: StoreUid, number: u32) -> Result<Option<Revision>, PortError> {
        revisions::find(&self.database, store, number).await
    }

    /// Which of these operations should be cancelled.
    pub async fn cancelled(&self, operations: &[OperationId]) -> Result<Vec<OperationId>, PortError> {
        let ids: Vec<Uuid> = operations.iter().map(|operation| operation.0).collect();
        let rows = self.database.query_all_raw(statement(CANCELLED, [ids.into()])).await.map_err(port_error)?;
        rows.iter().map(|row| Ok(OperationId(row.try_get_by_index(0).map_err(port_error)?))).collect()
    }

    async fn take(
        &self,
        transaction: &Transaction,
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

    /// Renews leases of this worker. One that is not in the result is lost.
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

    /// Stores a change under the lease's fence, or nothing. After an error that leaves open whether it was stored,
    /// repeating the call stores it only if it was not.
    pub async fn write(&self, lease: &mut Lease, transition: &Decision<'_>) -> Result<Applied, FenceError> {
        let written = self.try_write(lease, transition).await;
        match &written {
            Err(FenceError::Port(error @ PortError::Unavailable(_))) => WRITES.failed(error),
            _ => WRITES.worked(),
        }
        written
    }

    async fn try_write(&self, lease: &mut Lease, transition: &Decision<'_>) -> Result<Applied, FenceError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let before = apply::lock(&transaction, lease.store).await?.ok_or(FenceError::Lost)?;
        let (written, now) = self.written(&transaction, lease).await?;
        if written > lease.writes {
            lease.writes += 1;
            let Snapshot { store, operation, backup } = before;
            return Ok(Applied { store, operation, backup });
        }
        let change = transition(before.clone()).map_err(PortError::from)?;
        let ends = !change.operation.state.is_active();
        let applied = apply::update(&transaction, &before, change, now).await?;
        if ends {
            self.let_go(&transaction, *lease).await?;
        }
        transaction.commit().await.map_err(port_error)?;
        lease.writes += 1;
        Ok(applied)
    }

    /// Increments the write count, and returns the number of earlier writes and the time.
    async fn written(&self, transaction: &Transaction, lease: &Lease) -> Result<(i64, OffsetDateTime), FenceError> {
        let count = statement(
            COUNT_WRITE,
            [lease.operation.0.into(), lease.fence.into(), self.worker.into(), lease.writes.into()],
        );
        let row = transaction.query_one_raw(count).await.map_err(port_error)?.ok_or(FenceError::Lost)?;
        Ok(read(&row)?)
    }

    /// Releases an operation, finished or not, so that another worker can claim it at once. Does nothing if the lease is already lost.
    pub async fn release(&self, lease: Lease) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        self.let_go(&transaction, lease).await?;
        transaction.changes_operations();
        transaction.commit().await.map_err(port_error)
    }

    async fn let_go(&self, transaction: &Transaction, lease: Lease) -> Result<(), PortError> {
        let release = statement(RELEASE, [lease.operation.0.into(), lease.fence.into(), self.worker.into()]);
        transaction.execute_raw(release).await.map(drop).map_err(port_error)
    }
}

fn states() -> Vec<String> {
    State::ALL.into_iter().map(|state| state.as_str().to_owned()).collect()
}

fn kinds() -> Vec<String> {
    OperationKind::ALL.into_iter().map(|kind| kind.as_str().to_owned()).collect()
}

fn steps() -> Vec<String> {
    Step::ALL.into_iter().map(|step| step.as_str().to_owned()).collect()
}

/// A write count, and Postgres' time.
fn read(row: &QueryResult) -> Result<(i64, OffsetDateTime), PortError> {
    Ok((row.try_get_by_index(0).map_err(port_error)?, row.try_get_by_index(1).map_err(port_error)?))
}

fn statement(sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(sea_orm::DatabaseBackend::Postgres, sql, values)
}
