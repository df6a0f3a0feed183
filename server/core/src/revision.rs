//! Revisions of a store: each chart and set of values with which it was installed, so that it can return to them.

use serde::{Deserialize, Serialize};
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
    /// Identifies the chart's templates and files, as helm recorded them; empty if it was not recorded.
    pub chart_content: String,
    /// The images that its containers run, by digest; empty until they do.
    pub image_digests: Vec<ImageDigest>,
    /// The operation that applied it.
    pub operation: OperationId,
    /// When it was applied.
    pub created_at: OffsetDateTime,
}

impl Revision {
    /// True if applying `other` instead would change nothing.
    pub fn installs_the_same(&self, other: &Self) -> bool {
        (&self.settings, &self.values, &self.images) == (&other.settings, &other.values, &other.images)
            && self.has_chart_content(&other.chart_content)
    }

    /// True if the chart's files are these, or it is not recorded which they were.
    pub fn has_chart_content(&self, content: &str) -> bool {
        self.chart_content.is_empty() || content.is_empty() || self.chart_content == content
    }
}

/// With what a release is deployed, as helm recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedWith {
    /// The values, without those that are the chart's own.
    pub values: Value,
    /// The images of its pods, sorted.
    pub images: Vec<String>,
    /// The chart's version.
    pub chart_version: String,
    /// Identifies the chart's templates and files.
    pub chart_content: String,
    /// The schema of the shop's database, according to the chart's `storeplane.yaml`; `None` if it has none that can be read.
    pub schema: Option<String>,
}

/// The image that a container runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageDigest {
    /// For example `Deployment store`.
    pub workload: String,
    /// The container's name.
    pub container: String,
    /// The image, as the pod names it.
    pub image: String,
    /// `sha256:` and the digest that the node reports.
    pub digest: String,
}
