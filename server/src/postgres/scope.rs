//! Scopes of tokens: as conditions of queries, and in the rows of tokens.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{Condition, Value};
use storeplane_core::access::{Access, Scope, Selection};
use storeplane_core::identity::Role;
use storeplane_core::ids::{StoreId, Tenant};

/// Begins the stored role of a token with a scope. A server of a release without scopes does not know such a role, and refuses the token.
const SCOPED: &str = "scoped_";

/// The condition that the rows of a table with the columns `tenant` and `store_id` belong to these stores.
pub(super) fn condition(access: &Access) -> Condition {
    let tenant = ExprTrait::eq(Expr::col("tenant"), access.tenant.as_str());
    let mut values = Vec::new();
    let condition = Condition::all().add(tenant);
    match selection_sql(access, &mut values) {
        None => condition,
        Some(limit) => condition.add(Expr::cust_with_values(limit, values)),
    }
}

/// The same, after a condition of the tenant, as SQL that follows it: ` AND (…)`, or nothing for all stores. Its values are added to those
/// that the statement has.
pub(super) fn and_in(access: &Access, values: &mut Vec<Value>) -> String {
    selection_sql(access, values).map(|limit| format!(" AND {limit}")).unwrap_or_default()
}

fn selection_sql(access: &Access, values: &mut Vec<Value>) -> Option<String> {
    let selection = access.scope.selection()?;
    let mut place = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let mut alternatives = Vec::new();
    if !selection.ids().is_empty() {
        let ids: Vec<_> = selection.ids().iter().map(|id| id.as_str().to_owned()).collect();
        alternatives.push(format!("store_id = ANY({})", place(ids.into())));
    }
    if let Some(prefix) = selection.prefix() {
        // A range in the order of bytes instead of LIKE: generic plans cannot use an index for a LIKE parameter.
        let (from, to) = (place(prefix.as_str().into()), place(prefix.upper_bound().into()));
        alternatives.push(format!("store_id ~>=~ {from} AND store_id ~<~ {to}"));
    }
    Some(format!("({})", alternatives.join(" OR ")))
}

/// What a token's row grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) role: Role,
    pub(super) scope: Scope,
}

impl Grant {
    /// As it is stored: the role's text, the ids and the prefix.
    pub(super) fn to_columns(&self) -> (String, Option<Vec<String>>, Option<String>) {
        let Some(selection) = self.scope.selection() else { return (self.role.as_str().to_owned(), None, None) };
        let ids: Vec<_> = selection.ids().iter().map(ToString::to_string).collect();
        let prefix = selection.prefix().map(ToString::to_string);
        (format!("{SCOPED}{}", self.role.as_str()), Some(ids).filter(|ids| !ids.is_empty()), prefix)
    }

    /// `None` if this server does not understand all of it: the token then permits nothing.
    pub(super) fn from_columns(role: &str, ids: Option<Vec<String>>, prefix: Option<&str>) -> Option<Self> {
        let prefix = prefix.map(str::parse).transpose().ok()?;
        let ids = ids.unwrap_or_default().into_iter().map(StoreId::stored).collect();
        match (role.strip_prefix(SCOPED), Selection::new(ids, prefix)) {
            (None, None) => Some(Self { role: Role::parse(role)?, scope: Scope::All }),
            (Some(role), Some(selection)) => {
                let role = Role::parse(role).filter(|role| role.can_be_scoped())?;
                Some(Self { role, scope: Scope::Only(selection) })
            }
            _ => None,
        }
    }

    /// The role's text from such columns, without what marks a scope.
    pub(super) fn role_text(role: &str) -> &str {
        role.strip_prefix(SCOPED).unwrap_or(role)
    }

    /// The stores of this tenant that it includes.
    pub(super) fn in_tenant(self, tenant: String) -> Access {
        Access { tenant: Tenant::stored(tenant), scope: self.scope }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(ids: &[&str], prefix: &str) -> Scope {
        let ids = ids.iter().map(|id| id.parse().expect("an id")).collect();
        let prefix = (!prefix.is_empty()).then(|| prefix.parse().expect("a prefix"));
        Selection::new(ids, prefix).map_or(Scope::All, Scope::Only)
    }

    #[test]
    fn condition_names_ids_and_the_range_of_the_prefix() {
        let mut values = vec![Value::from("default"), Value::from(7_i64)];
        let access = |scope| Access { tenant: Tenant::default(), scope };
        assert_eq!(and_in(&access(Scope::All), &mut values), "");
        let sql = and_in(&access(scope(&["tea", "mate"], "shop-")), &mut values);
        assert_eq!(sql, " AND (store_id = ANY($3) OR store_id ~>=~ $4 AND store_id ~<~ $5)");
        let expected = [vec!["mate".to_owned(), "tea".to_owned()].into(), "shop-".into(), Value::from("shop.")];
        assert_eq!(values[2..], expected);
    }

    #[test]
    fn grant_is_read_as_it_was_stored() {
        for scope in [Scope::All, scope(&["tea", "mate"], ""), scope(&[], "shop-"), scope(&["tea"], "shop-")] {
            for role in Role::ALL.into_iter().filter(|role| role.can_be_scoped() || scope == Scope::All) {
                let grant = Grant { role, scope: scope.clone() };
                let (text, ids, prefix) = grant.to_columns();
                assert_eq!(Grant::from_columns(&text, ids, prefix.as_deref()), Some(grant), "{text}");
            }
        }
    }

    /// The parser of roles is that of a release without scopes, which ignores the other columns.
    #[test]
    fn server_without_scopes_refuses_a_scoped_token() {
        for role in Role::ALL {
            let (text, ..) = Grant { role, scope: scope(&["tea"], "") }.to_columns();
            assert_eq!(Role::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn row_that_is_not_understood_grants_nothing() {
        let tea = || Some(vec!["tea".to_owned()]);
        for (role, ids, prefix) in [
            ("owner", None, None),
            ("viewer", tea(), None),
            ("viewer", None, Some("shop-")),
            ("scoped_viewer", None, None),
            ("scoped_viewer", Some(Vec::new()), None),
            ("scoped_viewer", None, Some("")),
            ("scoped_viewer", tea(), Some("%")),
            ("scoped_admin", tea(), None),
            ("scoped_auditor", tea(), None),
            ("scoped_scoped_viewer", tea(), None),
            ("scoped_", tea(), None),
        ] {
            assert_eq!(Grant::from_columns(role, ids, prefix), None, "{role} {prefix:?}");
        }
    }
}
