//! `[quotas]`: what a tenant may have, unless something else was set for it.

use serde::Serialize;
use storeplane_core::quota::{self, Limit, UNLIMITED, quantity};

use super::RetentionPeriod;
use super::section::Section;

/// Default number of stores of a tenant.
const STORES: Limit = Limit::AtMost(50);
/// Default number of stores that one caller creates within the window.
const CREATIONS: Limit = Limit::AtMost(5);
/// Default number of stores that one caller deletes within the window.
const DELETIONS: Limit = Limit::AtMost(10);
/// Default number of backups of a tenant that callers requested.
const BACKUPS: Limit = Limit::AtMost(100);
/// Default window.
const WINDOW: RetentionPeriod = RetentionPeriod::minutes(15);

/// `[quotas]`. Each limit is a number, of which 0 means none at all, or `unlimited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quotas {
    /// Stores that are not DELETED.
    pub stores: Limit,
    /// Names of the plans that new stores may have; default: all.
    pub plans: Vec<String>,
    /// Total CPU of the stores' plans, as a Kubernetes quantity; default: unlimited.
    pub cpu: String,
    /// Total memory; default: unlimited.
    pub memory: String,
    /// Total storage; default: unlimited.
    pub storage: String,
    /// Stores that one caller creates within the window.
    pub creations: Limit,
    /// Stores that one caller deletes within the window.
    pub deletions: Limit,
    /// Backups that callers requested and that are not deleted.
    pub backups: Limit,
    /// The window.
    pub window: RetentionPeriod,
}

pub(super) fn read(section: &mut Section) -> Quotas {
    let mut amount = |key, read: fn(&str) -> Option<i64>| {
        let rule = "must be a Kubernetes quantity such as \"20\" or \"64Gi\", or \"unlimited\"";
        section.checked(key, UNLIMITED.to_owned(), rule, |text: &String| text == UNLIMITED || read(text).is_some())
    };
    let (cpu, memory, storage) =
        (amount("cpu", quantity::millis), amount("memory", quantity::bytes), amount("storage", quantity::bytes));
    Quotas {
        stores: section.take("stores", STORES),
        plans: section.take("plans", Vec::new()),
        cpu,
        memory,
        storage,
        creations: section.take("creations", CREATIONS),
        deletions: section.take("deletions", DELETIONS),
        backups: section.take("backups", BACKUPS),
        window: section.checked("window", WINDOW, "must be at most 1d", |window| *window <= RetentionPeriod::days(1)),
    }
}

impl From<&Quotas> for quota::Quotas {
    fn from(quotas: &Quotas) -> Self {
        let amount = |text: &str, read: fn(&str) -> Option<i64>| read(text).map_or(Limit::Unlimited, Limit::AtMost);
        Self {
            stores: quotas.stores,
            plans: quotas.plans.clone(),
            cpu: amount(&quotas.cpu, quantity::millis),
            memory: amount(&quotas.memory, quantity::bytes),
            storage: amount(&quotas.storage, quantity::bytes),
            creations: quotas.creations,
            deletions: quotas.deletions,
            backups: quotas.backups,
            window: std::time::Duration::from(quotas.window).try_into().unwrap_or(time::Duration::DAY),
        }
    }
}
