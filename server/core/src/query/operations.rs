//! Pages of operations.

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::access::Access;
use crate::error::DomainError;
use crate::filter::OperationFilter;
use crate::ids::StoreId;
use crate::operation::Operation;
use crate::validate::Check;

/// A page of operations, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationQuery {
    /// Whose operations.
    pub access: Access,
    /// Limits the list to one store.
    pub store: Option<StoreId>,
    /// The filter.
    pub filter: OperationFilter,
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl OperationQuery {
    /// Validates the fields of ListOperations.
    pub fn check(
        access: &Access,
        store_id: &str,
        filter: &str,
        page_size: i32,
        token: PageStart,
    ) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let store = check.optional("store_id", store_id);
        let parsed = OperationFilter::check(&mut check, filter);
        let fingerprint = fingerprint(&["operations", &access.key(), store_id, filter]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(parsed.map(|filter| Self { access: access.clone(), store, filter, limit, after, fingerprint }))
    }
}

impl Paged for OperationQuery {
    type Item = Operation;

    fn token_after(&self, last: &Operation) -> PageToken {
        let after = After { at: last.created_at, text: String::new(), uid: last.id.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}
