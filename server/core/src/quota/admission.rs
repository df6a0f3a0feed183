//! Whether a tenant's quotas permit a change.

use time::Duration;

use super::{Limit, Quotas};
use crate::ids::Tenant;

/// The name of the quota of backups.
const BACKUPS: &str = "backups";

/// CPU, memory and storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Millicores.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub storage: i64,
}

impl Size {
    /// That of `count` such plans.
    #[must_use]
    pub fn times(self, count: i64) -> Self {
        let Self { cpu, memory, storage } = self;
        let times = |one: i64| one.saturating_mul(count);
        Self { cpu: times(cpu), memory: times(memory), storage: times(storage) }
    }

    /// The larger of both, each by itself.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
            storage: self.storage.max(other.storage),
        }
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(other.cpu),
            memory: self.memory.saturating_sub(other.memory),
            storage: self.storage.saturating_sub(other.storage),
        }
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            storage: self.storage.saturating_add(other.storage),
        }
    }
}

/// What a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Stores that are not DELETED.
    pub stores: i64,
    /// The total size of their plans.
    pub size: Size,
    /// Backups that callers requested.
    pub backups: i64,
}

/// A quota and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaUse {
    /// Its name: a field of [`Quotas`].
    pub name: &'static str,
    /// How much is used.
    pub used: i64,
    /// The limit.
    pub limit: i64,
}

impl QuotaUse {
    /// Use and limit with their units.
    pub fn texts(&self) -> (String, String) {
        let text = |number: i64| match self.name {
            "cpu" => super::quantity::cpu_text(number),
            "memory" | "storage" => super::quantity::bytes_text(number),
            _ => number.to_string(),
        };
        (text(self.used), text(self.limit))
    }
}

/// What one caller does, as often as its quota permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Creating stores.
    Creations,
    /// Deleting stores.
    Deletions,
}

impl Rate {
    /// The name of the quota.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creations => "creations",
            Self::Deletions => "deletions",
        }
    }
}

/// Why a quota does not permit a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The change would exceed quotas.
    #[error("tenant \"{tenant}\" has reached its quota: {}", list(.exceeded))]
    Exceeded {
        /// Which tenant.
        tenant: Tenant,
        /// Which quotas, with their use so far.
        exceeded: Vec<QuotaUse>,
    },
    /// The tenant may not use the plan.
    #[error("tenant \"{tenant}\" may not use plan \"{plan}\"; it may use {}", .allowed.join(", "))]
    PlanNotAllowed {
        /// Which tenant.
        tenant: Tenant,
        /// The plan.
        plan: String,
        /// What it may use.
        allowed: Vec<String>,
    },
    /// The caller does it too often.
    #[error("a caller may make {limit} {} within {} in tenant \"{tenant}\"; the next one is possible in {}", .rate.name(), minutes(.window), minutes(.retry_after))]
    TooOften {
        /// Which tenant.
        tenant: Tenant,
        /// What.
        rate: Rate,
        /// How often it may.
        limit: i64,
        /// Within which time.
        window: Duration,
        /// When the next one is possible.
        retry_after: Duration,
    },
}

impl QuotaError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exceeded { exceeded, .. } if exceeded.iter().any(|quota| quota.name == "stores") => {
                "STORE_QUOTA_EXCEEDED"
            }
            Self::Exceeded { exceeded, .. } if exceeded.iter().any(|quota| quota.name == BACKUPS) => {
                "BACKUP_QUOTA_EXCEEDED"
            }
            Self::Exceeded { .. } => "RESOURCE_QUOTA_EXCEEDED",
            Self::PlanNotAllowed { .. } => "PLAN_NOT_ALLOWED",
            Self::TooOften { rate: Rate::Creations, .. } => "CREATION_RATE_EXCEEDED",
            Self::TooOften { rate: Rate::Deletions, .. } => "DELETION_RATE_EXCEEDED",
        }
    }
}

