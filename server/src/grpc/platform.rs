//! PlatformService.

use storeplane_core::engine::{Catalog, Engine, Plan};
use storeplane_core::identity::Caller;
use storeplane_core::overview::{Overview, Period};
use storeplane_core::plugins::OfferedPlugin;
use storeplane_core::query::ReleaseQuery;
use storeplane_core::quota::{Limit, QuotaUse, Quotas};
use storeplane_core::release::{Ownership, Release, ReleaseScope};
use storeplane_proto::v1;
use storeplane_proto::v1::platform_service_server::PlatformService;
use storeplane_proto::v1::{
    GetOverviewRequest, ListEnginesRequest, ListEnginesResponse, ListReleasesRequest, ListReleasesResponse,
};
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, Platform, caller};
use super::{convert, pages, status};
use crate::circuit::{Circuit, CircuitState, CircuitStatus};
use crate::limits::Limits;

#[tonic::async_trait]
impl PlatformService for ApiHandler {
    async fn get_overview(&self, request: Request<GetOverviewRequest>) -> Result<Response<v1::Overview>, Status> {
        let caller = caller(&request)?;
        let window = request.into_inner().window.map(convert::read_duration).unwrap_or_default();
        let overview = self.service.overview(&caller, window).await.map_err(|error| status::port(&error))?;
        let limits = limits(&self.limits, &caller);
        Ok(Response::new(v1::Overview { limits: Some(limits), ..message(caller, &self.platform, overview) }))
    }

    async fn list_engines(
        &self,
        request: Request<ListEnginesRequest>,
    ) -> Result<Response<ListEnginesResponse>, Status> {
        let quotas = self.service.quotas(&caller(&request)?).await.map_err(|error| status::port(&error))?;
        let catalog = self.service.catalog();
        let engines = catalog.engines().iter().map(|each| engine(catalog, each, &quotas));
        Ok(Response::new(ListEnginesResponse { engines: engines.collect() }))
    }

    async fn list_releases(
        &self,
        request: Request<ListReleasesRequest>,
    ) -> Result<Response<ListReleasesResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let seal = self.seal(&caller.access).await?;
        let start = seal.page_start(&request.page_token);
        let query = ReleaseQuery::check(&caller.access, &request.filter, &request.order_by, request.page_size, start)
            .map_err(|refusal| status::refusal(&refusal))?;
        let (found, scope) = self.service.releases(&caller, &query).await.map_err(|error| status::port(&error))?;
        let (releases, next) = pages::fill(&query, found.page, release);
        Ok(Response::new(ListReleasesResponse {
            releases,
            next_page_token: seal.page_token(next.as_ref()),
            total_size: found.total.try_into().unwrap_or(i64::MAX),
            scope: match scope {
                ReleaseScope::Cluster => v1::ReleaseScope::Cluster,
                ReleaseScope::Namespaced => v1::ReleaseScope::Namespaced,
                ReleaseScope::Tenant => v1::ReleaseScope::Tenant,
            }
            .into(),
        }))
    }
}

fn message(caller: Caller, platform: &Platform, overview: Overview) -> v1::Overview {
    let state = |(state, count)| v1::StateCount { state: convert::state(state).into(), count };
    v1::Overview {
        caller: Some(v1::Caller {
            name: caller.name,
            tenant: caller.access.tenant.into(),
            role: caller.role.as_str().to_owned(),
        }),
        server_version: platform.version.clone(),
        simulated: *platform.simulated.borrow(),
        states: overview.states.into_iter().map(state).collect(),
        periods: overview.periods.into_iter().map(period).collect(),
        median_time_to_ready: overview.median_time_to_ready.map(convert::duration),
        quotas: overview.quotas.into_iter().map(quota).collect(),
        active_operations: overview.active.into_iter().map(convert::operation).collect(),
        active_operation_count: overview.active_count,
        backup_overdue_count: overview.backup_overdue_count,
        drifted_count: overview.drifted_count,
        recent_events: overview.recent.iter().map(convert::event).collect(),
        dependencies: platform.circuits.iter().map(|circuit| dependency(circuit, platform.clock.now())).collect(),
        limits: None,
    }
}

