//! The workloads that each release should have, read once per revision.

use std::collections::HashMap;

use futures::StreamExt as _;
use storeplane_core::ids::StoreUid;

use crate::kube::{Cluster, ClusterCacheView, Expected, ReleaseStatus, WorkloadName};

/// Maximum number of records read in one round.
const MOST: usize = 256;
/// Maximum number of records read concurrently.
const TOGETHER: usize = 8;

/// Workloads by store. A store whose release is being changed, or is gone, keeps those of its last revision.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    known: HashMap<StoreUid, (u32, Vec<WorkloadName>)>,
}

/// A record to read.
pub(super) struct Unread {
    store: StoreUid,
    namespace: String,
    release: String,
    revision: u32,
}

impl Manifests {
    /// The record to read for this store, if its release has a new revision.
    pub(super) fn unread(&self, expected: &Expected, view: &ClusterCacheView) -> Option<Unread> {
        let releases = view.releases(&expected.namespace);
        let release = releases.into_iter().find(|release| release.name == expected.release)?;
        let revision = release.observation.revision;
        let is_new = self.known.get(&expected.store_uid).is_none_or(|(known, _)| *known != revision);
        (is_new && release.observation.status == ReleaseStatus::Deployed).then(|| Unread {
            store: expected.store_uid,
            namespace: expected.namespace.clone(),
            release: expected.release.clone(),
            revision,
        })
    }

    /// Reads some of them; the rest follows in the next round. A failed read is repeated if that may help.
    pub(super) async fn read(&mut self, cluster: &Cluster, unread: Vec<Unread>) {
        let reads = unread.into_iter().take(MOST).map(|unread| async move {
            let Unread { store, namespace, release, revision } = unread;
            (store, revision, cluster.release_workloads(&namespace, &release, revision).await)
        });
        let mut reads = futures::stream::iter(reads).buffer_unordered(TOGETHER);
        while let Some((store, revision, read)) = reads.next().await {
            let workloads = match read {
                Ok(workloads) => workloads,
                Err(error) if error.retryable() => {
                    tracing::debug!(%error, "a release's record cannot be read; the next round tries again");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "missing workloads of a store will not be noticed");
                    Vec::new()
                }
            };
            self.known.insert(store, (revision, workloads));
        }
    }

    /// The workloads that a store should have, if known.
    pub(super) fn workloads(&self, store: StoreUid) -> &[WorkloadName] {
        self.known.get(&store).map(|(_, workloads)| workloads.as_slice()).unwrap_or_default()
    }

    /// Drops stores that no longer exist.
    pub(super) fn retain(&mut self, is_live: impl Fn(&StoreUid) -> bool) {
        self.known.retain(|store, _| is_live(store));
    }
}
