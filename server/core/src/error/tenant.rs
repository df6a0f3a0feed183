//! Why a tenant cannot be changed, or its callers may do nothing.

use crate::ids::Tenant;

/// Why a tenant cannot be changed, or its callers may do nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// The id is taken.
    #[error("tenant \"{tenant}\" already exists")]
    AlreadyExists {
        /// The id.
        tenant: Tenant,
    },
    /// Nothing can be created in a deleted tenant, and its id is not used again: its audit log and the history of its stores remain.
    #[error("tenant \"{tenant}\" was deleted")]
    Deleted {
        /// Which tenant.
        tenant: Tenant,
    },
    /// Its callers may do nothing.
    #[error("tenant \"{tenant}\" is suspended; a platform administrator can resume it")]
    Suspended {
        /// Which tenant.
        tenant: Tenant,
    },
    /// Only an empty tenant is deleted.
    #[error("tenant \"{tenant}\" has {stores} stores that are not DELETED")]
    NotEmpty {
        /// Which tenant.
        tenant: Tenant,
        /// The number of stores.
        stores: i64,
    },
    /// The tenant `default` always exists.
    #[error("tenant \"{tenant}\" cannot be deleted")]
    NotDeletable {
        /// Which tenant.
        tenant: Tenant,
    },
    /// The tenant changed since the caller read it.
    #[error("the tenant changed since it was read: etag is {actual}")]
    StaleEtag {
        /// Its current etag.
        actual: String,
    },
}

impl TenantError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "TENANT_ALREADY_EXISTS",
            Self::Deleted { .. } => "TENANT_DELETED",
            Self::Suspended { .. } => "TENANT_SUSPENDED",
            Self::NotEmpty { .. } => "TENANT_NOT_EMPTY",
            Self::NotDeletable { .. } => "TENANT_NOT_DELETABLE",
            Self::StaleEtag { .. } => "STALE_ETAG",
        }
    }
}
