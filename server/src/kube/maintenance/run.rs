//! The steps of a maintenance.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::apps::v1::Deployment;
use storeplane_core::engine::Maintenance;
use storeplane_core::failure::{Failure, Reason};
use tokio::time::Instant;

use super::workloads::Change;
use super::{MaintenanceChange, MaintenanceUpdate};
use crate::backoff::Backoff;
use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::kube::jobs::{JobEnsured, JobSpec};
use crate::kube::rollout::{ResourceKind, RolloutUpdate};

/// Delays between listings of pods that have to end.
const PODS_FIRST: Duration = Duration::from_millis(100);
const PODS_LONGEST: Duration = Duration::from_secs(2);
/// A pod that is left this long after its grace period is reported.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// A part of a maintenance. Each can be repeated.
#[derive(Debug, Clone)]
pub(super) enum Step {
    SuspendCronJob,
    StartPage(JobSpec),
    /// Of the Job of this name.
    AwaitPage(String),
    ScaleDown,
    AwaitPods,
    ScaleUp,
    ResumeCronJob,
    /// Of this release.
    AwaitDeployment(String),
    /// The Job of this name.
    RemovePage(String),
}

/// The result of a step, or of a part of one that waits.
enum Progress {
    Next(Option<MaintenanceChange>),
    Waiting(Failure),
    Failed(Failure),
}

/// The steps of one call, in order.
pub(super) struct Run {
    cluster: Cluster,
    namespace: String,
    maintenance: Maintenance,
    steps: VecDeque<Step>,
    /// What the current step waits for.
    watch: Option<BoxStream<'static, Result<RolloutUpdate, ClusterError>>>,
    /// Since when it waits for pods to end.
    since: Option<Instant>,
    /// The pods that were reported as lost.
    lost: Vec<String>,
    ended: bool,
}

impl Run {
    pub(super) fn new(cluster: Cluster, namespace: String, maintenance: Maintenance, steps: VecDeque<Step>) -> Self {
        let (watch, since, lost, ended) = (None, None, Vec::new(), false);
        Self { cluster, namespace, maintenance, steps, watch, since, lost, ended }
    }

