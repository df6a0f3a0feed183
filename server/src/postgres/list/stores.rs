//! Pages of stores.

use sea_orm::prelude::Json;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait as _, DbBackend, EntityTrait, Order as Direction, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait as _, Statement, Value,
};
use storeplane_core::error::PortError;
use storeplane_core::query::{After, Order, OrderKey, Page, StoreQuery};
use storeplane_core::store::{State, Store};

use super::{filter, one_more, page};
use crate::postgres::entity::store::{Column, Entity};
use crate::postgres::error::port_error;
use crate::postgres::pool::Pool;
use crate::postgres::{rows, scope};

/// Maximum number of matching stores that are counted exactly.
const COUNTED: u64 = 1000;

/// A page of stores. DELETED ones only if the filter names that state.
pub(in crate::postgres) async fn stores(database: &Pool, query: &StoreQuery) -> Result<Page<Store>, PortError> {
    let mut select = Entity::find().filter(wanted(query));
    if let Some(after) = &query.after {
        select = select.filter(beyond(query.order, after));
    }
    let direction = if query.order.descending { Direction::Desc } else { Direction::Asc };
    let select = select.order_by(key(query.order.key), direction.clone()).order_by(Column::Uid, direction);
    let found = select.limit(one_more(query.limit)).all(database).await.map_err(port_error)?;
    let items: Vec<Store> = found.into_iter().map(rows::store).collect();
    Ok(page(items, query.limit))
}

/// The total number of stores: counted up to [`COUNTED`], beyond that Postgres' estimate, so that the cost does not grow
/// with the number of stores.
pub(in crate::postgres) async fn count(database: &Pool, query: &StoreQuery) -> Result<i64, PortError> {
    let some = Entity::find().select_only().column(Column::Uid).filter(wanted(query));
    let counted = some.clone().limit(COUNTED + 1).build(DbBackend::Postgres);
    let counted = Statement { sql: format!("SELECT count(*) FROM ({}) AS counted", counted.sql), ..counted };
    let row = database.query_one_raw(counted).await.map_err(port_error)?;
    let counted: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0)).map_err(port_error)?;
    if counted.unsigned_abs() <= COUNTED {
        return Ok(counted);
    }
    let estimate = estimate(database, some.build(DbBackend::Postgres)).await?;
    Ok(Ord::max(estimate, counted))
}

/// The planner's estimate of a query's rows, without executing it.
async fn estimate(database: &Pool, query: Statement) -> Result<i64, PortError> {
    let explain = Statement { sql: format!("EXPLAIN (FORMAT JSON) {}", query.sql), ..query };
    let row = database.query_one_raw(explain).await.map_err(port_error)?;
    let plan: Option<Json> = row.map(|row| row.try_get_by_index(0)).transpose().map_err(port_error)?;
    let rows = plan.as_ref().and_then(|plan| plan.pointer("/0/Plan/Plan Rows")).and_then(Json::as_i64);
    Ok(rows.unwrap_or_default())
}

fn wanted(query: &StoreQuery) -> Condition {
    let wanted = scope::condition(&query.access).add(filter::stores(&query.filter));
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

fn beyond(order: Order<OrderKey>, after: &After) -> Condition {
    let column = key(order.key);
    let last: Value = match order.key {
        OrderKey::CreateTime | OrderKey::UpdateTime => after.at.into(),
        OrderKey::StoreId | OrderKey::DisplayName => after.text.as_str().into(),
    };
    // `bound` is implied by the other two conditions, and lets an index be used.
    let (bound, further, same) = if order.descending {
        (column.lte(last.clone()), column.lt(last.clone()), Column::Uid.lt(after.uid))
    } else {
        (column.gte(last.clone()), column.gt(last.clone()), Column::Uid.gt(after.uid))
    };
    Condition::all().add(bound).add(Condition::any().add(further).add(column.eq(last).and(same)))
}