fn limits(limits: &Limits, caller: &Caller) -> v1::CallLimits {
    let (of_caller, of_tenant) = limits.open_streams(caller);
    let config = limits.config();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let number = |limit: Limit| limit.number().unwrap_or(-1);
    v1::CallLimits {
        requests_per_second: number(config.requests_per_second),
        request_burst: config.request_burst.get().into(),
        streams_per_caller: number(config.streams_per_caller),
        streams_per_tenant: number(config.streams_per_tenant),
        open_streams_of_caller: count(of_caller),
        open_streams_of_tenant: count(of_tenant),
    }
}

fn dependency(circuit: &Circuit, now: OffsetDateTime) -> v1::Dependency {
    let CircuitStatus { state, since, cause } = circuit.status();
    let state = match state {
        CircuitState::Closed => v1::CircuitState::Closed,
        CircuitState::Open => v1::CircuitState::Open,
        CircuitState::HalfOpen => v1::CircuitState::HalfOpen,
    };
    v1::Dependency {
        name: circuit.name().to_owned(),
        state: state.into(),
        since_time: Some(convert::timestamp(now - since)),
        message: cause.unwrap_or_default(),
    }
}

fn quota(QuotaUse { name, used, limit }: QuotaUse) -> v1::QuotaUse {
    v1::QuotaUse { name: name.to_owned(), used, limit }
}

fn period(Period { start, counts }: Period) -> v1::OverviewPeriod {
    v1::OverviewPeriod {
        start_time: Some(convert::timestamp(start)),
        created: counts.created,
        ready: counts.ready,
        failed: counts.failed,
        deleted: counts.deleted,
        median_time_to_ready: counts.median_time_to_ready.map(convert::duration),
    }
}

fn engine(catalog: &Catalog, engine: &Engine, quotas: &Quotas) -> v1::Engine {
    let version = |version: &Engine| v1::EngineVersion {
        chart_version: version.versions.chart.clone(),
        app_version: version.versions.app.clone(),
        digest: version.versions.digest.clone(),
        schema: version.versions.schema.clone(),
        default: version.versions.chart == engine.versions.chart,
        security_release: version.info.security,
        upgrades_from: version.info.upgrades_from.as_ref().map(ToString::to_string).unwrap_or_default(),
        notes: version.info.notes.clone(),
        images: version.images.clone(),
        smtp: version.smtp,
        plugins: version.plugins.is_some(),
    };
    // All versions with plugins offer the same ones.
    let offered = catalog.versions(&engine.name).find_map(|version| version.plugins.as_ref());
    v1::Engine {
        name: engine.name.clone(),
        chart_version: engine.versions.chart.clone(),
        app_version: engine.versions.app.clone(),
        plans: engine.plans.iter().map(|each| plan(each, quotas)).collect(),
        default_plan: engine.default_plan().map(|plan| plan.name.clone()).unwrap_or_default(),
        versions: catalog.versions(&engine.name).map(version).collect(),
        plugins: offered.into_iter().flatten().cloned().map(offered_plugin).collect(),
    }
}

fn offered_plugin(OfferedPlugin { name, plugin, description }: OfferedPlugin) -> v1::OfferedPlugin {
    v1::OfferedPlugin { name, version: plugin.version, image: plugin.image, description }
}

fn release(release: Release) -> v1::Release {
    let ownership = match release.ownership {
        Ownership::Store => v1::ReleaseOwnership::Store,
        Ownership::Orphan => v1::ReleaseOwnership::Orphan,
        Ownership::Foreign => v1::ReleaseOwnership::Foreign,
    };
    v1::Release {
        namespace: release.namespace,
        name: release.name,
        ownership: ownership.into(),
        store_id: release.store_id,
        store_uid: release.store_uid.map(|uid| uid.to_string()).unwrap_or_default(),
        tenant: release.tenant,
        status: release.status,
        revision: release.revision.try_into().unwrap_or(i32::MAX),
        chart: release.chart,
        chart_version: release.chart_version,
        update_time: release.updated_at.map(convert::timestamp),
    }
}

fn plan(plan: &Plan, quotas: &Quotas) -> v1::Plan {
    v1::Plan {
        name: plan.name.clone(),
        cpu: plan.size.cpu.clone(),
        memory: plan.size.memory.clone(),
        storage: plan.size.storage.clone(),
        description: plan.size.description.clone(),
        allowed: quotas.allows_plan(&plan.name),
    }
}
