//! Request ids: a repeated mutation is executed once.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use storeplane_core::access::Access;
use storeplane_core::command::Idempotency;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::ids::Tenant;
use storeplane_core::ports::Applied;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::entity::{operation, request, store};
use super::error::{broken, port_error};
use super::pool::Transaction;
use super::{backups, rows};

/// How long a request id is kept.
pub(super) const KEPT: Duration = Duration::hours(24);

/// What is known about a request id.
pub(super) enum Seen {
    /// It is new; the row is reserved until the transaction ends.
    New,
    /// It was executed; this is its result, as of now.
    Before(Box<Applied>),
    /// It was executed, for a store outside of the caller's scope.
    OutsideScope,
}

/// Reserves the request id of a change of a store.
pub(super) async fn reserve(
    transaction: &Transaction,
    access: &Access,
    idempotency: Option<Idempotency>,
    now: OffsetDateTime,
) -> Result<Seen, PortError> {
    let Some(row) = reserve_id(transaction, &access.tenant, idempotency, now).await? else { return Ok(Seen::New) };
    let store = store::Entity::find_by_id(row.store).one(transaction).await.map_err(port_error)?;
    let operation = operation::Entity::find_by_id(row.operation).one(transaction).await.map_err(port_error)?;
    let (Some(store), Some(operation)) = (store, operation) else { return Err(broken("a request's store is missing")) };
    let backup = backups::of_operation(transaction, operation.id).await?;
    let (store, operation) = (rows::store(store), rows::operation(operation));
    if !access.sees(&store.tenant, &store.id) {
        return Ok(Seen::OutsideScope);
    }
    Ok(Seen::Before(Box::new(Applied { store, operation, backup })))
}

/// Reserves a request id, or returns the row of the same request. A concurrent request with the same one waits here until the first one's transaction ends.
pub(super) async fn reserve_id(
    transaction: &Transaction,
    tenant: &Tenant,
    idempotency: Option<Idempotency>,
    now: OffsetDateTime,
) -> Result<Option<request::Model>, PortError> {
    let Some(Idempotency { request, fingerprint }) = idempotency else { return Ok(None) };
    let expired = request::Entity::delete_many()
        .filter(request::Column::Tenant.eq(tenant.as_str()))
        .filter(request::Column::Request.eq(request.0))
        .filter(request::Column::At.lt(now - KEPT));
    expired.exec(transaction).await.map_err(port_error)?;
    let row = request::ActiveModel {
        tenant: Set(tenant.to_string()),
        request: Set(request.0),
        fingerprint: Set(fingerprint.to_vec()),
        store: Set(Uuid::nil()),
        operation: Set(Uuid::nil()),
        at: Set(now),
    };
    let unless_there = OnConflict::columns([request::Column::Tenant, request::Column::Request]).do_nothing().to_owned();
    let inserted = request::Entity::insert(row).on_conflict(unless_there).exec_without_returning(transaction).await;
    if inserted.map_err(port_error)? == 1 {
        return Ok(None);
    }
    let row =
        request::Entity::find_by_id((tenant.to_string(), request.0)).one(transaction).await.map_err(port_error)?;
    let row = row.ok_or_else(|| broken("a reserved request id is missing"))?;
    if row.fingerprint != fingerprint {
        return Err(DomainError::RequestIdReused.into());
    }
    Ok(Some(row))
}

/// Records the result of the request: a store and its operation, or a token and nil.
pub(super) async fn remember(
    transaction: &Transaction,
    tenant: &Tenant,
    idempotency: Option<Idempotency>,
    (result, operation): (Uuid, Uuid),
) -> Result<(), PortError> {
    let Some(Idempotency { request, .. }) = idempotency else { return Ok(()) };
    let row = request::ActiveModel {
        tenant: Set(tenant.to_string()),
        request: Set(request.0),
        store: Set(result),
        operation: Set(operation),
        ..Default::default()
    };
    request::Entity::update(row).exec(transaction).await.map(drop).map_err(port_error)
}
