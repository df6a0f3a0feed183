//! Maintains the watches, processes their changes, and reports updates.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::failure_detector::{FailureDetector, Verdict};
use super::snapshot::Snapshot;
use super::watches::{Batch, STREAMS, Watcher};
use super::{ResourceKind, RolloutUpdate, explain, readiness};
use crate::backoff::Backoff;
use crate::kube::cluster::{self, Cluster};
use crate::kube::connection::{Connected, WatchClient};
use crate::kube::error::{ClusterError, ClusterErrorKind};
use crate::kube::redact::Masks;

/// A shorter interruption is not reported.
const REPORTED_AFTER: Duration = Duration::from_secs(1);

type Update = Result<RolloutUpdate, ClusterError>;

/// One rollout being watched, or one Job.
pub(super) struct Observer {
    cluster: Cluster,
    namespace: String,
    snapshot: Snapshot,
    watches: Option<Watches>,
    backoff: Backoff,
    outage: Option<Outage>,
    /// The delay before the watches are opened again, and the one that the API server requested. Updates are delivered before it: it
    /// lasts as long as the outage.
    pause: Option<(Duration, Option<Duration>)>,
    detector: FailureDetector,
    judge_again: Option<Instant>,
    shown: BTreeMap<(ResourceKind, String), String>,
    masks: Masks,
    updates: VecDeque<Update>,
    done: bool,
}

struct Watches {
    batches: BoxStream<'static, Batch>,
    /// Cancelled when the listings do not show the end.
    begin_watching: CancellationToken,
    connected: Arc<Connected>,
    since: Instant,
    _client: WatchClient,
}

#[derive(Clone, Copy)]
struct Outage {
    since: Instant,
    refused_since: Option<Instant>,
}

impl Observer {
    pub(super) fn new(cluster: Cluster, namespace: String, snapshot: Snapshot) -> Self {
        let detector = FailureDetector::new(cluster.config().limits);
        Self {
            cluster,
            namespace,
            snapshot,
            watches: None,
            backoff: cluster::backoff(),
            outage: None,
            pause: None,
            detector,
            judge_again: None,
            shown: BTreeMap::new(),
            masks: Masks::default(),
            updates: VecDeque::new(),
            done: false,
        }
    }

