//! The calls. Mutations carry a request id of their own, so that one whose answer was lost can be repeated.

use std::time::Duration;

use futures::StreamExt as _;
use storeplane_proto::v1;
use tonic::Response;

use crate::client::{Client, patiently};
use crate::error::Error;
use crate::watch::{Change, Watch};

fn fresh_request_id() -> String {
    uuid::Uuid::new_v4().to_string()
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
        if request.request_id.is_empty() {
            request.request_id = fresh_request_id();
        }
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

    async fn get(&self, request: v1::GetStoreRequest) -> Result<v1::Store, Error> {
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.get_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// What the shop's administrator signs in with. Each answer is noted in the audit log; keep it nowhere.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `CREDENTIALS_NOT_THERE` while the store is being made or removed, and when it is gone.
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
        let request = v1::DeleteStoreRequest {
            store_id: store_id.to_owned(),
            request_id: fresh_request_id(),
            ..v1::DeleteStoreRequest::default()
        };
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
        let request = v1::RetryStoreRequest { store_id: store_id.to_owned(), request_id: fresh_request_id() };
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
        let request =
            v1::CancelOperationRequest { operation_id: operation_id.to_owned(), request_id: fresh_request_id() };
        let call = || {
            let (mut operations, request) = (self.operations.clone(), request.clone());
            async move { operations.cancel_operation(request).await.map(Response::into_inner) }
        };
        patiently(call).await
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

    /// What happened to a store after event `after` (0: everything that is kept), and what happens from now on.
    pub fn watch(&self, store_id: &str, after: i64) -> Watch {
        Watch::new(self.clone(), store_id, after, v1::WatchUntil::Never)
    }

    /// The same, until no operation is at work on the store: READY, DEGRADED, FAILED or DELETED.
    pub fn watch_until_settled(&self, store_id: &str, after: i64) -> Watch {
        Watch::new(self.clone(), store_id, after, v1::WatchUntil::Settled)
    }

    /// Waits until no operation is at work on a store, and gives that very store, also when its id was used again.
    ///
    /// # Errors
    /// [`Error::Deadline`] after `within`; `STORE_NOT_FOUND`.
    pub async fn wait_settled(&self, store_id: &str, within: Duration) -> Result<v1::Store, Error> {
        let waiting = async {
            let mut watch = self.watch_until_settled(store_id, 0);
            let mut uid = String::new();
            while let Some(change) = watch.next().await {
                if let Change::Snapshot(store) = change? {
                    uid = store.uid;
                }
            }
            self.get(v1::GetStoreRequest { store_id: store_id.to_owned(), uid }).await
        };
        tokio::time::timeout(within, waiting).await.map_err(|_| Error::Deadline)?
    }
}
