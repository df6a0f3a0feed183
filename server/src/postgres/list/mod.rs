//! Lists: keyset pagination, so that added and removed rows neither repeat nor hide others.
//!
//! This file has the common parts and the simple lists. [`stores`]: stores, in several orders. [`filter`]: filters as SQL.

mod filter;
mod stores;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Statement,
};
use storeplane_core::audit::{AuditEvent, Outcome};
use storeplane_core::backup::Backup;
use storeplane_core::error::PortError;
use storeplane_core::operation::Operation;
use storeplane_core::query::{After, AuditQuery, BackupQuery, OperationQuery, Page};

use super::entity::{audit_event, backup, operation};
use super::error::{broken, port_error};
use super::{audit, backups, rows, scope};
use crate::postgres::pool::Pool;
pub(super) use filter::stores as store_filter;
pub(super) use stores::{count, stores};

/// The visible transactions. Each commit changes them, because the committed transaction is no longer a running one.
pub(super) async fn state_mark(database: &Pool) -> Result<String, PortError> {
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT pg_current_snapshot()::text AS mark");
    let row = database.query_one_raw(statement).await.map_err(port_error)?;
    row.ok_or_else(|| broken("no snapshot"))?.try_get("", "mark").map_err(port_error)
}

/// A page of backups, newest first.
pub(super) async fn backups(database: &Pool, query: &BackupQuery) -> Result<Page<Backup>, PortError> {
    use backup::Column;
    let mut select = backup::Entity::find().filter(scope::condition(&query.access));
    select = select.filter(filter::backups(&query.filter));
    if let Some(store) = &query.store {
        select = select.filter(Column::StoreId.eq(store.as_str()));
    }
    let select = newest(select, (Column::CreatedAt, Column::Id), query.after.as_ref());
    let found = select.limit(one_more(query.limit)).all(database).await.map_err(port_error)?;
    Ok(page(found.into_iter().map(backups::read).collect(), query.limit))
}

/// A page of operations, newest first.
pub(super) async fn operations(database: &Pool, query: &OperationQuery) -> Result<Page<Operation>, PortError> {
    use operation::Column;
    let mut select = operation::Entity::find().filter(scope::condition(&query.access));
    select = select.filter(filter::operations(&query.filter));
    if let Some(store) = &query.store {
        select = select.filter(Column::StoreId.eq(store.as_str()));
    }
    let select = newest(select, (Column::CreatedAt, Column::Id), query.after.as_ref());
    let found = select.limit(one_more(query.limit)).all(database).await.map_err(port_error)?;
    let items: Vec<Operation> = found.into_iter().map(rows::operation).collect();
    Ok(page(items, query.limit))
}

/// A page of the audit log, newest first.
pub(super) async fn audit_events(database: &Pool, query: &AuditQuery) -> Result<Page<AuditEvent>, PortError> {
    use audit_event::Column;
    let wanted = filter::audit_events(&query.filter);
    let select = audit_event::Entity::find().filter(Column::Tenant.eq(query.tenant.as_str())).filter(wanted);
    let select = newest(select, (Column::At, Column::Id), query.after.as_ref());
    let found = select.limit(one_more(query.limit)).all(database).await.map_err(port_error)?;
    let mut page = page(found, query.limit);
    let refused = page.items.iter().filter(|row| row.outcome != Outcome::Accepted.as_str());
    let counts = audit::open_counts(database, refused.map(|row| row.id).collect()).await?;
    for row in &mut page.items {
        if let Some((count, last_at)) = counts.get(&row.id) {
            row.count += count;
            row.last_at = *last_at;
        }
    }
    Ok(Page { items: page.items.into_iter().map(rows::audit_event).collect(), more: page.more })
}

/// Newest first, after that row.
pub(super) fn newest<E: EntityTrait>(
    mut select: Select<E>,
    (at, id): (E::Column, E::Column),
    after: Option<&After>,
) -> Select<E> {
    if let Some(after) = after {
        let same = Condition::all().add(at.eq(after.at)).add(id.lt(after.uid));
        // The first condition is implied by the second, and lets an index be used.
        select = select.filter(at.lte(after.at)).filter(Condition::any().add(at.lt(after.at)).add(same));
    }
    select.order_by_desc(at).order_by_desc(id)
}

/// The rows of a page, and one more that shows whether there is another page.
pub(super) fn one_more(limit: u32) -> u64 {
    u64::from(limit) + 1
}

pub(super) fn page<T>(mut items: Vec<T>, limit: u32) -> Page<T> {
    let limit = limit as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    Page { items, more }
}
