//! Common parts of all handlers.

use std::future::Future;
use std::sync::Arc;

use prost::Message as _;
use storeplane_core::access::Access;
use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;
use storeplane_core::ids::StoreId;
use storeplane_core::ports::Clock;
use storeplane_core::service::Service;
use storeplane_proto::v1::{ListStoresRequest, ListStoresResponse};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};
use tracing::{Instrument, Span};

use super::opaque::{Seal, Sealer};
use super::page_cache::{PageCache, Weight};
use super::status;
use crate::circuit::Circuit;
use crate::limits::Limits;
use crate::postgres::AuditLog;
use crate::watch::Watches;

/// Handles the RPCs of `storeplane.v1`.
#[derive(Debug, Clone)]
pub struct ApiHandler {
    pub(super) service: Service,
    pub(super) watches: Watches,
    pub(super) limits: Limits,
    sealer: Sealer,
    /// Mutations in progress.
    tasks: TaskTracker,
    pub(super) platform: Platform,
    pub(super) audit: AuditLog,
    pub(super) lists: PageCache<(Access, ListStoresRequest), Arc<ListStoresResponse>, Status>,
}

/// What GetOverview says about the server and what it depends on.
#[derive(Clone)]
pub struct Platform {
    /// The server's version.
    pub version: String,
    /// Whether the cluster was found to be simulated.
    pub simulated: watch::Receiver<bool>,
    /// The circuit breakers of Postgres and the cluster.
    pub circuits: Vec<Circuit>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").field("version", &self.version).finish_non_exhaustive()
    }
}

impl ApiHandler {
    /// Created from the service and the watches. `tasks` are the mutations that a shutdown waits for.
    pub fn new(
        service: Service,
        (watches, limits): (Watches, Limits),
        sealer: Sealer,
        audit: AuditLog,
        tasks: TaskTracker,
        platform: Platform,
    ) -> Self {
        Self { service, watches, limits, sealer, audit, tasks, platform, lists: PageCache::default() }
    }

    /// The seal of a caller's cursors and page tokens.
    pub(super) async fn seal(&self, access: &Access) -> Result<Seal, Status> {
        self.sealer.of(access).await.map_err(|error| status::port(&error))
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

/// A response with a secret, which browsers and proxies must not store.
pub(super) fn no_store<T>(message: T) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert("cache-control", MetadataValue::from_static("no-store"));
    response
}

/// Adds the store's id to the request's log line, if it is valid.
pub(super) fn note_store(store_id: &str) {
    if store_id.parse::<StoreId>().is_ok() {
        Span::current().record("store_id", store_id);
    }
}
