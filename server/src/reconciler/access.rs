//! Permissions in the namespaces of existing stores: of stores from before the account was limited, and where the
//! `RoleBinding` was removed. New namespaces get theirs in step NAMESPACE.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

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

/// How long a namespace is not checked again.
const CHECK_AGAIN: Duration = Duration::from_mins(10);

/// The stores whose namespaces were checked, and when.
#[derive(Debug, Default)]
pub(super) struct Access {
    checked: HashMap<StoreUid, Instant>,
}

impl Access {
    /// Checks some of the namespaces that were not checked recently; the rest follows in the next round.
    pub(super) async fn grant(&mut self, cluster: &Cluster, cache: &ClusterCache, live: &[LiveStore]) {
        let uids: HashSet<_> = live.iter().map(|store| store.uid).collect();
        self.checked.retain(|uid, since| uids.contains(uid) && since.elapsed() < CHECK_AGAIN);
        let ours = cache.read(|view| {
            let unchecked = live.iter().filter(|store| !self.checked.contains_key(&store.uid));
            let ours = unchecked.filter(|store| view.is_namespace_of(&store.namespace, store.uid));
            ours.map(|store| (store.uid, store.namespace.clone())).take(MOST).collect::<Vec<_>>()
        });
        let checks = ours.unwrap_or_default().into_iter();
        let checks = checks.map(|(uid, namespace)| async move { (uid, cluster.grant_access(&namespace).await) });
        let mut checks = futures::stream::iter(checks).buffer_unordered(TOGETHER);
        while let Some((uid, checked)) = checks.next().await {
            match checked {
                Ok(_) => GRANT.worked(),
                Err(error) => {
                    GRANT.failed(&error);
                    // The cluster is the problem, not this namespace.
                    if error.is_outage() || error.kind() == crate::kube::ClusterErrorKind::Unauthorized {
                        return;
                    }
                    if error.retryable() {
                        continue;
                    }
                }
            }
            self.checked.insert(uid, Instant::now());
        }
    }
}
