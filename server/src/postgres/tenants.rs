//! Tenants, with their quotas.

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait as _, DbBackend, EntityTrait, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde_json::{Value, json};
use storeplane_core::audit::{AuditRecord, Changes};
use storeplane_core::error::{DomainError, PortError, TenantError};
use storeplane_core::ids::Tenant;
use storeplane_core::ports::{self, Clock, Ids, TenantDecision};
use storeplane_core::query::{Page, TenantQuery};
use storeplane_core::service;
use storeplane_core::store::State;
use storeplane_core::tenant::{CreateTenant, TenantCommand, TenantDetails, TenantState};
use uuid::Uuid;

use super::entity::{store, tenant};
use super::error::{broken, port_error};
use super::pool::{Pool, Transaction};
use super::token_lookup::TokenLookup;
use super::unreadable::Problems;
use super::{audit, list, locks, requests};

/// Adds a tenant with the defaults, unless it is there.
const ENSURE: &str = "INSERT INTO tenants (name, uid, display_name, created_at, created_by, updated_at)
SELECT $1, gen_random_uuid(), $1, now(), 'system', now()
WHERE NOT EXISTS (SELECT FROM tenants WHERE name = $1) ON CONFLICT DO NOTHING";
const REVOKE: &str = "UPDATE tokens SET revoked_at = $2, revoked_by = $3 WHERE tenant = $1 AND revoked_at IS NULL";

/// Tenants in Postgres.
#[derive(Clone)]
pub struct Tenants {
    database: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    lookup: Arc<TokenLookup>,
}

impl std::fmt::Debug for Tenants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenants").finish_non_exhaustive()
    }
}

impl Tenants {
    /// Uses the pool and the cache of these tokens.
    pub fn new(tokens: &super::Tokens) -> Self {
        let super::Tokens { database, clock, ids, lookup, .. } = tokens;
        Self { database: database.clone(), clock: Arc::clone(clock), ids: Arc::clone(ids), lookup: Arc::clone(lookup) }
    }

    async fn begin(&self) -> Result<Transaction, PortError> {
        self.database.begin().await.map_err(port_error)
    }

    /// The tenant of a repeated request, or `None` if the request is new.
    async fn repeated(
        &self,
        transaction: &Transaction,
        audit: &AuditRecord,
        idempotency: Option<storeplane_core::command::Idempotency>,
    ) -> Result<Option<TenantDetails>, PortError> {
        let now = self.clock.now();
        let Some(row) = requests::reserve_id(transaction, &audit.tenant, idempotency, now).await? else {
            return Ok(None);
        };
        let found = tenant::Entity::find().filter(tenant::Column::Uid.eq(row.store)).one(transaction).await;
        let found = found.map_err(port_error)?.ok_or_else(|| broken("a request's tenant is missing"))?;
        Ok(Some(details(found)))
    }

    /// Remembers the request, stores the audit record, and commits.
    async fn commit(
        transaction: Transaction,
        record: AuditRecord,
        idempotency: Option<storeplane_core::command::Idempotency>,
        (before, after): (Option<&TenantDetails>, &TenantDetails),
    ) -> Result<(), PortError> {
        requests::remember(&transaction, &record.tenant, idempotency, (after.uid, Uuid::nil())).await?;
        let changes = Changes::between(before.map_or(Value::Null, fields), fields(after));
        audit::append(&transaction, AuditRecord { changes, ..record }).await?;
        transaction.commit().await.map_err(port_error)
    }

    /// Stores a change of a locked tenant.
    async fn store(&self, transaction: &Transaction, after: TenantDetails) -> Result<TenantDetails, PortError> {
        let after = TenantDetails { revision: after.revision + 1, updated_at: self.clock.now(), ..after };
        row(&after)?.reset_all().update(transaction).await.map_err(port_error)?;
        Ok(after)
    }
}

#[async_trait]
impl ports::Tenants for Tenants {
    async fn create(&self, command: CreateTenant, audit: AuditRecord) -> Result<TenantDetails, PortError> {
        let idempotency = command.idempotency;
        let transaction = self.begin().await?;
        if let Some(before) = self.repeated(&transaction, &audit, idempotency).await? {
            return Ok(before);
        }
        let created = command.details(self.ids.uuid(), &audit.actor, self.clock.now());
        let unless_there = sea_orm::sea_query::OnConflict::column(tenant::Column::Name).do_nothing().to_owned();
        let inserted =
            tenant::Entity::insert(row(&created)?).on_conflict(unless_there).exec_without_returning(&transaction).await;
        if inserted.map_err(port_error)? == 0 {
            return Err(service::taken(lock(&transaction, &created.id).await?).into());
        }
        Self::commit(transaction, audit, idempotency, (None, &created)).await?;
        Ok(created)
    }

    async fn get(&self, tenant: &Tenant) -> Result<Option<TenantDetails>, PortError> {
        let found = tenant::Entity::find_by_id(tenant.as_str()).one(&self.database).await.map_err(port_error)?;
        Ok(found.map(details))
    }

