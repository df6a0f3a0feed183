//! Pages of stores.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use storeplane_core::error::PortError;
use storeplane_core::query::{After, Order, Page, StoreQuery};
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
    let select = match query.order {
        Order::Newest => select.order_by_desc(Column::CreatedAt).order_by_desc(Column::Uid),
        Order::Oldest => select.order_by_asc(Column::CreatedAt).order_by_asc(Column::Uid),
        Order::Id => select.order_by_asc(Column::StoreId).order_by_asc(Column::Uid),
        Order::IdDescending => select.order_by_desc(Column::StoreId).order_by_desc(Column::Uid),
    };
    let found = select.limit(one_more(query.limit)).all(database).await.map_err(port_error)?;
    let items: Vec<Store> = found.into_iter().map(rows::store).collect::<Result<_, _>>()?;
    let mark = |last: &Store| query.next(After { at: last.created_at, id: last.id.to_string(), uid: last.uid.0 });
    Ok(page(items, query.limit, mark))
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

fn beyond(order: Order, after: &After) -> Condition {
    use Column::{CreatedAt, StoreId, Uid};
    let (further, same) = match order {
        Order::Newest => (CreatedAt.lt(after.at), CreatedAt.eq(after.at).and(Uid.lt(after.uid))),
        Order::Oldest => (CreatedAt.gt(after.at), CreatedAt.eq(after.at).and(Uid.gt(after.uid))),
        Order::Id => (StoreId.gt(after.id.as_str()), StoreId.eq(after.id.as_str()).and(Uid.gt(after.uid))),
        Order::IdDescending => (StoreId.lt(after.id.as_str()), StoreId.eq(after.id.as_str()).and(Uid.lt(after.uid))),
    };
    Condition::any().add(further).add(same)
}
