//! Custom domains of stores. Rows are changed under the lock of the store's row, with its events.
//!
//! This file has what callers request, and what checks find; [`settle`] tells shops which domains they answer to, and removes rows.

mod settle;

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait as _,
    QueryFilter, QueryOrder as _, QuerySelect as _,
};
use storeplane_core::access::Access;
use storeplane_core::audit::AuditRecord;
use storeplane_core::command::StoreRef;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::host_name::HostName;
use storeplane_core::ids::StoreUid;
use storeplane_core::ports::{self, Clock, Ids, NewDomain};
use storeplane_core::service::check_new;
use storeplane_core::store::Store;
use storeplane_core::store_domain::command::DomainCommand;
use storeplane_core::store_domain::{Observation, OwnershipState, Seen, StoreDomain};
use storeplane_core::transition::request::Request;
use storeplane_core::transition::{Decision, Snapshot, domains};
use time::OffsetDateTime;
use uuid::Uuid;

use super::entity::store_domain::{ActiveModel, Column, Entity, Model};
use super::error::{broken, port_error, violated};
use super::pool::{Pool, Transaction};
use super::{apply, requests, rows, store_loader};

/// The index of names that were proved.
const VERIFIED: &str = "store_domains_verified";

/// Domains in Postgres.
#[derive(Clone)]
pub struct PgDomains {
    database: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for PgDomains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgDomains").finish_non_exhaustive()
    }
}

impl PgDomains {
    /// Uses this pool.
    pub fn new(database: Pool, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { database, clock, ids }
    }

    async fn begin(&self) -> Result<Transaction, PortError> {
        self.database.begin().await.map_err(port_error)
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), PortError> {
        transaction.commit().await.map_err(port_error)
    }

    async fn try_observe(
        &self,
        id: Uuid,
        mut observation: Observation,
        by: Option<AuditRecord>,
    ) -> Result<Observed, PortError> {
        let (transaction, now) = (self.begin().await?, self.clock.now());
        let Some((store, row)) = lock(&transaction, id).await? else { return Ok(Observed::Done(None)) };
        let before = read(row.clone())?;
        let proved = |seen: &Seen<OwnershipState>| seen.state == OwnershipState::Verified;
        if !row.verified && observation.ownership.as_ref().is_some_and(proved) && is_taken(&transaction, &row).await? {
            observation.ownership = Some(unavailable());
        }
        let mut after = before.clone();
        let news = after.observe(observation, now);
        let is_new = after.is_verified() && !before.is_verified();
        let mut changed = row.into_active_model();
        changed.verified = sea_orm::Set(after.is_verified());
        changed.status = sea_orm::Set(status_json(&after)?);
        changed.checks = sea_orm::Set(after.checks);
        // The shop is told at once.
        changed.due_at = sea_orm::Set(if is_new { now } else { now + after.next_check() });
        match changed.update(&transaction).await {
            Err(error) if violated(&error).as_deref() == Some(VERIFIED) => return Ok(Observed::Taken),
            stored => drop(stored.map_err(port_error)?),
        }
        if !news.is_empty() || by.is_some() {
            let change = domains::checked(store.clone(), (&before, &after), news, by);
            Box::pin(apply::update(&transaction, &store, change, now)).await?;
        }
        self.commit(transaction).await?;
        Ok(Observed::Done(Some(Box::new(after))))
    }
}

/// The result of storing an observation.
enum Observed {
    /// It is stored, unless the domain was removed.
    Done(Option<Box<StoreDomain>>),
    /// Another store has the name.
    Taken,
}

#[async_trait]
impl ports::Domains for PgDomains {
    async fn add(
        &self,
        access: &Access,
        command: &DomainCommand,
        new: NewDomain,
        decide: &Decision<'_>,
    ) -> Result<(Store, StoreDomain), PortError> {
        let (transaction, now) = (self.begin().await?, self.clock.now());
        let idempotency = command.idempotency;
        let repeated = requests::reserve_id(&transaction, &access.tenant, idempotency, now).await?.is_some();
        let store = lock_store(&transaction, access, &command.store).await?;
        let present = of_store(&transaction, store.store.uid).await?;
        if repeated {
            let known = present.into_iter().find(|domain| domain.name == command.name);
            return Ok((store.store, known.ok_or_else(|| missing(&command.name))?));
        }
        let change = decide(store.clone())?;
        check_new(&present, &command.name, new.max)?;
        let domain = StoreDomain::new(new.id, store.store.uid, command.name.clone(), new.token, now);
        let row = insert(&domain, now)?;
        Entity::insert(row).exec_without_returning(&transaction).await.map_err(port_error)?;
        requests::remember(&transaction, &access.tenant, idempotency, (domain.id, Uuid::nil())).await?;
        let applied = Box::pin(apply::update(&transaction, &store, change, now)).await?;
        self.commit(transaction).await?;
        Ok((applied.store, domain))
    }

    async fn find(&self, access: &Access, command: &DomainCommand) -> Result<(Store, StoreDomain), PortError> {
        let store = find_store(&self.database, access, &command.store).await?;
        let row = row_of(store.uid, &command.name).one(&self.database).await.map_err(port_error)?;
        let domain = read(row.ok_or_else(|| missing(&command.name))?)?;
        Ok((store, domain))
    }

    async fn list(&self, access: &Access, store: &StoreRef) -> Result<(Store, Vec<StoreDomain>), PortError> {
        let store = find_store(&self.database, access, store).await?;
        let domains = of_store(&self.database, store.uid).await?;
        Ok((store, domains))
    }

