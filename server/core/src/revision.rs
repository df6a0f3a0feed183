//! Revisions of a store: each chart and set of values with which it was installed, so that it can return to them.

use serde_json::Value;
use time::OffsetDateTime;

use crate::ids::OperationId;
use crate::settings::Settings;

/// Maximum number of revisions that are kept of one store; the oldest ones are removed.
pub const REVISIONS_MAX: u32 = 50;

/// One revision of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// 1, 2, 3, … for each store.
    pub number: u32,
    /// What the chart was told.
    pub settings: Settings,
    /// All values that helm was given, as helm recorded them. They contain no secret.
    pub values: Value,
    /// The images of the release's pods, as its manifest names them, in order.
    pub images: Vec<String>,
    /// The operation that applied it.
    pub operation: OperationId,
    /// When it was applied.
    pub created_at: OffsetDateTime,
}

impl Revision {
    /// True if applying `other` instead would change nothing.
    pub fn installs_the_same(&self, other: &Self) -> bool {
        (&self.settings, &self.values, &self.images) == (&other.settings, &other.values, &other.images)
    }
}
