//! What is watched over all namespaces: only what shows a store's health, and of Secrets only their metadata.

use std::fmt::Debug;

use ::kube::core::PartialObjectMeta;
use ::kube::runtime::watcher::{self, Event as Change, watcher};
use ::kube::{Api, Client, Resource, ResourceExt};
use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Secret};
use serde::de::DeserializeOwned;

use crate::kube::error::ClusterError;
use crate::kube::labels;

/// Number of watches, one stream each.
pub(super) const STREAMS: u32 = 6;
/// Maximum number of changes processed together.
const TOGETHER: usize = 512;
/// Helm's label on all objects that it creates ...
const HELMS: &str = "app.kubernetes.io/managed-by=Helm";
/// ... and on its release records.
const RECORDS: &str = "owner=helm";
/// No selector: claims created from a `StatefulSet`'s template have no label that all charts share, and a namespace may have lost
/// its labels.
const ALL: &str = "";

/// A change of one object.
pub(super) enum Seen {
    Namespace(Change<PartialObjectMeta<Namespace>>),
    Deployment(Change<Deployment>),
    StatefulSet(Change<StatefulSet>),
    Claim(Change<PersistentVolumeClaim>),
    Record(Change<PartialObjectMeta<Secret>>),
    Secret(Change<PartialObjectMeta<Secret>>),
}

/// All changes that are available at once, or the end of the stream.
pub(super) type Batch = Vec<Result<Seen, ClusterError>>;

/// All watches, as one stream of changes.
pub(super) fn open(client: &Client) -> BoxStream<'static, Batch> {
    let ours = format!("{}={}", labels::MANAGED_BY, labels::STOREPLANE);
    let all = SelectAll::from_iter([
        watch(client, ALL, Seen::Namespace),
        watch(client, HELMS, Seen::Deployment),
        watch(client, HELMS, Seen::StatefulSet),
        watch(client, ALL, Seen::Claim),
        watch(client, RECORDS, Seen::Record),
        watch(client, &ours, Seen::Secret),
    ]);
    all.ready_chunks(TOGETHER).boxed()
}

fn watch<K>(
    client: &Client,
    selector: &str,
    seen: fn(Change<K>) -> Seen,
) -> BoxStream<'static, Result<Seen, ClusterError>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let what = format!("watch the {} of all namespaces", K::plural(&()));
    let changes = watcher(Api::<K>::all(client.clone()), watcher::Config::default().labels(selector));
    let seen = move |change: Result<Change<K>, watcher::Error>| match change {
        Ok(change) => Some(Ok(seen(change.modify(|object| object.managed_fields_mut().clear())))),
        // The watcher lists again automatically.
        Err(watcher::Error::WatchError(status)) if status.code == 410 => None,
        Err(error) => Some(Err(ClusterError::from_watch(&what, &error))),
    };
    changes.filter_map(move |change| std::future::ready(seen(change))).boxed()
}
