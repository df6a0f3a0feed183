//! Authentication with API tokens, and when each was last used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, FromQueryResult as _, QueryResult, Statement};
use serde_json::json;
use storeplane_core::access::Access;
use storeplane_core::error::PortError;
use storeplane_core::identity::{Caller, Credential, Proof, SecretHash};
use storeplane_core::ids::TokenId;
use storeplane_core::ports::{Clock, Ids};
use storeplane_core::token::Token;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::entity::token;
use super::error::port_error;
use super::pool::Pool;
use super::token_lookup::{Found, Hash, TokenLookup};
use super::tokens::info;
use crate::outage::OutageLog;

/// Interval between statements that record the last use of tokens.
const RECORD_INTERVAL: Duration = Duration::from_mins(1);
/// Time limit of the last such statement, when the server stops.
const LAST_RECORD: Duration = Duration::from_secs(2);
/// Maximum number of tokens whose use waits to be recorded; that of further ones is not recorded.
const USED_MAX: usize = 10_000;

/// The tokens with these hashes, also those whose secret has expired. The time is Postgres': a server with a wrong clock refuses
/// no valid token, and accepts no expired one.
const FIND: &str = "
SELECT *, (1000 * extract(epoch FROM expires_at - clock_timestamp()))::bigint AS remaining,
  (1000 * extract(epoch FROM previous_expires_at - clock_timestamp()))::bigint AS previous_remaining
FROM tokens WHERE (hash = ANY($1) OR previous_hash = ANY($1)) AND revoked_at IS NULL";

/// Rows that a change or another server holds are left for the next time.
const RECORD: &str = "
WITH due AS (
  SELECT tokens.id, used.at FROM jsonb_to_recordset($1) AS used (id uuid, at timestamptz) JOIN tokens USING (id)
  WHERE tokens.last_used_at IS NULL OR tokens.last_used_at <= used.at - interval '1 minute'
  ORDER BY tokens.id FOR UPDATE OF tokens SKIP LOCKED)
UPDATE tokens SET last_used_at = due.at FROM due WHERE tokens.id = due.id";

static OUTAGE: OutageLog = OutageLog::new("record the last use of tokens");

/// The tokens in Postgres.
#[derive(Clone)]
pub struct Tokens {
    pub(super) database: Pool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) lookup: Arc<TokenLookup>,
    /// The time of the last use of each token, until it is recorded.
    used: Arc<Mutex<HashMap<TokenId, OffsetDateTime>>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// What a secret permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// The calls of this caller.
    Caller(Caller),
    /// Nothing any more: it has expired.
    Expired,
    /// Nothing: it is unknown, or its token was revoked.
    Unknown,
}

impl Verified {
    /// What a caller that was looked up may do now.
    pub(super) fn of(caller: Option<Caller>) -> Self {
        match caller {
            None => Self::Unknown,
            Some(caller) if caller.expires.is_some_and(|end| end <= Instant::now()) => Self::Expired,
            Some(caller) => Self::Caller(caller),
        }
    }
}

impl Tokens {
    /// Uses this pool.
    pub fn new(database: Pool, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { database, clock, ids, lookup: Arc::default(), used: Arc::default() }
    }

    /// The same tokens and cache, through another pool.
    #[must_use]
    pub fn on(&self, database: Pool) -> Self {
        Self { database, ..self.clone() }
    }

    /// What this secret permits. A token that was refused before it was created works within a second of its creation.
    pub async fn verify(&self, secret: &str) -> Result<Verified, PortError> {
        let caller = self.lookup.verify(secret, |hashes| find(self.database.clone(), hashes)).await?;
        Ok(self.used_by(caller))
    }

    /// The same by the hash of a secret.
    pub(super) async fn verify_hash(&self, hash: Hash) -> Result<Verified, PortError> {
        let caller = self.lookup.caller(hash, |hashes| find(self.database.clone(), hashes)).await?;
        Ok(self.used_by(caller))
    }

