//! The leases of this worker. One statement renews all of them; one that is not in its result is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storeplane_core::ids::OperationId;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::boottime::BootTime;
use crate::outage::OutageLog;
use crate::postgres::{Claim, Queue, Renewed};

/// Number of renewals within the duration of a lease.
const RENEWALS: u32 = 5;
/// Notifications arrive in bursts; one read handles all of a burst.
const GATHER: Duration = Duration::from_millis(15);

static RENEWAL: OutageLog = OutageLog::new("renew leases");

/// The held leases. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    held: Arc<Mutex<HashMap<OperationId, LeaseHandle>>>,
    lease: Duration,
}

#[derive(Debug)]
struct LeaseHandle {
    /// The number of the claim: an operation may be claimed again before the guard of its last claim is dropped.
    fence: i64,
    lost: CancellationToken,
    cancel: CancellationToken,
    renewed: watch::Sender<BootTime>,
}

/// One held lease. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct LeaseGuard {
    /// Cancelled when the execution must stop at once: the lease is lost or the server stops.
    pub(super) halt: CancellationToken,
    /// Cancelled when the lease is lost.
    pub(super) lost: CancellationToken,
    /// Cancelled when the operation's cancellation was requested.
    pub(super) cancel: CancellationToken,
    /// When the lease was last renewed: the local time before the request.
    pub(super) renewed: watch::Receiver<BootTime>,
    leases: Leases,
    operation: OperationId,
    fence: i64,
}

impl Leases {
    pub(super) fn new(lease: Duration) -> Self {
        Self { held: Arc::default(), lease }
    }

    /// Adds a new lease. An older one of the same operation is lost.
    pub(super) fn hold(&self, claim: &Claim, shutdown: &CancellationToken) -> LeaseGuard {
        let guard = self.insert(claim.lease.operation, claim.lease.fence, claim.asked_at, shutdown);
        if claim.snapshot.operation.cancel_requested {
            guard.cancel.cancel();
        }
        guard
    }

    fn insert(
        &self,
        operation: OperationId,
        fence: i64,
        asked_at: BootTime,
        shutdown: &CancellationToken,
    ) -> LeaseGuard {
        let halt = shutdown.child_token();
        let (lost, cancel) = (CancellationToken::new(), CancellationToken::new());
        let (sender, renewed) = watch::channel(asked_at);
        let handle = LeaseHandle { fence, lost: lost.clone(), cancel: cancel.clone(), renewed: sender };
        if let Some(older) = self.lock().insert(operation, handle) {
            older.lost.cancel();
        }
        LeaseGuard { halt, lost, cancel, renewed, leases: self.clone(), operation, fence }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, LeaseHandle>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claims(&self) -> Vec<(OperationId, i64)> {
        self.lock().iter().map(|(operation, handle)| (*operation, handle.fence)).collect()
    }

    /// Drops leases that were not renewed for too long.
    fn expire(&self) {
        for handle in self.lock().values() {
            if handle.renewed.borrow().elapsed() >= self.lease {
                handle.lost.cancel();
            }
        }
    }
}

impl LeaseGuard {
    /// True once the lease is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        if held.get(&self.operation).is_some_and(|handle| handle.fence == self.fence) {
            held.remove(&self.operation);
        }
    }
}

/// Renews the leases until `stop`, at a fixed rate. A notification that an operation may have been cancelled causes a read.
pub(super) async fn renew(leases: Leases, queue: Queue, mut wakeups: watch::Receiver<()>, stop: CancellationToken) {
    let every = leases.lease / RENEWALS;
    let mut timer = tokio::time::interval_at(Instant::now() + every, every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = timer.tick() => renew_all(&leases, &queue, every).await,
            _ = wakeups.changed() => {
                tokio::time::sleep(GATHER).await;
                wakeups.mark_unchanged();
                read_cancellations(&leases, &queue, every).await;
            }
        }
    }
}

async fn renew_all(leases: &Leases, queue: &Queue, limit: Duration) {
    let claims = leases.claims();
    if claims.is_empty() {
        return;
    }
    let operations: Vec<_> = claims.iter().map(|(operation, _)| *operation).collect();
    let asked_at = BootTime::now();
    match tokio::time::timeout(limit, queue.renew(&operations)).await {
        Ok(Ok(renewed)) => {
            RENEWAL.worked();
            settle(leases, &claims, &renewed, asked_at);
        }
        Ok(Err(error)) => RENEWAL.failed(&error),
        Err(_) => RENEWAL.timed_out(limit),
    }
    leases.expire();
}

/// The next renewal returns them as well, so nothing is lost if this fails.
async fn read_cancellations(leases: &Leases, queue: &Queue, limit: Duration) {
    let operations: Vec<_> = leases.claims().into_iter().map(|(operation, _)| operation).collect();
    if operations.is_empty() {
        return;
    }
    if let Ok(Ok(cancelled)) = tokio::time::timeout(limit / 2, queue.cancelled(&operations)).await {
        let held = leases.lock();
        for handle in cancelled.iter().filter_map(|operation| held.get(operation)) {
            handle.cancel.cancel();
        }
    }
}

fn settle(leases: &Leases, asked: &[(OperationId, i64)], renewed: &[Renewed], asked_at: BootTime) {
    let held = leases.lock();
    for (operation, fence) in asked {
        // It was claimed again since the request: the result is about the older claim.
        let Some(handle) = held.get(operation).filter(|handle| handle.fence == *fence) else { continue };
        match renewed.iter().find(|renewed| renewed.operation == *operation) {
            Some(renewed) => {
                handle.renewed.send_replace(asked_at);
                if renewed.cancel_requested {
                    handle.cancel.cancel();
                }
            }
            None => handle.lost.cancel(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn dropped_guard_and_old_response_do_not_affect_next_claim() {
        let (leases, shutdown) = (Leases::new(Duration::from_secs(15)), CancellationToken::new());
        let operation = OperationId(Uuid::nil());
        let first = leases.insert(operation, 1, BootTime::now(), &shutdown);
        let asked = leases.claims();
        let second = leases.insert(operation, 2, BootTime::now(), &shutdown);
        assert!(first.is_lost() && !second.is_lost());
        settle(&leases, &asked, &[], BootTime::now());
        assert!(!second.is_lost(), "the answer was about the first claim");
        drop(first);
        assert_eq!(leases.claims(), [(operation, 2)]);
        settle(&leases, &leases.claims(), &[], BootTime::now());
        assert!(second.is_lost());
        drop(second);
        assert_eq!(leases.claims(), []);
    }
}
