//! Quotas of tenants: what a tenant may have, and how often one caller may create and delete stores.
//!
//! [`limit`] is a number or its absence, [`quantity`] reads Kubernetes quantities, [`admission`] decides.

mod admission;
mod limit;
pub mod quantity;

pub use admission::{QuotaError, QuotaUse, Rate, Size, Usage};
pub use limit::{Limit, UNLIMITED};
use serde::{Deserialize, Serialize};
use time::Duration;

/// What applies to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Stores that are not DELETED.
    pub stores: Limit,
    /// Plans of new stores; empty: all.
    pub plans: Vec<String>,
    /// Total CPU of the stores' plans, in millicores.
    pub cpu: Limit,
    /// Total memory, in bytes.
    pub memory: Limit,
    /// Total storage, in bytes.
    pub storage: Limit,
    /// Stores that one caller creates within the window.
    pub creations: Limit,
    /// Stores that one caller deletes within the window.
    pub deletions: Limit,
    /// Backups that callers requested and that are not deleted: they never expire while their store exists.
    pub backups: Limit,
    /// The window; the same for all tenants.
    pub window: Duration,
}

impl Quotas {
    /// No limits.
    pub fn unlimited() -> Self {
        let limit = Limit::Unlimited;
        Self {
            stores: limit,
            plans: Vec::new(),
            cpu: limit,
            memory: limit,
            storage: limit,
            creations: limit,
            deletions: limit,
            backups: limit,
            window: Duration::minutes(15),
        }
    }
}

/// The plan that stands for all plans in a tenant's quotas.
pub const ALL_PLANS: &str = "*";

/// What was set for one tenant; `None` and no plan mean the default. Stored as JSON: fields that a newer server added are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TenantQuotas {
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stores: Option<Limit>,
    /// As in [`Quotas`]; [`ALL_PLANS`] for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Limit>,
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Limit>,
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Limit>,
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creations: Option<Limit>,
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletions: Option<Limit>,
    /// As in [`Quotas`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<Limit>,
}

impl TenantQuotas {
    /// What applies: these over the defaults.
    pub fn over(&self, defaults: &Quotas) -> Quotas {
        let plans = match self.plans.as_slice() {
            [] => defaults.plans.clone(),
            [all] if all == ALL_PLANS => Vec::new(),
            plans => plans.to_vec(),
        };
        Quotas {
            stores: self.stores.unwrap_or(defaults.stores),
            plans,
            cpu: self.cpu.unwrap_or(defaults.cpu),
            memory: self.memory.unwrap_or(defaults.memory),
            storage: self.storage.unwrap_or(defaults.storage),
            creations: self.creations.unwrap_or(defaults.creations),
            deletions: self.deletions.unwrap_or(defaults.deletions),
            backups: self.backups.unwrap_or(defaults.backups),
            window: defaults.window,
        }
    }
}

impl From<&Quotas> for TenantQuotas {
    fn from(quotas: &Quotas) -> Self {
        let plans = if quotas.plans.is_empty() { vec![ALL_PLANS.to_owned()] } else { quotas.plans.clone() };
        Self {
            stores: Some(quotas.stores),
            plans,
            cpu: Some(quotas.cpu),
            memory: Some(quotas.memory),
            storage: Some(quotas.storage),
            creations: Some(quotas.creations),
            deletions: Some(quotas.deletions),
            backups: Some(quotas.backups),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tenant_quotas_override_single_defaults() {
        let defaults = Quotas { stores: Limit::AtMost(50), plans: vec!["small".into()], ..Quotas::unlimited() };
        assert_eq!(TenantQuotas::default().over(&defaults), defaults);
        let own = TenantQuotas { stores: Some(Limit::AtMost(0)), plans: vec!["*".into()], ..TenantQuotas::default() };
        let applied = own.over(&defaults);
        assert_eq!((applied.stores, applied.plans), (Limit::AtMost(0), Vec::<String>::new()));
        assert_eq!(TenantQuotas::from(&defaults).over(&Quotas::unlimited()), defaults);
    }

    #[test]
    fn stored_quotas_are_read_tolerantly() {
        let own =
            TenantQuotas { stores: Some(Limit::AtMost(7)), cpu: Some(Limit::Unlimited), ..TenantQuotas::default() };
        let stored = serde_json::to_value(&own).expect("JSON");
        assert_eq!(stored, json!({"stores": 7, "cpu": "unlimited"}));
        assert_eq!(serde_json::from_value::<TenantQuotas>(stored).expect("read"), own);
        let newer = json!({"stores": 7, "cpu": "unlimited", "gpus": 1});
        assert_eq!(serde_json::from_value::<TenantQuotas>(newer).expect("read"), own);
        for bad in [json!({"stores": -1}), json!({"stores": "many"}), json!({"stores": 1.5})] {
            assert!(serde_json::from_value::<TenantQuotas>(bad).is_err());
        }
    }
}
