//! The watches of one namespace, as one stream of changes.

use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::runtime::watcher::{self, Event as Change, watcher};
use ::kube::{Api, Client, Resource, ResourceExt};
use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod};
use k8s_openapi::api::networking::v1::Ingress;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::snapshot::Snapshot;
use crate::kube::error::{ClusterError, ClusterErrorKind};

/// Number of watches, one stream each. A Job needs fewer.
pub(super) const STREAMS: u32 = 6;
/// The label with the name of a pod's Job.
pub(in crate::kube) const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Maximum number of changes processed together, so that superseded states are not reported.
const TOGETHER: usize = 512;

/// A change of one object.
pub(super) enum Seen {
    Deployment(Change<Deployment>),
    StatefulSet(Change<StatefulSet>),
    ReplicaSet(Change<PartialObjectMeta<ReplicaSet>>),
    Job(Box<Change<Job>>),
    Pod(Change<Pod>),
    Claim(Change<PersistentVolumeClaim>),
    Event(Change<Event>),
    Ingresses(Vec<Ingress>),
}

/// All changes that are available at once, or the end of the stream.
pub(super) type Batch = Vec<Result<Seen, ClusterError>>;

/// Watches of objects in one namespace. Each lists first, and watches only once `begin_watching` is cancelled: often the listings already show the end.
pub(super) struct Watcher<'a> {
    pub(super) client: &'a Client,
    pub(super) namespace: &'a str,
    pub(super) begin_watching: &'a CancellationToken,
}

impl Watcher<'_> {
    /// All watches of a namespace. Of `ReplicaSet`s only the metadata is read, and an Ingress is read once: helm created it
    /// before the watch began, and it does not change while pods start.
    pub(super) fn open(&self) -> BoxStream<'static, Batch> {
        let all = SelectAll::from_iter([
            self.watch(any(), Seen::Deployment),
            self.watch(any(), Seen::StatefulSet),
            // They only explain: the API server's cache is new enough.
            self.watch(any().any_semantic(), Seen::ReplicaSet),
            self.watch(any(), Seen::Pod),
            self.watch(any(), Seen::Claim),
            self.watch(any(), Seen::Event),
            ingresses(self.client, self.namespace),
        ]);
        all.ready_chunks(TOGETHER).boxed()
    }

    /// The watches of one Job, its pods, and what may block these.
    pub(super) fn open_job(&self, job: &str) -> BoxStream<'static, Batch> {
        let all = SelectAll::from_iter([
            self.watch(any().fields(&format!("metadata.name={job}")), |change| Seen::Job(Box::new(change))),
            self.watch(any().labels(&format!("{JOB_NAME}={job}")), Seen::Pod),
            self.watch(any(), Seen::Claim),
            self.watch(any(), Seen::Event),
        ]);
        all.ready_chunks(TOGETHER).boxed()
    }

    fn watch<K>(
        &self,
        wanted: watcher::Config,
        seen: fn(Change<K>) -> Seen,
    ) -> BoxStream<'static, Result<Seen, ClusterError>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let what = format!("watch the {} in {}", K::plural(&()), self.namespace);
        let changes = watcher(Api::<K>::namespaced(self.client.clone(), self.namespace), wanted).boxed();
        let begin_watching = self.begin_watching.clone();
        let changes = stream::unfold((changes, false), move |(mut changes, listed)| {
            let begin_watching = begin_watching.clone();
            async move {
                if listed {
                    begin_watching.cancelled().await;
                }
                let change = changes.next().await?;
                let listed = listed || matches!(change, Ok(Change::InitDone));
                Some((change, (changes, listed)))
            }
        });
        let seen = move |change: Result<Change<K>, watcher::Error>| match change {
            Ok(change) => Some(Ok(seen(change.modify(|object| object.managed_fields_mut().clear())))),
            // The watcher lists again automatically.
            Err(watcher::Error::WatchError(status)) if status.code == 410 => None,
            Err(error) => Some(Err(ClusterError::from_watch(&what, &error))),
        };
        changes.filter_map(move |change| std::future::ready(seen(change))).boxed()
    }
}

fn any() -> watcher::Config {
    watcher::Config::default()
}

fn ingresses(client: &Client, namespace: &str) -> BoxStream<'static, Result<Seen, ClusterError>> {
    let what = format!("list the ingresses in {namespace}");
    let api = Api::<Ingress>::namespaced(client.clone(), namespace);
    stream::once(async move {
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(Seen::Ingresses(list.items)),
            Err(error) => match ClusterError::from_client(&what, &error) {
                error if error.kind() == ClusterErrorKind::Forbidden => Ok(Seen::Ingresses(Vec::new())),
                error => Err(error),
            },
        }
    })
    .boxed()
}

impl Snapshot {
    /// Processes a change.
    pub(super) fn apply(&mut self, seen: Seen) {
        match seen {
            Seen::Deployment(change) => self.deployments.apply(change),
            Seen::StatefulSet(change) => self.stateful_sets.apply(change),
            Seen::ReplicaSet(change) => self.replica_sets.apply(change),
            Seen::Job(change) => self.jobs.apply(*change),
            Seen::Pod(change) => {
                self.pods.apply(change);
                if self.pods.synced && self.initial_problems.is_none() {
                    self.mark_problems_old();
                }
            }
            Seen::Claim(change) => self.claims.apply(change),
            Seen::Event(change) => {
                let first = !self.events.synced;
                self.events.apply(change);
                if first && self.events.synced {
                    self.age_events();
                }
            }
            Seen::Ingresses(all) => self.ingresses = all,
        }
    }

    /// Every listing is complete.
    pub(super) fn is_complete(&self) -> bool {
        let owners = match self.job_name {
            Some(_) => self.jobs.synced,
            None => self.deployments.synced && self.stateful_sets.synced && self.replica_sets.synced,
        };
        owners && self.pods.synced && self.claims.synced && self.events.synced
    }

    /// The listings are outdated: the connection was lost. Objects are kept until they are replaced.
    pub(super) fn expire(&mut self) {
        self.deployments.synced = false;
        self.stateful_sets.synced = false;
        self.replica_sets.synced = false;
        self.jobs.synced = false;
        self.pods.synced = false;
        self.claims.synced = false;
        // Except the events: new ones remain new.
    }
}
