//! Creations in a tenant one after another, within this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storeplane_core::error::{Outage, OutageKind, PortError};
use storeplane_core::ids::Tenant;
use tokio::sync::OwnedMutexGuard;

/// How long a creation waits for others.
const WAIT_MAX: Duration = Duration::from_secs(20);

type Queue = Arc<tokio::sync::Mutex<()>>;

/// The queues of tenants with creations in progress.
#[derive(Debug, Clone, Default)]
pub(super) struct CreationQueues(Arc<Mutex<HashMap<Tenant, Queue>>>);

/// One creation that may proceed, until it is dropped.
#[derive(Debug)]
pub(super) struct CreationPermit {
    tenant: Tenant,
    queues: CreationQueues,
    guard: Option<OwnedMutexGuard<()>>,
}

impl CreationQueues {
    /// Waits for the creations before this one; gives up after a time.
    pub(super) async fn wait(&self, tenant: &Tenant) -> Result<CreationPermit, PortError> {
        let queue = Arc::clone(self.lock().entry(tenant.clone()).or_default());
        // From here on, dropping it cleans up.
        let mut permit = CreationPermit { tenant: tenant.clone(), queues: self.clone(), guard: None };
        let waited = tokio::time::timeout(WAIT_MAX, queue.lock_owned()).await;
        let guard = waited.map_err(|_| {
            let error = "too many creations wait in this tenant";
            PortError::Unavailable(Outage::new(OutageKind::Overloaded, error))
        })?;
        permit.guard = Some(guard);
        Ok(permit)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CreationPermit {
    fn drop(&mut self) {
        self.guard = None;
        let mut queues = self.queues.lock();
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
        let queues = CreationQueues::default();
        let (acme, beta) = ("acme".parse().expect("a tenant"), "beta".parse().expect("a tenant"));
        let first = queues.wait(&acme).await.expect("the first");
        let other = queues.wait(&beta).await.expect("another tenant does not wait");
        let late = queues.wait(&acme).await.expect_err("it gives up");
        assert!(matches!(late, PortError::Unavailable(outage) if outage.kind == OutageKind::Overloaded));
        let (second, ()) = tokio::join!(queues.wait(&acme), async { drop(first) });
        drop((second.expect("the next one"), other));
        assert!(queues.lock().is_empty());
    }
}
