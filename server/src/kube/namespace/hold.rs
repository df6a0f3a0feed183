//! Taking hold of a namespace that may or may not be there, without making one.

use storeplane_core::ids::StoreUid;

use super::{NamespaceSpec, OwnedNamespace};
use crate::kube::cluster::Cluster;
use crate::kube::error::{ClusterError, ClusterErrorKind};

/// How often a change is tried again when somebody else changed the namespace at the same time.
const ATTEMPTS: usize = 8;

/// Whose a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It is not there.
    Absent,
    /// It is the store's, and carries the caller's fence now.
    Ours,
    /// It is the store's, and is being deleted.
    Terminating,
    /// It is somebody else's. Nothing in it may be touched.
    Foreign,
    /// Nothing says whose it is: somebody else's, or the store's without any mark. Nothing in it may be touched.
    Unmarked,
}

impl Cluster {
    /// True if the namespace is there, is that store's, and stays.
    pub async fn is_store_namespace(&self, name: &str, store: StoreUid) -> Result<bool, ClusterError> {
        let Some(found) = self.get_namespace(name).await? else { return Ok(false) };
        let stays = found.metadata.deletion_timestamp.is_none();
        Ok(stays && self.ownership(&found.metadata, store).await?.is_ours())
    }

    /// Raises the fence of the store's namespace to the caller's, if it is there.
    ///
    /// [`ClusterErrorKind::Fenced`] when a later claim was here.
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
            match self.raise_fence(spec, &found).await {
                Ok(()) => return Ok(Holding::Ours),
                Err(error) if matches!(error.kind(), ClusterErrorKind::Conflict | ClusterErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("could not take hold of the namespace {}: it changes all the time", spec.name);
        Err(ClusterError::new(ClusterErrorKind::Conflict, message))
    }
}
