//! Which operations this worker holds. One statement renews all of them; who is not in its answer is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storeplane_core::ids::OperationId;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::outage::OutageLog;
use crate::postgres::{Claim, Queue};

/// Leases are renewed this often in the time that one lasts.
const RENEWALS: u32 = 5;
/// Hints come in bursts; one read answers all of a burst.
const GATHER: Duration = Duration::from_millis(15);

static RENEWAL: OutageLog = OutageLog::new("renew leases");

/// The leases that are held. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    held: Arc<Mutex<HashMap<OperationId, LeaseHandle>>>,
    lease: Duration,
}

#[derive(Debug)]
struct LeaseHandle {
    lost: CancellationToken,
    cancel: CancellationToken,
    renewed: watch::Sender<Instant>,
}

/// One held lease, as the operation's walk sees it. Dropping it gives it up.
#[derive(Debug)]
pub(super) struct LeaseGuard {
    /// Cancelled when the walk must stop at once: the lease is lost or the server stops.
    pub(super) halt: CancellationToken,
    /// Cancelled when the lease is lost.
    pub(super) lost: CancellationToken,
    /// Cancelled when somebody asked for the operation to be cancelled.
    pub(super) cancel: CancellationToken,
    /// When the lease was last renewed: the moment before that was asked for.
    pub(super) renewed: watch::Receiver<Instant>,
    leases: Leases,
    operation: OperationId,
}

impl Leases {
    pub(super) fn new(lease: Duration) -> Self {
        Self { held: Arc::default(), lease }
    }

    /// Takes in a lease that was just claimed.
    pub(super) fn hold(&self, claim: &Claim, shutdown: &CancellationToken) -> LeaseGuard {
        let halt = shutdown.child_token();
        let (lost, cancel) = (CancellationToken::new(), CancellationToken::new());
        let (sender, renewed) = watch::channel(claim.asked_at);
        if claim.snapshot.operation.cancel_requested {
            cancel.cancel();
        }
        let operation = claim.lease.operation;
        let handle = LeaseHandle { lost: lost.clone(), cancel: cancel.clone(), renewed: sender };
        self.lock().insert(operation, handle);
        LeaseGuard { halt, lost, cancel, renewed, leases: self.clone(), operation }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OperationId, LeaseHandle>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operations(&self) -> Vec<OperationId> {
        self.lock().keys().copied().collect()
    }

    /// Gives up the leases that nobody could renew for too long.
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
        self.leases.lock().remove(&self.operation);
    }
}

/// Renews what is held until `stop`, at a fixed rate. A hint that somebody may have asked for an end is answered by a read.
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
    let operations = leases.operations();
    if operations.is_empty() {
        return;
    }
    let asked_at = Instant::now();
    match tokio::time::timeout(limit, queue.renew(&operations)).await {
        Ok(Ok(renewed)) => {
            RENEWAL.worked();
            settle(leases, &operations, &renewed, asked_at);
        }
        Ok(Err(error)) => RENEWAL.failed(&error),
        Err(_) => RENEWAL.timed_out(limit),
    }
    leases.expire();
}

/// The next renewal sees them as well, so nothing is lost when this fails.
async fn read_cancellations(leases: &Leases, queue: &Queue, limit: Duration) {
    let operations = leases.operations();
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

fn settle(leases: &Leases, asked: &[OperationId], renewed: &[crate::postgres::Renewed], asked_at: Instant) {
    let held = leases.lock();
    for operation in asked {
        let Some(handle) = held.get(operation) else { continue };
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
