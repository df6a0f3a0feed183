//! Browser sessions. Each has a secret in a cookie, of which only the hash is stored.
//!
//! A session of a token holds as long as that secret of the token, with the role and tenant that the token has now. A session
//! of the identity provider's user keeps what the provider said at the sign-in. Both end after some time without use, and
//! after some time in any case. All times are Postgres'. [`super::session_list`] has what administrators do with them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, QueryResult, Statement, Value};
use serde_json::{Value as Json, json};
use storeplane_core::audit::{Action, AuditRecord, Changes, Origin};
use storeplane_core::error::PortError;
use storeplane_core::identity::{Caller, Credential, Proof, SecretHash};
use storeplane_core::ids::TokenId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::audit;
use super::error::port_error;
use super::pool::Pool;
use super::scope::Grant;
use super::token_auth::{Tokens, Verified};
use super::token_lookup::{Found, Hash, LENGTH, TokenLookup, has_form, hash};
use crate::outage::OutageLog;

/// Prefix of a session's secret.
const PREFIX: &str = "sps_";
/// Maximum number of sessions of one token or user; a further one ends the oldest.
const OWNED_MAX: i64 = 20;
/// Maximum number of sessions whose use waits to be recorded; that of further ones is not recorded.
const USED_MAX: usize = 10_000;
/// Interval between statements that record use and remove what has expired.
const ROUND: Duration = Duration::from_mins(1);
/// Expired rows removed in one round.
const REMOVED_MAX: i64 = 10_000;

static OUTAGE: OutageLog = OutageLog::new("record the use of sessions");

/// The sessions with these hashes, each with its token if it has one. $2 is the idle time in seconds.
const FIND: &str = "
SELECT sessions.hash, sessions.token_hash IS NOT NULL AS of_token,
  sessions.issuer, sessions.subject, sessions.name, sessions.tenant, sessions.role,
  (1000 * extract(epoch FROM least(sessions.expires_at, sessions.last_used_at + make_interval(secs => $2),
    CASE WHEN tokens.hash = sessions.token_hash THEN tokens.expires_at ELSE tokens.previous_expires_at END)
    - clock_timestamp()))::bigint AS remaining,
  tokens.id AS token, tokens.name AS token_name, tokens.tenant AS token_tenant, tokens.role AS token_role,
  tokens.store_ids AS token_store_ids, tokens.store_id_prefix AS token_store_id_prefix
FROM sessions LEFT JOIN tokens
  ON (tokens.hash = sessions.token_hash OR tokens.previous_hash = sessions.token_hash) AND tokens.revoked_at IS NULL
WHERE sessions.hash = ANY($1)";

/// $9 is the lifetime in seconds.
const CREATE: &str = "
INSERT INTO sessions (hash, owner, token_hash, issuer, subject, name, tenant, role, created_at, last_used_at, expires_at,
  id, peer, user_agent)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, now, now, now + make_interval(secs => $9), $10, $11, $12
FROM (SELECT clock_timestamp() AS now) AS clock";

const LIMIT: &str = "
DELETE FROM sessions WHERE hash IN (
  SELECT hash FROM sessions WHERE owner = $1 ORDER BY created_at DESC, hash OFFSET $2)
RETURNING hash";

const USED: &str = "
UPDATE sessions SET last_used_at = clock_timestamp() WHERE hash IN (
  SELECT hash FROM sessions
  WHERE hash = ANY($1) AND last_used_at <= clock_timestamp() - interval '30 seconds'
  ORDER BY hash FOR UPDATE SKIP LOCKED)";

const EXPIRED: [&str; 2] = [
    "DELETE FROM sessions WHERE hash IN (
       SELECT hash FROM sessions
       WHERE expires_at < clock_timestamp() OR last_used_at < clock_timestamp() - make_interval(secs => $1) - interval '1 hour'
       LIMIT $2 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM sign_in_codes WHERE $1 >= 0 AND hash IN (
       SELECT hash FROM sign_in_codes WHERE expires_at < clock_timestamp() LIMIT $2 FOR UPDATE SKIP LOCKED)",
];

const END: &str = "DELETE FROM sessions WHERE hash = $1 RETURNING id";

/// How a caller authenticated for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInMethod {
    /// With a token.
    Token,
    /// With a one-time code.
    Code,
    /// At the identity provider.
    Provider,
}

impl SignInMethod {
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "TOKEN",
            Self::Code => "CODE",
            Self::Provider => "PROVIDER",
        }
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetimes {
    /// Without use.
    pub idle: Duration,
    /// However much it is used.
    pub max: Duration,
}

