//! Pages of operations.

use super::{After, PageStart, PageToken, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::ids::{StoreId, Tenant};
use crate::validate::Check;

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
    pub fn check(tenant: &Tenant, store_id: &str, page_size: i32, token: PageStart) -> Result<Self, DomainError> {
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
