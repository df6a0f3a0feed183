//! API tokens: random secrets, stored as hashes, with tenant, role and expiry.
//!
//! This file changes and lists tokens; [`super::token_auth`] authenticates callers with them.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, Condition, ConnectionTrait as _, DbBackend, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement, TryGetable,
};
use serde_json::{Value, json};
use storeplane_core::audit::{Action, AuditRecord, Changes};
use storeplane_core::error::{DomainError, PortError, TokenError};
use storeplane_core::ids::{Tenant, TokenId};
use storeplane_core::ports;
use storeplane_core::query::{Page, TokenQuery};
use storeplane_core::token::{Author, CreateToken, IssuedToken, RevokeToken, RotateToken, Token, TokenState};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::entity::token;
use super::error::{broken, port_error};
use super::pool::Transaction;
use super::scope::Grant;
use super::token_auth::Tokens;
use super::token_lookup::{LENGTH, PREFIX, hash};
use super::unreadable::Problems;
use super::{audit, list, locks, requests, tenants};

/// Names differ not only in case.
const NAME_TAKEN: &str = "SELECT EXISTS (SELECT FROM tokens WHERE tenant = $1 AND lower(name) = lower($2)
  AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3))";

impl Tokens {
    /// The tokens of all tenants, oldest first.
    pub async fn all(&self) -> Result<Vec<Token>, PortError> {
        let found = token::Entity::find().order_by_asc(token::Column::Id).all(&self.database);
        Ok(found.await.map_err(port_error)?.into_iter().filter_map(info).collect())
    }

    fn new_secret(&self) -> String {
        format!("{PREFIX}{}", self.ids.random_text(LENGTH))
    }

    /// Revokes a token of any tenant, also one whose role this server does not know. False if there is none that is not revoked.
    pub async fn revoke_any(&self, id: TokenId, author: &Author) -> Result<bool, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let found = token::Entity::find_by_id(id.0).lock_exclusive().one(&transaction).await.map_err(port_error)?;
        let Some(row) = found.filter(|row| row.revoked_at.is_none()) else { return Ok(false) };
        let before = row.clone();
        let row = self.mark_revoked(&transaction, row, author).await?;
        self.commit(transaction, Action::RevokeToken, (Some(&before), &row), author).await?;
        self.lookup.forget();
        Ok(true)
    }

    async fn mark_revoked(
        &self,
        transaction: &Transaction,
        row: token::Model,
        author: &Author,
    ) -> Result<token::Model, PortError> {
        let revoked = token::ActiveModel {
            id: Set(row.id),
            revoked_at: Set(Some(self.clock.now())),
            revoked_by: Set(Some(author.name.clone())),
            ..Default::default()
        };
        revoked.update(transaction).await.map_err(port_error)
    }

    /// Stores the audit record of a change, and commits it.
    async fn commit(
        &self,
        transaction: Transaction,
        action: Action,
        (before, row): (Option<&token::Model>, &token::Model),
        author: &Author,
    ) -> Result<(), PortError> {
        let (id, now, target) = (self.ids.uuid(), self.clock.now(), TokenId(row.id).to_string());
        let record = AuditRecord {
            credential: author.credential.clone(),
            origin: Arc::clone(&author.origin),
            changes: Changes::between(before.map_or(Value::Null, fields), fields(row)),
            ..AuditRecord::new(id, now, Tenant::stored(row.tenant.clone()), &author.name, action, target)
        };
        audit::append(&transaction, record).await?;
        transaction.commit().await.map_err(port_error)
    }
}

