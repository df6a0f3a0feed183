//! Pages of stores.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, Order as Direction, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Value,
};
use storeplane_core::error::PortError;
use storeplane_core::query::{After, Order, OrderKey, Page, StoreQuery};
use storeplane_core::store::{State, Store};

use super::{filter, one_more, page};
use crate::postgres::entity::store::{Column, Entity};
use crate::postgres::error::port_error;
use crate::postgres::rows;

/// A page of stores. DELETED ones only if the filter names that state.
pub(in crate::postgres) async fn stores(
    database: &DatabaseConnection,
    query: &StoreQuery,
) -> Result<Page<Store>, PortError> {
    let mut select = Entity::find().filter(wanted(query));
    if let Some(after) = &query.after {
        select = select.filter(beyond(query.order, after));
    }
    let direction = if query.order.descending { Direction::Desc } else { Direction::Asc };
    let select = select.order_by(key(query.order.key), direction.clone()).order_by(Column::Uid, direction);
    let found = select.limit(one_more(query.limit)).all(database).await.map_err(port_error)?;
    let items: Vec<Store> = found.into_iter().map(rows::store).collect::<Result<_, _>>()?;
    Ok(page(items, query.limit))
}

/// How many there are on all pages.
pub(in crate::postgres) async fn count(database: &DatabaseConnection, query: &StoreQuery) -> Result<i64, PortError> {
    let count = Entity::find().filter(wanted(query)).count(database).await.map_err(port_error)?;
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

fn wanted(query: &StoreQuery) -> Condition {
    let wanted = Condition::all().add(Column::Tenant.eq(query.tenant.as_str())).add(filter::stores(&query.filter));
    if query.filter.names(State::Deleted) { wanted } else { wanted.add(Column::State.ne(State::Deleted.as_str())) }
}

fn key(key: OrderKey) -> Column {
    match key {
        OrderKey::CreateTime => Column::CreatedAt,
        OrderKey::UpdateTime => Column::UpdatedAt,
        OrderKey::StoreId => Column::StoreId,
        OrderKey::DisplayName => Column::DisplayName,
    }
}

fn beyond(order: Order, after: &After) -> Condition {
    let column = key(order.key);
    let last: Value = match order.key {
        OrderKey::CreateTime | OrderKey::UpdateTime => after.at.into(),
        OrderKey::StoreId | OrderKey::DisplayName => after.text.as_str().into(),
    };
    let (further, same) = if order.descending {
        (column.lt(last.clone()), Column::Uid.lt(after.uid))
    } else {
        (column.gt(last.clone()), Column::Uid.gt(after.uid))
    };
    Condition::any().add(further).add(column.eq(last).and(same))
}
