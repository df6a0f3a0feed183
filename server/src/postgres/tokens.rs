//! API tokens: random, stored as a hash, with tenant and role.

use std::sync::Arc;

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, Statement};
use storeplane_core::audit::{Action, AuditRecord, Outcome};
use storeplane_core::error::PortError;
use storeplane_core::identity::{Caller, Role};
use storeplane_core::ids::{Tenant, TokenId};
use storeplane_core::ports::{Clock, Ids};
use time::OffsetDateTime;

use super::entity::{audit_event, token};
use super::error::port_error;
use super::pool::Pool;
use super::rows;
use super::token_lookup::{Found, Hash, LENGTH, PREFIX, TokenLookup, hash};
use super::unreadable::Problems;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its id.
    pub id: TokenId,
    /// Its name: the actor in the audit log.
    pub name: String,
    /// Its tenant.
    pub tenant: Tenant,
    /// Its role.
    pub role: Role,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

/// The tokens in Postgres.
#[derive(Clone)]
pub struct Tokens {
    database: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    lookup: Arc<TokenLookup>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Uses this pool.
    pub fn new(database: Pool, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { database, clock, ids, lookup: Arc::default() }
    }

    /// The same tokens and cache, read through another pool.
    #[must_use]
    pub fn on(&self, database: Pool) -> Self {
        Self { database, ..self.clone() }
    }

    /// Creates a token on behalf of `actor`. The second value is the secret, which cannot be shown again.
    pub async fn create(
        &self,
        tenant: Tenant,
        role: Role,
        name: &str,
        actor: &str,
    ) -> Result<(TokenId, String), PortError> {
        let secret = format!("{PREFIX}{}", self.ids.random_text(LENGTH));
        let id = TokenId(self.ids.uuid());
        let row = token::ActiveModel {
            id: Set(id.0),
            hash: Set(hash(&secret).to_vec()),
            name: Set(name.to_owned()),
            tenant: Set(tenant.to_string()),
            role: Set(role.as_str().to_owned()),
            created_at: Set(self.clock.now()),
            created_by: Set(actor.to_owned()),
            revoked_at: Set(None),
            revoked_by: Set(None),
        };
        let transaction = self.database.begin().await.map_err(port_error)?;
        token::Entity::insert(row).exec_without_returning(&transaction).await.map_err(port_error)?;
        let record = rows::audit_row(self.record(tenant, actor, Action::CreateToken, id));
        audit_event::Entity::insert(record).exec_without_returning(&transaction).await.map_err(port_error)?;
        transaction.commit().await.map_err(port_error)?;
        Ok((id, secret))
    }

    /// All tokens, oldest first.
    pub async fn list(&self) -> Result<Vec<TokenInfo>, PortError> {
        let rows =
            token::Entity::find().order_by_asc(token::Column::Id).all(&self.database).await.map_err(port_error)?;
        Ok(rows.into_iter().filter_map(info).collect())
    }

    /// Revokes a token on behalf of `actor`. False if it does not exist or was already revoked.
    pub async fn revoke(&self, id: TokenId, actor: &str) -> Result<bool, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let there = token::Entity::find_by_id(id.0).filter(token::Column::RevokedAt.is_null());
        let Some(row) = there.one(&transaction).await.map_err(port_error)? else { return Ok(false) };
        let revoked = token::ActiveModel {
            id: Set(id.0),
            revoked_at: Set(Some(self.clock.now())),
            revoked_by: Set(Some(actor.to_owned())),
            ..Default::default()
        };
        token::Entity::update(revoked).exec(&transaction).await.map_err(port_error)?;
        let record = rows::audit_row(self.record(Tenant::stored(row.tenant), actor, Action::RevokeToken, id));
        audit_event::Entity::insert(record).exec_without_returning(&transaction).await.map_err(port_error)?;
        transaction.commit().await.map_err(port_error)?;
        self.lookup.forget();
        Ok(true)
    }

    /// The caller with this secret; `None` if it is unknown or revoked. A token that was refused before it was created works
    /// within a second of its creation.
    pub async fn verify(&self, secret: &str) -> Result<Option<Caller>, PortError> {
        self.lookup.verify(secret, |hashes| find(self.database.clone(), hashes)).await
    }

    /// True while the caller's token is not revoked and has the same role and tenant as when it was verified. As in
    /// [`Tokens::verify`], the result is cached briefly: a thousand watchers with one token cause one read.
    pub async fn is_valid(&self, caller: &Caller) -> Result<bool, PortError> {
        if let Some(now) = self.lookup.trusted(caller.token) {
            return Ok(now.still_permits(caller));
        }
        let row = token::Entity::find_by_id(caller.token.0).one(&self.database).await.map_err(port_error)?;
        let Some((hash, now)) = row.filter(|row| row.revoked_at.is_none()).and_then(known) else { return Ok(false) };
        let valid = now.still_permits(caller);
        self.lookup.trust(hash, now);
        Ok(valid)
    }

    fn record(&self, tenant: Tenant, actor: &str, action: Action, id: TokenId) -> AuditRecord {
        AuditRecord {
            id: self.ids.uuid(),
            at: self.clock.now(),
            tenant,
            actor: actor.to_owned(),
            token: None,
            action,
            target: id.to_string(),
            store: None,
            operation: None,
            outcome: Outcome::Accepted,
            reason: String::new(),
        }
    }
}

/// The callers of those hashes that are tokens and not revoked.
async fn find(database: Pool, hashes: Vec<Hash>) -> Result<Found, PortError> {
    const SQL: &str = "SELECT * FROM tokens WHERE hash = ANY($1) AND revoked_at IS NULL";
    let hashes: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, SQL, [hashes.into()]);
    let rows = token::Entity::find().from_raw_sql(statement).all(&database).await.map_err(port_error)?;
    Ok(rows.into_iter().filter_map(known).collect())
}

/// The caller of a token's row; `None` if its role is unknown.
fn known(row: token::Model) -> Option<(Hash, Caller)> {
    let hash = Hash::try_from(row.hash.as_slice()).ok()?;
    let TokenInfo { id, name, tenant, role, .. } = info(row)?;
    Some((hash, Caller { token: id, name, tenant, role }))
}

/// A token from its row; `None`, and logged, if its role is unknown because a newer server wrote it: it then permits nothing.
fn info(row: token::Model) -> Option<TokenInfo> {
    let mut problems = Problems::of("tokens", row.id);
    let role = problems.optional("role", Some(&row.role), Role::parse);
    problems.log();
    Some(TokenInfo {
        id: TokenId(row.id),
        name: row.name,
        tenant: Tenant::stored(row.tenant),
        role: role?,
        created_at: row.created_at,
        revoked_at: row.revoked_at,
    })
}
