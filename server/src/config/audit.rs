//! The section `[audit]`, and how long audit records are kept.

use std::path::PathBuf;

use serde::Serialize;

use super::RetentionPeriod;
use super::section::Section;

/// The least that the database's function `audit_remove` keeps.
const RETENTION_MIN: RetentionPeriod = RetentionPeriod::days(30);
/// How often checkpoints are signed.
const CHECKPOINT_INTERVAL: RetentionPeriod = RetentionPeriod::hours(1);

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Ed25519 private key (PEM) that signs checkpoints; default: one that is created in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key_file: Option<PathBuf>,
    /// How often a checkpoint of each audit log that grew is signed and printed.
    pub checkpoint_interval: RetentionPeriod,
}

pub(super) fn read(section: &mut Section) -> Audit {
    let allowed = RetentionPeriod::MINUTE..=RetentionPeriod::days(1);
    Audit {
        signing_key_file: section.optional("signing_key_file"),
        checkpoint_interval: section.checked(
            "checkpoint_interval",
            CHECKPOINT_INTERVAL,
            "must be from 1m to 1d",
            |interval| allowed.contains(interval),
        ),
    }
}

/// `retention.audit`
pub(super) fn retention(section: &mut Section) -> Option<RetentionPeriod> {
    let kept: Option<RetentionPeriod> = section.optional("audit");
    if kept.is_some_and(|kept| kept < RETENTION_MIN) {
        section.fail("audit", format!("must be at least {RETENTION_MIN}"));
    }
    kept
}
