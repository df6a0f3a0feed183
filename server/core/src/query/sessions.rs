//! Pages of sessions.

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::ids::Tenant;
use crate::session::Session;
use crate::validate::Check;

/// A page of sessions, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionQuery {
    /// The tenant.
    pub tenant: Tenant,
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl SessionQuery {
    /// Validates the fields of ListSessions.
    pub fn check(tenant: &Tenant, page_size: i32, token: PageStart) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let fingerprint = fingerprint(&["sessions", tenant.as_str()]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(Some(Self { tenant: tenant.clone(), limit, after, fingerprint }))
    }
}

impl Paged for SessionQuery {
    type Item = Session;

    fn token_after(&self, last: &Session) -> PageToken {
        let after = After { at: last.created_at, text: String::new(), uid: last.id.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}
