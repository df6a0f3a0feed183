//! StoreService: texts to commands, stores to messages. Mutations run in tasks of their own.

use std::sync::Arc;

use storeplane_core::access::Access;
use storeplane_core::audit::Action;
use storeplane_core::backup::command::RestoreStoreInput;
use storeplane_core::command::{CreateStoreInput, RollbackStoreInput, StoreCommand, StoreRef, UpdateStoreInput};
use storeplane_core::copy::{CopyStoreInput, UndeleteStore};
use storeplane_core::error::DomainError;
use storeplane_core::query::StoreQuery;
use storeplane_core::service::Service;
use storeplane_core::store as domain;
use storeplane_proto::v1::store_service_server::StoreService;
use storeplane_proto::v1::{
    CopyStoreRequest, CreateStoreRequest, DeleteStoreRequest, GetStoreCredentialsRequest, GetStoreLogsRequest,
    GetStoreRequest, GetStoreResourcesRequest, ListStoreRevisionsRequest, ListStoreRevisionsResponse,
    ListStoresRequest, ListStoresResponse, RestoreStoreRequest, RetryStoreRequest, RollbackStoreRequest,
    RotateStoreCredentialsRequest, Store, StoreCredentials, StoreLogs, StoreResources, UndeleteStoreRequest,
    UpdateStoreRequest, WatchStoreRequest, WatchStoreResponse, WatchStoresRequest, WatchStoresResponse,
};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller, no_store, note_store};
use super::convert;
use super::live_view;
use super::opaque::Seal;
use super::pages;
use super::revisions;
use super::status;
use super::watch::{self, Updates};
use crate::telemetry::trace;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl StoreService for ApiHandler {
    async fn create_store(&self, request: Request<CreateStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let request = request.into_inner();
        note_store(&request.store_id);
        let trace = trace::current();
        let store = self.finish(async move {
            let store = request.store.unwrap_or_default();
            let input = CreateStoreInput {
                store_id: request.store_id,
                display_name: store.display_name,
                engine: store.engine,
                engine_version: store.engine_version,
                plan: store.plan,
                admin_email: store.admin_email,
                cleanup_policy: convert::cleanup_policy(request.cleanup_policy),
                deletion_protection: store.deletion_protection,
                labels: store.labels.into_iter().collect(),
                backup_policy: convert::backup_policy_input(store.backup_policy),
                plugins: store.plugins.into_iter().map(convert::plugin_choice).collect(),
                has_smtp: store.smtp.is_some(),
                request_id: request.request_id,
            };
            service.create(&caller, trace, input, request.validate_only).await
        });
        Ok(self.created(store.await?))
    }

    async fn get_store(&self, request: Request<GetStoreRequest>) -> Answer<Store> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        note_store(&request.store_id);
        let wanted = StoreRef::check(&request.store_id, &request.uid).map_err(|refusal| status::refusal(&refusal))?;
        let found = self.service.stores().find(&caller.access, &wanted).await.map_err(|error| status::port(&error))?;
        let missing = || status::refusal(&DomainError::NotFound { kind: "store", name: wanted.id.to_string() });
        Ok(Response::new(self.store_message(found.ok_or_else(missing)?)))
    }

    async fn get_store_credentials(&self, request: Request<GetStoreCredentialsRequest>) -> Answer<StoreCredentials> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let request = request.into_inner();
        note_store(&request.store_id);
        let read = self.finish(async move {
            match StoreRef::check(&request.store_id, &request.uid) {
                Ok(wanted) => service.credentials(&caller, wanted).await,
                Err(refusal) => {
                    service.audited(&caller, Action::ReadCredentials, &request.store_id, Err(refusal.into())).await
                }
            }
        });
        let (store, login) = read.await?;
        Ok(no_store(StoreCredentials {
            admin_url: self.service.catalog().admin_url(&store),
            username: login.username,
            password: login.password,
        }))
    }

    async fn list_stores(&self, request: Request<ListStoresRequest>) -> Answer<ListStoresResponse> {
        let access = caller(&request)?.access;
        let seal = self.seal(&access).await?;
        let request = request.into_inner();
        let (service, question) = (self.service.clone(), (access.clone(), request.clone()));
        let stores = service.clone();
        let mark = async move { stores.stores().state_mark().await.ok() };
        let read = async move { list(&service, &seal, &access, &request).await.map(Arc::new) };
        let page = self.lists.get(question, mark, read).await?;
        Ok(Response::new(Arc::unwrap_or_clone(page)))
    }

    async fn update_store(&self, request: Request<UpdateStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let UpdateStoreRequest { store_id, store, update_mask, etag, request_id, uid, validate_only } =
            request.into_inner();
        note_store(&store_id);
        let fields = convert::update_input(store, update_mask);
        let input = UpdateStoreInput { store_id, uid, etag, request_id, ..fields };
        let trace = trace::current();
        let updated = self.finish(async move { service.update(&caller, trace, &input, validate_only).await });
        Ok(Response::new(revisions::updated(self, updated.await?)))
    }

    async fn rollback_store(&self, request: Request<RollbackStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let RollbackStoreRequest {
            store_id,
            revision,
            request_id,
            etag,
            uid,
            validate_only,
            accept_data_loss,
            backup_id,
        } = request.into_inner();
        note_store(&store_id);
        let input = RollbackStoreInput { store_id, uid, revision, accept_data_loss, backup_id, etag, request_id };
        let trace = trace::current();
        let rolled_back = self.finish(async move { service.roll_back(&caller, trace, &input, validate_only).await });
        Ok(Response::new(revisions::updated(self, rolled_back.await?)))
    }

    async fn list_store_revisions(
        &self,
        request: Request<ListStoreRevisionsRequest>,
    ) -> Answer<ListStoreRevisionsResponse> {
        revisions::list(self, request).await.map(Response::new)
    }

    async fn delete_store(&self, request: Request<DeleteStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let request = request.into_inner();
        note_store(&request.store_id);
        let trace = trace::current();
        let store = self.finish(async move {
            let DeleteStoreRequest { store_id, etag, request_id, uid, force } = request;
            match StoreCommand::check_delete(&store_id, &uid, &etag, &request_id, force) {
                Ok(command) => service.delete(&caller, trace, command).await,
                Err(refusal) => {
                    let action = if force { Action::ForceDeleteStore } else { Action::DeleteStore };
                    service.audited(&caller, action, &store_id, Err(refusal.into())).await
                }
            }
        });
        Ok(Response::new(self.store_message(store.await?)))
    }

    async fn retry_store(&self, request: Request<RetryStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let request = request.into_inner();
        note_store(&request.store_id);
        let trace = trace::current();
        let store = self.finish(async move {
            let RetryStoreRequest { store_id, request_id, etag, uid } = request;
            match StoreCommand::check("RetryStore", &store_id, &uid, &etag, &request_id) {
                Ok(command) => service.retry(&caller, trace, command).await,
                Err(refusal) => service.audited(&caller, Action::RetryStore, &store_id, Err(refusal.into())).await,
            }
        });
        Ok(Response::new(self.store_message(store.await?)))
    }

    async fn restore_store(&self, request: Request<RestoreStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let RestoreStoreRequest { store_id, backup_id, skip_backup, request_id, etag, uid, validate_only } =
            request.into_inner();
        note_store(&store_id);
        let input = RestoreStoreInput { store_id, uid, backup_id, skip_backup, etag, request_id };
        let trace = trace::current();
        let store = self.finish(async move { service.restore_store(&caller, trace, input, validate_only).await });
        Ok(Response::new(self.store_message(store.await?)))
    }

    async fn copy_store(&self, request: Request<CopyStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let request = request.into_inner();
        note_store(&request.source_store_id);
        let trace = trace::current();
        let copied = self.finish(async move {
            let store = request.store.unwrap_or_default();
            let input = CopyStoreInput {
                source_store_id: request.source_store_id,
                source_uid: request.source_uid,
                backup_id: request.backup_id,
                store_id: request.store_id,
                display_name: store.display_name,
                engine: store.engine,
                plan: store.plan,
                admin_email: store.admin_email,
                deletion_protection: store.deletion_protection,
                labels: store.labels.into_iter().collect(),
                environment: convert::environment_of_copy(store.environment),
                cleanup_policy: convert::cleanup_policy(request.cleanup_policy),
                request_id: request.request_id,
            };
            service.copy_store(&caller, trace, input, request.validate_only).await
        });
        Ok(self.created(Box::pin(copied).await?))
    }

    async fn undelete_store(&self, request: Request<UndeleteStoreRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let UndeleteStoreRequest { store_id, uid, backup_id, request_id, validate_only } = request.into_inner();
        note_store(&store_id);
        let trace = trace::current();
        let undeleted = self.finish(async move {
            let command = UndeleteStore::check(&store_id, &uid, &backup_id, &request_id);
            service.undelete_store(&caller, trace, &store_id, command, validate_only).await
        });
        Ok(self.created(undeleted.await?))
    }

    async fn rotate_store_credentials(&self, request: Request<RotateStoreCredentialsRequest>) -> Answer<Store> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let request = request.into_inner();
        note_store(&request.store_id);
        let trace = trace::current();
        let store = self.finish(async move {
            let RotateStoreCredentialsRequest { store_id, request_id, etag, uid } = request;
            match StoreCommand::check("RotateStoreCredentials", &store_id, &uid, &etag, &request_id) {
                Ok(command) => service.rotate_credentials(&caller, trace, command).await,
                Err(refusal) => {
                    service.audited(&caller, Action::RotateCredentials, &store_id, Err(refusal.into())).await
                }
            }
        });
        Ok(Response::new(self.store_message(store.await?)))
    }

    async fn get_store_resources(&self, request: Request<GetStoreResourcesRequest>) -> Answer<StoreResources> {
        live_view::resources(self, request).await.map(Response::new)
    }

    async fn get_store_logs(&self, request: Request<GetStoreLogsRequest>) -> Answer<StoreLogs> {
        live_view::logs(self, request).await.map(Response::new)
    }

    type WatchStoreStream = Updates<WatchStoreResponse>;

    async fn watch_store(&self, request: Request<WatchStoreRequest>) -> Answer<Self::WatchStoreStream> {
        watch::store(self, request).await.map(stream)
    }

    type WatchStoresStream = Updates<WatchStoresResponse>;

    async fn watch_stores(&self, request: Request<WatchStoresRequest>) -> Answer<Self::WatchStoresStream> {
        watch::stores(self, request).await.map(stream)
    }
}

