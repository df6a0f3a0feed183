//! Drift of configuration: what a store is compared with, and the result.

use storeplane_core::drift::Comparison;
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::revision::Revision;
use storeplane_core::transition::drift::apply_drift;

use super::live_stores::LiveStoreRepository;
use super::revisions;

/// Stores that have drifted: the condition of the index `stores_drifted`. Without parameters, so that any plan can use it.
pub(super) const DRIFTED: &str =
    r#"(state IN ('READY', 'DEGRADED') AND conditions @> '[{"kind": "ConfigurationDrifted", "status": "True"}]')"#;

impl LiveStoreRepository {
    /// A revision of a store; `None` if it is not recorded.
    pub async fn revision(&self, uid: StoreUid, number: u32) -> Result<Option<Revision>, PortError> {
        revisions::find(self.database(), uid, number).await
    }

    /// Applies how the cluster differs from what is recorded of a store, if `last` is still its operation and inactive.
    pub async fn apply_drift(&self, uid: StoreUid, last: OperationId, seen: &Comparison) -> Result<(), PortError> {
        self.observe(uid, |snapshot, now| apply_drift(snapshot, last, seen, now)).await
    }
}
