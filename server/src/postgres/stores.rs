//! Implements the domain's port [`Stores`].

use std::sync::Arc;

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use storeplane_core::access::Access;
use storeplane_core::audit::{AuditEvent, AuditRecord};
use storeplane_core::backup::Backup;
use storeplane_core::command::{Idempotency, StoreRef};
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::ids::{OperationId, StoreId, StoreUid};
use storeplane_core::operation::Operation;
use storeplane_core::overview::{Overview, OverviewQuery};
use storeplane_core::ports::{Applied, Clock, Stores, Target};
use storeplane_core::query::{AuditQuery, OperationQuery, Page, RevisionQuery, StoreQuery};
use storeplane_core::revision::Revision;
use storeplane_core::store::Store;
use storeplane_core::transition::copy::{Copy, CopyDecision};
use storeplane_core::transition::{Change, Decision};

use super::creation_queue::CreationPermit;
use super::entity::{operation, store};
use super::error::port_error;
use super::pool::{Pool, Transaction};
use super::quota::{QuotaPolicy, quotas_are_changing};
use super::requests::{self, Seen};
use super::store_loader::{self, StoreLoader};
use super::{apply, backups, list, locks, overview, revisions, rows, scope};

/// Stores and operations in Postgres.
#[derive(Clone)]
pub struct PgStores {
    database: Pool,
    loader: StoreLoader,
    clock: Arc<dyn Clock>,
    quotas: QuotaPolicy,
}

impl std::fmt::Debug for PgStores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgStores").finish_non_exhaustive()
    }
}

impl PgStores {
    /// Uses this pool, with these quotas.
    pub fn new(database: Pool, clock: Arc<dyn Clock>, quotas: QuotaPolicy) -> Self {
        Self { loader: StoreLoader::new(database.clone()), database, clock, quotas }
    }

    async fn begin(&self) -> Result<Transaction, PortError> {
        self.database.begin().await.map_err(port_error)
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), PortError> {
        transaction.commit().await.map_err(port_error)
    }

    /// `permit` allows that the tenant's quotas are counted; the lock for that is taken before the store's row, as creations do.
    async fn try_change(
        &self,
        access: &Access,
        target: &Target,
        idempotency: Option<Idempotency>,
        transition: &Decision<'_>,
        permit: Option<&CreationPermit>,
    ) -> Result<Attempt, PortError> {
        let transaction = self.begin().await?;
        let now = self.clock.now();
        match requests::reserve(&transaction, access, idempotency, now).await? {
            Seen::New => {}
            Seen::Before(applied) => return Ok(Attempt::Applied(applied)),
            Seen::OutsideScope => return Err(missing(target)),
        }
        if permit.is_some() {
            locks::stores(&transaction, &access.tenant).await?;
        }
        let uid = self.uid_of(&transaction, access, target).await?;
        let before = apply::lock(&transaction, uid).await?;
        let mut before = before.ok_or_else(|| super::error::broken("a store vanished"))?;
        if let Target::Operation(id) = target
            && before.operation.id != *id
        {
            // An older operation of the store: it has ended, which the decision handles.
            let row = owned(access, *id).one(&transaction).await.map_err(port_error)?;
            before.operation = rows::operation(row.ok_or_else(|| missing(target))?);
        }
        let change = transition(before.clone())?;
        if permit.is_none() && self.quotas.counts_plan(&transaction, &before.store, &change.store).await? {
            return Ok(Attempt::NeedsPermit);
        }
        self.quotas.check_plan(&transaction, &before.store, &change.store).await?;
        self.quotas.admit_change(&transaction, &before, &change, now).await?;
        let made = (change.store.uid.0, change.operation.id.0);
        let applied = apply::update(&transaction, &before, change, now).await?;
        requests::remember(&transaction, &access.tenant, idempotency, made).await?;
        self.commit(transaction).await?;
        Ok(Attempt::Applied(Box::new(applied)))
    }

    async fn uid_of(&self, transaction: &Transaction, access: &Access, target: &Target) -> Result<StoreUid, PortError> {
        match target {
            Target::Store(wanted) => {
                let row = store_loader::find(transaction, access, wanted).await.map_err(port_error)?;
                row.map(|row| StoreUid(row.uid)).ok_or_else(|| missing(target))
            }
            Target::Operation(id) => {
                let row = owned(access, *id).one(transaction).await.map_err(port_error)?;
                row.map(|row| StoreUid(row.store)).ok_or_else(|| missing(target))
            }
        }
    }
}

/// The result of an attempt to change a store.
enum Attempt {
    Applied(Box<Applied>),
    /// The change is to be made again with a permit, because it counts towards the tenant's quotas.
    NeedsPermit,
}

fn owned(access: &Access, id: OperationId) -> sea_orm::Select<operation::Entity> {
    operation::Entity::find_by_id(id.0).filter(scope::condition(access))
}

fn missing(target: &Target) -> PortError {
    let (kind, name) = match target {
        Target::Store(wanted) => ("store", wanted.id.to_string()),
        Target::Operation(id) => ("operation", id.to_string()),
    };
    DomainError::NotFound { kind, name }.into()
}

