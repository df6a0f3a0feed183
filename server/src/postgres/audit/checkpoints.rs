//! Verification and signed checkpoints of tenants' chains.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, QueryResult, Statement};
use serde_json::json;
use storeplane_core::audit::{AuditEvent, Verification};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;
use storeplane_core::ports::Clock;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::verify::{self, Evidence, VerifyError};
use crate::checkpoint::{ChainStart, Checkpoint, CheckpointFault, PublicKey, SigningKey};
use crate::outage::OutageLog;
use crate::postgres::error::port_error;
use crate::postgres::pool::Pool;
use crate::postgres::rows;
use crate::postgres::server_key::ServerKey;

/// Name of the line with a checkpoint, for searches.
const EVENT: &str = "AUDIT_CHECKPOINT";
/// Verifications at a time: each reads a whole chain.
const VERIFICATIONS_MAX: usize = 2;
/// Chains signed at a time.
const BATCH: i64 = 1000;
/// Batches in one round; the next round continues.
const ROUNDS: u32 = 100;

/// The chains whose head moved since their last checkpoint, each with its start and the time of its first record.
const MOVED: &str = "
SELECT head.tenant, head.sequence, head.hash, head.anchor_sequence, head.anchor_hash,
  (SELECT greatest(at, last_at) FROM audit_events oldest
   WHERE oldest.tenant = head.tenant AND oldest.sequence = head.anchor_sequence + 1) AS oldest
FROM audit_chain_heads head LEFT JOIN audit_checkpoints signed ON signed.tenant = head.tenant
WHERE head.sequence > coalesce(signed.sequence, 0) ORDER BY head.tenant LIMIT $1";
const STORE: &str = "
INSERT INTO audit_checkpoints AS known (tenant, sequence, checkpoint, at)
SELECT tenant, sequence, checkpoint, $4 FROM unnest($1::text[], $2::bigint[], $3::text[]) AS signed (tenant, sequence, checkpoint)
ON CONFLICT (tenant) DO UPDATE SET sequence = excluded.sequence, checkpoint = excluded.checkpoint, at = excluded.at
  WHERE known.sequence < excluded.sequence";
const LAST: &str = "SELECT checkpoint FROM audit_checkpoints WHERE tenant = $1";

static OUTAGE: OutageLog = OutageLog::new("sign the audit log's checkpoints");

/// Why a verification against a checkpoint cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The checkpoint is not usable.
    #[error("the checkpoint {0}")]
    Fault(#[from] CheckpointFault),
    /// Other verifications of this server are in progress.
    #[error("too many verifications are in progress; try again later")]
    Busy,
    /// The verification failed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Verifies and signs the chains of the audit log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    database: Pool,
    /// From the configuration; otherwise the database has one.
    file: Option<SigningKey>,
    stored: ServerKey,
    clock: SharedClock,
    /// How long records are kept; `None` for forever.
    kept: Option<time::Duration>,
    /// One permit for each verification at a time.
    verifications: Arc<Semaphore>,
}

