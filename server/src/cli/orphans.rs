//! `orphans`: namespaces and releases of this control plane that belong to no store.

use std::fmt::Write;
use std::sync::Arc;

use super::{Failure, print};
use crate::app::cluster_config;
use crate::config::Config;
use crate::kube::Cluster;
use crate::postgres::{self, LiveStoreRepository};
use crate::reconciler::orphans::find;
use crate::system::SystemClock;

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let database = postgres::connect(config.session_url()?.expose(), 2)?;
    let live_stores = LiveStoreRepository::new(database, Arc::new(SystemClock));
    let cluster = Cluster::new(cluster_config(config));
    // Rows are read last: a store's row exists before any of its objects.
    let (namespaces, releases) = (cluster.every_namespace().await?, cluster.all_releases().await?);
    let live = live_stores.live().await?;
    let within = |namespace: &str| releases.iter().filter(|release| release.namespace == namespace).cloned().collect();
    let orphans = find(cluster.instance(), namespaces.iter(), within, &live);
    let mut table =
        format!("{:8}  {:40}  {:36}  {:15}  {:20}  RELEASES\n", "KIND", "NAMESPACE", "STORE UID", "TENANT", "STORE");
    for orphan in &orphans {
        let uid = orphan.store_uid.map(|uid| uid.to_string()).unwrap_or_default();
        let (kind, releases) = match &orphan.release {
            Some(release) => ("release", release.clone()),
            None => ("namespace", orphan.releases.join(",")),
        };
        let (namespace, tenant, store) = (&orphan.namespace, &orphan.tenant, &orphan.store_id);
        writeln!(table, "{kind:8}  {namespace:40}  {uid:36}  {tenant:15}  {store:20}  {releases}")?;
    }
    if orphans.is_empty() {
        print("every namespace and release of this control plane belongs to a store\n")
    } else {
        print(&table)
    }
}