    /// The same for the credential that the caller used; [`Verified::Unknown`] also if its token's role, tenant or scope changed. As in
    /// [`Tokens::verify`], the result is cached briefly: a thousand watchers with one token cause one read.
    pub async fn recheck(&self, caller: &Caller) -> Result<Verified, PortError> {
        let now = match &caller.proof {
            Proof::Secret(hash) => self.lookup.caller(hash.0, |hashes| find(self.database.clone(), hashes)).await?,
            Proof::Session(_) => None,
            Proof::Signed => Some(caller.clone()),
        };
        Ok(self.used_by(now.filter(|now| now.still_permits(caller))))
    }

    /// True if this server has verified this secret not long ago.
    pub fn is_known(&self, secret: &str) -> bool {
        self.lookup.is_known(secret)
    }

    /// What the caller may do now, which counts as use.
    fn used_by(&self, caller: Option<Caller>) -> Verified {
        let verified = Verified::of(caller);
        if let Verified::Caller(caller) = &verified {
            self.note_use(&caller.credential);
        }
        verified
    }

    pub(super) fn note_use(&self, credential: &Credential) {
        let Credential::Token(id) = credential else { return };
        let now = self.clock.now();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < USED_MAX || used.contains_key(id) {
            used.insert(*id, now);
        }
    }

    /// Records the last use of tokens once a minute, and when `shutdown` is cancelled.
    pub async fn record_use_until(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(RECORD_INTERVAL)).await.is_some() {
            match self.record_use().await {
                Ok(()) => OUTAGE.worked(),
                Err(error) => OUTAGE.failed(&error),
            }
        }
        // If that fails, the last minute is missing.
        let _ = tokio::time::timeout(LAST_RECORD, self.record_use()).await;
    }

    /// Records the last use of tokens that were used since the last time, in one statement. After an error they are tried again.
    pub async fn record_use(&self) -> Result<(), PortError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        let since = |at: OffsetDateTime| at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
        let values: Vec<_> = used.iter().map(|(id, at)| json!({"id": id.0, "at": since(*at)})).collect();
        let values = [serde_json::Value::Array(values).into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, RECORD, values);
        let recorded = self.database.execute_raw(statement).await.map(drop).map_err(port_error);
        if recorded.is_err() {
            let mut waiting = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, at) in used {
                waiting.entry(id).or_insert(at);
            }
        }
        recorded
    }
}

async fn find(database: Pool, hashes: Vec<Hash>) -> Result<Found, PortError> {
    let values: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, FIND, [values.into()]);
    let asked = Instant::now();
    let rows = database.query_all_raw(statement).await.map_err(port_error)?;
    let mut found = Found::new();
    for row in rows {
        found.extend(callers(&row, asked).map_err(port_error)?);
    }
    Ok(found)
}

/// The callers of a token, by the hashes of its secrets.
fn callers(row: &QueryResult, asked: Instant) -> Result<Vec<(Hash, Caller)>, DbErr> {
    let end = |column| {
        let milliseconds: Option<i64> = row.try_get("", column)?;
        let remaining = milliseconds.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or_default()));
        Ok::<_, DbErr>(remaining.and_then(|remaining| asked.checked_add(remaining)))
    };
    let (expires, previous_expires) = (end("remaining")?, end("previous_remaining")?);
    let row = token::Model::from_query_result(row, "")?;
    let secrets = [(Some(row.hash.clone()), expires), (row.previous_hash.clone(), previous_expires)];
    let Some(Token { id, name, tenant, role, scope, .. }) = info(row) else { return Ok(Vec::new()) };
    let access = Access { tenant, scope };
    let caller = |(hash, expires): (Option<Vec<u8>>, Option<Instant>)| {
        let hash = Hash::try_from(hash?).ok()?;
        let (name, access) = (name.clone(), access.clone());
        Some((
            hash,
            Caller {
                credential: Credential::Token(id),
                name,
                access,
                role,
                expires,
                proof: Proof::Secret(SecretHash(hash)),
                origin: Arc::default(),
            },
        ))
    };
    Ok(secrets.into_iter().filter_map(caller).collect())
}
