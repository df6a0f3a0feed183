//! Permissions in the namespaces of existing stores: of stores from before the account was limited, and where the
//! `RoleBinding` was removed. New namespaces get theirs in step NAMESPACE.

use std::collections::HashSet;

use futures::StreamExt as _;
use storeplane_core::ids::StoreUid;

use crate::kube::{Cluster, ClusterCache};
use crate::outage::OutageLog;
use crate::postgres::LiveStore;

/// Maximum number of namespaces checked in one round.
const MOST: usize = 256;
/// Maximum number of namespaces checked concurrently.
const TOGETHER: usize = 8;

static GRANT: OutageLog = OutageLog::new("grant the server's account its permissions in a store's namespace");

/// The stores in whose namespaces the account is known to have its permissions.
#[derive(Debug, Default)]
pub(super) struct Access {
    granted: HashSet<StoreUid>,
}

impl Access {
    /// Checks some of the namespaces that were not checked yet; the rest follows in the next round.
    pub(super) async fn grant(&mut self, cluster: &Cluster, cache: &ClusterCache, live: &[LiveStore]) {
        let uids: HashSet<_> = live.iter().map(|store| store.uid).collect();
        self.granted.retain(|uid| uids.contains(uid));
        let ours = cache.read(|view| {
            self.granted.retain(|uid| !live.iter().any(|store| store.uid == *uid && view.is_refused(&store.namespace)));
            let unchecked = live.iter().filter(|store| !self.granted.contains(&store.uid));
            let ours = unchecked.filter(|store| view.is_namespace_of(&store.namespace, store.uid));
            ours.map(|store| (store.uid, store.namespace.clone())).take(MOST).collect::<Vec<_>>()
        });
        let checks = ours.unwrap_or_default().into_iter();
        let checks = checks.map(|(uid, namespace)| async move { (uid, cluster.grant_access(&namespace).await) });
        let mut checks = futures::stream::iter(checks).buffer_unordered(TOGETHER);
        while let Some((uid, checked)) = checks.next().await {
            match checked {
                Ok(_) => {
                    GRANT.worked();
                    self.granted.insert(uid);
                }
                Err(error) => return GRANT.failed(&error),
            }
        }
    }
}
