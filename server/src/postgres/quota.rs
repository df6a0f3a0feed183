//! The store quota of a tenant.

use std::num::NonZeroU32;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;
use storeplane_core::overview::Quota;
use storeplane_core::store::State;

use super::entity::store::{Column, Entity};
use super::error::port_error;
use super::pool::Transaction;
use super::{locks, tenants};

/// Returns an error if the tenant's quota is exhausted. The lock is held until the transaction ends.
pub(super) async fn admit(
    transaction: &Transaction,
    tenant: &Tenant,
    limit: Option<NonZeroU32>,
) -> Result<(), PortError> {
    locks::stores(transaction, tenant).await?;
    tenants::ensure(transaction, tenant).await?;
    match read(transaction, tenant, limit).await? {
        Some(quota) => Ok(quota.admit(tenant)?),
        None => Ok(()),
    }
}

/// The tenant's quota and usage.
pub(super) async fn read(
    connection: &impl ConnectionTrait,
    tenant: &Tenant,
    limit: Option<NonZeroU32>,
) -> Result<Option<Quota>, PortError> {
    let Some(limit) = limit else { return Ok(None) };
    let there = Entity::find()
        .filter(Column::Tenant.eq(tenant.as_str()))
        .filter(Column::State.ne(State::Deleted.as_str()))
        .count(connection);
    let used = i64::try_from(there.await.map_err(port_error)?).unwrap_or(i64::MAX);
    Ok(Some(Quota { used, limit: limit.get().into() }))
}
