//! Pages of stores.

use super::{After, Page, PageStart, PageToken, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::filter::StoreFilter;
use crate::ids::Tenant;
use crate::store::Store;
use crate::validate::Check;

/// The order of a list of stores. Ties are broken by uid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
    /// By id.
    Id,
    /// By id, backwards.
    IdDescending,
}

impl Order {
    fn parse(text: &str) -> Option<Self> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            [] | ["create_time", "desc"] => Some(Self::Newest),
            ["create_time"] | ["create_time", "asc"] => Some(Self::Oldest),
            ["store_id"] | ["store_id", "asc"] => Some(Self::Id),
            ["store_id", "desc"] => Some(Self::IdDescending),
            _ => None,
        }
    }
}

/// A page of stores.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreQuery {
    /// Whose.
    pub tenant: Tenant,
    /// Which.
    pub filter: StoreFilter,
    /// In which order.
    pub order: Order,
    /// How many.
    pub limit: u32,
    /// After which.
    pub after: Option<After>,
    fingerprint: String,
}

impl StoreQuery {
    /// Checks the fields of ListStores.
    pub fn check(
        tenant: &Tenant,
        filter: &str,
        order_by: &str,
        page_size: i32,
        token: PageStart,
    ) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let parsed = StoreFilter::check(&mut check, filter);
        let order = Order::parse(order_by);
        if order.is_none() {
            check.fail("order_by", "must be one of: create_time, create_time desc, store_id, store_id desc");
        }
        let fingerprint = fingerprint(&[tenant.as_str(), filter, order_by]);
        let after = page_after(&mut check, token, &fingerprint);
        let whole = parsed.zip(order).map(|(filter, order)| Self {
            tenant: tenant.clone(),
            filter,
            order,
            limit,
            after,
            fingerprint,
        });
        check.finish(whole)
    }

    /// The token of the page after the one that ends with this row.
    pub fn next(&self, after: After) -> PageToken {
        PageToken { after, query: self.fingerprint.clone() }
    }

    /// How many stores there are in all, where this page tells: the first one holds them, as with most lists.
    pub fn total(&self, page: &Page<Store>) -> Option<i64> {
        (self.after.is_none() && page.next.is_none()).then(|| i64::try_from(page.items.len()).ok()).flatten()
    }

    /// The same query, going on after the page that this token ended.
    #[must_use]
    pub fn page(mut self, token: PageToken) -> Self {
        self.after = Some(token.after);
        self
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn query(filter: &str, order: &str, token: PageStart) -> Result<StoreQuery, DomainError> {
        StoreQuery::check(&Tenant::default(), filter, order, 10, token)
    }

    #[test]
    fn a_token_belongs_to_its_query() {
        let first = query("state = READY", "", PageStart::First).expect("good");
        let after = After { at: OffsetDateTime::UNIX_EPOCH, id: "a".into(), uid: Uuid::nil() };
        let token = first.next(after.clone());
        assert_eq!(query("state = READY", "", PageStart::After(token.clone())).expect("same").after, Some(after));
        assert!(query("state = FAILED", "", PageStart::After(token)).is_err());
        assert!(query("", "", PageStart::Unreadable).is_err());
    }

    #[test]
    fn all_that_is_wrong_is_named() {
        let Err(DomainError::Invalid(violations)) =
            StoreQuery::check(&Tenant::default(), "state >", "price", -1, PageStart::First)
        else {
            panic!("accepted")
        };
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "filter", "order_by"]);
    }
}
