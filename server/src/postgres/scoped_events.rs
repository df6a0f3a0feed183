//! Queries for the first or last events of a tenant's stores, or of those in a scope.

use sea_orm::Value;
use storeplane_core::access::Access;

use super::scope;

/// Up to this many stores, their events are read one store after the other.
const FEW: u32 = 100;

/// What to select.
pub(super) struct Wanted<'a> {
    pub(super) columns: &'a str,
    /// The placeholder of the tenant, which is among the statement's values.
    pub(super) tenant: &'a str,
    /// More conditions, on columns of `events`.
    pub(super) condition: &'a str,
    /// Names of columns, which must be selected.
    pub(super) order: &'a [&'a str],
    pub(super) descending: bool,
    /// A number or a placeholder.
    pub(super) limit: &'a str,
}

/// The statement. The values of the scope are added to those that it has.
///
/// For a scope with few stores, an index on the order of a tenant's events may lead through the events of all its other stores before enough
/// are found, and Postgres cannot estimate that. So the choice is not left to it: it reads the events of each store by an index of theirs.
/// With many stores it reads the tenant's events in order.
pub(super) fn select(access: &Access, wanted: &Wanted<'_>, values: &mut Vec<Value>) -> String {
    let Wanted { columns, tenant, condition, limit, .. } = wanted;
    let in_order = |more: &str| {
        let order = wanted.order_of("events");
        format!("SELECT {columns} FROM events WHERE tenant = {tenant}{more}{condition} ORDER BY {order} LIMIT {limit}")
    };
    let in_scope = scope::and_in(access, values);
    if in_scope.is_empty() {
        return in_order("");
    }
    let one_store = in_order(" AND events.store_id = few.store_id");
    let all_stores = in_order(&format!("{in_scope} AND (SELECT count(*) FROM scoped_stores) > {FEW}"));
    format!(
        "WITH scoped_stores AS MATERIALIZED (SELECT store_id FROM stores WHERE tenant = {tenant}{in_scope} LIMIT {FEW} + 1)
         SELECT * FROM (
           SELECT found.* FROM (SELECT DISTINCT store_id FROM scoped_stores) few CROSS JOIN LATERAL ({one_store}) found
           WHERE (SELECT count(*) FROM scoped_stores) <= {FEW}
           UNION ALL ({all_stores})
         ) result ORDER BY {} LIMIT {limit}",
        wanted.order_of("result")
    )
}

impl Wanted<'_> {
    fn order_of(&self, table: &str) -> String {
        let direction = if self.descending { " DESC" } else { "" };
        let each: Vec<_> = self.order.iter().map(|column| format!("{table}.{column}{direction}")).collect();
        each.join(", ")
    }
}
