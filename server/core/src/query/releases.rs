//! Pages of helm releases: cut from the whole list, which is in memory.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{After, Order, Page, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::access::Access;
use crate::error::DomainError;
use crate::filter::ReleaseFilter;
use crate::release::Release;
use crate::validate::Check;

/// The fields that a list of releases can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the fields of the proto's Release")]
pub enum ReleaseOrderKey {
    Namespace,
    Name,
    Status,
    Chart,
    UpdateTime,
}

impl ReleaseOrderKey {
    const ALL: [(&'static str, Self); 5] = [
        ("namespace", Self::Namespace),
        ("name", Self::Name),
        ("status", Self::Status),
        ("chart", Self::Chart),
        ("update_time", Self::UpdateTime),
    ];

    /// A release's position: the ordered field, then namespace and name, which identify it.
    fn position(self, release: &Release) -> (OffsetDateTime, String) {
        let Release { namespace, name, status, chart, chart_version, updated_at, .. } = release;
        // NUL sorts before all characters of names, so that longer names come later.
        match self {
            Self::Namespace => (OffsetDateTime::UNIX_EPOCH, format!("{namespace}\0{name}")),
            Self::Name => (OffsetDateTime::UNIX_EPOCH, format!("{name}\0{namespace}")),
            Self::Status => (OffsetDateTime::UNIX_EPOCH, format!("{status}\0{namespace}\0{name}")),
            Self::Chart => (OffsetDateTime::UNIX_EPOCH, format!("{chart}\0{chart_version}\0{namespace}\0{name}")),
            Self::UpdateTime => (updated_at.unwrap_or(OffsetDateTime::UNIX_EPOCH), format!("{namespace}\0{name}")),
        }
    }
}

const DEFAULT_ORDER: Order<ReleaseOrderKey> = Order { key: ReleaseOrderKey::Namespace, descending: false };

/// A page of releases.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseQuery {
    filter: ReleaseFilter,
    order: Order<ReleaseOrderKey>,
    limit: u32,
    after: Option<After>,
    fingerprint: String,
}

/// The releases of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleasePage {
    /// The rows.
    pub page: Page<Release>,
    /// The number of releases that match the filter.
    pub total: usize,
}

impl ReleaseQuery {
    /// Validates the fields of ListReleases.
    pub fn check(
        access: &Access,
        filter: &str,
        order_by: &str,
        page_size: i32,
        token: PageStart,
    ) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let parsed = ReleaseFilter::check(&mut check, filter);
        let order = Order::check(&mut check, order_by, &ReleaseOrderKey::ALL, DEFAULT_ORDER);
        let fingerprint = fingerprint(&["releases", &access.key(), filter, order_by]);
        let after = page_after(&mut check, token, &fingerprint);
        let whole = parsed.zip(order).map(|(filter, order)| Self { filter, order, limit, after, fingerprint });
        check.finish(whole)
    }

    /// The page of these releases.
    pub fn select(&self, releases: impl IntoIterator<Item = Release>) -> ReleasePage {
        let matching = releases.into_iter().filter(|release| self.filter.matches(release));
        let mut matching: Vec<_> = matching.map(|release| (self.order.key.position(&release), release)).collect();
        matching.sort_by(|(left, _), (right, _)| {
            let order = left.cmp(right);
            if self.order.descending { order.reverse() } else { order }
        });
        let total = matching.len();
        let is_after = |(at, text): &(OffsetDateTime, String)| match &self.after {
            None => true,
            Some(after) if self.order.descending => (*at, text) < (after.at, &after.text),
            Some(after) => (*at, text) > (after.at, &after.text),
        };
        let mut rest = matching.into_iter().filter(|(position, _)| is_after(position)).map(|(_, release)| release);
        let items = rest.by_ref().take(usize::try_from(self.limit).unwrap_or(usize::MAX)).collect();
        ReleasePage { page: Page { items, more: rest.next().is_some() }, total }
    }
}

impl Paged for ReleaseQuery {
    type Item = Release;

    fn token_after(&self, last: &Release) -> PageToken {
        let (at, text) = self.order.key.position(last);
        PageToken { after: After { at, text, uid: Uuid::nil() }, query: self.fingerprint.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::Tenant;
    use crate::release::Ownership;

    fn release(namespace: &str, name: &str, second: i64) -> Release {
        Release {
            namespace: namespace.into(),
            name: name.into(),
            ownership: Ownership::Foreign,
            store_id: String::new(),
            store_uid: None,
            tenant: String::new(),
            status: if second % 2 == 0 { "deployed" } else { "failed" }.into(),
            revision: 1,
            chart: String::new(),
            chart_version: String::new(),
            updated_at: OffsetDateTime::from_unix_timestamp(second).ok(),
        }
    }

    fn query(filter: &str, order: &str, size: i32, token: PageStart) -> Result<ReleaseQuery, DomainError> {
        ReleaseQuery::check(&Access::whole(Tenant::default()), filter, order, size, token)
    }

    /// The names of all releases, read in pages of that size.
    fn read(all: &[Release], filter: &str, order: &str, size: i32) -> Vec<String> {
        let (mut names, mut start) = (Vec::new(), PageStart::First);
        loop {
            let query = query(filter, order, size, start).expect("valid");
            let ReleasePage { page, total } = query.select(all.to_vec());
            assert!(page.items.len() <= usize::try_from(size).expect("positive") && total <= all.len());
            names.extend(page.items.iter().map(|release| format!("{}/{}", release.namespace, release.name)));
            match query.next(&page) {
                Some(token) => start = PageStart::After(token),
                None => return names,
            }
        }
    }

    #[test]
    fn default_order_is_by_namespace_then_name() {
        let all = [release("b", "a", 1), release("a-b", "x", 2), release("a", "z", 3), release("a", "y", 4)];
        assert_eq!(read(&all, "", "", 2), ["a/y", "a/z", "a-b/x", "b/a"]);
        assert_eq!(read(&all, "", "namespace desc", 3), ["b/a", "a-b/x", "a/z", "a/y"]);
        assert_eq!(read(&all, "status = failed", "update_time desc", 1), ["a/z", "b/a"]);
        assert_eq!(read(&all, "", "name", 2), ["b/a", "a-b/x", "a/y", "a/z"]);
    }

    proptest! {
        #[test]
        fn pages_have_each_release_once(
            seconds in prop::collection::vec(0_i64..5, 0..30), size in 1_i32..7, order in 0_usize..10
        ) {
            let all: Vec<_> = seconds.iter().enumerate()
                .map(|(i, second)| release(&format!("ns-{}", i % 4), &format!("r-{i}"), *second)).collect();
            let field = ReleaseOrderKey::ALL[order / 2].0;
            let order = if order % 2 == 0 { field.to_owned() } else { format!("{field} desc") };
            let mut names = read(&all, "", &order, size);
            prop_assert_eq!(&names, &read(&all, "", &order, 1000));
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), all.len());
        }
    }

    #[test]
    fn page_token_is_bound_to_its_query() {
        let first = query("", "", 1, PageStart::First).expect("valid");
        let token = || PageStart::After(first.token_after(&release("a", "b", 1)));
        assert!(query("", "", 5, token()).is_ok());
        assert!(query("a", "", 1, token()).is_err() && query("", "name", 1, token()).is_err());
        assert!(ReleaseQuery::check(&Access::whole("acme".parse().expect("a tenant")), "", "", 1, token()).is_err());
        let Err(DomainError::Invalid(violations)) = query("price = 1", "price", -1, PageStart::Unreadable) else {
            panic!("accepted")
        };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["page_size", "filter", "order_by", "page_token"]);
    }
}
