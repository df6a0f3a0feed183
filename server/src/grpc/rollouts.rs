//! RolloutService.

use futures::stream::StreamExt;
use storeplane_core::command::{PluginChoice, StoreUpdate};
use storeplane_core::identity::Caller;
use storeplane_core::query::{MemberQuery, RolloutQuery};
use storeplane_core::rollout::command::{CreateRolloutInput, RolloutCommand, SizeInput};
use storeplane_core::rollout::waves::{Size, Wave};
use storeplane_core::rollout::window::Window;
use storeplane_core::rollout::{Counts, Member, MemberState, OnFailure, Rollout, RolloutState, Target};
use storeplane_proto::v1;
use storeplane_proto::v1::rollout_service_server::RolloutService;
use storeplane_proto::v1::rollout_wave::Size as SizeMessage;
use storeplane_proto::v1::{
    AbortRolloutRequest, CreateRolloutRequest, GetRolloutRequest, ListRolloutStoresRequest, ListRolloutStoresResponse,
    ListRolloutsRequest, ListRolloutsResponse, PauseRolloutRequest, ResumeRolloutRequest, WatchRolloutRequest,
    WatchRolloutResponse,
};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller};
use super::convert::{self, timestamp};
use super::watch::{Updates, ended};
use super::{pages, status, unbuffered};
use crate::watch::RolloutUpdate;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RolloutService for ApiHandler {
    async fn create_rollout(&self, request: Request<CreateRolloutRequest>) -> Answer<v1::Rollout> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CreateRolloutRequest { rollout, request_id, validate_only } = request.into_inner();
        let input = input(rollout.unwrap_or_default(), request_id);
        let created = self.finish(async move { service.create_rollout(&caller, input, validate_only).await });
        Ok(Response::new(message(created.await?)))
    }

    async fn get_rollout(&self, request: Request<GetRolloutRequest>) -> Answer<v1::Rollout> {
        let caller = caller(&request)?;
        let found = self.service.rollout(&caller, &request.get_ref().rollout_id).await;
        Ok(Response::new(message(found.map_err(|error| status::port(&error))?)))
    }

    async fn list_rollouts(&self, request: Request<ListRolloutsRequest>) -> Answer<ListRolloutsResponse> {
        let caller = caller(&request)?;
        let ListRolloutsRequest { page_size, page_token } = request.into_inner();
        let seal = self.seal(&caller.access).await?;
        let query = RolloutQuery::check(caller.tenant(), page_size, seal.page_start(&page_token))
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.rollouts(&caller, &query).await.map_err(|error| status::port(&error))?;
        let (rollouts, next) = pages::fill(&query, page, message);
        Ok(Response::new(ListRolloutsResponse { rollouts, next_page_token: seal.page_token(next.as_ref()) }))
    }

    async fn list_rollout_stores(
        &self,
        request: Request<ListRolloutStoresRequest>,
    ) -> Answer<ListRolloutStoresResponse> {
        let caller = caller(&request)?;
        let ListRolloutStoresRequest { rollout_id, state, page_size, page_token } = request.into_inner();
        let seal = self.seal(&caller.access).await?;
        let query = MemberQuery::check(&rollout_id, member_state(state), page_size, seal.page_start(&page_token))
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.rollout_members(&caller, &query).await.map_err(|error| status::port(&error))?;
        let (stores, next) = pages::fill(&query, page, member);
        Ok(Response::new(ListRolloutStoresResponse { stores, next_page_token: seal.page_token(next.as_ref()) }))
    }

    type WatchRolloutStream = Updates<WatchRolloutResponse>;

    async fn watch_rollout(&self, request: Request<WatchRolloutRequest>) -> Answer<Self::WatchRolloutStream> {
        let caller: Caller = caller(&request)?;
        let WatchRolloutRequest { rollout_id, after_version } = request.into_inner();
        let RolloutCommand { id, .. } =
            RolloutCommand::check(&rollout_id, "").map_err(|refusal| status::refusal(&refusal))?;
        // Refuses tokens that may not see it.
        self.service.rollout(&caller, &rollout_id).await.map_err(|error| status::port(&error))?;
        let permit = self.limits.open_stream(&caller).map_err(status::too_many_streams)?;
        let updates = self.watches.rollout(caller, id, after_version).await.map_err(|error| status::port(&error))?;
        let updates = updates.map(move |update| {
            let _open = &permit;
            update.map(update_message).map_err(|end| ended(&end))
        });
        let mut response = Response::new(updates.boxed());
        unbuffered(&mut response);
        Ok(response)
    }

    async fn pause_rollout(&self, request: Request<PauseRolloutRequest>) -> Answer<v1::Rollout> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let PauseRolloutRequest { rollout_id, etag } = request.into_inner();
        let paused = self.finish(async move { service.pause_rollout(&caller, &rollout_id, &etag).await });
        Ok(Response::new(message(paused.await?)))
    }

    async fn resume_rollout(&self, request: Request<ResumeRolloutRequest>) -> Answer<v1::Rollout> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let ResumeRolloutRequest { rollout_id, etag } = request.into_inner();
        let resumed = self.finish(async move { service.resume_rollout(&caller, &rollout_id, &etag).await });
        Ok(Response::new(message(resumed.await?)))
    }

    async fn abort_rollout(&self, request: Request<AbortRolloutRequest>) -> Answer<v1::Rollout> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let AbortRolloutRequest { rollout_id, etag, roll_back } = request.into_inner();
        let aborted = self.finish(async move { service.abort_rollout(&caller, &rollout_id, &etag, roll_back).await });
        Ok(Response::new(message(aborted.await?)))
    }
}

