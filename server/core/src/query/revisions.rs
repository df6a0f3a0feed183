//! Pages of the revisions of a store.

use time::OffsetDateTime;

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::ids::StoreUid;
use crate::revision::Revision;
use crate::validate::Check;

/// A page of the revisions of a store, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionQuery {
    /// The store.
    pub store: StoreUid,
    /// The page size.
    pub limit: u32,
    /// Only revisions before this number.
    pub before: Option<u32>,
    fingerprint: String,
}

impl RevisionQuery {
    /// Validates the fields of `ListStoreRevisions`.
    pub fn check(store: StoreUid, page_size: i32, token: PageStart) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let fingerprint = fingerprint(&["revisions", &store.to_string()]);
        let after = page_after(&mut check, token, &fingerprint);
        let before = after.and_then(|after| after.text.parse().ok());
        check.finish(Some(Self { store, limit, before, fingerprint }))
    }
}

impl Paged for RevisionQuery {
    type Item = Revision;

    fn token_after(&self, last: &Revision) -> PageToken {
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text: last.number.to_string(), uid: self.store.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}
