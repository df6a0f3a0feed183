//! Pages of tenants.

use time::OffsetDateTime;

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::tenant::TenantDetails;
use crate::validate::Check;

/// A page of tenants, by id.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantQuery {
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl TenantQuery {
    /// Validates the fields of ListTenants.
    pub fn check(page_size: i32, token: PageStart) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let fingerprint = fingerprint(&["tenants"]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(Some(Self { limit, after, fingerprint }))
    }
}

impl Paged for TenantQuery {
    type Item = TenantDetails;

    fn token_after(&self, last: &TenantDetails) -> PageToken {
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text: last.id.to_string(), uid: last.uid };
        PageToken { after, query: self.fingerprint.clone() }
    }
}