fn input(rollout: v1::Rollout, request_id: String) -> CreateRolloutInput {
    let target = rollout.target.unwrap_or_default();
    let budget = rollout.failure_budget.unwrap_or_default();
    let size = |wave: v1::RolloutWave| match wave.size? {
        SizeMessage::Stores(stores) => Some(SizeInput::Stores(stores)),
        SizeMessage::Percent(percent) => Some(SizeInput::Percent(percent)),
    };
    CreateRolloutInput {
        display_name: rollout.display_name,
        filter: rollout.filter,
        update: convert::update_input(target.store, target.update_mask),
        reapply: target.reapply,
        waves: rollout.waves.into_iter().map(size).collect(),
        parallelism: rollout.parallelism,
        budget_stores: budget.stores,
        budget_percent: budget.percent,
        soak: rollout.soak.map(convert::read_duration),
        window: rollout.window.map(|window| (window.start, window.end)),
        on_failure: match v1::OnFailure::try_from(rollout.on_failure) {
            Ok(v1::OnFailure::Unspecified | v1::OnFailure::Pause) => Some(OnFailure::Pause),
            Ok(v1::OnFailure::RollBack) => Some(OnFailure::RollBack),
            Err(_) => None,
        },
        request_id,
    }
}

fn update_message(RolloutUpdate { rollout, members, version }: RolloutUpdate) -> WatchRolloutResponse {
    WatchRolloutResponse { rollout: rollout.map(message), stores: members.into_iter().map(member).collect(), version }
}

fn message(rollout: Rollout) -> v1::Rollout {
    let etag = rollout.etag();
    let progress = rollout.progress;
    let (reason, message) = progress.cause.map(|cause| (cause.reason, cause.message)).unwrap_or_default();
    v1::Rollout {
        rollout_id: rollout.id.to_string(),
        display_name: rollout.display_name,
        filter: rollout.filter,
        target: Some(target(rollout.target)),
        waves: rollout.waves.into_iter().map(wave).collect(),
        parallelism: rollout.parallelism.cast_signed(),
        failure_budget: Some(v1::FailureBudget {
            stores: rollout.budget.stores.map(u32::cast_signed),
            percent: rollout.budget.effective_percent().map(u32::cast_signed),
        }),
        soak: Some(convert::duration(rollout.soak)),
        window: rollout
            .window
            .map(|window| v1::RolloutWindow { start: Window::text(window.start), end: Window::text(window.end) }),
        on_failure: match rollout.on_failure {
            OnFailure::Pause => v1::OnFailure::Pause,
            OnFailure::RollBack => v1::OnFailure::RollBack,
        }
        .into(),
        state: match progress.state {
            RolloutState::Running => v1::RolloutState::Running,
            RolloutState::Paused => v1::RolloutState::Paused,
            RolloutState::RollingBack => v1::RolloutState::RollingBack,
            RolloutState::Completed => v1::RolloutState::Completed,
            RolloutState::Aborted => v1::RolloutState::Aborted,
            RolloutState::RolledBack => v1::RolloutState::RolledBack,
            RolloutState::Unreadable => v1::RolloutState::Unspecified,
        }
        .into(),
        reason,
        message,
        wave: progress.wave.cast_signed(),
        soak_end_time: progress.soak_until.map(timestamp),
        counts: Some(counts(rollout.counts)),
        created_by: rollout.created_by,
        create_time: Some(timestamp(rollout.created_at)),
        update_time: Some(timestamp(rollout.updated_at)),
        end_time: progress.ended_at.map(timestamp),
        etag,
        version: rollout.version,
    }
}

