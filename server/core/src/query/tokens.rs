//! Pages of tokens.

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::ids::Tenant;
use crate::token::Token;
use crate::validate::Check;

/// A page of tokens, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenQuery {
    /// The tenant.
    pub tenant: Tenant,
    /// Also those that have expired or were revoked.
    pub show_inactive: bool,
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl TokenQuery {
    /// Validates the fields of ListTokens.
    pub fn check(tenant: &Tenant, show_inactive: bool, page_size: i32, token: PageStart) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let which = if show_inactive { "all" } else { "valid" };
        let fingerprint = fingerprint(&["tokens", tenant.as_str(), which]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(Some(Self { tenant: tenant.clone(), show_inactive, limit, after, fingerprint }))
    }
}

impl Paged for TokenQuery {
    type Item = Token;

    fn token_after(&self, last: &Token) -> PageToken {
        let after = After { at: last.created_at, text: String::new(), uid: last.id.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn page_token_is_bound_to_tenant_and_selection() {
        let tenant = Tenant::default();
        let first = TokenQuery::check(&tenant, false, 0, PageStart::First).expect("good");
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text: String::new(), uid: Uuid::nil() };
        let start = || PageStart::After(PageToken { after: after.clone(), query: first.fingerprint.clone() });
        assert!(TokenQuery::check(&tenant, false, 7, start()).is_ok(), "the size of a page may change");
        assert!(TokenQuery::check(&tenant, true, 0, start()).is_err());
        assert!(TokenQuery::check(&"acme".parse().expect("a tenant"), false, 0, start()).is_err());
        assert!(TokenQuery::check(&tenant, false, -1, PageStart::Unreadable).is_err());
    }
}