fn list(exceeded: &[QuotaUse]) -> String {
    let texts = exceeded.iter().map(|quota| {
        let (used, limit) = quota.texts();
        format!("{}, {used} of {limit}", quota.name)
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// For people, rounded up.
fn minutes(duration: &Duration) -> String {
    let seconds = duration.whole_seconds() + i64::from(duration.subsec_nanoseconds() > 0);
    if seconds >= 120 { format!("{} min", (seconds + 59) / 60) } else { format!("{seconds} s") }
}

impl Quotas {
    /// Whether new stores may have this plan.
    pub fn allows_plan(&self, plan: &str) -> bool {
        self.plans.is_empty() || self.plans.iter().any(|allowed| allowed == plan)
    }

    /// Whether a store of this plan may be added.
    pub fn admit_store(&self, tenant: &Tenant, plan: &str, adds: Size, usage: &Usage) -> Result<(), QuotaError> {
        self.admit(tenant, plan, (1, adds), usage)
    }

    /// Whether a store may get this plan, which adds so much to its size.
    pub fn admit_plan(&self, tenant: &Tenant, plan: &str, adds: Size, usage: &Usage) -> Result<(), QuotaError> {
        self.admit(tenant, plan, (0, adds), usage)
    }

    fn admit(&self, tenant: &Tenant, plan: &str, (stores, adds): (i64, Size), usage: &Usage) -> Result<(), QuotaError> {
        let tenant = tenant.clone();
        if !self.allows_plan(plan) {
            return Err(QuotaError::PlanNotAllowed { tenant, plan: plan.to_owned(), allowed: self.plans.clone() });
        }
        let after = [stores, adds.cpu, adds.memory, adds.storage].into_iter();
        let exceeded: Vec<_> = self
            .totals(usage)
            .into_iter()
            .zip(after)
            .filter_map(|((name, used, limit), adds)| match limit {
                Limit::AtMost(limit) if adds > 0 && used.saturating_add(adds) > limit => {
                    Some(QuotaUse { name, used, limit })
                }
                _ => None,
            })
            .collect();
        if exceeded.is_empty() { Ok(()) } else { Err(QuotaError::Exceeded { tenant, exceeded }) }
    }

    /// Whether a backup may be added that a caller requested, beside so many.
    pub fn admit_backup(&self, tenant: &Tenant, used: i64) -> Result<(), QuotaError> {
        match self.backups {
            Limit::AtMost(limit) if used >= limit => {
                let exceeded = vec![QuotaUse { name: BACKUPS, used, limit }];
                Err(QuotaError::Exceeded { tenant: tenant.clone(), exceeded })
            }
            _ => Ok(()),
        }
    }

    /// The limit of what one caller does within the window.
    pub fn rate(&self, rate: Rate) -> Limit {
        match rate {
            Rate::Creations => self.creations,
            Rate::Deletions => self.deletions,
        }
    }

    /// True if creations are counted: only one at a time can be admitted.
    pub fn counts_creations(&self) -> bool {
        !self.has_no_totals() || self.creations != Limit::Unlimited
    }

    /// Only the quotas that count what one caller does.
    #[must_use]
    pub fn without_totals(self) -> Self {
        let Self { creations, deletions, window, .. } = self;
        Self { creations, deletions, window, ..Self::unlimited() }
    }

    /// True if no total of the stores is limited.
    pub fn has_no_totals(&self) -> bool {
        self.totals(&Usage::default()).iter().all(|(_, _, limit)| *limit == Limit::Unlimited)
    }

    /// The use of every quota that is limited. `creations` and `deletions` are the caller's within the window.
    pub fn usage(&self, usage: &Usage, creations: i64, deletions: i64) -> Vec<QuotaUse> {
        let rates = [(Rate::Creations, creations), (Rate::Deletions, deletions)];
        let rates = rates.into_iter().map(|(rate, used)| (rate.name(), used, self.rate(rate)));
        let backups = (BACKUPS, usage.backups, self.backups);
        let all = self.totals(usage).into_iter().chain(rates).chain([backups]);
        let limited = all.filter_map(|(name, used, limit)| match limit {
            Limit::AtMost(limit) => Some(QuotaUse { name, used, limit }),
            Limit::Unlimited => None,
        });
        limited.collect()
    }

    fn totals(&self, usage: &Usage) -> [(&'static str, i64, Limit); 4] {
        [
            ("stores", usage.stores, self.stores),
            ("cpu", usage.size.cpu, self.cpu),
            ("memory", usage.size.memory, self.memory),
            ("storage", usage.size.storage, self.storage),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(cpu: i64) -> Size {
        Size { cpu, memory: 0, storage: 0 }
    }

    fn reason(result: Result<(), QuotaError>) -> &'static str {
        result.err().map_or("", |error| error.reason())
    }

    #[test]
    fn each_total_is_exceeded_by_what_the_store_adds() {
        let tenant = Tenant::default();
        let used = |stores, cpu| Usage { stores, size: size(cpu), backups: 0 };
        let quotas = Quotas { stores: Limit::AtMost(2), cpu: Limit::AtMost(3000), ..Quotas::unlimited() };
        let admit = |adds, usage| reason(quotas.admit_store(&tenant, "small", size(adds), &usage));
        assert_eq!(admit(1000, used(1, 2000)), "");
        assert_eq!(admit(1001, used(1, 2000)), "RESOURCE_QUOTA_EXCEEDED");
        assert_eq!(admit(0, used(2, 0)), "STORE_QUOTA_EXCEEDED");
        assert_eq!(admit(i64::MAX, used(i64::MAX, i64::MAX)), "STORE_QUOTA_EXCEEDED", "nothing overflows");
        assert_eq!(admit(0, used(0, 9000)), "", "a lowered quota does not refuse what adds nothing to it");
        let resize = |adds, usage| reason(quotas.admit_plan(&tenant, "large", size(adds), &usage));
        assert_eq!((resize(1000, used(2, 2000)), resize(1001, used(2, 2000))), ("", "RESOURCE_QUOTA_EXCEEDED"));
        assert_eq!(resize(-1, used(9, 9000)), "", "a smaller plan is always permitted");
        let none = Quotas { stores: Limit::AtMost(0), ..Quotas::unlimited() };
        assert_eq!(reason(none.admit_store(&tenant, "small", size(0), &used(0, 0))), "STORE_QUOTA_EXCEEDED");
        assert_eq!(reason(Quotas::unlimited().admit_store(&tenant, "small", size(i64::MAX), &used(i64::MAX, 1))), "");
    }

    #[test]
    fn message_names_every_exceeded_quota_in_its_unit() {
        let quotas = Quotas {
            stores: Limit::AtMost(1),
            cpu: Limit::AtMost(1500),
            memory: Limit::AtMost(1 << 30),
            storage: Limit::AtMost(0),
            ..Quotas::unlimited()
        };
        let adds = Size { cpu: 1, memory: 1, storage: 1 };
        let usage = Usage { stores: 1, size: Size { cpu: 1500, memory: 1 << 30, storage: 5 << 30 }, backups: 0 };
        let error = quotas.admit_store(&Tenant::default(), "small", adds, &usage).expect_err("exceeded");
        assert_eq!(
            error.to_string(),
            "tenant \"default\" has reached its quota: stores, 1 of 1; cpu, 1500m of 1500m; memory, 1Gi of 1Gi; storage, 5Gi of 0"
        );
    }

    #[test]
    fn only_allowed_plans_are_admitted() {
        let quotas = Quotas { plans: vec!["small".into(), "standard".into()], ..Quotas::unlimited() };
        let admit = |plan| reason(quotas.admit_store(&Tenant::default(), plan, size(0), &Usage::default()));
        assert_eq!((admit("small"), admit("large")), ("", "PLAN_NOT_ALLOWED"));
    }

    #[test]
    fn backups_are_admitted_up_to_their_quota() {
        let admit = |backups, used| {
            let quotas = Quotas { backups, ..Quotas::unlimited() };
            quotas.admit_backup(&Tenant::default(), used).map_err(|error| (error.reason(), error.to_string()))
        };
        assert_eq!([admit(Limit::AtMost(3), 2), admit(Limit::Unlimited, i64::MAX)], [Ok(()), Ok(())]);
        let full = |used: i64, limit: i64| {
            let message = format!("tenant \"default\" has reached its quota: backups, {used} of {limit}");
            Err(("BACKUP_QUOTA_EXCEEDED", message))
        };
        assert_eq!(admit(Limit::AtMost(3), 3), full(3, 3));
        assert_eq!(admit(Limit::AtMost(3), 9), full(9, 3), "of a lowered quota");
        assert_eq!(admit(Limit::AtMost(0), 0), full(0, 0));
    }

    #[test]
    fn only_limited_quotas_are_shown() {
        let (stores, deletions, backups) = (Limit::AtMost(5), Limit::AtMost(0), Limit::AtMost(9));
        let quotas = Quotas { stores, deletions, backups, ..Quotas::unlimited() };
        let shown = quotas.usage(&Usage { stores: 3, size: size(9), backups: 7 }, 4, 2);
        let shown: Vec<_> = shown.iter().map(|quota| (quota.name, quota.used, quota.limit)).collect();
        assert_eq!(shown, [("stores", 3, 5), ("deletions", 2, 0), ("backups", 7, 9)]);
        assert!(Quotas::unlimited().has_no_totals() && !quotas.has_no_totals());
        let own = quotas.clone().without_totals();
        assert!(own.has_no_totals() && (own.creations, own.deletions) == (quotas.creations, quotas.deletions));
        assert_eq!(own.backups, Limit::Unlimited, "it counts backups of stores that the caller may not see");
        let by_rate = Quotas { creations: Limit::AtMost(5), ..Quotas::unlimited() };
        let counted = [quotas, by_rate, Quotas::unlimited()].map(|quotas| quotas.counts_creations());
        assert_eq!(counted, [true, true, false]);
    }

    #[test]
    fn waiting_time_is_rounded_up() {
        for (time, text) in [
            (Duration::seconds(900), "15 min"),
            (Duration::milliseconds(119_001), "2 min"),
            (Duration::milliseconds(118_001), "119 s"),
            (Duration::ZERO, "0 s"),
        ] {
            assert_eq!(minutes(&time), text);
        }
    }
}