    async fn observe(
        &self,
        id: Uuid,
        observation: Observation,
        by: Option<AuditRecord>,
    ) -> Result<Option<StoreDomain>, PortError> {
        match self.try_observe(id, observation.clone(), by.clone()).await? {
            Observed::Done(domain) => Ok(domain.map(|domain| *domain)),
            // Another store got the name at the same moment, and is found now.
            Observed::Taken => match self.try_observe(id, observation, by).await? {
                Observed::Done(domain) => Ok(domain.map(|domain| *domain)),
                Observed::Taken => Err(broken("a domain is taken and free")),
            },
        }
    }

    async fn remove(
        &self,
        access: &Access,
        command: &DomainCommand,
        request: &Request<'_>,
    ) -> Result<(Store, StoreDomain), PortError> {
        let (transaction, now) = (self.begin().await?, request.now);
        let idempotency = command.idempotency;
        let repeated = requests::reserve_id(&transaction, &access.tenant, idempotency, now).await?.is_some();
        let store = lock_store(&transaction, access, &command.store).await?;
        let row = row_of(store.store.uid, &command.name).one(&transaction).await.map_err(port_error)?;
        let row = row.ok_or_else(|| missing(&command.name))?;
        let domain = read(row.clone())?;
        if repeated {
            return Ok((store.store, domain));
        }
        let after = StoreDomain { removing: true, ..domain.clone() };
        if domain.is_verified() {
            let mut changed = row.into_active_model();
            (changed.removing, changed.due_at) = (sea_orm::Set(true), sea_orm::Set(now));
            changed.update(&transaction).await.map_err(port_error)?;
        } else {
            Entity::delete_by_id(row.id).exec(&transaction).await.map_err(port_error)?;
        }
        requests::remember(&transaction, &access.tenant, idempotency, (domain.id, Uuid::nil())).await?;
        let change = domains::remove(store.clone(), &domain, request);
        let applied = Box::pin(apply::update(&transaction, &store, change, now)).await?;
        self.commit(transaction).await?;
        Ok((applied.store, after))
    }
}

/// The name was proved, and is another store's. Says nothing about that one.
fn unavailable() -> Seen<OwnershipState> {
    let message = "The record was found, but the domain cannot be used here at present.".to_owned();
    Seen { state: OwnershipState::Failed, reason: "DOMAIN_UNAVAILABLE", message }
}

async fn is_taken(connection: &impl ConnectionTrait, row: &Model) -> Result<bool, PortError> {
    let others = Entity::find().filter(Column::Name.eq(&*row.name)).filter(Column::Verified.eq(true));
    Ok(others.filter(Column::Id.ne(row.id)).count(connection).await.map_err(port_error)? > 0)
}

/// A domain and its store, both locked. `None` if it was removed.
async fn lock(transaction: &Transaction, id: Uuid) -> Result<Option<(Snapshot, Model)>, PortError> {
    let found = Entity::find_by_id(id).one(transaction).await.map_err(port_error)?;
    let Some(found) = found else { return Ok(None) };
    let Some(store) = apply::lock(transaction, StoreUid(found.store)).await? else { return Ok(None) };
    let row = Entity::find_by_id(id).lock_exclusive().one(transaction).await.map_err(port_error)?;
    Ok(row.map(|row| (store, row)))
}

async fn lock_store(transaction: &Transaction, access: &Access, wanted: &StoreRef) -> Result<Snapshot, PortError> {
    let store = find_store(transaction, access, wanted).await?;
    apply::lock(transaction, store.uid).await?.ok_or_else(|| broken("a store vanished"))
}

async fn find_store(connection: &impl ConnectionTrait, access: &Access, wanted: &StoreRef) -> Result<Store, PortError> {
    let found = store_loader::find(connection, access, wanted).await.map_err(port_error)?;
    let missing = || DomainError::NotFound { kind: "store", name: wanted.id.to_string() };
    Ok(rows::store(found.ok_or_else(missing)?))
}

fn row_of(store: StoreUid, name: &HostName) -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::Store.eq(store.0)).filter(Column::Name.eq(name.as_str()))
}

async fn of_store(connection: &impl ConnectionTrait, store: StoreUid) -> Result<Vec<StoreDomain>, PortError> {
    let select = Entity::find().filter(Column::Store.eq(store.0)).order_by_asc(Column::Name);
    select.all(connection).await.map_err(port_error)?.into_iter().map(read).collect()
}

fn missing(name: &HostName) -> PortError {
    DomainError::NotFound { kind: "domain", name: name.to_string() }.into()
}

fn read(row: Model) -> Result<StoreDomain, PortError> {
    Ok(StoreDomain {
        id: row.id,
        store: StoreUid(row.store),
        name: HostName::stored(row.name),
        token: row.token,
        status: serde_json::from_value(row.status).map_err(|_| broken("the status of a domain is unreadable"))?,
        removing: row.removing,
        checks: row.checks,
        created_at: row.created_at,
    })
}

fn status_json(domain: &StoreDomain) -> Result<serde_json::Value, PortError> {
    serde_json::to_value(&domain.status).map_err(|error| PortError::Internal(error.into()))
}

fn insert(domain: &StoreDomain, now: OffsetDateTime) -> Result<ActiveModel, PortError> {
    let row = Model {
        id: domain.id,
        store: domain.store.0,
        name: domain.name.to_string(),
        token: domain.token.clone(),
        verified: false,
        removing: false,
        status: status_json(domain)?,
        checks: 0,
        attempts: 0,
        created_at: domain.created_at,
        due_at: now,
    };
    Ok(row.into_active_model().reset_all())
}
