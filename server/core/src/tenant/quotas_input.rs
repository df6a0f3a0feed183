//! Quotas of a tenant as a request has them.

use crate::quota::{ALL_PLANS, Limit, TenantQuotas, UNLIMITED, quantity};
use crate::validate::Check;

/// Maximum number of plans in a quota.
const PLANS_MAX: usize = 100;
/// Maximum length of a plan's name.
const PLAN_MAX: usize = 63;
/// No limit, as a number.
const NO_LIMIT: i64 = -1;

/// Quotas as received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuotasInput {
    /// Stores; -1 for no limit.
    pub stores: Option<i64>,
    /// Plans; `*` for all.
    pub plans: Vec<String>,
    /// A quantity, `unlimited` or empty.
    pub cpu: String,
    /// A quantity, `unlimited` or empty.
    pub memory: String,
    /// A quantity, `unlimited` or empty.
    pub storage: String,
    /// Creations in the window; -1 for no limit.
    pub creations: Option<i64>,
    /// Deletions in the window; -1 for no limit.
    pub deletions: Option<i64>,
    /// Backups; -1 for no limit.
    pub backups: Option<i64>,
}

impl QuotasInput {
    pub(super) fn check(&self, check: &mut Check) -> TenantQuotas {
        let mut number = |name: &str, value: Option<i64>| match value {
            None => None,
            Some(NO_LIMIT) => Some(Limit::Unlimited),
            Some(value) if value >= 0 => Some(Limit::AtMost(value)),
            Some(_) => {
                check.fail(&path(name), "must be at least 0, or -1 for no limit");
                None
            }
        };
        let (stores, creations, deletions) =
            (number("stores", self.stores), number("creations", self.creations), number("deletions", self.deletions));
        let backups = number("backups", self.backups);
        let mut amount = |name: &str, text: &str, read: fn(&str) -> Option<i64>| match text {
            "" => None,
            UNLIMITED => Some(Limit::Unlimited),
            text => {
                let read = read(text);
                if read.is_none() {
                    check.fail(&path(name), "must be a Kubernetes quantity such as 20, 1500m or 64Gi, or unlimited");
                }
                read.map(Limit::AtMost)
            }
        };
        let cpu = amount("cpu", &self.cpu, quantity::millis);
        let memory = amount("memory", &self.memory, quantity::bytes);
        let storage = amount("storage", &self.storage, quantity::bytes);
        let plans = self.plans(check);
        TenantQuotas { stores, plans, cpu, memory, storage, creations, deletions, backups }
    }

    /// Plans are not looked up: a quota may name one that an engine gets later.
    fn plans(&self, check: &mut Check) -> Vec<String> {
        let mut plans = self.plans.clone();
        plans.sort_unstable();
        plans.dedup();
        let is_all = plans.iter().any(|plan| plan == ALL_PLANS);
        let is_name = |plan: &String| (1..=PLAN_MAX).contains(&plan.len()) && !plan.chars().any(char::is_control);
        if plans.len() > PLANS_MAX || !plans.iter().all(is_name) || (is_all && plans.len() > 1) {
            let rule = "must be names of plans, or * alone";
            check.fail(&path("plans"), format!("{rule}; at most {PLANS_MAX}, each with at most {PLAN_MAX} characters"));
        }
        plans
    }

    /// All fields, for the fingerprint of a request.
    pub(super) fn texts(&self) -> Vec<String> {
        let number = |value: Option<i64>| value.map_or_else(String::new, |value| value.to_string());
        let mut texts = [self.stores, self.creations, self.deletions, self.backups].map(number).to_vec();
        texts.extend([self.cpu.clone(), self.memory.clone(), self.storage.clone()]);
        texts.extend(self.plans.clone());
        texts
    }
}

/// The path of a quota in a request.
pub(super) fn path(name: &str) -> String {
    format!("tenant.quotas.{name}")
}
