//! The current objects and logs of a store, for the domain's port [`LiveView`].
//!
//! - This file: the port, its time limit, and the ownership check. Nothing is read in a foreign namespace.
//! - `resources` lists the objects, `status` summarizes each one. `logs` reads logs and events.
//!
//! Every text from the namespace is masked: whatever looks like a secret, and the values of its Secrets. If those
//! cannot be read, the texts are omitted.

mod logs;
mod resources;
mod status;

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use storeplane_core::error::PortError;
use storeplane_core::live_view::{LiveLogs, LiveResource};
use storeplane_core::ports::LiveView;
use storeplane_core::store::Store;
use time::OffsetDateTime;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};

/// Time limit of the whole request.
const WITHIN: Duration = Duration::from_secs(10);

#[async_trait]
impl LiveView for Cluster {
    async fn resources(&self, store: &Store) -> Result<Vec<LiveResource>, PortError> {
        within(Box::pin(self.live_resources(store))).await
    }

    async fn logs(&self, store: &Store, tail_lines: u32) -> Result<LiveLogs, PortError> {
        within(Box::pin(self.live_logs(store, tail_lines))).await
    }
}

async fn within<T>(reading: impl Future<Output = Result<T, ClusterError>>) -> Result<T, PortError> {
    let read = tokio::time::timeout(WITHIN, reading).await;
    let late = || {
        let message = format!("could not read the store's objects within {} s", WITHIN.as_secs());
        ClusterError::new(ClusterErrorKind::Unreachable, message)
    };
    read.unwrap_or_else(|_| Err(late())).map_err(ClusterError::into_port)
}

/// The owner of the namespace.
enum Found {
    Missing,
    Foreign,
    Ours(Box<Namespace>),
}

impl Cluster {
    async fn live_namespace(&self, store: &Store) -> Result<Found, ClusterError> {
        let Some(found) = self.get_namespace(&store.placement.namespace).await? else { return Ok(Found::Missing) };
        let is_ours = self.ownership(&found.metadata, store.uid).await?.is_ours();
        Ok(if is_ours { Found::Ours(Box::new(found)) } else { Found::Foreign })
    }
}

fn at(time: Option<&Time>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(time?.0.as_nanosecond()).ok()
}
