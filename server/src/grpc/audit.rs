//! AuditService.

use storeplane_core::access::Access;
use storeplane_core::audit::{Action, AuditEvent, BrokenLink, ChainFault, Outcome, PLATFORM, Verification};
use storeplane_core::error::DomainError;
use storeplane_core::identity::{Caller, Role};
use storeplane_core::ids::Tenant;
use storeplane_core::query::AuditQuery;
use storeplane_proto::v1;
use storeplane_proto::v1::audit_service_server::AuditService;
use storeplane_proto::v1::{
    ListAuditEventsRequest, ListAuditEventsResponse, VerifyAuditLogRequest, VerifyAuditLogResponse,
};
use tonic::{Code, Request, Response, Status};

use super::api_handler::{ApiHandler, caller};
use super::convert::timestamp;
use super::{pages, status};
use crate::checkpoint::{Checkpoint, PublicKey, hex};
use crate::postgres::{CheckpointError, VerifyError};

#[tonic::async_trait]
impl AuditService for ApiHandler {
    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<ListAuditEventsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let tenant = self.log_tenant(&caller, request.platform, "AuditService/ListAuditEvents").await?;
        let seal = self.seal(&Access::whole(tenant.clone())).await?;
        let start = seal.page_start(&request.page_token);
        let query = AuditQuery::check(&tenant, &request.filter, request.page_size, start)
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.stores().audit_events(&query).await.map_err(|error| status::port(&error))?;
        let (audit_events, next) = pages::fill(&query, page, audit_event);
        Ok(Response::new(ListAuditEventsResponse { next_page_token: seal.page_token(next.as_ref()), audit_events }))
    }

    async fn verify_audit_log(
        &self,
        request: Request<VerifyAuditLogRequest>,
    ) -> Result<Response<VerifyAuditLogResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let tenant = self.log_tenant(&caller, request.platform, "AuditService/VerifyAuditLog").await?;
        let invalid =
            |field, problem: &dyn std::fmt::Display| status::refusal(&DomainError::field(field, problem.to_string()));
        let checkpoint = Some(request.checkpoint.as_str()).filter(|text| !text.is_empty());
        let checkpoint = checkpoint.map(Checkpoint::read).transpose().map_err(|fault| invalid("checkpoint", &fault))?;
        let key = Some(request.public_key.as_str()).filter(|text| !text.is_empty());
        let key: Option<PublicKey> =
            key.map(str::parse).transpose().map_err(|_| invalid("public_key", &"must be a public key in base64url"))?;
        let verified = self.audit.verify(&tenant, checkpoint.as_ref(), key).await.map_err(|error| match error {
            CheckpointError::Fault(fault) => invalid("checkpoint", &fault),
            CheckpointError::Busy => status::too_many_verifications(),
            CheckpointError::Verify(VerifyError::Port(error)) => status::port(&error),
            CheckpointError::Verify(expired @ VerifyError::Expired { .. }) => {
                status::refused(Code::OutOfRange, "CHECKPOINT_EXPIRED", expired.to_string())
            }
        })?;
        let public_key = self.audit.public_key().await.map_err(|error| status::port(&error))?;
        Ok(Response::new(verification(verified, public_key)))
    }
}

impl ApiHandler {
    /// The tenant whose log is read: the caller's, or the platform's for platform administrators. A denied call is recorded.
    async fn log_tenant(&self, caller: &Caller, platform: bool, rpc: &str) -> Result<Tenant, Status> {
        let needed = Role::PlatformAdmin;
        if !platform {
            return Ok(caller.tenant().clone());
        }
        if caller.role.allows(needed) {
            return Ok(Tenant::stored(PLATFORM.to_owned()));
        }
        let refusal = DomainError::PermissionDenied { role: caller.role.as_str(), needed: needed.as_str() };
        let denied = self.service.audited(caller, Action::Read, rpc, Err(refusal.into()));
        denied.await.map_err(|error| status::port(&error))
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
        sequence: event.sequence.unwrap_or_default(),
        hash: hex(&event.hash),
        credential_kind: event.credential.0,
        credential_id: event.credential.1,
        request_id: event.request_id,
        peer: event.peer,
        user_agent: event.user_agent,
        trace_id: event.trace_id,
        changes: event.changes,
        tenant: event.tenant,
    }
}

fn outcome(outcome: Outcome) -> v1::AuditOutcome {
    match outcome {
        Outcome::Accepted => v1::AuditOutcome::Accepted,
        Outcome::Rejected => v1::AuditOutcome::Rejected,
        Outcome::Denied => v1::AuditOutcome::Denied,
    }
}

fn verification(verified: Verification, public_key: PublicKey) -> VerifyAuditLogResponse {
    let broken = |BrokenLink { sequence, record, fault: found }: BrokenLink| v1::AuditBrokenLink {
        sequence,
        audit_event_id: record.map(|id| id.to_string()).unwrap_or_default(),
        fault: fault(found).into(),
        message: found.message().to_owned(),
    };
    VerifyAuditLogResponse {
        verified_count: count(verified.verified),
        first_sequence: verified.first_sequence,
        head_sequence: verified.head_sequence,
        head_hash: hex(&verified.head_hash),
        broken_link: verified.broken.map(broken),
        unchained_count: count(verified.unchained),
        last_checkpoint: verified.last_checkpoint.unwrap_or_default(),
        public_key: public_key.to_string(),
    }
}

fn fault(fault: ChainFault) -> v1::AuditChainFault {
    match fault {
        ChainFault::Missing => v1::AuditChainFault::Missing,
        ChainFault::Changed => v1::AuditChainFault::Changed,
        ChainFault::CutOff => v1::AuditChainFault::CutOff,
        ChainFault::NotAsSigned => v1::AuditChainFault::NotAsSigned,
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_names_match_the_proto() {
        for each in Outcome::ALL {
            assert_eq!(outcome(each).as_str_name(), format!("AUDIT_OUTCOME_{}", each.as_str()));
        }
        for each in ChainFault::ALL {
            assert_eq!(fault(each).as_str_name(), format!("AUDIT_CHAIN_FAULT_{}", each.as_str()));
        }
    }
}
