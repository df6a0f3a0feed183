//! Queries: pages with opaque tokens that stay right while rows come and go.
//!
//! - This file: what all pages share. [`stores`], [`operations`], [`audit`]: what each list can be asked.

mod audit;
mod operations;
mod stores;

pub use audit::AuditQuery;
pub use operations::OperationQuery;
use serde::{Deserialize, Serialize};
pub use stores::{Order, OrderKey, StoreQuery};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::validate::Check;

/// Rows on a page when the caller does not say.
const PAGE_SIZE_DEFAULT: u32 = 50;
/// Most rows on a page.
const PAGE_SIZE_MAX: u32 = 1000;

/// The last row of the page before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The time that the list is ordered by.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The text that the list is ordered by; empty where that is a time.
    pub text: String,
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

/// Rows of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// True if rows follow that are not on this page.
    pub more: bool,
}

/// A list that is read page by page.
pub trait Paged {
    /// What is listed.
    type Item;

    /// The token of the page after the one that ends with this row.
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
