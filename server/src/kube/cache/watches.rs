//! What is watched: only what shows a store's health, and of Secrets only their metadata.

use std::fmt;

use ::kube::core::{NamespaceResourceScope, PartialObjectMeta};
use ::kube::runtime::watcher::{self, Event as Change, watcher};
use ::kube::{Api, Client, Resource, ResourceExt};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Secret};
use serde::de::DeserializeOwned;

use crate::kube::error::ClusterError;
use crate::kube::labels;

/// Helm's label on all objects that it creates ...
const HELMS: &str = "app.kubernetes.io/managed-by=Helm";
/// ... and on its release records.
const RECORDS: &str = "owner=helm";
/// No selector: claims created from a `StatefulSet`'s template have no label that all charts share, and a namespace may have lost
/// its labels.
const ALL: &str = "";

/// A kind of object that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespaces,
    Deployments,
    StatefulSets,
    Claims,
    Records,
    Secrets,
}

impl Kind {
    /// Those of objects in namespaces. Release records come first: without them, nothing else is of use.
    pub(super) const NAMESPACED: [Self; 5] =
        [Self::Records, Self::Secrets, Self::Deployments, Self::StatefulSets, Self::Claims];
}

/// One watch: of a kind, in one namespace or in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// `None`: in all namespaces.
    pub(super) namespace: Option<String>,
}

impl Part {
    /// The watch of a kind in all namespaces.
    pub(super) fn everywhere(kind: Kind) -> Self {
        Self { kind, namespace: None }
    }

    /// The watch of a kind in one namespace.
    pub(super) fn within(kind: Kind, namespace: &str) -> Self {
        Self { kind, namespace: Some(namespace.to_owned()) }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Deployments => "deployments",
            Self::StatefulSets => "statefulsets",
            Self::Claims => "persistentvolumeclaims",
            Self::Records => "release records (secrets)",
            Self::Secrets => "secrets",
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace } = self;
        match namespace {
            None if *kind == Kind::Namespaces => write!(f, "{kind}"),
            None => write!(f, "{kind} of all namespaces"),
            Some(namespace) => write!(f, "{kind} in {namespace}"),
        }
    }
}

/// A change of one object.
pub(super) enum Seen {
    Namespace(Change<PartialObjectMeta<Namespace>>),
    Deployment(Change<Deployment>),
    StatefulSet(Change<StatefulSet>),
    Claim(Change<PersistentVolumeClaim>),
    Record(Change<PartialObjectMeta<Secret>>),
    Secret(Change<PartialObjectMeta<Secret>>),
}

impl Seen {
    /// True for the end of a listing.
    pub(super) fn is_listed(&self) -> bool {
        match self {
            Self::Namespace(change) => matches!(change, Change::InitDone),
            Self::Deployment(change) => matches!(change, Change::InitDone),
            Self::StatefulSet(change) => matches!(change, Change::InitDone),
            Self::Claim(change) => matches!(change, Change::InitDone),
            Self::Record(change) | Self::Secret(change) => matches!(change, Change::InitDone),
        }
    }
}

/// The changes of one watch.
pub(super) type Changes = BoxStream<'static, Result<Seen, ClusterError>>;

/// Opens a watch.
pub(super) fn open(client: Client, part: &Part) -> Changes {
    let ours = format!("{}={}", labels::MANAGED_BY, labels::STOREPLANE);
    match part.kind {
        Kind::Namespaces => watch(Api::all(client), part, ALL, Seen::Namespace),
        Kind::Deployments => watch(api(client, part), part, HELMS, Seen::Deployment),
        Kind::StatefulSets => watch(api(client, part), part, HELMS, Seen::StatefulSet),
        Kind::Claims => watch(api(client, part), part, ALL, Seen::Claim),
        Kind::Records => watch(api(client, part), part, RECORDS, Seen::Record),
        Kind::Secrets => watch(api(client, part), part, &ours, Seen::Secret),
    }
}

fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(client: Client, part: &Part) -> Api<K> {
    match &part.namespace {
        None => Api::all(client),
        Some(namespace) => Api::namespaced(client, namespace),
    }
}

fn watch<K>(api: Api<K>, part: &Part, selector: &str, seen: fn(Change<K>) -> Seen) -> Changes
where
    K: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + 'static,
{
    let what = format!("watch the {part}");
    let changes = watcher(api, watcher::Config::default().labels(selector));
    let seen = move |change: Result<Change<K>, watcher::Error>| match change {
        Ok(change) => Some(Ok(seen(change.modify(|object| object.managed_fields_mut().clear())))),
        // The watcher lists again automatically.
        Err(watcher::Error::WatchError(status)) if status.code == 410 => None,
        Err(error) => Some(Err(ClusterError::from_watch(&what, &error))),
    };
    changes.filter_map(move |change| std::future::ready(seen(change))).boxed()
}
