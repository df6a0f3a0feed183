//! The store quota of a tenant.

use std::num::NonZeroU32;

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, Statement};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;
use storeplane_core::overview::Quota;
use storeplane_core::store::State;

use super::entity::store::{Column, Entity};
use super::error::port_error;
use super::pool::Transaction;

/// Concurrent requests wait here for each other's transactions, so that only one gets the last place.
const ONE_BY_ONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('storeplane-stores-of-' || $1, 0))";

/// Returns an error if the tenant's quota is exhausted. The lock is held until the transaction ends.
pub(super) async fn admit(
    transaction: &Transaction,
    tenant: &Tenant,
    limit: Option<NonZeroU32>,
) -> Result<(), PortError> {
    if limit.is_some() {
        let lock = Statement::from_sql_and_values(DbBackend::Postgres, ONE_BY_ONE, [tenant.as_str().into()]);
        transaction.execute_raw(lock).await.map_err(port_error)?;
    }
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
