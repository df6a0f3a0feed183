//! Claims an existing namespace with a fence, without creating one.

use storeplane_core::ids::StoreUid;

use super::{NamespaceSpec, OwnedNamespace};
use crate::kube::cluster::Cluster;
use crate::kube::error::{ClusterError, ClusterErrorKind};

/// How often a change is retried after concurrent changes of the namespace.
const ATTEMPTS: usize = 8;

/// The owner of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It does not exist.
    Absent,
    /// It is the store's, and now carries the caller's fence.
    Ours,
    /// It is the store's, and is being deleted.
    Terminating,
    /// It belongs to something else. Nothing in it may be changed.
    Foreign,
    /// Its owner is unknown: it may be foreign, or the store's without labels. Nothing in it may be changed.
    Unmarked,
}

impl Cluster {
    /// True if the namespace exists, is that store's, and is not being deleted.
    pub async fn is_store_namespace(&self, name: &str, store: StoreUid) -> Result<bool, ClusterError> {
        let Some(found) = self.get_namespace(name).await? else { return Ok(false) };
        let stays = found.metadata.deletion_timestamp.is_none();
        Ok(stays && self.ownership(&found.metadata, store).await?.is_ours())
    }

    /// Raises the fence of the store's namespace to the caller's, if it exists. The account then has its permissions there.
    ///
    /// [`ClusterErrorKind::Fenced`] if a later claim has acted.
    pub async fn hold_namespace(&self, spec: &NamespaceSpec) -> Result<Holding, ClusterError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.get_namespace(&spec.name).await? else { return Ok(Holding::Absent) };
            let owned = OwnedNamespace::read(&found.metadata);
            if !self.ownership(&found.metadata, spec.store_uid).await?.is_ours() {
                let unmarked = owned.instance.is_none() && owned.store_uid.is_none();
                return Ok(if unmarked { Holding::Unmarked } else { Holding::Foreign });
            }
            if owned.terminating {
                return Ok(Holding::Terminating);
            }
            let held = async {
                self.raise_fence(spec, &found).await?;
                self.ensure_access(&spec.name).await
            };
            match held.await.map_err(|error| (error.kind(), error)) {
                Ok(()) => return Ok(Holding::Ours),
                // It was changed or deleted meanwhile.
                Err((ClusterErrorKind::Conflict | ClusterErrorKind::NotFound | ClusterErrorKind::Terminating, _)) => {}
                Err((_, error)) => return Err(error),
            }
        }
        let message = format!("could not claim the namespace {}: it keeps changing", spec.name);
        Err(ClusterError::new(ClusterErrorKind::Conflict, message))
    }
}
