//! Listings: of one namespace, and of the whole cluster.

use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::NamespaceResourceScope;
use ::kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::cluster::Cluster;
use super::error::ClusterError;

/// Objects asked for in one page.
const PAGE: u32 = 500;
/// Most objects of a kind that are looked at in one namespace; its quota allows far fewer pods.
pub(super) const MOST: u32 = 1000;

impl Cluster {
    /// What is wanted of a kind in a namespace, up to [`MOST`] of it: one request.
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

    /// Reads a listing of the whole cluster page by page, and hands over each object.
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
