//! The sessions of a tenant, as its administrators list and end them. [`super::sessions`] authenticates with them.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, QueryResult, Statement, Value};
use serde_json::{Value as Json, json};
use storeplane_core::audit::{Action, AuditRecord, Changes};
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::identity::{Caller, Credential, Role};
use storeplane_core::ids::{SessionId, TokenId};
use storeplane_core::ports;
use storeplane_core::query::{Page, SessionQuery};
use storeplane_core::session::{RevokeSessions, Session};
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::port_error;
use super::scope::Grant;
use super::sessions::Sessions;
use super::token_lookup::Hash;
use super::unreadable::Problems;
use super::{audit, list};

/// The sessions of the callers of a tenant, $1: those of its tokens, and those of the provider's users. $2 is the idle time in seconds.
const OF_TENANT: &str = "
SELECT sessions.hash, sessions.id, tokens.id AS token, tokens.name, tokens.role, tokens.store_ids, tokens.store_id_prefix, sessions.issuer, sessions.subject,
  sessions.created_at, sessions.last_used_at, sessions.peer, sessions.user_agent,
  least(sessions.expires_at, sessions.last_used_at + make_interval(secs => $2),
    CASE WHEN tokens.hash = sessions.token_hash THEN tokens.expires_at ELSE tokens.previous_expires_at END) AS ends_at
FROM tokens JOIN sessions ON sessions.owner = tokens.id
  AND (sessions.token_hash = tokens.hash OR sessions.token_hash = tokens.previous_hash)
WHERE tokens.tenant = $1 AND tokens.revoked_at IS NULL
UNION ALL
SELECT hash, id, NULL::uuid, name, role, NULL::text[], NULL::text, issuer, subject, created_at, last_used_at, peer, user_agent,
  least(expires_at, last_used_at + make_interval(secs => $2))
FROM sessions WHERE tenant = $1";
const LISTED: &str = "ends_at > clock_timestamp() AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4))
ORDER BY created_at DESC, id DESC LIMIT $5";
const WANTED: &str =
    "ends_at > clock_timestamp() AND (id = $3 OR coalesce(token::text, issuer || '#' || subject) = $4)";
const END: &str = "DELETE FROM sessions WHERE hash = ANY($1) RETURNING hash, id";

#[async_trait]
impl ports::Sessions for Sessions {
    async fn list(&self, query: &SessionQuery) -> Result<Page<Session>, PortError> {
        let after = query.after.as_ref();
        let limit = i64::try_from(list::one_more(query.limit)).unwrap_or(i64::MAX);
        let values: [Value; 5] = [
            query.tenant.as_str().into(),
            self.lifetimes.idle.as_secs_f64().into(),
            after.map(|after| after.at).into(),
            after.map(|after| after.uid).into(),
            limit.into(),
        ];
        let rows = self.database.query_all_raw(of_tenant(LISTED, values)).await.map_err(port_error)?;
        // A session with an unknown role is left out of its page, and does not end the list.
        let Page { items, more } = list::page(rows, query.limit);
        let read: Result<Vec<_>, DbErr> = items.iter().map(session).collect();
        Ok(Page { items: read.map_err(port_error)?.into_iter().flatten().collect(), more })
    }

    async fn revoke(&self, caller: &Caller, command: &RevokeSessions) -> Result<u32, PortError> {
        let (id, credential) = match command {
            RevokeSessions::One(id) => (Some(id.0), None),
            RevokeSessions::OfCredential(credential) => (None, Some(credential.clone())),
        };
        let target = id.map(|id| id.to_string()).or_else(|| credential.clone()).unwrap_or_default();
        let transaction = self.database.begin().await.map_err(port_error)?;
        let idle = self.lifetimes.idle.as_secs_f64();
        let values: [Value; 4] = [caller.tenant().as_str().into(), idle.into(), id.into(), credential.into()];
        let found = transaction.query_all_raw(of_tenant(WANTED, values)).await.map_err(port_error)?;
        let mut hashes: Vec<Vec<u8>> = Vec::new();
        for row in &found {
            // A role that this server does not know may be above the caller's.
            may_end(caller, role(row).map_err(port_error)?.unwrap_or(Role::PlatformAdmin))?;
            hashes.push(row.try_get("", "hash").map_err(port_error)?);
        }
        let end = Statement::from_sql_and_values(DbBackend::Postgres, END, [hashes.into()]);
        let ended = transaction.query_all_raw(end).await.map_err(port_error)?;
        let ended: Result<Vec<(Vec<u8>, Uuid)>, _> = ended.iter().map(QueryResult::try_get_many_by_index).collect();
        let ended = ended.map_err(port_error)?;
        let ids: Vec<_> = ended.iter().map(|(_, id)| id.to_string()).collect();
        let changes = Changes::between(json!({ "sessions": ids }), Json::Null);
        let record = AuditRecord { changes, ..self.record(caller, Action::RevokeSessions, target) };
        audit::append(&transaction, record).await?;
        transaction.commit().await.map_err(port_error)?;
        for hash in ended.iter().filter_map(|(hash, _)| Hash::try_from(hash.as_slice()).ok()) {
            self.lookup.forget_one(&hash);
        }
        Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
    }
}

fn of_tenant(which: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    let sql = format!("SELECT * FROM ({OF_TENANT}) AS sessions WHERE {which}");
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn may_end(caller: &Caller, role: Role) -> Result<(), DomainError> {
    if caller.role.may_grant(role) {
        return Ok(());
    }
    Err(DomainError::PermissionDenied { role: caller.role.as_str(), needed: role.as_str() })
}

/// The role of a session's caller; `None` if this server does not know it, or its scope.
fn role(row: &QueryResult) -> Result<Option<Role>, DbErr> {
    let (role, prefix): (String, Option<String>) = (row.try_get("", "role")?, row.try_get("", "store_id_prefix")?);
    let grant = Grant::from_columns(&role, row.try_get("", "store_ids")?, prefix.as_deref());
    Ok(grant.map(|grant| grant.role))
}

/// `None`, and logged, if its role is unknown.
fn session(row: &QueryResult) -> Result<Option<Session>, DbErr> {
    let text = |column| row.try_get::<Option<String>>("", column).map(Option::unwrap_or_default);
    let time = |column| row.try_get::<OffsetDateTime>("", column);
    let id: Uuid = row.try_get("", "id")?;
    let credential = match row.try_get::<Option<Uuid>>("", "token")? {
        Some(token) => Credential::Token(TokenId(token)),
        None => Credential::Oidc { issuer: text("issuer")?, subject: text("subject")? },
    };
    let known = role(row)?;
    let mut problems = Problems::of("sessions", id);
    problems.optional("role", Some(&text("role")?), |_| known);
    problems.log();
    let Some(role) = known else { return Ok(None) };
    Ok(Some(Session {
        id: SessionId(id),
        name: text("name")?,
        role,
        credential,
        created_at: time("created_at")?,
        last_used_at: time("last_used_at")?,
        expires_at: time("ends_at")?,
        peer: text("peer")?,
        user_agent: text("user_agent")?,
    }))
}
