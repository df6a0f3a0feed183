//! Which stores a caller may see and change: those of its tenant, or only those in the scope of its token.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::ids::{StoreId, StoreIdPrefix, Tenant};

/// The stores that a caller may see and change. Every read and every change of stores takes one, so none can leave out the scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Access {
    /// The tenant.
    pub tenant: Tenant,
    /// Which of its stores.
    pub scope: Scope,
}

/// Which stores of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of them.
    All,
    /// Only those that are selected.
    Only(Selection),
}

/// The stores with certain ids, and those whose ids start with a prefix. Names at least one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    ids: Arc<[StoreId]>,
    prefix: Option<StoreIdPrefix>,
}

impl Access {
    /// All stores of a tenant.
    pub fn whole(tenant: Tenant) -> Self {
        Self { tenant, scope: Scope::All }
    }

    /// True if it includes the store with this id in this tenant. Streams ask this for each event.
    pub fn sees(&self, tenant: &Tenant, store: &StoreId) -> bool {
        self.tenant == *tenant && self.scope.includes(store)
    }

    /// True if it is the platform's tenant, without a limit to stores.
    pub fn sees_platform(&self, platform: Option<&Tenant>) -> bool {
        platform == Some(&self.tenant) && self.scope == Scope::All
    }

    /// A text that identifies it: cursors and page tokens are bound to it. For all stores of a tenant, it is the tenant's name.
    pub fn key(&self) -> Cow<'_, str> {
        match &self.scope {
            Scope::All => Cow::Borrowed(self.tenant.as_str()),
            Scope::Only(selection) => Cow::Owned(format!("{}\n{selection}", self.tenant)),
        }
    }
}

impl Scope {
    /// True if it includes the store with this id.
    pub fn includes(&self, store: &StoreId) -> bool {
        match self {
            Self::All => true,
            Self::Only(selection) => selection.includes(store),
        }
    }

    /// The selected stores; `None` for all.
    pub fn selection(&self) -> Option<&Selection> {
        match self {
            Self::All => None,
            Self::Only(selection) => Some(selection),
        }
    }
}

impl Selection {
    /// The stores with these ids, and those whose ids start with the prefix. `None` if neither is given.
    pub fn new(mut ids: Vec<StoreId>, prefix: Option<StoreIdPrefix>) -> Option<Self> {
        ids.sort_unstable();
        ids.dedup();
        (!ids.is_empty() || prefix.is_some()).then(|| Self { ids: ids.into(), prefix })
    }

    /// The ids, in alphabetical order.
    pub fn ids(&self) -> &[StoreId] {
        &self.ids
    }

    /// The prefix.
    pub fn prefix(&self) -> Option<&StoreIdPrefix> {
        self.prefix.as_ref()
    }

    fn includes(&self, store: &StoreId) -> bool {
        self.ids.binary_search(store).is_ok() || self.prefix.as_ref().is_some_and(|prefix| prefix.matches(store))
    }
}

/// For people and for [`Access::key`]: `tea, shop-*`.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.ids.iter().map(ToString::to_string);
        let all: Vec<_> = ids.chain(self.prefix.iter().map(|prefix| format!("{prefix}*"))).collect();
        f.write_str(&all.join(", "))
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

    fn id(text: &str) -> StoreId {
        text.parse().expect("an id")
    }

    #[test]
    fn scope_is_the_union_of_ids_and_prefix() {
        let check = |ids: &[&str], prefix: &str, inside: &[&str], outside: &[&str]| {
            let scope = scope(ids, prefix);
            assert!(inside.iter().all(|store| scope.includes(&id(store))), "{scope:?}");
            assert!(!outside.iter().any(|store| scope.includes(&id(store))), "{scope:?}");
        };
        check(&["tea", "mate"], "", &["tea", "mate"], &["te", "tea-2", "teas", "m"]);
        check(&[], "shop-", &["shop-1", "shop-berlin"], &["shop", "shops", "my-shop-1"]);
        check(&[], "shop", &["shop", "shops", "shop-1"], &["sho", "a-shop"]);
        check(&["tea"], "shop-", &["tea", "shop-1"], &["teas", "shop"]);
        assert!(Scope::All.includes(&id("tea")));
    }

    #[test]
    fn selection_of_nothing_is_none() {
        assert_eq!(Selection::new(Vec::new(), None), None, "it would look like all stores");
    }

    #[test]
    fn store_of_another_tenant_is_never_included() {
        let (own, other): (Tenant, Tenant) = (Tenant::default(), "acme".parse().expect("a tenant"));
        for scope in [Scope::All, scope(&["tea"], "")] {
            let access = Access { tenant: own.clone(), scope };
            assert!(access.sees(&own, &id("tea")) && !access.sees(&other, &id("tea")));
        }
    }

    #[test]
    fn key_differs_for_each_scope_and_is_the_tenant_for_all() {
        let scopes = [
            scope(&[], ""),
            scope(&["tea"], ""),
            scope(&[], "tea"),
            scope(&["tea", "mate"], ""),
            scope(&["tea"], "mate"),
            scope(&["tea", "mate"], "tea"),
        ];
        let keys: std::collections::HashSet<_> = scopes
            .iter()
            .map(|scope| Access { tenant: Tenant::default(), scope: scope.clone() }.key().into_owned())
            .collect();
        assert_eq!(keys.len(), scopes.len());
        assert!(keys.contains("default"), "page tokens of an older server remain valid");
        assert_eq!(
            scope(&["tea", "mate", "tea"], ""),
            scope(&["mate", "tea"], ""),
            "one scope, however it was written"
        );
    }
}
