//! The calls. Mutations carry a request id, so that one whose answer was lost can be repeated: one of their own for each
//! call, or the caller's, who can then repeat it even after his own restart.

use std::time::Duration;

use futures::stream::{self, Stream, TryStreamExt as _, try_unfold};
use storeplane_proto::v1;
use tonic::Response;

use crate::client::{Client, patiently};
use crate::error::Error;

/// How long one call of `wait_operation` waits, in seconds: less than a call may take.
const WAIT_SECONDS: i64 = 10;

/// Gives a request an id, unless its caller did.
fn identify(request_id: &mut String) {
    if request_id.is_empty() {
        *request_id = uuid::Uuid::new_v4().to_string();
    }
}

impl Client {
    /// Asks for a store; `store` says name, engine, plan and the administrator's e-mail address. An empty id is made from the name.
    ///
    /// # Errors
    /// `INVALID_REQUEST` with everything that is wrong, `STORE_ALREADY_EXISTS`, and what every call can say.
    pub async fn create_store(&self, store_id: &str, store: v1::Store) -> Result<v1::Store, Error> {
        let request = v1::CreateStoreRequest {
            store_id: store_id.to_owned(),
            store: Some(store),
            ..v1::CreateStoreRequest::default()
        };
        self.create_store_with(request).await
    }

    /// The same with every field of the request. Without a request id it gets one.
    ///
    /// # Errors
    /// As [`Client::create_store`].
    pub async fn create_store_with(&self, mut request: v1::CreateStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.create_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// One store: the one that is not deleted, else the one deleted last.
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

    /// What the shop's administrator signs in with. Each answer is noted in the audit log; keep it nowhere.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `CREDENTIALS_UNAVAILABLE` while the store is being made or removed, and when it is gone.
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

    /// A page of stores.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a filter, an order or a token that makes no sense.
    pub async fn list_stores(&self, request: v1::ListStoresRequest) -> Result<v1::ListStoresResponse, Error> {
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.list_stores(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Removes a store with all its data, in any state.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND` for one that never was. What is deleted already is returned as it is.
    pub async fn delete_store(&self, store_id: &str) -> Result<v1::Store, Error> {
        let request = v1::DeleteStoreRequest { store_id: store_id.to_owned(), ..v1::DeleteStoreRequest::default() };
        self.delete_store_with(request).await
    }

    /// The same with every field of the request. Without a request id it gets one.
    ///
    /// # Errors
    /// As [`Client::delete_store`], and `STALE_ETAG`.
    pub async fn delete_store_with(&self, mut request: v1::DeleteStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.delete_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Goes on with a store that is FAILED or DEGRADED, from what is there.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `NOT_RETRYABLE`.
    pub async fn retry_store(&self, store_id: &str) -> Result<v1::Store, Error> {
        let request = v1::RetryStoreRequest { store_id: store_id.to_owned(), ..v1::RetryStoreRequest::default() };
        self.retry_store_with(request).await
    }

    /// The same with every field of the request. Without a request id it gets one.
    ///
    /// # Errors
    /// As [`Client::retry_store`].
    pub async fn retry_store_with(&self, mut request: v1::RetryStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.retry_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Asks for a creation to be stopped and undone.
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

    /// The same with every field of the request. Without a request id it gets one.
    ///
    /// # Errors
    /// As [`Client::cancel_operation`], and `STALE_ETAG`.
    pub async fn cancel_operation_with(&self, mut request: v1::CancelOperationRequest) -> Result<v1::Operation, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.cancel_operation(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// The operation once it has ended.
    ///
    /// # Errors
    /// `OPERATION_NOT_FOUND`; [`Error::Deadline`] if it has not ended `within` this time.
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

    /// Counts, rates and durations of all stores over a window that ends now (1 hour to 90 days), what is going on and what
    /// happened last.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for another window.
    pub async fn get_overview(&self, window: Duration) -> Result<v1::Overview, Error> {
        // What is too long for the wire is too long for the server.
        let seconds = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let nanos = window.subsec_nanos().cast_signed();
        let request = v1::GetOverviewRequest { window: Some(storeplane_proto::Duration { seconds, nanos }) };
        let call = || {
            let mut platform = self.platform.clone();
            async move { platform.get_overview(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// The kinds of shop that can be made, the default one first.
    ///
    /// # Errors
    /// What every call can say.
    pub async fn list_engines(&self) -> Result<Vec<v1::Engine>, Error> {
        let call = || {
            let mut platform = self.platform.clone();
            async move { platform.list_engines(v1::ListEnginesRequest {}).await.map(Response::into_inner) }
        };
        Ok(patiently(call).await?.engines)
    }

    /// A page of the audit log, the newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a filter or a token that makes no sense.
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

    /// One operation.
    ///
    /// # Errors
    /// `OPERATION_NOT_FOUND`, also for one that ended so long ago that it is no longer kept.
    pub async fn get_operation(&self, operation_id: &str) -> Result<v1::Operation, Error> {
        let request = v1::GetOperationRequest { operation_id: operation_id.to_owned() };
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.get_operation(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// A page of operations, the newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a token that makes no sense.
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

    /// All stores that match a filter, the newest first, page after page as they are asked for. An empty filter is all.
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
