//! Filters of operations.

use time::OffsetDateTime;

use super::value::{Pattern, exact, one_of, time};
use super::{Comparison, Fields, Filter, no_field};
use crate::ids::StoreUid;
use crate::operation::{OperationKind, OperationState};

/// A filter of operations; bare text searches the store's id.
pub type OperationFilter = Filter<OperationField>;

/// A condition of an operation filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationField {
    /// The state.
    State(OperationState),
    /// The kind.
    Kind(OperationKind),
    /// The store's id.
    StoreId(Pattern),
    /// The store's uid.
    StoreUid(StoreUid),
    /// The creation time.
    CreateTime(Comparison, OffsetDateTime),
}

impl Fields for OperationField {
    const EXAMPLE: &'static str = "state = RUNNING AND kind = CREATE";

    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        match field {
            "state" => {
                let all = (&OperationState::ALL[..], OperationState::as_str);
                one_of((field, "OPERATION_STATE_"), comparison, value, all).map(Self::State)
            }
            "kind" => {
                let all = (&OperationKind::ALL[..], OperationKind::as_str);
                one_of((field, "OPERATION_KIND_"), comparison, value, all).map(Self::Kind)
            }
            "store_id" => Pattern::read(field, comparison, value).map(Self::StoreId),
            "store_uid" => {
                exact(field, comparison)?;
                value.parse().map(Self::StoreUid).map_err(|error| format!("store_uid {error}"))
            }
            "create_time" => time(field, comparison, value).map(|time| Self::CreateTime(comparison, time)),
            other => Err(no_field(other, "state, kind, store_id, store_uid, create_time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enum_values_parse_by_short_and_full_name() {
        for (text, field) in [
            ("state = RUNNING", OperationField::State(OperationState::Running)),
            ("state = OPERATION_STATE_FAILED", OperationField::State(OperationState::Failed)),
            ("kind = OPERATION_KIND_DELETE", OperationField::Kind(OperationKind::Delete)),
            ("store_id = tea*", OperationField::StoreId(Pattern::StartsWith("tea".into()))),
        ] {
            assert_eq!(OperationFilter::parse(text), Ok(Filter::Field(field)), "{text}");
        }
        let error = OperationFilter::parse("state = READY step = INSTALL store_uid = tea").expect_err("bad");
        assert_eq!(error.0.len(), 3, "{error}");
    }
}
