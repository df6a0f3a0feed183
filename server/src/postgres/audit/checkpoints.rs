//! Verification and signed checkpoints of tenants' chains.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use serde_json::json;
use storeplane_core::audit::{AuditEvent, Verification};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;
use storeplane_core::ports::Clock;
use tokio_util::sync::CancellationToken;

use super::verify::{self, VerifyError};
use crate::checkpoint::{Checkpoint, CheckpointFault, PublicKey, SigningKey};
use crate::outage::OutageLog;
use crate::postgres::error::port_error;
use crate::postgres::pool::Pool;
use crate::postgres::rows;
use crate::postgres::server_key::ServerKey;

/// Name of the line with a checkpoint, for searches.
const EVENT: &str = "AUDIT_CHECKPOINT";
/// Chains signed at a time.
const BATCH: i64 = 1000;
/// Batches in one round; the next round continues.
const ROUNDS: u32 = 100;

/// The chains whose head moved since their last checkpoint.
const MOVED: &str = "
SELECT head.tenant, head.sequence, head.hash FROM audit_chain_heads head
LEFT JOIN audit_checkpoints signed ON signed.tenant = head.tenant
WHERE head.sequence > coalesce(signed.sequence, 0) ORDER BY head.tenant LIMIT $1";
const STORE: &str = "
INSERT INTO audit_checkpoints AS known (tenant, sequence, checkpoint, at) VALUES ($1, $2, $3, $4)
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
}

#[derive(Clone)]
struct SharedClock(Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl AuditLog {
    /// Uses this pool, and this key, or, without one, the database's.
    pub fn new(database: Pool, file: Option<SigningKey>, clock: Arc<dyn Clock>) -> Self {
        Self { stored: ServerKey::audit(database.clone()), database, file, clock: SharedClock(clock) }
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
        let checkpoints: Vec<_> = checkpoints.into_iter().collect();
        if !checkpoints.is_empty() {
            let key = match key {
                Some(key) => key,
                None => self.public_key().await.map_err(VerifyError::from)?,
            };
            checkpoints.iter().try_for_each(|signed| signed.check(key, tenant))?;
        }
        let verified = verify::verify(&self.database, tenant, &checkpoints, self.clock.0.now()).await?;
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
            for row in rows {
                let (tenant, sequence, hash): (String, i64, Vec<u8>) =
                    row.try_get_many_by_index().map_err(port_error)?;
                let now = self.clock.0.now();
                let signed = key.sign(&Tenant::stored(tenant.clone()), sequence, &hash, now);
                // Printed first: one that is printed twice does no harm, one that is missing does.
                print(&signed);
                let values = [tenant.into(), sequence.into(), signed.to_string().into(), now.into()];
                let store = Statement::from_sql_and_values(DbBackend::Postgres, STORE, values);
                self.database.execute_raw(store).await.map_err(port_error)?;
                count += 1;
            }
        }
        Ok(count)
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