    async fn list(&self, query: &TenantQuery) -> Result<Page<TenantDetails>, PortError> {
        use tenant::Column;
        let mut select = tenant::Entity::find().filter(Column::State.ne(TenantState::Deleted.as_str()));
        if let Some(after) = &query.after {
            select = select.filter(Column::Name.gt(after.text.as_str()));
        }
        let select = select.order_by_asc(Column::Name).limit(list::one_more(query.limit));
        let found = select.all(&self.database).await.map_err(port_error)?;
        Ok(list::page(found.into_iter().map(details).collect(), query.limit))
    }

    async fn change(
        &self,
        command: &TenantCommand,
        audit: AuditRecord,
        decide: &TenantDecision<'_>,
    ) -> Result<TenantDetails, PortError> {
        let transaction = self.begin().await?;
        if let Some(before) = self.repeated(&transaction, &audit, command.idempotency).await? {
            return Ok(before);
        }
        let before = lock(&transaction, &command.id).await?;
        if before.state == TenantState::Deleted {
            return Err(DomainError::from(TenantError::Deleted { tenant: before.id }).into());
        }
        before.check_etag(command.etag.as_deref())?;
        let mut after = decide(before.clone())?;
        if after != before {
            after = self.store(&transaction, after).await?;
        }
        Self::commit(transaction, audit, command.idempotency, (Some(&before), &after)).await?;
        Ok(after)
    }

    async fn delete(&self, command: &TenantCommand, audit: AuditRecord) -> Result<TenantDetails, PortError> {
        let transaction = self.begin().await?;
        if let Some(before) = self.repeated(&transaction, &audit, command.idempotency).await? {
            return Ok(before);
        }
        // From here on, nothing is created in it.
        locks::stores(&transaction, &command.id).await?;
        locks::tokens(&transaction, &command.id).await?;
        let before = lock(&transaction, &command.id).await?;
        before.check_etag(command.etag.as_deref())?;
        let stores = store::Entity::find()
            .filter(store::Column::Tenant.eq(command.id.as_str()))
            .filter(store::Column::State.ne(State::Deleted.as_str()))
            .count(&transaction);
        let stores = i64::try_from(stores.await.map_err(port_error)?).unwrap_or(i64::MAX);
        if stores > 0 {
            return Err(DomainError::from(TenantError::NotEmpty { tenant: before.id, stores }).into());
        }
        let now = self.clock.now();
        let mut after = before.clone().into_state(TenantState::Deleted, now);
        if after != before {
            after = self.store(&transaction, after).await?;
        }
        let values = [command.id.as_str().into(), now.into(), audit.actor.as_str().into()];
        let revoke = Statement::from_sql_and_values(DbBackend::Postgres, REVOKE, values);
        transaction.execute_raw(revoke).await.map_err(port_error)?;
        Self::commit(transaction, audit, command.idempotency, (Some(&before), &after)).await?;
        self.lookup.forget();
        Ok(after)
    }
}

/// Adds the tenant of a new token or store if it is not there. Returns an error if it was deleted; whoever calls this holds a lock that
/// a deletion takes as well.
pub(super) async fn ensure(transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, ENSURE, [tenant.as_str().into()]);
    transaction.execute_raw(statement).await.map_err(port_error)?;
    let found = tenant::Entity::find_by_id(tenant.as_str()).one(transaction).await.map_err(port_error)?;
    match found.map(details) {
        Some(found) if found.state == TenantState::Deleted => {
            Err(DomainError::from(TenantError::Deleted { tenant: found.id }).into())
        }
        _ => Ok(()),
    }
}

/// The tenant's row, locked until the transaction ends.
async fn lock(transaction: &Transaction, tenant: &Tenant) -> Result<TenantDetails, PortError> {
    let found =
        tenant::Entity::find_by_id(tenant.as_str()).lock_exclusive().one(transaction).await.map_err(port_error)?;
    let missing = || DomainError::NotFound { kind: "tenant", name: tenant.to_string() };
    Ok(found.map(details).ok_or_else(missing)?)
}

/// A tenant from its row. A state that only a newer server knows counts as suspended: it permits nothing.
pub(super) fn details(row: tenant::Model) -> TenantDetails {
    let mut problems = Problems::of("tenants", row.uid);
    let state = problems.known("state", &row.state, TenantState::parse(&row.state), TenantState::Suspended);
    let quotas = problems.json("quotas", Some(row.quotas)).unwrap_or_default();
    problems.log();
    TenantDetails {
        id: Tenant::stored(row.name),
        uid: row.uid,
        display_name: row.display_name,
        state,
        quotas,
        revision: row.revision,
        created_at: row.created_at,
        created_by: row.created_by,
        updated_at: row.updated_at,
        suspended_at: row.suspended_at,
    }
}

/// What audit records show of a tenant.
fn fields(details: &TenantDetails) -> Value {
    json!({ "display_name": details.display_name, "state": details.state.as_str(), "quotas": details.quotas })
}

fn row(details: &TenantDetails) -> Result<tenant::ActiveModel, PortError> {
    let quotas = serde_json::to_value(&details.quotas).map_err(|error| PortError::Internal(Box::new(error)))?;
    let TenantDetails {
        id, uid, display_name, state, revision, created_at, created_by, updated_at, suspended_at, ..
    } = details.clone();
    let model = tenant::Model {
        name: id.into(),
        uid,
        display_name,
        state: state.as_str().to_owned(),
        quotas,
        revision,
        created_at,
        created_by,
        updated_at,
        suspended_at,
    };
    Ok(model.into_active_model().reset_all())
}