/// The values of the fields that the mask names.
fn target(target: Target) -> v1::RolloutTarget {
    let Target::Update { mask, values } = target else {
        return v1::RolloutTarget { reapply: target == Target::Reapply, ..v1::RolloutTarget::default() };
    };
    let StoreUpdate {
        plan,
        engine_version,
        environment,
        deletion_protection,
        label_changes,
        backup_policy,
        plugin_versions,
        ..
    } = *values;
    let plugin = |PluginChoice { name, version }| v1::Plugin { name, version };
    let store = v1::Store {
        plan: plan.unwrap_or_default(),
        engine_version: engine_version.unwrap_or_default(),
        environment: environment.map(convert::environment_message).unwrap_or_default().into(),
        deletion_protection: deletion_protection.unwrap_or_default(),
        labels: label_changes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        backup_policy: convert::backup_policy(&backup_policy),
        plugins: plugin_versions.into_iter().map(plugin).collect(),
        ..v1::Store::default()
    };
    v1::RolloutTarget { store: Some(store), update_mask: Some(prost_types::FieldMask { paths: mask }), reapply: false }
}

fn wave(Wave { upto, stores }: Wave) -> v1::RolloutWave {
    let size = match upto {
        Size::Stores(stores) => SizeMessage::Stores(stores.cast_signed()),
        Size::Percent(percent) => SizeMessage::Percent(percent.cast_signed()),
    };
    v1::RolloutWave { size: Some(size), store_count: stores.cast_signed() }
}

fn counts(counts: Counts) -> v1::RolloutCounts {
    v1::RolloutCounts {
        total: counts.total().cast_signed(),
        pending: counts.pending.cast_signed(),
        running: counts.running.cast_signed(),
        succeeded: counts.succeeded.cast_signed(),
        failed: counts.failed.cast_signed(),
        skipped: counts.skipped.cast_signed(),
        rolled_back: counts.rolled_back.cast_signed(),
    }
}

fn member(member: Member) -> v1::RolloutStore {
    let (reason, message) = member.cause.map(|cause| (cause.reason, cause.message)).unwrap_or_default();
    v1::RolloutStore {
        store_id: member.store_id.into(),
        store_uid: member.store.to_string(),
        wave: member.wave.cast_signed(),
        state: match member.state {
            MemberState::Pending => v1::RolloutStoreState::Pending,
            MemberState::Running => v1::RolloutStoreState::Running,
            MemberState::Succeeded => v1::RolloutStoreState::Succeeded,
            MemberState::Failed => v1::RolloutStoreState::Failed,
            MemberState::Skipped => v1::RolloutStoreState::Skipped,
            MemberState::RolledBack => v1::RolloutStoreState::RolledBack,
            MemberState::Unreadable => v1::RolloutStoreState::Unspecified,
        }
        .into(),
        operation_id: member.operation.map(|operation| operation.to_string()).unwrap_or_default(),
        reason,
        message,
        start_time: member.started_at.map(timestamp),
        end_time: member.ended_at.map(timestamp),
    }
}

/// `None` for all states, also for one that this server does not know: no store has it.
fn member_state(state: i32) -> Option<MemberState> {
    match v1::RolloutStoreState::try_from(state) {
        Ok(v1::RolloutStoreState::Unspecified) => None,
        Ok(v1::RolloutStoreState::Pending) => Some(MemberState::Pending),
        Ok(v1::RolloutStoreState::Running) => Some(MemberState::Running),
        Ok(v1::RolloutStoreState::Succeeded) => Some(MemberState::Succeeded),
        Ok(v1::RolloutStoreState::Failed) => Some(MemberState::Failed),
        Ok(v1::RolloutStoreState::Skipped) => Some(MemberState::Skipped),
        Ok(v1::RolloutStoreState::RolledBack) => Some(MemberState::RolledBack),
        Err(_) => Some(MemberState::Unreadable),
    }
}
