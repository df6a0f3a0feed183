//! Rollouts.

use super::Service;
use crate::audit::Action;
use crate::command::PluginChoice;
use crate::error::{DomainError, PortError, RolloutError};
use crate::identity::Caller;
use crate::ids::RolloutId;
use crate::ports::RolloutDecision;
use crate::query::{MemberQuery, Page, RolloutQuery};
use crate::rollout::command::{CreateRolloutInput, RolloutCommand};
use crate::rollout::{Member, Rollout, Target};
use crate::validate::Check;

impl Service {
    /// Creates a rollout. With `validate_only`, nothing is stored, and the rollout is as it would be.
    pub async fn create_rollout(
        &self,
        caller: &Caller,
        input: CreateRolloutInput,
        validate_only: bool,
    ) -> Result<Rollout, PortError> {
        let result = async {
            whole(caller)?;
            let id = RolloutId(self.ids.uuid());
            let command = input.check(id, caller, self.clock.now())?;
            self.check_target(&command.rollout.target)?;
            if validate_only {
                return self.rollouts.preview(command).await;
            }
            let audit = self.request(caller, None).record(Action::CreateRollout, &id.to_string());
            self.rollouts.create(command, audit).await
        };
        let result = result.await;
        if validate_only { result } else { self.audited(caller, Action::CreateRollout, "", result).await }
    }

    /// What no store could be changed to is a mistake in the request. What single stores cannot be changed to is found when it is their turn.
    fn check_target(&self, target: &Target) -> Result<(), DomainError> {
        let Target::Update { values, .. } = target else { return Ok(()) };
        let all = || self.catalog.engines().iter().flat_map(|engine| self.catalog.versions(&engine.name));
        let mut check = Check::default();
        if let Some(version) = values.engine_version.as_deref().filter(|version| !version.is_empty())
            && !all().any(|engine| engine.versions.chart == version)
        {
            check.fail("rollout.target.store.engine_version", "must be a version of an engine");
        }
        if let Some(plan) = values.plan.as_deref().filter(|plan| !plan.is_empty())
            && !all().any(|engine| engine.plans.iter().any(|known| known.name == plan))
        {
            check.fail("rollout.target.store.plan", "must be a plan of an engine");
        }
        for (index, PluginChoice { name, version }) in values.plugin_versions.iter().enumerate() {
            let field = |part| format!("rollout.target.store.plugins[{index}].{part}");
            if !self.catalog.offers_plugin((name, "")) {
                check.fail(&field("name"), "must be a plugin that an engine offers");
            } else if !self.catalog.offers_plugin((name, version)) {
                check.fail(&field("version"), format!("must be a version of {name} that an engine offers"));
            }
        }
        check.finish(Some(()))
    }

    /// A rollout.
    pub async fn rollout(&self, caller: &Caller, rollout_id: &str) -> Result<Rollout, PortError> {
        whole(caller)?;
        let RolloutCommand { id, .. } = RolloutCommand::check(rollout_id, "")?;
        let found = self.rollouts.find(caller.tenant(), id).await?;
        Ok(found.ok_or_else(|| missing(id))?)
    }

    /// A page of rollouts.
    pub async fn rollouts(&self, caller: &Caller, query: &RolloutQuery) -> Result<Page<Rollout>, PortError> {
        whole(caller)?;
        self.rollouts.list(query).await
    }

    /// A page of the stores of a rollout.
    pub async fn rollout_members(&self, caller: &Caller, query: &MemberQuery) -> Result<Page<Member>, PortError> {
        self.rollout(caller, &query.rollout.to_string()).await?;
        self.rollouts.members(query).await
    }

    /// Starts no more stores of a rollout.
    pub async fn pause_rollout(&self, caller: &Caller, id: &str, etag: &str) -> Result<Rollout, PortError> {
        self.change_rollout(caller, Action::PauseRollout, (id, etag), &|rollout| rollout.pause(&caller.name)).await
    }

    /// Continues a rollout.
    pub async fn resume_rollout(&self, caller: &Caller, id: &str, etag: &str) -> Result<Rollout, PortError> {
        self.change_rollout(caller, Action::ResumeRollout, (id, etag), &|rollout| rollout.resume()).await
    }

    /// Ends a rollout.
    pub async fn abort_rollout(
        &self,
        caller: &Caller,
        id: &str,
        etag: &str,
        roll_back: bool,
    ) -> Result<Rollout, PortError> {
        let now = self.clock.now();
        let abort = |rollout: &mut Rollout| rollout.abort(&caller.name, roll_back, now);
        self.change_rollout(caller, Action::AbortRollout, (id, etag), &abort).await
    }

    async fn change_rollout(
        &self,
        caller: &Caller,
        action: Action,
        (id, etag): (&str, &str),
        decide: &RolloutDecision<'_>,
    ) -> Result<Rollout, PortError> {
        let result = async {
            whole(caller)?;
            let command = RolloutCommand::check(id, etag)?;
            let audit = self.request(caller, None).record(action, id);
            self.rollouts.change(caller.tenant(), &command, audit, decide).await
        };
        self.audited(caller, action, id, result.await).await
    }
}

/// A rollout shows and changes any store of its tenant.
fn whole(caller: &Caller) -> Result<(), DomainError> {
    match caller.access.scope.selection() {
        Some(_) => Err(RolloutError::Scoped.into()),
        None => Ok(()),
    }
}

fn missing(id: RolloutId) -> DomainError {
    DomainError::NotFound { kind: "rollout", name: id.to_string() }
}
