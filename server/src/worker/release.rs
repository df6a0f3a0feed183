//! The store's helm release: reads, changes and repairs it under the operation's lease.

use std::collections::BTreeSet;

use storeplane_core::audit::{Action, AuditRecord, WORKER};
use storeplane_core::operation::Step;
use storeplane_core::transition::operation as transition;
use tokio_util::sync::CancellationToken;

use super::context::OperationContext;
use super::outcome::StepError;
use crate::helm::{Chart, Helm, HelmError, HelmErrorKind, Release, Run};
use crate::kube::ReleaseObservation;

/// Repairs that were already reported: a repair that fails repeatedly is reported once.
#[derive(Debug, Default)]
pub(super) struct ReportedRepairs(BTreeSet<String>);

impl OperationContext {
    /// The store's release.
    pub(super) fn release_name(&self) -> Release {
        let placement = &self.store.placement;
        Release { namespace: placement.namespace.clone(), name: placement.release.clone() }
    }

    /// Helm's record of the release.
    pub(super) async fn observe_release(&self) -> Result<Option<ReleaseObservation>, StepError> {
        let (cluster, release) = (self.tools.cluster.clone(), self.release_name());
        Ok(self.unless_stopped(cluster.release(&release.namespace, &release.name)).await??)
    }

    pub(super) async fn helm_install(&self, chart: &Chart) -> Result<(), StepError> {
        self.run_helm(async |helm, run, release| match helm.install(run, release, chart).await {
            // Another process was faster, or an earlier attempt got further than it seemed: the record shows it.
            Err(error) if error.kind() == HelmErrorKind::NameInUse => Ok(()),
            other => other,
        })
        .await
        .map_err(StepError::from)
    }

    /// The error is helm's own: the step handles some of them.
    pub(super) async fn helm_upgrade(&self, chart: &Chart) -> Result<(), Stopped> {
        self.run_helm(async |helm, run, release| helm.upgrade(run, release, chart).await).await
    }

    /// The error is helm's own: the step handles some of them.
    pub(super) async fn helm_rollback(&self, revision: u32) -> Result<(), Stopped> {
        self.run_helm(async |helm, run, release| helm.rollback(run, release, revision).await).await
    }

    pub(super) async fn helm_uninstall(&self) -> Result<(), StepError> {
        self.run_helm(async |helm, run, release| match helm.uninstall(run, release).await {
            Err(error) if error.kind() == HelmErrorKind::ReleaseNotFound => Ok(()),
            other => other,
        })
        .await
        .map_err(StepError::from)
    }

    /// Runs helm. It is stopped cleanly when the step must stop.
    async fn run_helm(
        &self,
        call: impl AsyncFnOnce(&Helm, &Run, &Release) -> Result<(), HelmError>,
    ) -> Result<(), Stopped> {
        self.tools.cluster.check_circuit("run helm").map_err(|error| Stopped::Step(error.into()))?;
        let cancel = CancellationToken::new();
        let run = Run {
            renewed: self.guard.renewed.clone(),
            silence: self.tools.queue.lease() / 2,
            cancel: cancel.clone(),
            timeout: self.tools.helm_timeout,
            operation_id: self.operation.id.to_string(),
            store_uid: self.store.uid.to_string(),
        };
        let release = self.release_name();
        let running = std::pin::pin!(call(&self.tools.helm, &run, &release));
        let mut running = running;
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = self.stopped() => {
                cancel.cancel();
                running.await
            }
        };
        let Err(error) = ended else { return Ok(()) };
        Err(match error.kind() {
            HelmErrorKind::Stopped => Stopped::Step(self.stop_reason()),
            HelmErrorKind::Forbidden => match self.tools.cluster.refused_because(&release.namespace).await {
                Ok(Some(gone)) => Stopped::Step(gone.into()),
                Ok(None) | Err(_) => Stopped::Helm(error),
            },
            _ => Stopped::Helm(error),
        })
    }

    /// Reports and audits a repair before doing it. The lease proves that none of our helm processes is running.
    pub(super) async fn note_repair(
        &mut self,
        step: Step,
        found: Option<&ReleaseObservation>,
        how: &str,
    ) -> Result<(), StepError> {
        let status = found.map_or("missing", |release| release.status.as_str());
        let what = format!("Release {} was left {status}; it is {how}", self.store.placement.release);
        if !self.reported_repairs.0.insert(what.clone()) {
            return Ok(());
        }
        let (id, tenant, target) = (self.tools.ids.uuid(), self.store.tenant.clone(), self.store.id.as_str());
        let record = AuditRecord::new(id, self.now(), tenant, WORKER, Action::RepairRelease, target);
        self.write(&|snapshot| Ok(transition::repaired(snapshot, step, &what, record.clone()))).await
    }
}

/// Why a helm run did not succeed.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The step was stopped.
    Step(StepError),
    /// Helm failed.
    Helm(HelmError),
}

impl From<Stopped> for StepError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Step(error) => error,
            Stopped::Helm(error) => error.into(),
        }
    }
}
