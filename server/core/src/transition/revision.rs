//! Records with what a store was installed.

use super::{Change, Snapshot};
use crate::revision::{ImageDigest, Revision};

/// The release is deployed like this: the store's newest revision.
pub fn deployed(snapshot: Snapshot, revision: &Revision) -> Change {
    let mut change = Change::of(snapshot);
    change.store.revision = revision.number;
    // The content of the chart may have changed since the store was requested.
    change.store.versions = revision.settings.versions.clone();
    change.revision = Some(revision.clone());
    change
}

/// The pods of the store's newest revision run these images.
pub fn running(snapshot: Snapshot, digests: &[ImageDigest]) -> Change {
    let mut change = Change::of(snapshot);
    change.image_digests = Some(digests.to_vec());
    change
}
