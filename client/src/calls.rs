//! The calls. Mutations carry a request id, so that a call whose response was lost can be repeated: a new one for each
//! call, or the caller's own, which allows repeating it even after the caller's restart.

use std::time::Duration;

use futures::stream::{self, Stream, TryStreamExt as _, try_unfold};
use storeplane_proto::v1;
use tonic::Response;

use crate::client::{Client, patiently};
use crate::error::Error;

/// How long one call of `wait_operation` waits, in seconds: less than the limit of a call.
const WAIT_SECONDS: i64 = 10;

/// Sets a request id unless the caller did.
pub(crate) fn identify(request_id: &mut String) {
    if request_id.is_empty() {
        *request_id = uuid::Uuid::new_v4().to_string();
    }
}

impl Client {
    /// Creates a store; `store` needs a name and the administrator's e-mail address. An empty id is generated from the name.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with all violations, `STORE_ALREADY_EXISTS`, and the errors of every call.
    pub async fn create_store(&self, store_id: &str, store: v1::Store) -> Result<v1::Store, Error> {
        let request = v1::CreateStoreRequest {
            store_id: store_id.to_owned(),
            store: Some(store),
            ..v1::CreateStoreRequest::default()
        };
        self.create_store_with(request).await
    }

    /// As [`Client::create_store`], with every field of the request. A missing request id is generated.
    ///
    /// # Errors
    /// See [`Client::create_store`].
    pub async fn create_store_with(&self, mut request: v1::CreateStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.create_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns a store: the one that is not deleted, otherwise the one deleted last.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`.
    pub async fn get_store(&self, store_id: &str) -> Result<v1::Store, Error> {
        self.get(v1::GetStoreRequest { store_id: store_id.to_owned(), ..v1::GetStoreRequest::default() }).await
    }

    pub(crate) async fn get(&self, request: v1::GetStoreRequest) -> Result<v1::Store, Error> {
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.get_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns the shop administrator's login. Each call is audited; do not store the result.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `CREDENTIALS_UNAVAILABLE` while the store is being created or removed, and after it is gone.
    pub async fn get_store_credentials(&self, store_id: &str) -> Result<v1::StoreCredentials, Error> {
        let request = v1::GetStoreCredentialsRequest {
            store_id: store_id.to_owned(),
            ..v1::GetStoreCredentialsRequest::default()
        };
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.get_store_credentials(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns a page of stores.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid filter, order or page token.
    pub async fn list_stores(&self, request: v1::ListStoresRequest) -> Result<v1::ListStoresResponse, Error> {
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.list_stores(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Deletes a store and all its data, in any state.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND` if it never existed. A store that is already deleted is returned unchanged.
    pub async fn delete_store(&self, store_id: &str) -> Result<v1::Store, Error> {
        let request = v1::DeleteStoreRequest { store_id: store_id.to_owned(), ..v1::DeleteStoreRequest::default() };
        self.delete_store_with(request).await
    }

    /// As [`Client::delete_store`], with every field of the request. A missing request id is generated.
    ///
    /// # Errors
    /// Those of [`Client::delete_store`], and `STALE_ETAG`.
    pub async fn delete_store_with(&self, mut request: v1::DeleteStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.delete_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Changes the fields of a store that `update_mask` names. A missing request id is generated.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `NOT_UPDATABLE`, `SETTINGS_NOT_UPDATABLE`, `OPERATION_IN_PROGRESS`, `STALE_ETAG`, `PLAN_NOT_ALLOWED`,
    /// `RESOURCE_QUOTA_EXCEEDED`.
    pub async fn update_store(&self, mut request: v1::UpdateStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.update_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns a store to an earlier revision. A missing request id is generated.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `REVISION_NOT_FOUND`, `SETTINGS_NOT_UPDATABLE`, `VERSION_UNAVAILABLE`, `OPERATION_IN_PROGRESS`, `STALE_ETAG`.
    pub async fn rollback_store(&self, mut request: v1::RollbackStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.rollback_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// A page of a store's revisions, newest first.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`.
    pub async fn list_store_revisions(
        &self,
        request: v1::ListStoreRevisionsRequest,
    ) -> Result<v1::ListStoreRevisionsResponse, Error> {
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.list_store_revisions(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Retries a FAILED or DEGRADED store, starting from what exists.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `NOT_RETRYABLE`.
    pub async fn retry_store(&self, store_id: &str) -> Result<v1::Store, Error> {
        let request = v1::RetryStoreRequest { store_id: store_id.to_owned(), ..v1::RetryStoreRequest::default() };
        self.retry_store_with(request).await
    }

    /// As [`Client::retry_store`], with every field of the request. A missing request id is generated.
    ///
    /// # Errors
    /// See [`Client::retry_store`].
    pub async fn retry_store_with(&self, mut request: v1::RetryStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.retry_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Replaces a store's credentials; its pods restart once.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `NOT_ROTATABLE`, `ROTATION_UNSUPPORTED`.
    pub async fn rotate_store_credentials(&self, store_id: &str) -> Result<v1::Store, Error> {
        let store_id = store_id.to_owned();
        let mut request =
            v1::RotateStoreCredentialsRequest { store_id, ..v1::RotateStoreCredentialsRequest::default() };
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.rotate_store_credentials(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Requests that a creation be stopped and undone.
    ///
    /// # Errors
    /// `OPERATION_NOT_FOUND`, `NOT_CANCELLABLE`.
    pub async fn cancel_operation(&self, operation_id: &str) -> Result<v1::Operation, Error> {
        let operation_id = operation_id.to_owned();
        let mut request = v1::CancelOperationRequest { operation_id, ..v1::CancelOperationRequest::default() };
        identify(&mut request.request_id);
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.cancel_operation(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// As [`Client::cancel_operation`], with every field of the request. A missing request id is generated.
    ///
    /// # Errors
    /// Those of [`Client::cancel_operation`], and `STALE_ETAG`.
    pub async fn cancel_operation_with(&self, mut request: v1::CancelOperationRequest) -> Result<v1::Operation, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.cancel_operation(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Waits until an operation has ended, and returns it.
    ///
    /// # Errors
    /// `OPERATION_NOT_FOUND`; [`Error::Deadline`] if it has not ended `within` that time.
    pub async fn wait_operation(&self, operation_id: &str, within: Duration) -> Result<v1::Operation, Error> {
        let waiting = async {
            loop {
                let timeout = Some(storeplane_proto::Duration { seconds: WAIT_SECONDS, nanos: 0 });
                let request = v1::WaitOperationRequest { operation_id: operation_id.to_owned(), timeout };
                let call = || {
                    let (mut operations, request) = (self.operations.clone(), request.clone());
                    async move { operations.wait_operation(request).await.map(Response::into_inner) }
                };
                let operation = patiently(call).await?;
                if operation.end_time.is_some() {
                    return Ok(operation);
                }
            }
        };
        tokio::time::timeout(within, waiting).await.map_err(|_| Error::Deadline)?
    }

    /// Counts, rates and durations of all stores over a window that ends now (1 hour to 90 days), active operations and
    /// recent events.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for another window.
    pub async fn get_overview(&self, window: Duration) -> Result<v1::Overview, Error> {
        // A duration that does not fit into the message exceeds the server's limit, too.
        let seconds = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let nanos = window.subsec_nanos().cast_signed();
        let request = v1::GetOverviewRequest { window: Some(storeplane_proto::Duration { seconds, nanos }) };
        let call = || {
            let mut platform = self.platform.clone();
            async move { platform.get_overview(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// The available engines, the default one first.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn list_engines(&self) -> Result<Vec<v1::Engine>, Error> {
        let call = || {
            let mut platform = self.platform.clone();
            async move { platform.list_engines(v1::ListEnginesRequest {}).await.map(Response::into_inner) }
        };
        Ok(patiently(call).await?.engines)
    }

    /// A page of the cluster's helm releases. Requires the role operator.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn list_releases(&self, wanted: v1::ListReleasesRequest) -> Result<v1::ListReleasesResponse, Error> {
        let call = || {
            let (mut platform, wanted) = (self.platform.clone(), wanted.clone());
            async move { platform.list_releases(wanted).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid filter or page token.
    pub async fn list_audit_events(
        &self,
        request: v1::ListAuditEventsRequest,
    ) -> Result<v1::ListAuditEventsResponse, Error> {
        let call = || {
            let (mut audit, request) = (self.audit.clone(), request.clone());
            async move { audit.list_audit_events(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Verifies the hash chain of the audit log. Needs the role `auditor`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid checkpoint.
    pub async fn verify_audit_log(
        &self,
        request: v1::VerifyAuditLogRequest,
    ) -> Result<v1::VerifyAuditLogResponse, Error> {
        let call = || {
            let (mut audit, request) = (self.audit.clone(), request.clone());
            async move { audit.verify_audit_log(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns an operation.
    ///
    /// # Errors
    /// `OPERATION_NOT_FOUND`, also for one that was removed by retention.
    pub async fn get_operation(&self, operation_id: &str) -> Result<v1::Operation, Error> {
        let request = v1::GetOperationRequest { operation_id: operation_id.to_owned() };
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.get_operation(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// A page of operations, newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid page token.
    pub async fn list_operations(
        &self,
        request: v1::ListOperationsRequest,
    ) -> Result<v1::ListOperationsResponse, Error> {
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.list_operations(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// All stores that match a filter (empty: all), newest first. Pages are fetched on demand.
    pub fn all_stores(&self, filter: &str) -> impl Stream<Item = Result<v1::Store, Error>> + Send + use<> {
        let first = v1::ListStoresRequest { filter: filter.to_owned(), ..v1::ListStoresRequest::default() };
        let pages = try_unfold((self.clone(), Some(first)), |(client, request)| async move {
            let Some(mut request) = request else { return Ok::<_, Error>(None) };
            let page = client.list_stores(request.clone()).await?;
            request.page_token = page.next_page_token;
            let next = Some(request).filter(|request| !request.page_token.is_empty());
            Ok(Some((stream::iter(page.stores.into_iter().map(Ok)), (client, next))))
        });
        pages.try_flatten()
    }
}
