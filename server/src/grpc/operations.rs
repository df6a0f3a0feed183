//! OperationService.

use std::time::Duration;

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
use super::{convert, pages, status, watch};
use crate::telemetry::trace;

/// Default timeout of `WaitOperation`.
const WAIT_DEFAULT: Duration = Duration::from_mins(1);
/// Maximum timeout.
const WAIT_MAX: Duration = Duration::from_mins(5);

#[tonic::async_trait]
impl OperationService for ApiHandler {
    async fn get_operation(&self, request: Request<GetOperationRequest>) -> Result<Response<Operation>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut check = Check::default();
        let id: Option<OperationId> = check.required("operation_id", &request.operation_id);
        let id = check.finish(id).map_err(|refusal| status::refusal(&refusal))?;
        let found = self.service.stores().operation(&caller.access, id).await.map_err(|error| status::port(&error))?;
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
        let seal = self.seal(&caller.access).await?;
        let start = seal.page_start(&request.page_token);
        let query = OperationQuery::check(&caller.access, &request.store_id, &request.filter, request.page_size, start)
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.stores().operations(&query).await.map_err(|error| status::port(&error))?;
        let (operations, next) = pages::fill(&query, page, convert::operation);
        Ok(Response::new(ListOperationsResponse { next_page_token: seal.page_token(next.as_ref()), operations }))
    }

    async fn wait_operation(&self, request: Request<WaitOperationRequest>) -> Result<Response<Operation>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (id, timeout) = check_wait(&request).map_err(|refusal| status::refusal(&refusal))?;
        // A call that waits is as lasting as a stream, and counts as one.
        let _open = self.limits.open_stream(&caller).map_err(status::too_many_streams)?;
        let found = self.watches.operation(&caller, id, timeout).await.map_err(|end| watch::ended(&end))?;
        let missing = || status::refusal(&DomainError::NotFound { kind: "operation", name: id.to_string() });
        let operation = found.ok_or_else(missing)?;
        note_store(operation.store_id.as_str());
        Ok(Response::new(convert::operation(operation)))
    }

    async fn cancel_operation(&self, request: Request<CancelOperationRequest>) -> Result<Response<Operation>, Status> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CancelOperationRequest { operation_id, request_id, etag, store_uid } = request.into_inner();
        let trace = trace::current();
        let operation = self.finish(async move {
            match CancelOperation::check(&operation_id, &store_uid, &etag, &request_id) {
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

fn check_wait(request: &WaitOperationRequest) -> Result<(OperationId, Duration), DomainError> {
    let mut check = Check::default();
    let id = check.required("operation_id", &request.operation_id);
    let timeout = request.timeout.map_or(Ok(WAIT_DEFAULT), |timeout| convert::read_duration(timeout).try_into());
    let timeout = timeout.ok().filter(|timeout| *timeout <= WAIT_MAX);
    if timeout.is_none() {
        check.fail("timeout", format!("must be between 0 and {} seconds", WAIT_MAX.as_secs()));
    }
    check.finish(id.zip(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_time_has_bounds_and_default() {
        let of = |seconds: Option<i64>| {
            let timeout = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
            let operation_id = "0192f0c1-0000-7000-8000-000000000001".into();
            check_wait(&WaitOperationRequest { operation_id, timeout }).map(|(_, timeout)| timeout.as_secs()).ok()
        };
        assert_eq!([of(None), of(Some(0)), of(Some(300))], [Some(60), Some(0), Some(300)]);
        assert_eq!([of(Some(-1)), of(Some(301)), of(Some(i64::MAX))], [None, None, None]);
    }
}