    /// The next update; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<MaintenanceUpdate>, ClusterError> {
        if self.ended {
            return Ok(None);
        }
        while let Some(step) = self.steps.front().cloned() {
            match self.run(step).await? {
                Progress::Next(change) => {
                    self.steps.pop_front();
                    self.watch = None;
                    if let Some(change) = change {
                        return Ok(Some(MaintenanceUpdate::Changed(change)));
                    }
                }
                Progress::Waiting(failure) => return Ok(Some(MaintenanceUpdate::Waiting(failure))),
                Progress::Failed(failure) => {
                    self.ended = true;
                    return Ok(Some(MaintenanceUpdate::Failed(failure)));
                }
            }
        }
        self.ended = true;
        Ok(Some(MaintenanceUpdate::Done))
    }

    async fn run(&mut self, step: Step) -> Result<Progress, ClusterError> {
        let (cluster, namespace) = (self.cluster.clone(), self.namespace.clone());
        let deployment = self.maintenance.deployment.clone();
        Ok(match step {
            Step::SuspendCronJob => {
                let Some(name) = self.maintenance.cron_job.clone() else { return Ok(Progress::Next(None)) };
                let suspended = cluster.suspend_cron_job(&namespace, &name).await?;
                Progress::Next(suspended.then_some(MaintenanceChange::CronJobSuspended(name)))
            }
            Step::ResumeCronJob => {
                let Some(name) = self.maintenance.cron_job.clone() else { return Ok(Progress::Next(None)) };
                let resumed = cluster.resume_cron_job(&namespace, &name).await?;
                Progress::Next(resumed.then_some(MaintenanceChange::CronJobResumed(name)))
            }
            Step::StartPage(page) => {
                let created = cluster.ensure_page(&namespace, &page).await? == JobEnsured::Created;
                Progress::Next(created.then_some(MaintenanceChange::PageStarted(page.name)))
            }
            Step::RemovePage(page) => {
                let removed = cluster.remove_page(&namespace, &page).await?;
                Progress::Next(removed.then_some(MaintenanceChange::PageRemoved(page)))
            }
            Step::ScaleDown => match cluster.scale_down::<Deployment>(&namespace, &deployment).await? {
                Change::Missing => Progress::Failed(missing(&deployment)),
                Change::None => Progress::Next(None),
                Change::Made(before) => Progress::Next(Some(MaintenanceChange::ScaledDown(deployment, before))),
            },
            Step::ScaleUp => match cluster.scale_up::<Deployment>(&namespace, &deployment).await? {
                // The wait for its pods reports one that is missing.
                Change::Missing | Change::None => Progress::Next(None),
                Change::Made(replicas) => Progress::Next(Some(MaintenanceChange::ScaledUp(deployment, replicas))),
            },
            Step::AwaitPage(page) => self.await_page(&page).await?,
            Step::AwaitPods => self.await_pods().await?,
            Step::AwaitDeployment(release) => self.await_deployment(&release).await?,
        })
    }

    async fn await_page(&mut self, page: &str) -> Result<Progress, ClusterError> {
        let watch = self.watch.get_or_insert_with(|| self.cluster.job_rollout(&self.namespace, page));
        while let Some(update) = watch.next().await.transpose()? {
            match update {
                RolloutUpdate::Resource(status) if status.kind == ResourceKind::Pod && status.is_ready() => {
                    return Ok(Progress::Next(None));
                }
                RolloutUpdate::Resource(_) | RolloutUpdate::Resumed => {}
                RolloutUpdate::Waiting(failure) => return Ok(Progress::Waiting(failure)),
                RolloutUpdate::Failed(failure) => return Ok(Progress::Failed(failure)),
                RolloutUpdate::Ready => break,
            }
        }
        self.cluster.page_failure(&self.namespace, page).await.map(Progress::Failed)
    }

    async fn await_pods(&mut self) -> Result<Progress, ClusterError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let mut backoff = Backoff::new(PODS_FIRST, PODS_LONGEST);
        loop {
            let left = self.cluster.pods_to_end(&self.namespace, &self.maintenance).await?;
            if left.is_empty() {
                return Ok(Progress::Next(None));
            }
            let lost =
                left.into_iter().filter(|pod| pod.grace.is_some_and(|grace| since.elapsed() > grace + LOST_AFTER));
            let lost: Vec<_> = lost.map(|pod| pod.name).collect();
            if !lost.is_empty() && lost != self.lost {
                let message = format!("Pods do not end, their node may be lost: {}", lost.join(", "));
                self.lost = lost;
                return Ok(Progress::Waiting(Failure::new(Reason::NodeLost, message)));
            }
            backoff.pause().await;
        }
    }

    async fn await_deployment(&mut self, release: &str) -> Result<Progress, ClusterError> {
        let name = self.maintenance.deployment.clone();
        match self.cluster.replicas(&self.namespace, &name).await? {
            None => return Ok(Progress::Failed(missing(&name))),
            // As it was before.
            Some(replicas) if replicas.wanted == 0 || replicas.available > 0 => return Ok(Progress::Next(None)),
            Some(_) => {}
        }
        let watch = self.watch.get_or_insert_with(|| self.cluster.rollout(&self.namespace, release));
        while let Some(update) = watch.next().await.transpose()? {
            match update {
                RolloutUpdate::Resource(status) if status.kind == ResourceKind::Deployment && status.name == name => {
                    // The controller may not have seen yet that it is scaled.
                    let replicas = self.cluster.replicas(&self.namespace, &name).await?;
                    if replicas.is_some_and(|replicas| replicas.available > 0) {
                        return Ok(Progress::Next(None));
                    }
                }
                RolloutUpdate::Resource(_) | RolloutUpdate::Resumed => {}
                RolloutUpdate::Waiting(failure) => return Ok(Progress::Waiting(failure)),
                RolloutUpdate::Failed(failure) => return Ok(Progress::Failed(failure)),
                RolloutUpdate::Ready => break,
            }
        }
        Ok(Progress::Next(None))
    }
}

fn missing(deployment: &str) -> Failure {
    Failure::new(Reason::WorkloadMissing, format!("The Deployment {deployment} does not exist"))
}
