//! Common parts of all handlers.

use std::future::Future;
use std::sync::Arc;

use prost::Message as _;
use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;
use storeplane_core::ids::{StoreId, Tenant};
use storeplane_core::service::Service;
use storeplane_proto::v1::{ListStoresRequest, ListStoresResponse};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tonic::{Request, Status};
use tracing::{Instrument, Span};

use super::opaque::{Seal, Sealer};
use super::page_cache::{PageCache, Weight};
use super::status;
use crate::watch::Watches;

/// Handles the RPCs of `storeplane.v1`.
#[derive(Debug, Clone)]
pub struct ApiHandler {
    pub(super) service: Service,
    pub(super) watches: Watches,
    sealer: Sealer,
    /// Mutations in progress.
    tasks: TaskTracker,
    pub(super) simulated: watch::Receiver<bool>,
    /// The server's version.
    pub(super) version: String,
    pub(super) lists: PageCache<(Tenant, ListStoresRequest), Arc<ListStoresResponse>, Status>,
}

impl ApiHandler {
    /// Created from the service and the watches. `tasks` are the mutations that a shutdown waits for; `simulated` says whether
    /// the cluster was found to be simulated.
    pub fn new(
        service: Service,
        watches: Watches,
        sealer: Sealer,
        tasks: TaskTracker,
        simulated: watch::Receiver<bool>,
        version: String,
    ) -> Self {
        Self { service, watches, sealer, tasks, simulated, version, lists: PageCache::default() }
    }

    /// The seal of a tenant's cursors and page tokens.
    pub(super) async fn seal(&self, tenant: &Tenant) -> Result<Seal, Status> {
        self.sealer.of(tenant).await.map_err(|error| status::port(&error))
    }

    /// Runs a mutation to completion, even if its caller disconnects: a transaction that is dropped half-way
    /// stays open on its connection.
    pub(super) async fn finish<T: Send + 'static>(
        &self,
        mutation: impl Future<Output = Result<T, PortError>> + Send + 'static,
    ) -> Result<T, Status> {
        match self.tasks.spawn(mutation.in_current_span()).await {
            Ok(result) => result.map_err(|error| status::port(&error)),
            Err(error) => {
                tracing::error!(%error, "a mutation did not complete");
                Err(status::internal())
            }
        }
    }
}

impl Weight for Arc<ListStoresResponse> {
    fn weight(&self) -> usize {
        self.encoded_len()
    }
}

/// The authenticated caller.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| {
        tracing::error!("a handler was called without a caller");
        status::internal()
    })
}

/// Adds the store's id to the request's log line, if it is valid.
pub(super) fn note_store(store_id: &str) {
    if store_id.parse::<StoreId>().is_ok() {
        Span::current().record("store_id", store_id);
    }
}
