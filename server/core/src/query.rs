//! Queries: pages of stores and operations, with opaque tokens that stay right while rows come and go.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::Refusal;
use crate::filter::Filter;
use crate::ids::{StoreId, Tenant};
use crate::validate::Check;

/// Stores on a page when the caller does not say.
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Most stores on a page.
const PAGE_SIZE_MAX: u32 = 1000;

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

/// The last row of the page before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Its time of creation.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Its store id; empty in lists of operations.
    pub id: String,
    /// Its uid.
    pub uid: Uuid,
}

/// A page token: where to go on, and of which query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageToken {
    /// The last row of the page before.
    pub after: After,
    /// Hash of everything but the page's size.
    pub query: String,
}

/// The page token of a request, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// There is none: the first page.
    First,
    /// The page after that row.
    After(PageToken),
    /// There is one, and it is none of ours.
    Unreadable,
}

/// A page of stores.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreQuery {
    /// Whose.
    pub tenant: Tenant,
    /// Which.
    pub filter: Filter,
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
    ) -> Result<Self, Refusal> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let parsed = Filter::parse(filter).map_err(|error| check.fail("filter", error.0)).ok();
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

    /// The same query, going on after the page that this token ended.
    #[must_use]
    pub fn page(mut self, token: PageToken) -> Self {
        self.after = Some(token.after);
        self
    }
}

/// A page of operations, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationQuery {
    /// Whose.
    pub tenant: Tenant,
    /// Only this store's.
    pub store: Option<StoreId>,
    /// How many.
    pub limit: u32,
    /// After which.
    pub after: Option<After>,
    fingerprint: String,
}

impl OperationQuery {
    /// Checks the fields of ListOperations.
    pub fn check(tenant: &Tenant, store_id: &str, page_size: i32, token: PageStart) -> Result<Self, Refusal> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let store = check.optional("store_id", store_id);
        let fingerprint = fingerprint(&[tenant.as_str(), store_id]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(Some(Self { tenant: tenant.clone(), store, limit, after, fingerprint }))
    }

    /// The token of the page after the one that ends with this row.
    pub fn next(&self, after: After) -> PageToken {
        PageToken { after, query: self.fingerprint.clone() }
    }
}

/// Rows of a page, and where the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next: Option<PageToken>,
    /// Rows on all pages.
    pub total: i64,
}

fn page_limit(check: &mut Check, page_size: i32) -> u32 {
    match u32::try_from(page_size) {
        Ok(0) => PAGE_SIZE_DEFAULT,
        Ok(size) => size.min(PAGE_SIZE_MAX),
        Err(_) => {
            check.fail("page_size", "must not be negative");
            PAGE_SIZE_DEFAULT
        }
    }
}

fn page_after(check: &mut Check, token: PageStart, fingerprint: &str) -> Option<After> {
    match token {
        PageStart::First => None,
        PageStart::After(token) if token.query == fingerprint => Some(token.after),
        PageStart::After(_) => {
            check.fail(
                "page_token",
                "belongs to another query: filter, order and tenant must be the same for all pages",
            );
            None
        }
        PageStart::Unreadable => {
            check.fail("page_token", "must be the next_page_token of an earlier answer");
            None
        }
    }
}

fn fingerprint(parts: &[&str]) -> String {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_hex().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(filter: &str, order: &str, token: PageStart) -> Result<StoreQuery, Refusal> {
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
        let Err(Refusal::Invalid(violations)) =
            StoreQuery::check(&Tenant::default(), "state >", "price", -1, PageStart::First)
        else {
            panic!("accepted")
        };
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "filter", "order_by"]);
    }
}