#[async_trait]
impl Stores for PgStores {
    async fn create(
        &self,
        access: &Access,
        change: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Applied, PortError> {
        let tenant = change.store.tenant.clone();
        let permit = self.quotas.queue(&self.database, &tenant).await?;
        let transaction = self.begin().await?;
        let now = self.clock.now();
        match requests::reserve(&transaction, access, idempotency, now).await? {
            Seen::New => {}
            Seen::Before(applied) => return Ok(*applied),
            Seen::OutsideScope => return Err(DomainError::RequestIdReused.into()),
        }
        let caller = change.operation.requested_by.as_str();
        self.quotas.admit_creation(&transaction, permit.as_ref(), &change.store, caller, now).await?;
        let made = (change.store.uid.0, change.operation.id.0);
        let applied = apply::insert(&transaction, change, 0).await?;
        requests::remember(&transaction, &tenant, idempotency, made).await?;
        self.commit(transaction).await?;
        Ok(applied)
    }

    async fn copy(
        &self,
        access: &Access,
        source: &StoreRef,
        idempotency: Option<Idempotency>,
        decide: &CopyDecision<'_>,
    ) -> Result<Applied, PortError> {
        let permit = self.quotas.queue(&self.database, &access.tenant).await?;
        let transaction = self.begin().await?;
        let now = self.clock.now();
        match requests::reserve(&transaction, access, idempotency, now).await? {
            Seen::New => {}
            Seen::Before(applied) => return Ok(*applied),
            Seen::OutsideScope => return Err(DomainError::RequestIdReused.into()),
        }
        // Before the row of a store, as everything that counts stores does.
        if permit.is_some() {
            locks::stores(&transaction, &access.tenant).await?;
        } else {
            locks::stores_shared(&transaction, &access.tenant).await?;
        }
        let uid = self.uid_of(&transaction, access, &Target::Store(source.clone())).await?;
        let before = apply::lock(&transaction, uid).await?;
        let before = before.ok_or_else(|| super::error::broken("a store vanished"))?;
        let Copy { store, source } = decide(before.clone())?;
        match &source {
            Some(backing_up) => self.quotas.admit_change(&transaction, &before, backing_up, now).await?,
            None => backups::lock_source(&transaction, &store).await?,
        }
        let caller = store.operation.requested_by.as_str();
        self.quotas.admit_creation(&transaction, permit.as_ref(), &store.store, caller, now).await?;
        let made = (store.store.uid.0, store.operation.id.0);
        // The new store first: from its audit record on, the tenant's chain is locked, and another creation of the same id may wait for that.
        let applied = apply::insert(&transaction, store, 0).await?;
        if let Some(backing_up) = source {
            apply::update(&transaction, &before, backing_up, now).await?;
        }
        requests::remember(&transaction, &access.tenant, idempotency, made).await?;
        self.commit(transaction).await?;
        Ok(applied)
    }

    async fn change(
        &self,
        access: &Access,
        target: &Target,
        idempotency: Option<Idempotency>,
        transition: &Decision<'_>,
    ) -> Result<Applied, PortError> {
        match Box::pin(self.try_change(access, target, idempotency, transition, None)).await? {
            Attempt::Applied(applied) => Ok(*applied),
            Attempt::NeedsPermit => {
                let permit = self.quotas.queue(&self.database, &access.tenant).await?;
                match Box::pin(self.try_change(access, target, idempotency, transition, permit.as_ref())).await? {
                    Attempt::Applied(applied) => Ok(*applied),
                    Attempt::NeedsPermit => Err(quotas_are_changing()),
                }
            }
        }
    }

    async fn record(&self, audit: AuditRecord) -> Result<(), PortError> {
        super::audit::record_refusal(&self.database, audit).await
    }

    async fn state_mark(&self) -> Result<String, PortError> {
        list::state_mark(&self.database).await
    }

    async fn find(&self, access: &Access, wanted: &StoreRef) -> Result<Option<Store>, PortError> {
        let row = self.loader.find(access, wanted).await.map_err(port_error)?;
        Ok(row.map(rows::store))
    }

    async fn is_reused(&self, access: &Access, id: &StoreId) -> Result<bool, PortError> {
        let any = store::Entity::find().filter(scope::condition(access)).filter(store::Column::StoreId.eq(id.as_str()));
        let two = any.order_by_asc(store::Column::Uid).limit(2).all(&self.database).await.map_err(port_error)?;
        Ok(two.len() > 1)
    }

    async fn list(&self, query: &StoreQuery) -> Result<Page<Store>, PortError> {
        list::stores(&self.database, query).await
    }

    async fn count(&self, query: &StoreQuery) -> Result<i64, PortError> {
        list::count(&self.database, query).await
    }

    async fn revision(&self, store: StoreUid, number: u32) -> Result<Option<Revision>, PortError> {
        revisions::find(&self.database, store, number).await
    }

    async fn revisions(&self, query: &RevisionQuery) -> Result<Page<Revision>, PortError> {
        revisions::page(&self.database, query).await
    }

    async fn operation(&self, access: &Access, id: OperationId) -> Result<Option<Operation>, PortError> {
        let row = owned(access, id).one(&self.database).await.map_err(port_error)?;
        Ok(row.map(rows::operation))
    }

    async fn operations(&self, query: &OperationQuery) -> Result<Page<Operation>, PortError> {
        list::operations(&self.database, query).await
    }

    async fn audit_events(&self, query: &AuditQuery) -> Result<Page<AuditEvent>, PortError> {
        list::audit_events(&self.database, query).await
    }

    async fn check_quotas(&self, store: &Store, caller: &str) -> Result<(), PortError> {
        self.quotas.check_creation(&self.database, store, caller, self.clock.now()).await
    }

    async fn check_plan_quota(&self, before: &Store, after: &Store) -> Result<(), PortError> {
        self.quotas.check_plan(&self.database, before, after).await
    }

    async fn check_backup_quota(&self, backup: &Backup) -> Result<(), PortError> {
        self.quotas.check_backup(&self.database, backup).await
    }

    async fn overview(&self, query: &OverviewQuery) -> Result<Overview, PortError> {
        overview::read(&self.database, query, &self.quotas).await
    }
}