    /// The next update; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Update> {
        loop {
            if let Some(update) = self.updates.pop_front() {
                return Some(update);
            }
            if self.done {
                return None;
            }
            self.step().await;
        }
    }

    async fn step(&mut self) {
        if let Some((wait, requested)) = self.pause.take() {
            self.cluster.pause(wait, requested).await;
        }
        let within = self.cluster.config().request_timeout;
        let Some(watches) = &mut self.watches else {
            let opened = tokio::time::timeout(within, self.open()).await;
            if let Err(error) = opened.unwrap_or_else(|_| Err(no_answer())) {
                self.interrupted(error).await;
            }
            return;
        };
        let complete = self.snapshot.is_complete();
        let wake = if complete { self.judge_again } else { Some(watches.since + within) };
        let batch = match wake {
            Some(when) => tokio::time::timeout_at(when, watches.batches.next()).await,
            None => Ok(watches.batches.next().await),
        };
        if batch.is_err() && !complete {
            return self.interrupted(no_answer()).await;
        }
        for seen in batch.ok().flatten().unwrap_or_default() {
            match seen {
                Ok(seen) => self.snapshot.apply(seen),
                Err(error) => return self.interrupted(error).await,
            }
        }
        if self.snapshot.is_complete() {
            if self.outage.take().is_some() {
                tracing::debug!(namespace = self.namespace, "the cluster is back");
            }
            self.backoff.reset();
            self.assess().await;
            if let Some(watches) = &self.watches {
                watches.begin_watching.cancel();
            }
        }
    }

    async fn open(&mut self) -> Result<(), ClusterError> {
        if self.outage.is_some() {
            // Shared by all rollouts, so that they do not reconnect to a restarted server simultaneously.
            self.cluster.check().await?;
        }
        let connected = self.cluster.connected().await?;
        let client = connected.watch_client(STREAMS).await;
        let client = client.map_err(|error| ClusterError::from_client("watch the cluster", &error))?;
        let begin_watching = CancellationToken::new();
        let watcher = Watcher { client: &client.client, namespace: &self.namespace, begin_watching: &begin_watching };
        let batches = match &self.snapshot.job_name {
            Some(job) => watcher.open_job(job),
            None => watcher.open(),
        };
        self.watches = Some(Watches { batches, begin_watching, connected, since: Instant::now(), _client: client });
        Ok(())
    }

    async fn interrupted(&mut self, error: ClusterError) {
        tracing::debug!(namespace = self.namespace, %error, "rollout watch interrupted");
        if let Some(watches) = self.watches.take() {
            self.cluster.note_failure(&watches.connected, &error).await;
        }
        self.snapshot.expire();
        self.detector.forget();
        self.judge_again = None;
        if error.kind() == ClusterErrorKind::Forbidden
            && let Ok(Some(gone)) = self.cluster.refused_because(&self.namespace).await
        {
            self.done = true;
            self.updates.push_back(Err(gone));
            return;
        }
        let now = Instant::now();
        let refused = matches!(error.kind(), ClusterErrorKind::Forbidden | ClusterErrorKind::Unauthorized);
        let outage = self.outage.get_or_insert(Outage { since: now, refused_since: None });
        outage.refused_since = refused.then(|| outage.refused_since.unwrap_or(now));
        if outage.refused_since.is_some_and(|since| now - since >= self.cluster.config().limits.forbidden) {
            self.done = true;
            self.updates.push_back(Err(error));
            return;
        }
        let failure = error.failure();
        // An open circuit means that it is no short interruption.
        let lasts = now - outage.since >= REPORTED_AFTER || self.cluster.circuit().is_open();
        if lasts && self.detector.is_news(failure.reason, "") {
            self.updates.push_back(Ok(RolloutUpdate::Waiting(failure)));
        }
        let pause = self.backoff.next();
        let requested = error.retry_after().map(|wanted| wanted.min(pause * 10));
        self.pause = Some((pause, requested));
    }

    async fn assess(&mut self) {
        self.show();
        if readiness::is_ready(&self.snapshot) {
            return self.finish(RolloutUpdate::Ready);
        }
        let (verdict, again) = self.detector.evaluate(explain::findings(&self.snapshot), Instant::now());
        self.judge_again = again;
        match verdict {
            Verdict::Unchanged => {}
            Verdict::Resumed => self.updates.push_back(Ok(RolloutUpdate::Resumed)),
            Verdict::Waiting(finding) => {
                let masked = self.masks.failure(&self.cluster, &self.namespace, finding.failure).await;
                self.updates.push_back(Ok(RolloutUpdate::Waiting(masked)));
            }
            Verdict::Failed(cause, others) => {
                let mut failure = cause.failure.with_details(others);
                if let Some(source) = &cause.log {
                    failure = self.cluster.with_log(&self.namespace, failure, source).await;
                }
                let masked = self.masks.failure(&self.cluster, &self.namespace, failure).await;
                self.finish(RolloutUpdate::Failed(masked));
            }
        }
    }

    fn show(&mut self) {
        let statuses = readiness::statuses(&self.snapshot);
        let mut shown = BTreeMap::new();
        for status in statuses {
            let key = (status.kind, status.name.clone());
            let known = self.shown.get(&key) == Some(&status.phase);
            shown.insert(key, status.phase.clone());
            if !known {
                self.updates.push_back(Ok(RolloutUpdate::Resource(status)));
            }
        }
        self.shown = shown;
    }

    fn finish(&mut self, last: RolloutUpdate) {
        tracing::debug!(namespace = self.namespace, ready = matches!(last, RolloutUpdate::Ready), "rollout settled");
        self.updates.push_back(Ok(last));
        self.watches = None;
        self.done = true;
    }
}

fn no_answer() -> ClusterError {
    ClusterError::new(ClusterErrorKind::Unreachable, "could not watch the release: no answer from the API server")
}
