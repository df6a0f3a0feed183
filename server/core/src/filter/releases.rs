//! Filters of helm releases.

use time::OffsetDateTime;

use super::value::{Pattern, exact, one_of, time};
use super::{Comparison, Fields, Filter, no_field};
use crate::ids::StoreUid;
use crate::release::{Ownership, Release};

/// A filter of releases; bare text searches namespace, name and chart.
pub type ReleaseFilter = Filter<ReleaseField>;

/// A condition of a release filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseField {
    /// To whom it belongs.
    Ownership(Ownership),
    /// A text field.
    Text(ReleaseText, Pattern),
    /// The store's uid.
    StoreUid(StoreUid),
    /// When helm last wrote it.
    UpdateTime(Comparison, OffsetDateTime),
}

/// The text fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the fields of the proto's Release")]
pub enum ReleaseText {
    Namespace,
    Name,
    StoreId,
    Tenant,
    Status,
    Chart,
    ChartVersion,
}

impl ReleaseText {
    fn of(self, release: &Release) -> &str {
        match self {
            Self::Namespace => &release.namespace,
            Self::Name => &release.name,
            Self::StoreId => &release.store_id,
            Self::Tenant => &release.tenant,
            Self::Status => &release.status,
            Self::Chart => &release.chart,
            Self::ChartVersion => &release.chart_version,
        }
    }
}

impl Fields for ReleaseField {
    const EXAMPLE: &'static str = "ownership = ORPHAN AND status != deployed";

    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        let text = |text| Pattern::read(field, comparison, value).map(|pattern| Self::Text(text, pattern));
        match field {
            "ownership" => {
                let all = (&Ownership::ALL[..], Ownership::as_str);
                one_of((field, "RELEASE_OWNERSHIP_"), comparison, value, all).map(Self::Ownership)
            }
            "namespace" => text(ReleaseText::Namespace),
            "name" => text(ReleaseText::Name),
            "store_id" => text(ReleaseText::StoreId),
            "store_uid" => {
                exact(field, comparison)?;
                value.parse().map(Self::StoreUid).map_err(|error| format!("store_uid {error}"))
            }
            "tenant" => text(ReleaseText::Tenant),
            "status" => text(ReleaseText::Status),
            "chart" => text(ReleaseText::Chart),
            "chart_version" => text(ReleaseText::ChartVersion),
            "update_time" => time(field, comparison, value).map(|time| Self::UpdateTime(comparison, time)),
            other => Err(no_field(
                other,
                "ownership, namespace, name, store_id, store_uid, tenant, status, chart, chart_version, update_time",
            )),
        }
    }
}

impl ReleaseFilter {
    /// True if a release matches.
    pub fn matches(&self, release: &Release) -> bool {
        let field = |field: &ReleaseField| match field {
            ReleaseField::Ownership(ownership) => release.ownership == *ownership,
            ReleaseField::Text(text, pattern) => pattern.matches(text.of(release)),
            ReleaseField::StoreUid(uid) => release.store_uid == Some(*uid),
            ReleaseField::UpdateTime(comparison, time) => {
                release.updated_at.is_some_and(|updated| comparison.holds(updated, *time))
            }
        };
        let searched = [&release.namespace, &release.name, &release.chart].map(|text| text.to_lowercase());
        self.holds(&field, &|wanted| searched.iter().any(|text| text.contains(wanted)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_documented_field_is_supported() {
        let release = Release {
            namespace: "store-tea".into(),
            name: "store-tea".into(),
            ownership: Ownership::Store,
            store_id: "tea".into(),
            store_uid: Some(StoreUid(Uuid::nil())),
            tenant: "acme".into(),
            status: "deployed".into(),
            revision: 3,
            chart: "woocommerce".into(),
            chart_version: "1.2.3".into(),
            updated_at: Some(OffsetDateTime::UNIX_EPOCH),
        };
        for (filter, matches) in [
            ("ownership = STORE", true),
            ("ownership = RELEASE_OWNERSHIP_ORPHAN", false),
            ("namespace = store-*", true),
            ("name : TEA", true),
            ("store_id = tea AND tenant = acme", true),
            ("store_uid = 00000000-0000-0000-0000-000000000000", true),
            ("status != deployed", false),
            ("chart = woocommerce chart_version = '1.*'", true),
            ("update_time < '2000-01-01T00:00:00Z'", true),
            ("WooCommerce", true),
            ("acme", false),
            ("", true),
        ] {
            let parsed = ReleaseFilter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
            assert_eq!(parsed.matches(&release), matches, "{filter}");
        }
        let error = ReleaseFilter::parse("ownership = MINE store_uid = tea age > 3").expect_err("invalid");
        assert_eq!(error.0.len(), 3, "{error}");
    }
}
