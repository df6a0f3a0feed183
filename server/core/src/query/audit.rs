//! Pages of the audit log.

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::audit::AuditEvent;
use crate::error::DomainError;
use crate::filter::AuditFilter;
use crate::ids::Tenant;
use crate::validate::Check;

/// A page of audit events, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditQuery {
    /// The tenant.
    pub tenant: Tenant,
    /// The filter.
    pub filter: AuditFilter,
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl AuditQuery {
    /// Validates the fields of ListAuditEvents.
    pub fn check(tenant: &Tenant, filter: &str, page_size: i32, token: PageStart) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let parsed = AuditFilter::check(&mut check, filter);
        let fingerprint = fingerprint(&["audit", tenant.as_str(), filter]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(parsed.map(|filter| Self { tenant: tenant.clone(), filter, limit, after, fingerprint }))
    }
}

impl Paged for AuditQuery {
    type Item = AuditEvent;

    fn token_after(&self, last: &AuditEvent) -> PageToken {
        let after = After { at: last.at, text: String::new(), uid: last.id };
        PageToken { after, query: self.fingerprint.clone() }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::access::Access;
    use crate::query::OperationQuery;

    #[test]
    fn page_token_is_bound_to_list_filter_and_tenant() {
        let tenant = Tenant::default();
        let first = AuditQuery::check(&tenant, "", 0, PageStart::First).expect("good");
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text: String::new(), uid: Uuid::nil() };
        let start =
            |query: &AuditQuery| PageStart::After(PageToken { after: after.clone(), query: query.fingerprint.clone() });
        assert!(AuditQuery::check(&tenant, "", 7, start(&first)).is_ok(), "the size of a page may change");
        assert!(AuditQuery::check(&tenant, "tea", 0, start(&first)).is_err());
        assert!(AuditQuery::check(&"acme".parse().expect("a tenant"), "", 0, start(&first)).is_err());
        assert!(OperationQuery::check(&Access::whole(tenant.clone()), "", "", 0, start(&first)).is_err());
    }

    #[test]
    fn all_query_violations_are_reported() {
        let bad = AuditQuery::check(&Tenant::default(), "outcome = 1 price = 2", -1, PageStart::Unreadable);
        let Err(DomainError::Invalid(violations)) = bad else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "filter", "filter", "page_token"]);
    }
}
