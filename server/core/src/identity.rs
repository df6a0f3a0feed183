//! Callers and their permissions. One table names the required role of every RPC.

use serde::{Deserialize, Serialize};

use crate::ids::{Tenant, TokenId};

/// What a token permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read access.
    Viewer,
    /// Also changes to stores.
    Operator,
    /// Also token management.
    Admin,
}

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of that wire form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// True if this role includes `needed`.
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }
}

/// The caller of a command, from authentication to the audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token.
    pub token: TokenId,
    /// The token's name: the actor in the audit log.
    pub name: String,
    /// The tenant whose stores it can access.
    pub tenant: Tenant,
    /// The token's role.
    pub role: Role,
}

/// The role that each RPC requires. An RPC that is not listed is denied.
pub const PERMISSIONS: &[(&str, Role)] = &[
    ("/storeplane.v1.AuditService/ListAuditEvents", Role::Viewer),
    ("/storeplane.v1.OperationService/CancelOperation", Role::Operator),
    ("/storeplane.v1.OperationService/GetOperation", Role::Viewer),
    ("/storeplane.v1.OperationService/ListOperations", Role::Viewer),
    ("/storeplane.v1.OperationService/WaitOperation", Role::Viewer),
    ("/storeplane.v1.PlatformService/GetOverview", Role::Viewer),
    ("/storeplane.v1.PlatformService/ListEngines", Role::Viewer),
    ("/storeplane.v1.PlatformService/ListReleases", Role::Operator),
    ("/storeplane.v1.StoreService/CreateStore", Role::Operator),
    ("/storeplane.v1.StoreService/DeleteStore", Role::Operator),
    ("/storeplane.v1.StoreService/GetStore", Role::Viewer),
    ("/storeplane.v1.StoreService/GetStoreCredentials", Role::Operator),
    ("/storeplane.v1.StoreService/GetStoreLogs", Role::Operator),
    ("/storeplane.v1.StoreService/GetStoreResources", Role::Viewer),
    ("/storeplane.v1.StoreService/ListStores", Role::Viewer),
    ("/storeplane.v1.StoreService/RetryStore", Role::Operator),
    ("/storeplane.v1.StoreService/WatchStore", Role::Viewer),
    ("/storeplane.v1.StoreService/WatchStores", Role::Viewer),
];

/// The role required by an RPC's path (`/package.Service/Method`).
pub fn needed(path: &str) -> Option<Role> {
    PERMISSIONS.iter().find(|(rpc, _)| *rpc == path).map(|(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_weaker_roles() {
        assert!(Role::Admin.allows(Role::Viewer) && Role::Operator.allows(Role::Operator));
        assert!(!Role::Viewer.allows(Role::Operator) && !Role::Operator.allows(Role::Admin));
    }

    #[test]
    fn unknown_rpc_has_no_permission() {
        assert_eq!(needed("/storeplane.v1.StoreService/Nonsense"), None);
    }
}
