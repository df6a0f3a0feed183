//! AuditService.

use storeplane_core::audit::{AuditEvent, Outcome};
use storeplane_core::query::AuditQuery;
use storeplane_proto::v1;
use storeplane_proto::v1::audit_service_server::AuditService;
use storeplane_proto::v1::{ListAuditEventsRequest, ListAuditEventsResponse};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller};
use super::convert::timestamp;
use super::{pages, status};

#[tonic::async_trait]
impl AuditService for ApiHandler {
    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<ListAuditEventsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let seal = self.seal(&caller.tenant).await?;
        let start = seal.page_start(&request.page_token);
        let query = AuditQuery::check(&caller.tenant, &request.filter, request.page_size, start)
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.stores().audit_events(&query).await.map_err(|error| status::port(&error))?;
        let (audit_events, next) = pages::fill(&query, page, audit_event);
        Ok(Response::new(ListAuditEventsResponse { next_page_token: seal.page_token(next.as_ref()), audit_events }))
    }
}

fn audit_event(event: AuditEvent) -> v1::AuditEvent {
    v1::AuditEvent {
        audit_event_id: event.id.to_string(),
        time: Some(timestamp(event.at)),
        actor: event.actor,
        action: event.action,
        target: event.target,
        store_uid: event.store.map(|uid| uid.to_string()).unwrap_or_default(),
        operation_id: event.operation.map(|id| id.to_string()).unwrap_or_default(),
        outcome: event.outcome.map_or(v1::AuditOutcome::Unspecified, outcome).into(),
        reason: event.reason,
        count: event.count,
        last_time: Some(timestamp(event.last_at)),
    }
}

fn outcome(outcome: Outcome) -> v1::AuditOutcome {
    match outcome {
        Outcome::Accepted => v1::AuditOutcome::Accepted,
        Outcome::Rejected => v1::AuditOutcome::Rejected,
        Outcome::Denied => v1::AuditOutcome::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_names_match_the_proto() {
        for each in Outcome::ALL {
            assert_eq!(outcome(each).as_str_name(), format!("AUDIT_OUTCOME_{}", each.as_str()));
        }
    }
}