#[async_trait]
impl ports::Tokens for Tokens {
    async fn create(&self, tenant: &Tenant, wanted: CreateToken, author: &Author) -> Result<IssuedToken, PortError> {
        let CreateToken { name, role, scope, lifetime, idempotency } = wanted;
        let (role, store_ids, store_id_prefix) = Grant { role, scope }.to_columns();
        let (id, secret) = (TokenId(self.ids.uuid()), self.new_secret());
        let transaction = self.database.begin().await.map_err(port_error)?;
        if let Some(before) = requests::reserve_id(&transaction, tenant, idempotency, self.clock.now()).await? {
            return Err(DomainError::from(TokenError::SecretAlreadyShown { token: TokenId(before.store) }).into());
        }
        let now = lock_names(&transaction, tenant).await?;
        tenants::ensure(&transaction, tenant).await?;
        ensure_free(&transaction, tenant, &name, now).await?;
        let row = token::ActiveModel {
            id: Set(id.0),
            hash: Set(hash(&secret).to_vec()),
            name: Set(name),
            tenant: Set(tenant.to_string()),
            role: Set(role),
            store_ids: Set(store_ids),
            store_id_prefix: Set(store_id_prefix),
            created_at: Set(now),
            created_by: Set(author.name.clone()),
            expires_at: Set(lifetime.map(|lifetime| now.saturating_add(lifetime))),
            ..Default::default()
        };
        let row = row.insert(&transaction).await.map_err(port_error)?;
        requests::remember(&transaction, tenant, idempotency, (id.0, Uuid::nil())).await?;
        self.commit(transaction, Action::CreateToken, (None, &row), author).await?;
        let token = info(row).ok_or_else(|| broken("a role that this server does not know"))?;
        Ok(IssuedToken { token, secret })
    }

    async fn get(&self, tenant: &Tenant, id: TokenId) -> Result<Option<Token>, PortError> {
        let row = owned(tenant, id).one(&self.database).await.map_err(port_error)?;
        Ok(row.and_then(info))
    }

    async fn list(&self, query: &TokenQuery) -> Result<Page<Token>, PortError> {
        use sea_orm::sea_query::{Expr, ExprTrait as _};
        use token::Column;
        let mut select = token::Entity::find().filter(Column::Tenant.eq(query.tenant.as_str()));
        if !query.show_inactive {
            let unexpired = Condition::any()
                .add(Column::ExpiresAt.is_null())
                .add(Expr::col(Column::ExpiresAt).gt(Expr::current_timestamp()));
            select = select.filter(Column::RevokedAt.is_null()).filter(unexpired);
        }
        let select = list::newest(select, (Column::CreatedAt, Column::Id), query.after.as_ref());
        let found = select.limit(list::one_more(query.limit)).all(&self.database).await.map_err(port_error)?;
        // A token with an unknown role is left out of its page, and does not end the list.
        let Page { items, more } = list::page(found, query.limit);
        Ok(Page { items: items.into_iter().filter_map(info).collect(), more })
    }

    async fn revoke(&self, tenant: &Tenant, command: RevokeToken, author: &Author) -> Result<Token, PortError> {
        let RevokeToken { token: id, idempotency } = command;
        let transaction = self.database.begin().await.map_err(port_error)?;
        let repeated = requests::reserve_id(&transaction, tenant, idempotency, self.clock.now()).await?.is_some();
        let mut row = lock(&transaction, tenant, id).await?;
        if repeated {
            return info(row).ok_or_else(|| missing(id));
        }
        let before = row.clone();
        if row.revoked_at.is_none() {
            row = self.mark_revoked(&transaction, row, author).await?;
        }
        requests::remember(&transaction, tenant, idempotency, (id.0, Uuid::nil())).await?;
        self.commit(transaction, Action::RevokeToken, (Some(&before), &row), author).await?;
        let token = info(row).ok_or_else(|| missing(id))?;
        self.lookup.forget();
        Ok(token)
    }

    async fn rotate(&self, tenant: &Tenant, command: RotateToken, author: &Author) -> Result<IssuedToken, PortError> {
        let RotateToken { token: id, lifetime, overlap, idempotency } = command;
        let secret = self.new_secret();
        let transaction = self.database.begin().await.map_err(port_error)?;
        if let Some(before) = requests::reserve_id(&transaction, tenant, idempotency, self.clock.now()).await? {
            return Err(DomainError::from(TokenError::SecretAlreadyShown { token: TokenId(before.store) }).into());
        }
        let now = lock_names(&transaction, tenant).await?;
        let row = lock(&transaction, tenant, id).await?;
        let old = row.clone();
        let before = info(row).ok_or_else(|| missing(id))?;
        let state = before.state(now);
        if state != TokenState::Valid {
            return Err(DomainError::from(TokenError::NotValid { token: id, state: state.as_str() }).into());
        }
        let expires_at = now.saturating_add(lifetime);
        let previous = now.saturating_add(overlap).min(expires_at).min(before.expires_at.unwrap_or(expires_at));
        let rotated = token::ActiveModel {
            id: Set(id.0),
            hash: Set(hash(&secret).to_vec()),
            expires_at: Set(Some(expires_at)),
            rotated_at: Set(Some(now)),
            previous_hash: Set(Some(old.hash.clone())),
            previous_expires_at: Set(Some(previous)),
            ..Default::default()
        };
        let row = rotated.update(&transaction).await.map_err(port_error)?;
        requests::remember(&transaction, tenant, idempotency, (id.0, Uuid::nil())).await?;
        self.commit(transaction, Action::RotateToken, (Some(&old), &row), author).await?;
        let token = info(row).ok_or_else(|| missing(id))?;
        self.lookup.forget();
        Ok(IssuedToken { token, secret })
    }
}

