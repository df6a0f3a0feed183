//! Listings: of one namespace, and of the whole cluster.

use std::fmt::Debug;

use ::kube::api::ListParams;
use ::kube::core::NamespaceResourceScope;
use ::kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::cluster::Cluster;
use super::error::ClusterError;

/// Page size.
const PAGE: u32 = 500;
/// Maximum number of objects of a kind that are read in one namespace; its quota allows far fewer pods.
pub(super) const MOST: u32 = 1000;

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
