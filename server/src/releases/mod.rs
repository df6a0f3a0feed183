//! The helm releases of the cluster, to whom they belong, and how a release whose store is missing is adopted.
//!
//! - This file: [`ClusterReleases`], which implements the domain's port from the cache and the rows.
//! - [`owner`]: to whom a namespace and its releases belong. [`adopt`]: from the cluster's records to a store.

pub mod adopt;
pub mod owner;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use storeplane_core::error::PortError;
use storeplane_core::ports::Releases;
use storeplane_core::release::{Ownership, Release, ReleaseInventory, ReleaseScope};

use self::owner::{NamespaceOwner, Owners, RecordedOwner};
use crate::kube::{ClusterCache, ListedRelease, OwnedNamespace};
use crate::postgres::{LiveStore, LiveStoreRepository};

/// The releases in the cache, compared with all stores.
#[derive(Debug)]
pub struct ClusterReleases {
    /// Distinguishes this control plane's namespaces from another's.
    pub instance: String,
    /// What is known of the cluster.
    pub cache: Arc<ClusterCache>,
    /// All stores.
    pub live_stores: LiveStoreRepository,
}

/// A release, and its `helm.sh/chart`.
type Observed = (ListedRelease, Option<String>);

#[async_trait]
impl Releases for ClusterReleases {
    async fn inventory(&self) -> Result<ReleaseInventory, PortError> {
        let observed = self.cache.read(|view| {
            let namespaces: Vec<_> = view.namespaces().cloned().collect();
            let releases = view.all_releases().into_iter().map(|release| {
                let chart = view.chart(&release);
                (release, chart)
            });
            let releases: Vec<_> = releases.collect();
            let scope = if view.observes_all_releases() { ReleaseScope::Cluster } else { ReleaseScope::Namespaced };
            (namespaces, releases, scope)
        });
        let (namespaces, releases, scope) =
            observed.ok_or_else(|| PortError::ClusterAway("the cluster is not observed yet".into()))?;
        // Rows are read last: a store's row exists before any of its objects.
        let live = self.live_stores.live().await?;
        Ok(ReleaseInventory { releases: list(&self.instance, &namespaces, releases, &live), scope })
    }
}

fn list(instance: &str, namespaces: &[OwnedNamespace], releases: Vec<Observed>, live: &[LiveStore]) -> Vec<Release> {
    let owners = Owners::new(instance, live);
    let mut by_namespace = HashMap::<String, Vec<Observed>>::new();
    for (release, chart) in releases {
        by_namespace.entry(release.namespace.clone()).or_default().push((release, chart));
    }
    let known: HashMap<_, _> = namespaces.iter().map(|namespace| (namespace.name.as_str(), namespace)).collect();
    let mut listed = Vec::new();
    for (name, observed) in by_namespace {
        let uids = observed.iter().filter_map(|(release, _)| release.observation.store_uid);
        // A namespace that was just created may not be in the cache yet.
        let unknown = OwnedNamespace::unlabelled(&name);
        let owner = owners.of(known.get(name.as_str()).copied().unwrap_or(&unknown), uids);
        listed.extend(observed.into_iter().map(|(release, chart)| entry(&owner, release, chart.as_deref())));
    }
    listed
}

fn entry(owner: &NamespaceOwner<'_>, release: ListedRelease, chart: Option<&str>) -> Release {
    let ownership = owner.of_release(&release.name, release.observation.store_uid);
    let store = if ownership == Ownership::Foreign { RecordedOwner::default() } else { owner.store() };
    let (chart, chart_version) = chart.map(split_chart).unwrap_or_default();
    Release {
        namespace: release.namespace,
        name: release.name,
        ownership,
        store_id: store.id.to_owned(),
        store_uid: store.uid,
        tenant: store.tenant.to_owned(),
        status: release.observation.status.as_str().to_owned(),
        revision: release.observation.revision,
        chart: chart.to_owned(),
        chart_version: chart_version.to_owned(),
        updated_at: release.observation.updated,
    }
}

/// Name and version in a value of `helm.sh/chart`. Both may contain hyphens: the version begins at the first one that a number and
/// a dot follow.
fn split_chart(label: &str) -> (&str, &str) {
    let is_version = |text: &str| {
        let (major, rest) = text.strip_prefix('v').unwrap_or(text).split_once('.').unwrap_or_default();
        !major.is_empty()
            && major.bytes().all(|byte| byte.is_ascii_digit())
            && rest.starts_with(|c: char| c.is_ascii_digit())
    };
    let parts = label.match_indices('-').filter_map(|(at, _)| Some((label.get(..at)?, label.get(at + 1..)?)));
    parts.into_iter().find(|(_, version)| is_version(version)).unwrap_or((label, ""))
}

#[cfg(test)]
mod tests;
