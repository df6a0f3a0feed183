//! The worker: claims operations, executes their steps, and is the only caller of helm that changes a cluster.
//!
//! - [`Worker`] (here): claims operations, holds their leases, and releases the rest when it stops.
//! - `leases`: which operations are held, and their renewal.
//! - `execute`: one operation from its claim to its end, including its rollback.
//! - `context`: the steps' context and events. `steps`: the implementation of each step. `outcome`: how a step fails.
//! - `backup_errors`: the storage of backups for steps, and the meaning of its errors.
//! - `measure`: metrics of steps and leases. `release`: a step's access to the store's helm release. `slots`: limits on the number of held operations.
//!
//! Who retries: steps do, with backoff and until the operation's deadline, if the error is retryable.
//! Every step reads the cluster before it acts, so each can run again after any crash. To add one: see
//! [`storeplane_core::operation`], then a file in `steps/`.

mod backup_errors;
mod context;
mod execute;
mod leases;
mod measure;
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

use crate::backups::Backups;
use crate::charts::ChartLibrary;
use crate::config::CertificateIssuer;
use crate::helm::Helm;
use crate::kube::Cluster;
use crate::postgres::{ClaimScope, Notifier, Queue};
use crate::verify::Verifier;
use leases::Leases;
use slots::Slots;

/// How long a stopping worker waits for its operations to be released.
const HAND_ON: Duration = Duration::from_secs(8);
/// Between attempts to claim while Postgres is unavailable.
const RETRY: Duration = Duration::from_secs(1);

/// The dependencies of a worker.
#[derive(Clone)]
pub struct Tools {
    /// The queue.
    pub queue: Queue,
    /// Notifications of new and cancelled operations.
    pub notifier: Notifier,
    /// Runs helm.
    pub helm: Helm,
    /// Time limit of one helm run.
    pub helm_timeout: Duration,
    /// The cluster.
    pub cluster: Cluster,
    /// Tests shops.
    pub verifier: Verifier,
    /// The storage of backups, if there is one.
    pub backups: Option<Backups>,
    /// The available engines.
    pub catalog: Arc<Catalog>,
    /// The charts of the stores.
    pub charts: ChartLibrary,
    /// Issuer of the certificates of custom domains.
    pub issuer: Option<CertificateIssuer>,
    /// The source of ids and passwords.
    pub ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

/// Executes operations.
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

    /// Runs until `shutdown`, then stops its helm processes cleanly and releases the rest, so that another worker can continue
    /// at once.
    pub async fn run(self, shutdown: CancellationToken) {
        let leases = Leases::new(self.tools.queue.lease());
        let tasks = TaskTracker::new();
        // Leases are renewed until the last operation is released.
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
            tracing::warn!(
                left = executions.len(),
                "stopping while operations are still held; their leases will expire"
            );
        }
        renewing.cancel();
        tasks.close();
        tasks.wait().await;
    }

    /// Claims until `shutdown`. A claim is never cancelled half-way, because that would block an operation for a whole lease.
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
                    // A released slot may allow what this worker had no capacity for.
                    let news = async {
                        tokio::select! {
                            changed = wakeups.changed() => changed.is_ok(),
                            () = self.slots.freed(), if scope != ClaimScope::default() => true,
                        }
                    };
                    let Some(true) = shutdown.run_until_cancelled(news).await else { return };
                }
                // The queue has logged it.
                Err(_) => {
                    shutdown.run_until_cancelled(tokio::time::sleep(RETRY)).await;
                }
            }
        }
    }
}
