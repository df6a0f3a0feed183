//! Queries: pages with opaque tokens that stay correct while rows are added and removed.
//!
//! - This file: what all pages share. [`stores`], [`operations`], [`audit`], [`backups`], [`releases`], [`revisions`], [`rollouts`], [`sessions`], [`tenants`], [`tokens`]: the parameters of each list.

mod audit;
mod backups;
mod operations;
mod releases;
mod revisions;
mod rollouts;
mod sessions;
mod stores;
mod tenants;
mod tokens;

pub use audit::AuditQuery;
pub use backups::BackupQuery;
pub use operations::OperationQuery;
pub use releases::{ReleaseOrderKey, ReleasePage, ReleaseQuery};
pub use revisions::RevisionQuery;
pub use rollouts::{MemberQuery, RolloutQuery};
use serde::{Deserialize, Serialize};
pub use sessions::SessionQuery;
pub use stores::{OrderKey, StoreQuery};
pub use tenants::TenantQuery;
use time::OffsetDateTime;
pub use tokens::TokenQuery;
use uuid::Uuid;

use crate::validate::Check;

/// Default page size.
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Maximum page size.
const PAGE_SIZE_MAX: u32 = 1000;

/// The order of a list. Ties are broken by what identifies a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<K> {
    /// The field.
    pub key: K,
    /// True for descending order.
    pub descending: bool,
}

impl<K: Copy> Order<K> {
    /// Reads `order_by`; an empty text is the default order. Records an error that names the fields.
    fn check(check: &mut Check, text: &str, fields: &[(&str, K)], default: Self) -> Option<Self> {
        let order = Self::parse(text, fields, default);
        if order.is_none() {
            let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
            check.fail("order_by", format!("must be one of {}, optionally followed by \"desc\"", names.join(", ")));
        }
        order
    }

    fn parse(text: &str, fields: &[(&str, K)], default: Self) -> Option<Self> {
        let mut words = text.split_whitespace();
        let Some(field) = words.next() else { return Some(default) };
        let key = fields.iter().find(|(name, _)| *name == field)?.1;
        let descending = match words.next() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return None,
        };
        words.next().is_none().then_some(Self { key, descending })
    }
}

/// The last row of the previous page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The time that the list is ordered by.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The text that the list is ordered by; empty if it is ordered by a time.
    pub text: String,
    /// The row's uid.
    pub uid: Uuid,
}

/// A page token: a position in a particular query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageToken {
    /// The last row of the previous page.
    pub after: After,
    /// Hash of all parameters except the page size.
    pub query: String,
}

/// The page token of a request after decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// There is none: the first page.
    First,
    /// The page after that row.
    After(PageToken),
    /// The token is invalid.
    Unreadable,
}

/// Rows of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// True if there are more pages.
    pub more: bool,
}

/// A list that is read page by page.
pub trait Paged {
    /// The row type.
    type Item;

    /// The token of the page after this row.
    fn token_after(&self, last: &Self::Item) -> PageToken;

    /// The token of the next page, if there is one.
    fn next(&self, page: &Page<Self::Item>) -> Option<PageToken> {
        page.items.last().filter(|_| page.more).map(|last| self.token_after(last))
    }
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
                "belongs to another query: filter, order, tenant and token scope must be the same for all pages",
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
