//! Names of a store's namespace, release and host. No other code builds them.

use crate::ids::{StoreId, Tenant};

/// Where a store lives: fixed at its creation and never derived again from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Kubernetes namespace: `store-<id>`; in tenants other than `default`, `store-<id>--<tenant>`.
    pub namespace: String,
    /// Helm release: `store-<id>`. Without the tenant, because helm allows 53 characters and the namespace is unique.
    pub release: String,
    /// Host name of the shop: the namespace's name under the configured domain.
    pub host: String,
}

impl Placement {
    /// The placement of a store under `domain` (without a leading dot).
    pub fn new(id: &StoreId, tenant: &Tenant, domain: &str) -> Self {
        let release = format!("store-{id}");
        let namespace = if *tenant == Tenant::default() { release.clone() } else { format!("{release}--{tenant}") };
        let host = format!("{namespace}.{domain}");
        Self { namespace, release, host }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_names_are_valid() {
        let id: StoreId = "a".repeat(40).parse().unwrap_or_else(|e| unreachable!("{e}"));
        let tenant: Tenant = "t".repeat(15).parse().unwrap_or_else(|e| unreachable!("{e}"));
        let placement = Placement::new(&id, &tenant, "localhost");
        assert_eq!(placement.namespace.len(), 63);
        assert!(placement.release.len() <= 53, "helm refuses longer release names");
        assert_eq!(placement.host, format!("{}.localhost", placement.namespace));
    }

    #[test]
    fn same_id_in_two_tenants_gives_distinct_names() {
        let id: StoreId = "demo".parse().unwrap_or_else(|e| unreachable!("{e}"));
        let other: Tenant = "acme".parse().unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(Placement::new(&id, &Tenant::default(), "x").namespace, "store-demo");
        assert_eq!(Placement::new(&id, &other, "x").namespace, "store-demo--acme");
    }
}