#[derive(Clone)]
struct SharedClock(Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl AuditLog {
    /// Uses this pool, and this key, or, without one, the database's. Assumes that records may be removed after 30 days.
    pub fn new(database: Pool, file: Option<SigningKey>, clock: Arc<dyn Clock>) -> Self {
        let (stored, kept) = (ServerKey::audit(database.clone()), Some(verify::KEPT_AT_LEAST));
        let verifications = Arc::new(Semaphore::new(VERIFICATIONS_MAX));
        Self { stored, database, file, clock: SharedClock(clock), kept, verifications }
    }

    /// With the configured retention period; `None` for forever.
    #[must_use]
    pub fn keeping(self, kept: Option<Duration>) -> Self {
        Self { kept: kept.map(|kept| kept.try_into().unwrap_or(time::Duration::MAX)), ..self }
    }

    /// With a limit for a pool of this size: at least half of its connections stay free for others.
    #[must_use]
    pub fn sharing(self, pool_size: u32) -> Self {
        let most = usize::try_from(pool_size / 2).unwrap_or(usize::MAX).clamp(1, VERIFICATIONS_MAX);
        Self { verifications: Arc::new(Semaphore::new(most)), ..self }
    }

    /// The same with another pool.
    #[must_use]
    pub fn on(&self, database: Pool) -> Self {
        Self { database, ..self.clone() }
    }

    async fn key(&self) -> Result<SigningKey, PortError> {
        match &self.file {
            Some(key) => Ok(key.clone()),
            None => {
                SigningKey::from_seed(&self.stored.read().await?).map_err(|fault| PortError::Internal(Box::new(fault)))
            }
        }
    }

    /// The public key that verifies checkpoints.
    pub async fn public_key(&self) -> Result<PublicKey, PortError> {
        Ok(self.key().await?.public())
    }

    /// Verifies a tenant's chain, and that it still contains what the checkpoints sign. `key` is the one that signed them, if that is not
    /// the current one.
    pub async fn verify<'a>(
        &self,
        tenant: &Tenant,
        checkpoints: impl IntoIterator<Item = &'a Checkpoint>,
        key: Option<PublicKey>,
    ) -> Result<Verification, CheckpointError> {
        let _permit = self.verifications.try_acquire().map_err(|_| CheckpointError::Busy)?;
        let checkpoints: Vec<_> = checkpoints.into_iter().collect();
        if !checkpoints.is_empty() {
            let key = match key {
                Some(key) => key,
                None => self.public_key().await.map_err(VerifyError::from)?,
            };
            checkpoints.iter().try_for_each(|signed| signed.check(key, tenant))?;
        }
        let evidence = Evidence { signed: &checkpoints, kept: self.kept, now: self.clock.0.now() };
        let verified = verify::verify(&self.database, tenant, &evidence).await?;
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, LAST, [tenant.as_str().into()]);
        let row = self.database.query_one_raw(statement).await.map_err(|error| VerifyError::from(port_error(error)))?;
        let last = row.map(|row| row.try_get_by_index(0)).transpose();
        let last_checkpoint = last.map_err(|error| VerifyError::from(port_error(error)))?;
        Ok(Verification { last_checkpoint, ..verified })
    }

    /// All tenants with a chain.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, PortError> {
        let statement =
            Statement::from_string(DbBackend::Postgres, "SELECT tenant FROM audit_chain_heads ORDER BY tenant");
        let rows = self.database.query_all_raw(statement).await.map_err(port_error)?;
        rows.iter().map(|row| row.try_get_by_index(0).map(Tenant::stored).map_err(port_error)).collect()
    }

    /// A page of a tenant's records after this sequence, in the order of their chain.
    pub async fn export(&self, tenant: &Tenant, after: i64) -> Result<Vec<AuditEvent>, PortError> {
        let page = verify::page(&self.database, tenant, after, i64::MAX).await?;
        Ok(page.into_iter().map(rows::audit_event).collect())
    }

    /// A page of a tenant's records that are in no chain, by time, after that record.
    pub async fn export_unchained(
        &self,
        tenant: &Tenant,
        after: Option<(OffsetDateTime, Uuid)>,
    ) -> Result<Vec<AuditEvent>, PortError> {
        let page = verify::unchained_page(&self.database, tenant, after).await?;
        Ok(page.into_iter().map(rows::audit_event).collect())
    }

    /// Signs every chain that grew, at intervals and at the end.
    pub async fn sign_until(self, every: Duration, shutdown: CancellationToken) {
        loop {
            let stopping = tokio::select! {
                () = shutdown.cancelled() => true,
                () = tokio::time::sleep(every) => false,
            };
            match self.sign_all().await {
                Ok(_) => OUTAGE.worked(),
                Err(error) => OUTAGE.failed(&error),
            }
            if stopping {
                return;
            }
        }
    }

    /// Prints a checkpoint of every chain that grew since its last one. Returns their number.
    pub async fn sign_all(&self) -> Result<usize, PortError> {
        let (key, mut count) = (self.key().await?, 0);
        for _ in 0..ROUNDS {
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, MOVED, [BATCH.into()]);
            let rows = self.database.query_all_raw(statement).await.map_err(port_error)?;
            if rows.is_empty() {
                break;
            }
            let now = self.clock.0.now();
            let signed: Result<Vec<_>, _> = rows.iter().map(|row| self.sign(&key, row, now)).collect();
            let signed = signed.map_err(port_error)?;
            // Printed first: one that is printed twice does no harm, one that is missing does.
            signed.iter().for_each(print);
            let tenants: Vec<_> = signed.iter().map(|signed| signed.tenant.to_string()).collect();
            let sequences: Vec<_> = signed.iter().map(|signed| signed.sequence).collect();
            let texts: Vec<_> = signed.iter().map(Checkpoint::to_string).collect();
            let values = [tenants.into(), sequences.into(), texts.into(), now.into()];
            let store = Statement::from_sql_and_values(DbBackend::Postgres, STORE, values);
            self.database.execute_raw(store).await.map_err(port_error)?;
            count += signed.len();
        }
        Ok(count)
    }

    fn sign(&self, key: &SigningKey, row: &QueryResult, now: OffsetDateTime) -> Result<Checkpoint, DbErr> {
        let (tenant, sequence, hash): (String, i64, Vec<u8>) =
            (row.try_get("", "tenant")?, row.try_get("", "sequence")?, row.try_get("", "hash")?);
        let oldest: Option<OffsetDateTime> = row.try_get("", "oldest")?;
        let start = ChainStart {
            sequence: row.try_get("", "anchor_sequence")?,
            hash: row.try_get("", "anchor_hash")?,
            oldest: oldest.unwrap_or(now).unix_timestamp(),
            kept: self.kept.map(time::Duration::whole_seconds),
        };
        Ok(key.sign(&Tenant::stored(tenant), (sequence, &hash), Some(start), now))
    }
}

/// To standard output, whatever the log's filter is.
fn print(signed: &Checkpoint) {
    let line = json!({
        "event": EVENT,
        "tenant": signed.tenant.as_str(),
        "sequence": signed.sequence,
        "checkpoint": signed.to_string(),
    });
    // If standard output is closed, there is nowhere to report that.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
