//! The helm releases of the cluster, and to whom they belong.

use time::OffsetDateTime;

use crate::access::Access;
use crate::ids::{StoreId, StoreUid, Tenant};
use crate::wire::wire_enum;

wire_enum! {
    /// To whom a release belongs.
    pub enum Ownership {
        /// A store that is not DELETED.
        Store = "STORE",
        /// This control plane by its labels, but no store.
        Orphan = "ORPHAN",
        /// Not managed by this control plane.
        Foreign = "FOREIGN",
    }
}

/// A helm release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// To whom it belongs.
    pub ownership: Ownership,
    /// The id of the store that it was installed for; empty if unknown.
    pub store_id: String,
    /// The uid of that store.
    pub store_uid: Option<StoreUid>,
    /// The tenant of that store; empty if unknown.
    pub tenant: String,
    /// Helm's status of the newest revision.
    pub status: String,
    /// The newest revision.
    pub revision: u32,
    /// The chart's name; empty if no workload names it.
    pub chart: String,
    /// The chart's version; empty if no workload names it.
    pub chart_version: String,
    /// When helm last wrote the newest revision.
    pub updated_at: Option<OffsetDateTime>,
}

wire_enum! {
    /// Which releases a list covers.
    pub enum ReleaseScope {
        /// Those of all namespaces.
        Cluster = "CLUSTER",
        /// Only those in the namespaces of stores: the server's account may not read others.
        Namespaced = "NAMESPACED",
        /// Only those of the caller's tenant.
        Tenant = "TENANT",
    }
}

/// All releases that the server can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseInventory {
    /// The releases, in any order.
    pub releases: Vec<Release>,
    /// Which releases these are.
    pub scope: ReleaseScope,
}

impl Release {
    /// Callers see what has the label or row of their tenant, or of a store in their scope; callers of the platform's tenant
    /// that are not limited to stores see all.
    pub fn is_visible_to(&self, access: &Access, platform: Option<&Tenant>) -> bool {
        let (tenant, store) = (Tenant::stored(self.tenant.clone()), StoreId::stored(self.store_id.clone()));
        let is_own = self.ownership != Ownership::Foreign && access.sees(&tenant, &store);
        is_own || access.sees_platform(platform)
    }
}