/// The sessions in Postgres. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pub(super) database: Pool,
    tokens: Tokens,
    pub(super) lifetimes: SessionLifetimes,
    pub(super) lookup: Arc<TokenLookup>,
    /// Hashes of sessions that were used, until it is recorded.
    used: Arc<Mutex<HashSet<Hash>>>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Uses this pool.
    pub fn new(database: Pool, tokens: Tokens, lifetimes: SessionLifetimes) -> Self {
        Self { database, tokens, lifetimes, lookup: Arc::default(), used: Arc::default() }
    }

    /// The same sessions and cache, through another pool.
    #[must_use]
    pub fn on(&self, database: Pool) -> Self {
        Self { tokens: self.tokens.on(database.clone()), database, ..self.clone() }
    }

    /// True if this server has verified this secret not long ago.
    pub fn is_known(&self, secret: &str) -> bool {
        has_form(PREFIX, secret) && self.lookup.knows(&hash(secret))
    }

    /// The caller with this secret. This counts as use.
    pub async fn verify(&self, secret: &str) -> Result<Verified, PortError> {
        if !has_form(PREFIX, secret) {
            return Ok(Verified::Unknown);
        }
        let hash = hash(secret);
        let verified = Verified::of(self.find(hash).await?);
        if let Verified::Caller(caller) = &verified {
            self.tokens.note_use(&caller.credential);
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            if used.len() < USED_MAX {
                used.insert(hash);
            }
        }
        Ok(verified)
    }

    /// The same for the session of an open stream, which is no use of it; [`Verified::Unknown`] also if role, tenant or scope changed.
    pub async fn recheck(&self, session: SecretHash, caller: &Caller) -> Result<Verified, PortError> {
        let now = self.find(session.0).await?;
        Ok(Verified::of(now.filter(|now| now.still_permits(caller))))
    }

    async fn find(&self, hash: Hash) -> Result<Option<Caller>, PortError> {
        self.lookup.caller(hash, |hashes| find(self.database.clone(), hashes, self.lifetimes.idle)).await
    }

    /// Creates a session of a caller that authenticated otherwise, with its audit record, and returns its secret.
    pub async fn create(&self, caller: &Caller, method: SignInMethod) -> Result<String, PortError> {
        let id = self.tokens.ids.uuid();
        let secret = format!("{PREFIX}{}", self.tokens.ids.random_text(LENGTH));
        let token_hash = match caller.proof {
            Proof::Secret(hash) => Some(hash.0.to_vec()),
            Proof::Session(_) | Proof::Signed => None,
        };
        let [issuer, subject, name, tenant, role] = match (&caller.credential, &token_hash) {
            (Credential::Oidc { issuer, subject }, None) => {
                [issuer, subject, &caller.name, caller.tenant().as_str(), caller.role.as_str()]
                    .map(|text: &str| Some(text.to_owned()))
            }
            _ => [const { None }; 5],
        };
        let owner = caller.credential.key();
        let lifetime = self.lifetimes.max.as_secs_f64();
        let hash = hash(&secret);
        let values: [Value; 12] = [
            hash.to_vec().into(),
            owner.into(),
            token_hash.into(),
            issuer.into(),
            subject.into(),
            name.into(),
            tenant.into(),
            role.into(),
            lifetime.into(),
            id.into(),
            caller.origin.peer_text().into(),
            caller.origin.user_agent.as_str().into(),
        ];
        let transaction = self.database.begin().await.map_err(port_error)?;
        transaction.execute_raw(statement(CREATE, values)).await.map_err(port_error)?;
        let values: [Value; 2] = [owner.into(), OWNED_MAX.into()];
        let ended = transaction.query_all_raw(statement(LIMIT, values)).await.map_err(port_error)?;
        let changes = Changes::between(Json::Null, json!({"method": method.as_str()}));
        let record = AuditRecord { changes, ..self.record(caller, Action::SignIn, id.to_string()) };
        audit::append(&transaction, record).await?;
        transaction.commit().await.map_err(port_error)?;
        for row in ended {
            let ended: Vec<u8> = row.try_get("", "hash").map_err(port_error)?;
            if let Ok(ended) = Hash::try_from(ended) {
                self.lookup.forget_one(&ended);
            }
        }
        // From now on this server knows the session, and accepts it from an address with too many failures. An error shows at its first use.
        drop(self.find(hash).await);
        Ok(secret)
    }

    /// Ends a session, with an audit record if it had not ended by itself. Other servers refuse it within five seconds. An unknown
    /// secret costs no more than in [`Sessions::verify`].
    pub async fn end(&self, secret: &str, origin: &Arc<Origin>) -> Result<(), PortError> {
        let caller = match self.verify(secret).await? {
            Verified::Unknown => return Ok(()),
            Verified::Expired => None,
            Verified::Caller(caller) => Some(Caller { origin: Arc::clone(origin), ..caller }),
        };
        let hash = hash(secret);
        let ended = self.remove(&hash, caller.as_ref()).await;
        self.lookup.forget_one(&hash);
        ended
    }

    async fn remove(&self, hash: &Hash, caller: Option<&Caller>) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let values: [Value; 1] = [hash.to_vec().into()];
        let ended = transaction.query_one_raw(statement(END, values)).await.map_err(port_error)?;
        if let (Some(row), Some(caller)) = (ended, caller) {
            let id: Uuid = row.try_get_by_index(0).map_err(port_error)?;
            audit::append(&transaction, self.record(caller, Action::SignOut, id.to_string())).await?;
        }
        transaction.commit().await.map_err(port_error)
    }

    /// The record of what a caller did with sessions.
    pub(super) fn record(&self, caller: &Caller, action: Action, target: String) -> AuditRecord {
        let Tokens { ids, clock, .. } = &self.tokens;
        let tenant = caller.tenant().clone();
        AuditRecord {
            credential: Some(caller.credential.clone()),
            origin: Arc::clone(&caller.origin),
            ..AuditRecord::new(ids.uuid(), clock.now(), tenant, &caller.name, action, target)
        }
    }

    /// Records use and removes what has expired, once a minute, until `shutdown`.
    pub async fn maintain_until(self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
            match self.maintain().await {
                Ok(()) => OUTAGE.worked(),
                Err(error) => OUTAGE.failed(&error),
            }
        }
    }

    /// Does that once. What cannot be recorded is recorded at the next use.
    pub async fn maintain(&self) -> Result<(), PortError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if !used.is_empty() {
            let hashes: Vec<_> = used.iter().map(|hash| hash.to_vec()).collect();
            self.database.execute_raw(statement(USED, [hashes.into()])).await.map_err(port_error)?;
        }
        for sql in EXPIRED {
            let values: [Value; 2] = [self.lifetimes.idle.as_secs_f64().into(), REMOVED_MAX.into()];
            self.database.execute_raw(statement(sql, values)).await.map_err(port_error)?;
        }
        Ok(())
    }
}

