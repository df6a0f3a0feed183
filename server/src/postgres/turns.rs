//! Creations in a tenant one after another, within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storeplane_core::error::{Outage, OutageKind, PortError};
use storeplane_core::ids::Tenant;
use tokio::sync::OwnedMutexGuard;

/// How long a creation waits for others.
const PATIENCE: Duration = Duration::from_secs(20);

type Queue = Arc<tokio::sync::Mutex<()>>;

/// The queues of tenants with creations in progress.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Tenant, Queue>>>);

/// The turn of one creation, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    tenant: Tenant,
    turns: Turns,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the creations before this one; gives up after a time.
    pub(super) async fn wait(&self, tenant: &Tenant) -> Result<Turn, PortError> {
        let queue = Arc::clone(self.lock().entry(tenant.clone()).or_default());
        // From here on, dropping it cleans up.
        let mut turn = Turn { tenant: tenant.clone(), turns: self.clone(), guard: None };
        let waited = tokio::time::timeout(PATIENCE, queue.lock_owned()).await;
        let guard = waited.map_err(|_| {
            let error = "too many creations wait in this tenant";
            PortError::Unavailable(Outage::new(OutageKind::Overloaded, error))
        })?;
        turn.guard = Some(guard);
        Ok(turn)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut queues = self.turns.lock();
        if queues.get(&self.tenant).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn creations_in_a_tenant_wait_for_each_other_and_leave_nothing_behind() {
        let turns = Turns::default();
        let (acme, beta) = ("acme".parse().expect("a tenant"), "beta".parse().expect("a tenant"));
        let first = turns.wait(&acme).await.expect("the first");
        let other = turns.wait(&beta).await.expect("another tenant does not wait");
        let late = turns.wait(&acme).await.expect_err("it gives up");
        assert!(matches!(late, PortError::Unavailable(outage) if outage.kind == OutageKind::Overloaded));
        let (second, ()) = tokio::join!(turns.wait(&acme), async { drop(first) });
        drop((second.expect("its turn"), other));
        assert!(turns.lock().is_empty());
    }
}