impl ApiHandler {
    pub(super) fn store_message(&self, store: domain::Store) -> Store {
        convert::store(self.service.catalog(), store)
    }

    fn created(&self, store: domain::Store) -> Response<Store> {
        note_store(store.id.as_str());
        let mut created = self.store_message(store);
        // The value that GetOverview returns before a worker has connected to the cluster.
        created.simulated |= *self.platform.simulated.borrow();
        Response::new(created)
    }
}

fn stream<T>(updates: Updates<T>) -> Response<Updates<T>> {
    let mut response = Response::new(updates);
    super::unbuffered(&mut response);
    response
}

async fn list(
    service: &Service,
    seal: &Seal,
    access: &Access,
    request: &ListStoresRequest,
) -> Result<ListStoresResponse, Status> {
    let start = seal.page_start(&request.page_token);
    let query = StoreQuery::check(access, &request.filter, &request.order_by, request.page_size, start)
        .map_err(|refusal| status::refusal(&refusal))?;
    let stores = service.stores();
    let page = stores.list(&query).await.map_err(|error| status::port(&error))?;
    let total_size = match query.total(&page) {
        Some(total) => total,
        None => stores.count(&query).await.map_err(|error| status::port(&error))?,
    };
    let (stores, next) = pages::fill(&query, page, |store| convert::store(service.catalog(), store));
    Ok(ListStoresResponse { next_page_token: seal.page_token(next.as_ref()), total_size, stores })
}
