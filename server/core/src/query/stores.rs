//! Pages of stores.

use super::{After, Order, Page, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::access::Access;
use crate::error::DomainError;
use crate::filter::StoreFilter;
use crate::store::Store;
use crate::validate::Check;

/// The fields that a list of stores can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the fields of the proto's Store")]
pub enum OrderKey {
    CreateTime,
    UpdateTime,
    StoreId,
    DisplayName,
}

impl OrderKey {
    const ALL: [(&'static str, Self); 4] = [
        ("create_time", Self::CreateTime),
        ("update_time", Self::UpdateTime),
        ("store_id", Self::StoreId),
        ("display_name", Self::DisplayName),
    ];
}

const DEFAULT_ORDER: Order<OrderKey> = Order { key: OrderKey::CreateTime, descending: true };

/// A page of stores.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreQuery {
    /// Whose stores.
    pub access: Access,
    /// The filter.
    pub filter: StoreFilter,
    /// The order.
    pub order: Order<OrderKey>,
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl StoreQuery {
    /// Validates the fields of ListStores.
    pub fn check(
        access: &Access,
        filter: &str,
        order_by: &str,
        page_size: i32,
        token: PageStart,
    ) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let parsed = StoreFilter::check(&mut check, filter);
        let order = Order::check(&mut check, order_by, &OrderKey::ALL, DEFAULT_ORDER);
        let fingerprint = fingerprint(&[&access.key(), filter, order_by]);
        let after = page_after(&mut check, token, &fingerprint);
        let whole = parsed.zip(order).map(|(filter, order)| Self {
            access: access.clone(),
            filter,
            order,
            limit,
            after,
            fingerprint,
        });
        check.finish(whole)
    }

    /// The total number of stores, if this page determines it: a first page that is also the last one.
    pub fn total(&self, page: &Page<Store>) -> Option<i64> {
        (self.after.is_none() && !page.more).then(|| i64::try_from(page.items.len()).ok()).flatten()
    }

    /// The same query, starting after this token's page.
    #[must_use]
    pub fn page(mut self, token: PageToken) -> Self {
        self.after = Some(token.after);
        self
    }
}

impl Paged for StoreQuery {
    type Item = Store;

    fn token_after(&self, last: &Store) -> PageToken {
        let (at, text) = match self.order.key {
            OrderKey::CreateTime => (last.created_at, String::new()),
            OrderKey::UpdateTime => (last.updated_at, String::new()),
            OrderKey::StoreId => (last.created_at, last.id.to_string()),
            OrderKey::DisplayName => (last.created_at, last.spec.display_name.clone()),
        };
        PageToken { after: After { at, text, uid: last.uid.0 }, query: self.fingerprint.clone() }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::access::{Scope, Selection};
    use crate::ids::Tenant;

    fn access() -> Access {
        Access::whole(Tenant::default())
    }

    fn query(filter: &str, order: &str, token: PageStart) -> Result<StoreQuery, DomainError> {
        StoreQuery::check(&access(), filter, order, 10, token)
    }

    #[test]
    fn page_token_is_bound_to_its_query() {
        let first = query("state = READY", "", PageStart::First).expect("good");
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text: "a".into(), uid: Uuid::nil() };
        let token = PageToken { after: after.clone(), query: first.fingerprint.clone() };
        assert_eq!(query("state = READY", "", PageStart::After(token.clone())).expect("same").after, Some(after));
        assert!(query("state = FAILED", "", PageStart::After(token.clone())).is_err());
        assert!(query("", "", PageStart::Unreadable).is_err());
        let scope = Selection::new(vec!["tea".parse().expect("an id")], None).map(Scope::Only).expect("a store");
        let limited = Access { scope, ..access() };
        assert!(
            StoreQuery::check(&limited, "state = READY", "", 10, PageStart::After(token)).is_err(),
            "another scope"
        );
    }

    #[test]
    fn order_by_takes_a_field_and_a_direction() {
        let order = |text| Order::parse(text, &OrderKey::ALL, DEFAULT_ORDER).map(|order| (order.key, order.descending));
        assert_eq!(order(""), Some((OrderKey::CreateTime, true)));
        assert_eq!(order("display_name"), Some((OrderKey::DisplayName, false)));
        assert_eq!(order("update_time  desc"), Some((OrderKey::UpdateTime, true)));
        assert_eq!(order("store_id asc"), Some((OrderKey::StoreId, false)));
        for bad in ["price", "desc", "store_id down", "store_id desc desc", "store_id, plan"] {
            assert_eq!(order(bad), None, "{bad}");
        }
    }

    #[test]
    fn all_query_violations_are_reported() {
        let Err(DomainError::Invalid(violations)) =
            StoreQuery::check(&access(), "state >", "price", -1, PageStart::First)
        else {
            panic!("accepted")
        };
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "filter", "order_by"]);
    }
}
