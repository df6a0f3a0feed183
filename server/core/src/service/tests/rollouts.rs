//! Rollouts of tokens that are limited to some stores; the rest is tested with Postgres.

use super::*;
use crate::audit::Action;
use crate::ids::RolloutId;
use crate::ports::{RolloutDecision, Rollouts};
use crate::query::{MemberQuery, RolloutQuery};
use crate::rollout::command::{CreateRollout, CreateRolloutInput, RolloutCommand};
use crate::rollout::{Member, OnFailure, Rollout};

#[async_trait::async_trait]
impl Rollouts for Memory {
    async fn create(&self, command: CreateRollout, _: AuditRecord) -> Result<Rollout, PortError> {
        Ok(command.of(1))
    }

    async fn preview(&self, command: CreateRollout) -> Result<Rollout, PortError> {
        Ok(command.of(1))
    }

    async fn find(&self, _: &Tenant, _: RolloutId) -> Result<Option<Rollout>, PortError> {
        Ok(None)
    }

    async fn list(&self, _: &RolloutQuery) -> Result<Page<Rollout>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn members(&self, _: &MemberQuery) -> Result<Page<Member>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn version(&self, _: &Tenant, _: RolloutId) -> Result<Option<i64>, PortError> {
        Ok(None)
    }

    async fn members_after(&self, _: RolloutId, _: i64) -> Result<Vec<Member>, PortError> {
        Ok(Vec::new())
    }

    async fn change(
        &self,
        _: &Tenant,
        command: &RolloutCommand,
        _: AuditRecord,
        _: &RolloutDecision<'_>,
    ) -> Result<Rollout, PortError> {
        Err(DomainError::NotFound { kind: "rollout", name: command.id.to_string() }.into())
    }
}

#[test]
fn limited_token_can_use_no_rollout() {
    let memory = Arc::new(Memory::default());
    let input = CreateRolloutInput {
        filter: "*".into(),
        reapply: true,
        on_failure: Some(OnFailure::Pause),
        ..CreateRolloutInput::default()
    };
    assert!(now(service(&memory).create_rollout(&caller(), input.clone(), false)).is_ok());
    let limited = Caller { access: Access { scope: only("demo"), ..caller().access }, ..caller() };
    let id = uuid::Uuid::nil().to_string();
    let refused = [
        now(service(&memory).create_rollout(&limited, input, false)),
        now(service(&memory).rollout(&limited, &id)),
        now(service(&memory).abort_rollout(&limited, &id, "", false)),
    ];
    for refused in refused {
        let Err(PortError::Refused(refusal)) = refused else { panic!("not refused: {refused:?}") };
        assert_eq!(refusal.reason(), "STORE_OUTSIDE_SCOPE");
    }
    let audited: Vec<_> = lock(&memory.audit).iter().map(|record| (record.action, record.outcome)).collect();
    assert_eq!(audited, [(Action::CreateRollout, Outcome::Denied), (Action::AbortRollout, Outcome::Denied)]);
}
