//! Queries: pages with opaque tokens that stay right while rows come and go.
//!
//! - This file: what all pages share. [`stores`], [`operations`], [`audit`]: what each list can be asked.

mod audit;
mod operations;
mod stores;

pub use audit::AuditQuery;
pub use operations::OperationQuery;
use serde::{Deserialize, Serialize};
pub use stores::{Order, StoreQuery};
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
    /// Its time of creation.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Its store id; empty in lists that are ordered by time only.
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

/// Rows of a page, and where the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next: Option<PageToken>,
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