/// Locks the names of a tenant's tokens until the transaction ends. Returns Postgres' time from then on, by which secrets
/// expire: a server's clock may be wrong.
async fn lock_names(transaction: &Transaction, tenant: &Tenant) -> Result<OffsetDateTime, PortError> {
    locks::tokens(transaction, tenant).await?;
    first(transaction, Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp()")).await
}

async fn ensure_free(
    transaction: &Transaction,
    tenant: &Tenant,
    name: &str,
    now: OffsetDateTime,
) -> Result<(), PortError> {
    let values = [tenant.as_str().into(), name.into(), now.into()];
    if first(transaction, Statement::from_sql_and_values(DbBackend::Postgres, NAME_TAKEN, values)).await? {
        return Err(DomainError::from(TokenError::NameTaken { name: name.to_owned() }).into());
    }
    Ok(())
}

/// The first column of a statement's only row.
async fn first<T: TryGetable>(transaction: &Transaction, statement: Statement) -> Result<T, PortError> {
    let row = transaction.query_one_raw(statement).await.map_err(port_error)?.ok_or_else(|| broken("no answer"))?;
    row.try_get_by_index(0).map_err(port_error)
}

fn owned(tenant: &Tenant, id: TokenId) -> sea_orm::Select<token::Entity> {
    token::Entity::find_by_id(id.0).filter(token::Column::Tenant.eq(tenant.as_str()))
}

/// The token's row, locked until the transaction ends.
async fn lock(transaction: &Transaction, tenant: &Tenant, id: TokenId) -> Result<token::Model, PortError> {
    let row = owned(tenant, id).lock_exclusive().one(transaction).await.map_err(port_error)?;
    row.ok_or_else(|| missing(id))
}

fn missing(id: TokenId) -> PortError {
    DomainError::NotFound { kind: "token", name: id.to_string() }.into()
}

/// What audit records show of a token. Hashes are masked.
fn fields(row: &token::Model) -> Value {
    let time = |at: Option<OffsetDateTime>| at.and_then(|at| at.format(&Rfc3339).ok());
    let mut fields = json!({
        "name": row.name,
        "role": Grant::role_text(&row.role),
        "expires_at": time(row.expires_at),
        "previous_expires_at": time(row.previous_expires_at),
        "secret_hash": row.hash,
        "revoked_at": time(row.revoked_at),
        "revoked_by": row.revoked_by,
    });
    let ids = row.store_ids.as_ref().map(|ids| ("store_ids".to_owned(), json!(ids)));
    let prefix = row.store_id_prefix.as_ref().map(|prefix| ("store_id_prefix".to_owned(), json!(prefix)));
    if let Value::Object(fields) = &mut fields {
        fields.extend(ids.into_iter().chain(prefix));
    }
    fields
}

/// A token from its row; `None`, and logged, if its role or scope is unknown because a newer server wrote it: it then permits nothing.
pub(super) fn info(row: token::Model) -> Option<Token> {
    let mut problems = Problems::of("tokens", row.id);
    let grant = |role: &str| Grant::from_columns(role, row.store_ids.clone(), row.store_id_prefix.as_deref());
    let grant = problems.optional("role", Some(&row.role), grant);
    problems.log();
    let Grant { role, scope } = grant?;
    Some(Token {
        id: TokenId(row.id),
        name: row.name,
        tenant: Tenant::stored(row.tenant),
        role,
        scope,
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
        revoked_by: row.revoked_by,
        rotated_at: row.rotated_at,
        previous_expires_at: row.previous_expires_at,
    })
}
