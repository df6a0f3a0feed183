//! OperationService.

use storeplane_core::audit::Action;
use storeplane_core::command::CancelOperation;
use storeplane_core::error::DomainError;
use storeplane_core::ids::OperationId;
use storeplane_core::query::OperationQuery;
use storeplane_core::validate::Check;
use storeplane_proto::v1::operation_service_server::OperationService;
use storeplane_proto::v1::{
    CancelOperationRequest, GetOperationRequest, ListOperationsRequest, ListOperationsResponse, Operation,
    WaitOperationRequest,
};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::{convert, opaque, status};
use crate::telemetry::trace;

#[tonic::async_trait]
impl OperationService for ApiHandler {
    async fn get_operation(&self, request: Request<GetOperationRequest>) -> Result<Response<Operation>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut check = Check::default();
        let id: Option<OperationId> = check.required("operation_id", &request.operation_id);
        let id = check.finish(id).map_err(|refusal| status::refusal(&refusal))?;
        let found = self.service.stores().operation(&caller.tenant, id).await.map_err(|error| status::port(&error))?;
        let missing = || status::refusal(&DomainError::NotFound { kind: "operation", name: id.to_string() });
        let operation = found.ok_or_else(missing)?;
        note_store(operation.store_id.as_str());
        Ok(Response::new(convert::operation(operation)))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        note_store(&request.store_id);
        let start = opaque::page_start(&request.page_token);
        let query = OperationQuery::check(&caller.tenant, &request.store_id, request.page_size, start)
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.stores().operations(&query).await.map_err(|error| status::port(&error))?;
        Ok(Response::new(ListOperationsResponse {
            next_page_token: opaque::page_token(page.next.as_ref()),
            operations: page.items.into_iter().map(convert::operation).collect(),
        }))
    }

    async fn wait_operation(&self, _request: Request<WaitOperationRequest>) -> Result<Response<Operation>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn cancel_operation(&self, request: Request<CancelOperationRequest>) -> Result<Response<Operation>, Status> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CancelOperationRequest { operation_id, request_id, .. } = request.into_inner();
        let trace = trace::current();
        let operation = self.finish(async move {
            match CancelOperation::check(&operation_id, &request_id) {
                Ok(command) => service.cancel(&caller, trace, command).await,
                Err(refusal) => {
                    service.audited(&caller, Action::CancelOperation, &operation_id, Err(refusal.into())).await
                }
            }
        });
        let operation = operation.await?;
        note_store(operation.store_id.as_str());
        Ok(Response::new(convert::operation(operation)))
    }
}
