//! Filters of backups.

use time::OffsetDateTime;

use super::value::{Pattern, exact, one_of, time};
use super::{Comparison, Fields, Filter, no_field};
use crate::backup::{BackupState, BackupTrigger};
use crate::ids::StoreUid;

/// A filter of backups; bare text searches the store's id.
pub type BackupFilter = Filter<BackupField>;

/// A condition of a backup filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupField {
    /// The state.
    State(BackupState),
    /// Why it was made.
    Trigger(BackupTrigger),
    /// The store's id.
    StoreId(Pattern),
    /// The store's uid.
    StoreUid(StoreUid),
    /// The creation time.
    CreateTime(Comparison, OffsetDateTime),
}

impl Fields for BackupField {
    const EXAMPLE: &'static str = "state = COMPLETE AND store_id = tea";

    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        match field {
            "state" => {
                let all = (&BackupState::ALL[..], BackupState::as_str);
                one_of((field, "BACKUP_STATE_"), comparison, value, all).map(Self::State)
            }
            "trigger" => {
                let all = (&BackupTrigger::ALL[..], BackupTrigger::as_str);
                one_of((field, "BACKUP_TRIGGER_"), comparison, value, all).map(Self::Trigger)
            }
            "store_id" => Pattern::read(field, comparison, value).map(Self::StoreId),
            "store_uid" => {
                exact(field, comparison)?;
                value.parse().map(Self::StoreUid).map_err(|error| format!("store_uid {error}"))
            }
            "create_time" => time(field, comparison, value).map(|time| Self::CreateTime(comparison, time)),
            other => Err(no_field(other, "state, trigger, store_id, store_uid, create_time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enum_values_parse_by_short_and_full_name() {
        for (text, field) in [
            ("state = COMPLETE", BackupField::State(BackupState::Complete)),
            ("state = BACKUP_STATE_FAILED", BackupField::State(BackupState::Failed)),
            ("trigger = ON_DEMAND", BackupField::Trigger(BackupTrigger::OnDemand)),
            ("store_id = tea*", BackupField::StoreId(Pattern::StartsWith("tea".into()))),
        ] {
            assert_eq!(BackupFilter::parse(text), Ok(Filter::Field(field)), "{text}");
        }
        let error = BackupFilter::parse("state = READY size = 1 store_uid = tea").expect_err("bad");
        assert_eq!(error.0.len(), 3, "{error}");
    }
}
