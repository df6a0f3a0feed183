//! The worker: claims operations, executes their steps, and is the only caller of helm.
//!
//! - [`Worker`] (here): claims what waits, holds the leases, hands on what is left when it stops.
//! - `leases`: which operations are held; renewed together, lost together with the database.
//! - `execute`: one operation from its claim to its end, forwards or back.
//! - `context`: what a step sees and how it emits events. `steps`: what each step does. `outcome`: how a step ends.
//! - `release`: what every step may do with the store's helm release. `slots`: how much is held at a time, by whom.
//!
//! Who retries: steps do, with backoff and until the operation's deadline, where the error says that it is worth it.
//! Every step looks at the cluster before it acts, so each can be run again after any crash. To add one: see
//! [`storeplane_core::operation`], then a file in `steps/`.

mod context;
mod execute;
mod leases;
mod outcome;
mod release;
mod slots;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::engine::Catalog;
use storeplane_core::ports::Ids;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::helm::Helm;
use crate::kube::Cluster;
use crate::postgres::{ClaimScope, Notifier, Queue};
use crate::verify::Verifier;
use leases::Leases;
use slots::Slots;

/// How long a stopping worker waits for its operations to be handed on.
const HAND_ON: Duration = Duration::from_secs(8);
/// Between attempts to claim while Postgres is away.
const RETRY: Duration = Duration::from_secs(1);

/// What operations are worked on with.
#[derive(Clone)]
pub struct Tools {
    /// Who works on what.
    pub queue: Queue,
    /// When there is something to look at.
    pub notifier: Notifier,
    /// Runs helm.
    pub helm: Helm,
    /// How long one helm run may take.
    pub helm_timeout: Duration,
    /// Asks Kubernetes.
    pub cluster: Cluster,
    /// Asks shops whether they sell.
    pub verifier: Verifier,
    /// The engines on offer.
    pub catalog: Arc<Catalog>,
    /// Fresh ids and passwords.
    pub ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

/// Works on operations.
#[derive(Debug)]
pub struct Worker {
    tools: Tools,
    slots: Slots,
}

impl Worker {
    /// A worker with `max_operations` slots.
    pub fn new(tools: Tools, max_operations: usize) -> Self {
        Self { tools, slots: Slots::new(max_operations) }
    }

    /// Works until `shutdown`, then stops its helm processes in order and lets go of what is left: another worker takes
    /// it up at once.
    pub async fn run(self, shutdown: CancellationToken) {
        let leases = Leases::new(self.tools.queue.lease());
        let tasks = TaskTracker::new();
        // Leases are renewed until the last operation is handed on.
        let renewing = CancellationToken::new();
        tasks.spawn(leases::renew(
            leases.clone(),
            self.tools.queue.clone(),
            self.tools.notifier.operations(),
            renewing.clone(),
        ));
        tasks.spawn(self.tools.cluster.clone().refresh_copied_secrets(shutdown.clone()));
        let executions = TaskTracker::new();
        self.claim(&leases, &executions, &shutdown).await;
        executions.close();
        if tokio::time::timeout(HAND_ON, executions.wait()).await.is_err() {
            tracing::warn!(left = executions.len(), "stopping while operations are still held; their leases run out");
        }
        renewing.cancel();
        tasks.close();
        tasks.wait().await;
    }

    /// Claims until `shutdown`. A claim itself is never cut short: half of one would hold an operation for a whole lease.
    async fn claim(&self, leases: &Leases, executions: &TaskTracker, shutdown: &CancellationToken) {
        let mut wakeups = self.tools.notifier.operations();
        loop {
            let Some(scope) = self.slots.scope() else {
                let Some(()) = shutdown.run_until_cancelled(self.slots.freed()).await else { return };
                continue;
            };
            if shutdown.is_cancelled() {
                return;
            }
            wakeups.mark_unchanged();
            match self.tools.queue.claim(&scope).await {
                Ok(Some(claim)) => {
                    let guard = leases.hold(&claim, shutdown);
                    let operation = &claim.snapshot.operation;
                    let slot = self.slots.take(&operation.tenant, operation.kind);
                    executions.spawn(execute::execute(self.tools.clone(), claim, guard, slot));
                }
                Ok(None) => {
                    // A slot that was given back may be for what this worker had no room for.
                    let news = async {
                        tokio::select! {
                            changed = wakeups.changed() => changed.is_ok(),
                            () = self.slots.freed(), if scope != ClaimScope::default() => true,
                        }
                    };
                    let Some(true) = shutdown.run_until_cancelled(news).await else { return };
                }
                // Logged by the queue.
                Err(_) => {
                    shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await;
                }
            }
        }
    }
}
