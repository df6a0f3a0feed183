//! Takes a shop offline and puts it back: a page answers in its place while nothing writes to its volumes and its database.
//!
//! Both are sequences of steps that can be repeated after any interruption: what a step has to remember is in an annotation of the
//! object that it changes, written together with the change. `run` runs the steps, `workloads` changes the objects.

mod run;
mod workloads;

use std::fmt;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use storeplane_core::engine::Maintenance;
use storeplane_core::failure::Failure;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::jobs::JobSpec;
use run::{Run, Step};

/// A progress of [`Cluster::begin_maintenance`] or [`Cluster::end_maintenance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaintenanceUpdate {
    /// An object was changed. What a previous run has changed is not reported again.
    Changed(MaintenanceChange),
    /// It waits for this reason; reported once per reason.
    Waiting(Failure),
    /// All is as wanted. The stream ends.
    Done,
    /// It cannot continue without intervention. The stream ends.
    Failed(Failure),
}

/// A changed object, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaintenanceChange {
    /// A `CronJob` was suspended.
    CronJobSuspended(String),
    /// A `CronJob` runs again.
    CronJobResumed(String),
    /// The Job of the page was created.
    PageStarted(String),
    /// The Job of the page was deleted.
    PageRemoved(String),
    /// A Deployment was scaled to 0; its number of replicas before.
    ScaledDown(String, i32),
    /// A Deployment was scaled back; its number of replicas.
    ScaledUp(String, i32),
}

impl fmt::Display for MaintenanceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CronJobSuspended(name) => write!(f, "CronJob {name} is suspended"),
            Self::CronJobResumed(name) => write!(f, "CronJob {name} is resumed"),
            Self::PageStarted(name) => write!(f, "Job {name} serves the maintenance page"),
            Self::PageRemoved(name) => write!(f, "Job {name}, which served the maintenance page, is deleted"),
            Self::ScaledDown(name, before) => write!(f, "Deployment {name} is scaled from {before} to 0 replicas"),
            Self::ScaledUp(name, replicas) => write!(f, "Deployment {name} is scaled back to {replicas} replicas"),
        }
    }
}

type Updates = BoxStream<'static, Result<MaintenanceUpdate, ClusterError>>;

impl Cluster {
    /// Takes a shop offline: suspends its `CronJob`, starts the page (`page` is its Job, of the template `maintenance.template`) and waits
    /// until it is ready, scales the Deployment to 0, and waits until neither it nor the `CronJob` has a running pod.
    ///
    /// There is no time limit. An `Err` ends the stream; a new one continues. On simulated nodes no page answers.
    pub fn begin_maintenance(&self, namespace: &str, maintenance: &Maintenance, page: JobSpec) -> Updates {
        let await_page = Step::AwaitPage(page.name.clone());
        let steps = [Step::SuspendCronJob, Step::StartPage(page), await_page, Step::ScaleDown, Step::AwaitPods];
        self.maintain(namespace, maintenance, steps)
    }

    /// Puts a shop back: the Deployment's replicas and the `CronJob` as they were; waits until the Deployment has a ready pod or it is
    /// certain that it gets none, then deletes the Job `page`. What [`Cluster::begin_maintenance`] has not changed is left as it is.
    pub fn end_maintenance(&self, namespace: &str, release: &str, maintenance: &Maintenance, page: &str) -> Updates {
        let (release, page) = (release.to_owned(), page.to_owned());
        let steps = [Step::ScaleUp, Step::ResumeCronJob, Step::AwaitDeployment(release), Step::RemovePage(page)];
        self.maintain(namespace, maintenance, steps)
    }

    fn maintain<const N: usize>(&self, namespace: &str, maintenance: &Maintenance, steps: [Step; N]) -> Updates {
        let run = Run::new(self.clone(), namespace.to_owned(), maintenance.clone(), steps.into());
        futures::stream::try_unfold(run, |mut run| async {
            let update = Box::pin(run.next()).await?;
            Ok(update.map(|update| (update, run)))
        })
        .boxed()
    }
}
