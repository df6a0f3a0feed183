//! Limits how many operations a worker holds, and shares them between tenants.
//!
//! An operation that works (helm, changes) holds a slot; one that only waits for pods or for a namespace releases it and
//! counts among the waiting ones, of which there may be more. Of both, a tenant gets at most as many as remain free for
//! others, so that the next tenant always gets some. Some slots are reserved for deletions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storeplane_core::ids::Tenant;
use storeplane_core::operation::OperationKind;
use tokio::sync::Notify;

use crate::postgres::ClaimScope;

/// Number of waiting operations per slot.
const WAITING_PER_SLOT: usize = 4;
/// One in this number of slots is reserved for deletions.
const RESERVE: usize = 8;

/// The slots of one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    /// Working: creations and retries by tenant, and deletions.
    working: HashMap<Tenant, usize>,
    deleting: usize,
    /// Waiting: creations and retries by tenant, and deletions.
    waiting: HashMap<Tenant, usize>,
    deleting_waiting: usize,
}

/// The share of one operation. Dropping it releases it.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    tenant: Tenant,
    is_deletion: bool,
    waits: bool,
}

impl Slots {
    pub(super) fn new(total: usize) -> Self {
        Self(Arc::new(Inner { total, held: Mutex::default(), freed: Notify::new() }))
    }

    /// What may be claimed now; `None` if nothing.
    pub(super) fn scope(&self) -> Option<ClaimScope> {
        let (held, total) = (self.lock(), self.0.total);
        let most_waiting = total * WAITING_PER_SLOT;
        let (working, waiting): (usize, usize) = (held.working.values().sum(), held.waiting.values().sum());
        if working + held.deleting >= total {
            return None;
        }
        let reserve = if total > 1 { (total / RESERVE).max(1) } else { 0 };
        let left = (total - reserve).saturating_sub(working);
        let left_waiting = most_waiting.saturating_sub(waiting);
        let deletions = held.deleting_waiting < most_waiting;
        let others = left > 0 && left_waiting > 0;
        if !deletions && !others {
            return None;
        }
        let above = |counts: &HashMap<Tenant, usize>, left: usize| {
            let above = counts.iter().filter(|(_, count)| **count > left);
            above.map(|(tenant, _)| tenant.to_string()).collect::<Vec<_>>()
        };
        let mut tenants_at_limit = above(&held.working, left);
        tenants_at_limit.extend(above(&held.waiting, left_waiting));
        tenants_at_limit.sort();
        tenants_at_limit.dedup();
        Some(ClaimScope { deletions, others, tenants_at_limit })
    }

    /// Takes a slot for a claimed operation.
    pub(super) fn take(&self, tenant: &Tenant, kind: OperationKind) -> Slot {
        let slot = Slot {
            slots: self.clone(),
            tenant: tenant.clone(),
            is_deletion: kind == OperationKind::Delete,
            waits: false,
        };
        self.lock().count(&slot, 1);
        slot
    }

    /// Resolves when something was released.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn count(&mut self, slot: &Slot, by: isize) {
        let counts = if slot.waits { &mut self.waiting } else { &mut self.working };
        let count = match (slot.is_deletion, slot.waits) {
            (true, false) => &mut self.deleting,
            (true, true) => &mut self.deleting_waiting,
            (false, _) => counts.entry(slot.tenant.clone()).or_default(),
        };
        *count = count.saturating_add_signed(by);
        counts.retain(|_, count| *count > 0);
    }
}

impl Slot {
    /// From now on the operation only waits.
    pub(super) fn wait(&mut self) {
        self.set_waits(true);
    }

    /// From now on the operation works again. It never waits for a slot, so more operations than slots may work for a
    /// while; nothing is claimed then.
    pub(super) fn work(&mut self) {
        self.set_waits(false);
    }

    fn set_waits(&mut self, waits: bool) {
        if self.waits == waits {
            return;
        }
        let mut held = self.slots.lock();
        held.count(self, -1);
        self.waits = waits;
        held.count(self, 1);
        drop(held);
        self.slots.0.freed.notify_one();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().count(self, -1);
        self.slots.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> Tenant {
        name.parse().expect("a tenant")
    }

    /// Claims for this tenant until its share is used up.
    fn fill(slots: &Slots, name: &str, wait: bool) -> Vec<Slot> {
        let mut taken = Vec::new();
        while let Some(scope) = slots.scope()
            && scope.others
            && !scope.tenants_at_limit.contains(&name.to_owned())
        {
            let mut slot = slots.take(&tenant(name), OperationKind::Create);
            if wait {
                slot.wait();
            }
            taken.push(slot);
        }
        taken
    }

    #[test]
    fn tenant_leaves_slots_for_others_and_deletions() {
        let slots = Slots::new(16);
        let a = fill(&slots, "a", false);
        let b = fill(&slots, "b", false);
        let c = fill(&slots, "c", false);
        assert_eq!((a.len(), b.len(), c.len()), (8, 4, 2), "14 of 16 are not for deletions");
        assert_eq!(slots.scope().map(|scope| (scope.deletions, scope.others)), Some((true, false)));
        let deletions: Vec<_> = (0..2).map(|_| slots.take(&tenant("a"), OperationKind::Delete)).collect();
        assert_eq!(slots.scope(), None);
        drop(deletions);
        assert!(slots.scope().is_some());
        drop((a, b, c));
        assert_eq!(slots.scope(), Some(ClaimScope::default()));
    }

    #[test]
    fn waiting_operations_hold_no_slot_and_are_bounded() {
        let slots = Slots::new(4);
        let stuck = fill(&slots, "a", true);
        assert_eq!(stuck.len(), 9, "of 16 that may wait");
        assert!(!fill(&slots, "b", false).is_empty(), "another tenant goes on");
        let scope = slots.scope().expect("deletions go on");
        assert_eq!(scope.tenants_at_limit, ["a"]);
    }

    #[test]
    fn deletions_that_wait_leave_creations_alone() {
        let slots = Slots::new(2);
        let mut stuck: Vec<_> = (0..8).map(|_| slots.take(&tenant("a"), OperationKind::Delete)).collect();
        stuck.iter_mut().for_each(Slot::wait);
        assert_eq!(slots.scope().map(|scope| (scope.deletions, scope.others)), Some((false, true)));
        assert_eq!(fill(&slots, "b", false).len(), 1);
    }

    #[test]
    fn rollback_after_a_wait_holds_a_slot_again() {
        let slots = Slots::new(1);
        let mut slot = slots.take(&tenant("a"), OperationKind::Create);
        slot.wait();
        assert!(slots.scope().is_some());
        slot.work();
        assert_eq!(slots.scope(), None);
        drop(slot);
        assert_eq!(slots.scope(), Some(ClaimScope::default()));
    }

    #[test]
    fn single_slot_serves_all_tenants_in_turn() {
        let slots = Slots::new(1);
        let only = slots.take(&tenant("a"), OperationKind::Create);
        assert_eq!(slots.scope(), None);
        drop(only);
        assert_eq!(slots.scope(), Some(ClaimScope::default()));
    }
}
