//! Lists: keyset pages, so that rows that come and go neither repeat nor hide others.

use sea_orm::sea_query::{ExprTrait, Func};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use storeplane_core::error::PortError;
use storeplane_core::filter::{Field, Filter};
use storeplane_core::operation::Operation;
use storeplane_core::query::{After, OperationQuery, Order, Page, StoreQuery};
use storeplane_core::store::{State, Store};

use super::entity::{operation, store};
use super::error::port_error;
use super::rows;

/// A page of stores. DELETED ones only if the filter names that state.
pub(super) async fn stores(database: &DatabaseConnection, query: &StoreQuery) -> Result<Page<Store>, PortError> {
    let mut wanted =
        Condition::all().add(store::Column::Tenant.eq(query.tenant.as_str())).add(condition(&query.filter));
    if !query.filter.names(State::Deleted) {
        wanted = wanted.add(store::Column::State.ne(State::Deleted.as_str()));
    }
    let mut select = store::Entity::find().filter(wanted.clone());
    if let Some(after) = &query.after {
        select = select.filter(beyond(query.order, after));
    }
    let select = match query.order {
        Order::Newest => select.order_by_desc(store::Column::CreatedAt).order_by_desc(store::Column::Uid),
        Order::Oldest => select.order_by_asc(store::Column::CreatedAt).order_by_asc(store::Column::Uid),
        Order::Id => select.order_by_asc(store::Column::StoreId).order_by_asc(store::Column::Uid),
        Order::IdDescending => select.order_by_desc(store::Column::StoreId).order_by_desc(store::Column::Uid),
    };
    let found = select.limit(u64::from(query.limit) + 1).all(database).await.map_err(port_error)?;
    let items: Vec<Store> = found.into_iter().map(rows::store).collect::<Result<_, _>>()?;
    let total = match whole(&items, query.limit, query.after.as_ref()) {
        Some(total) => total,
        None => store::Entity::find().filter(wanted).count(database).await.map_err(port_error)?,
    };
    let mark = |last: &Store| query.next(After { at: last.created_at, id: last.id.to_string(), uid: last.uid.0 });
    Ok(page(items, query.limit, mark, total))
}

/// A page of operations, the newest first.
pub(super) async fn operations(
    database: &DatabaseConnection,
    query: &OperationQuery,
) -> Result<Page<Operation>, PortError> {
    let mut wanted = Condition::all().add(operation::Column::Tenant.eq(query.tenant.as_str()));
    if let Some(store) = &query.store {
        wanted = wanted.add(operation::Column::StoreId.eq(store.as_str()));
    }
    let mut select = operation::Entity::find().filter(wanted.clone());
    if let Some(after) = &query.after {
        let same = operation::Column::CreatedAt.eq(after.at).and(operation::Column::Id.lt(after.uid));
        select = select.filter(operation::Column::CreatedAt.lt(after.at).or(same));
    }
    let select = select.order_by_desc(operation::Column::CreatedAt).order_by_desc(operation::Column::Id);
    let found = select.limit(u64::from(query.limit) + 1).all(database).await.map_err(port_error)?;
    let items: Vec<Operation> = found.into_iter().map(rows::operation).collect::<Result<_, _>>()?;
    let total = match whole(&items, query.limit, query.after.as_ref()) {
        Some(total) => total,
        None => operation::Entity::find().filter(wanted).count(database).await.map_err(port_error)?,
    };
    let mark = |last: &Operation| query.next(After { at: last.created_at, id: String::new(), uid: last.id.0 });
    Ok(page(items, query.limit, mark, total))
}

/// How many there are in all, where the first page holds them: most lists need no counting.
fn whole<T>(items: &[T], limit: u32, after: Option<&After>) -> Option<u64> {
    (after.is_none() && items.len() <= limit as usize).then_some(items.len() as u64)
}

fn page<T>(
    mut items: Vec<T>,
    limit: u32,
    mark: impl Fn(&T) -> storeplane_core::query::PageToken,
    total: u64,
) -> Page<T> {
    let limit = limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(mark) } else { None };
    Page { items, next, total: i64::try_from(total).unwrap_or(i64::MAX) }
}

fn beyond(order: Order, after: &After) -> Condition {
    use store::Column::{CreatedAt, StoreId, Uid};
    let (further, same) = match order {
        Order::Newest => (CreatedAt.lt(after.at), CreatedAt.eq(after.at).and(Uid.lt(after.uid))),
        Order::Oldest => (CreatedAt.gt(after.at), CreatedAt.eq(after.at).and(Uid.gt(after.uid))),
        Order::Id => (StoreId.gt(after.id.as_str()), StoreId.eq(after.id.as_str()).and(Uid.gt(after.uid))),
        Order::IdDescending => (StoreId.lt(after.id.as_str()), StoreId.eq(after.id.as_str()).and(Uid.lt(after.uid))),
    };
    Condition::any().add(further).add(same)
}

/// A filter as SQL; every text is a bound parameter.
pub(super) fn condition(filter: &Filter) -> Condition {
    use store::Column;
    match filter {
        Filter::All => Condition::all(),
        Filter::State(state) => Condition::all().add(Column::State.eq(state.as_str())),
        Filter::Equals(field, value) => {
            let column = match field {
                Field::Engine => Column::Engine,
                Field::Plan => Column::Plan,
                Field::StoreId => Column::StoreId,
                Field::DisplayName => Column::DisplayName,
            };
            Condition::all().add(column.eq(value.as_str()))
        }
        Filter::Text(text) => {
            let wanted = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let pattern = format!("%{wanted}%");
            let name = Func::lower(Column::DisplayName.into_expr()).like(pattern.clone());
            Condition::any().add(Column::StoreId.like(pattern)).add(name)
        }
        Filter::Not(inner) => condition(inner).not(),
        Filter::And(parts) => parts.iter().fold(Condition::all(), |all, part| all.add(condition(part))),
        Filter::Or(parts) => parts.iter().fold(Condition::any(), |any, part| any.add(condition(part))),
    }
}