fn statement(sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

async fn find(database: Pool, hashes: Vec<Hash>, idle: Duration) -> Result<Found, PortError> {
    let hashes: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
    let values: [Value; 2] = [hashes.into(), idle.as_secs_f64().into()];
    let asked = Instant::now();
    let rows = database.query_all_raw(statement(FIND, values)).await.map_err(port_error)?;
    let mut found = Found::new();
    for row in rows {
        found.extend(session(&row, asked).map_err(port_error)?);
    }
    Ok(found)
}

/// The caller of a session; `None` if its token does not exist any more, or has a role or scope that this server does not know.
fn session(row: &QueryResult, asked: Instant) -> Result<Option<(Hash, Caller)>, DbErr> {
    let text = |column| row.try_get::<Option<String>>("", column);
    let remaining: Option<i64> = row.try_get("", "remaining")?;
    let (credential, name, tenant, role, ids, prefix) = if row.try_get("", "of_token")? {
        let Some(id) = row.try_get::<Option<Uuid>>("", "token")? else { return Ok(None) };
        let (ids, prefix) = (row.try_get("", "token_store_ids")?, text("token_store_id_prefix")?);
        (Credential::Token(TokenId(id)), text("token_name")?, text("token_tenant")?, text("token_role")?, ids, prefix)
    } else {
        let (issuer, subject) = (text("issuer")?.unwrap_or_default(), text("subject")?.unwrap_or_default());
        (Credential::Oidc { issuer, subject }, text("name")?, text("tenant")?, text("role")?, None, None)
    };
    let hash: Vec<u8> = row.try_get("", "hash")?;
    let (Ok(hash), Some(name), Some(tenant)) = (Hash::try_from(hash), name, tenant) else { return Ok(None) };
    let grant = role.and_then(|role| Grant::from_columns(&role, ids, prefix.as_deref()));
    let Some(grant) = grant else { return Ok(None) };
    let left = Duration::from_millis(u64::try_from(remaining.unwrap_or_default()).unwrap_or_default());
    let caller = Caller {
        credential,
        name,
        role: grant.role,
        access: grant.in_tenant(tenant),
        expires: asked.checked_add(left),
        proof: Proof::Session(SecretHash(hash)),
        origin: Arc::default(),
    };
    Ok(Some((hash, caller)))
}
