//! Listings: of one namespace, of the whole cluster, and of what the account may list.

use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::NamespaceResourceScope;
use ::kube::{Api, Resource};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::namespace::OwnedNamespace;

/// Page size.
const PAGE: u32 = 500;
/// Maximum number of objects of a kind that are read in one namespace; its quota allows far fewer pods.
pub(super) const MOST: u32 = 1000;
/// Maximum number of namespaces listed concurrently.
const TOGETHER: usize = 8;

impl Cluster {
    /// Lists a kind in a namespace, up to [`MOST`] objects, in one request.
    pub(super) async fn list_in<K>(&self, namespace: &str, wanted: ListParams) -> Result<Vec<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let (what, wanted) = (format!("list the {} in {namespace}", K::plural(&())), wanted.limit(MOST));
        let listing =
            self.call(&what, |client| async move { Api::<K>::namespaced(client, namespace).list(&wanted).await });
        Ok(listing.await?.items)
    }

    /// All objects of a kind in the cluster.
    pub(super) async fn list_all<K>(&self, what: &str, wanted: ListParams) -> Result<Vec<K>, ClusterError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut all = Vec::new();
        self.read_pages(what, wanted, |object| all.push(object)).await?;
        Ok(all)
    }

    /// All objects of a kind in the cluster or, if the account may not list these, in our namespaces. Of these, one that it may not list
    /// either is left out.
    pub(super) async fn list_visible<K>(&self, what: &str, wanted: ListParams) -> Result<Vec<K>, ClusterError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        if self.watches_all() {
            match self.list_all(what, wanted.clone()).await {
                Err(error) if error.kind() == ClusterErrorKind::Forbidden => {}
                listed => return listed,
            }
        }
        let mut namespaces = self.all_namespaces().await?;
        namespaces.retain(|namespace| !namespace.terminating);
        let listings = namespaces.into_iter().map(|OwnedNamespace { name, .. }| {
            let wanted = wanted.clone();
            async move {
                let listed = self.list_in(&name, wanted).await;
                (name, listed)
            }
        });
        let mut listings = futures::stream::iter(listings).buffer_unordered(TOGETHER);
        let mut all = Vec::new();
        while let Some((namespace, listed)) = listings.next().await {
            match listed {
                Err(error) if error.kind().is_refusal() => {
                    // The cache reports once that the namespace is unknown.
                    tracing::debug!(namespace, %error, "cannot list objects in this namespace; skipped");
                }
                listed => all.extend(listed?),
            }
        }
        Ok(all)
    }

    /// Lists a kind in the whole cluster page by page, and passes on each object.
    pub(super) async fn read_pages<K>(
        &self,
        what: &str,
        wanted: ListParams,
        mut take: impl FnMut(K),
    ) -> Result<(), ClusterError>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut wanted = wanted.limit(PAGE);
        loop {
            let page = &wanted;
            let list = self.call(what, |client| async move { Api::<K>::all(client).list(page).await }).await?;
            list.items.into_iter().for_each(&mut take);
            wanted.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
            if wanted.continue_token.is_none() {
                return Ok(());
            }
        }
    }
}
