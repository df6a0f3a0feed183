//! Quotas of tenants: totals, plans, and how often one caller creates and deletes.

use std::time::Duration;

use storeplane_proto::v1::{
    CreateStoreRequest, CreateTenantRequest, DeleteStoreRequest, GetOverviewRequest, ListEnginesRequest, Store, Tenant,
    TenantQuotas, UpdateTenantRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::grpc_raw::{edge, edge_setup};
use crate::harness::{Api, Lab, Server, fresh, print_line, reason};

/// Longest time in which a call gets its answer on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

async fn used(api: &Api) -> Vec<(String, i64, i64)> {
    let overview = api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
    overview.into_inner().quotas.into_iter().map(|quota| (quota.name, quota.used, quota.limit)).collect()
}

fn named(name: &str, used: i64, limit: i64) -> (String, i64, i64) {
    (name.to_owned(), used, limit)
}

/// The answer once the server is able to give one: with a request id a call may be repeated.
async fn create(api: &Api, id: &str) -> Result<Store, Status> {
    let request = CreateStoreRequest { request_id: Uuid::new_v4().to_string(), ..Api::wanted(id) };
    let answered = async {
        loop {
            match api.create(request.clone()).await {
                Err(status) if status.code() == Code::Unavailable || reason(&status) == "DATABASE_TOO_SLOW" => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => return answer,
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("an answer")
}

/// When the next one is possible.
fn retry_after(status: &Status) -> Duration {
    status.get_details_retry_info().and_then(|info| info.retry_delay).expect("a delay")
}

#[tokio::test]
async fn tenant_store_quota_is_enforced() {
    let lab = edge_setup().with("STOREPLANE_QUOTA_STORES", "3").start().await;
    assert_eq!(used(&lab.api).await, [named("stores", 0, 3)]);
    let ids: Vec<_> = (0..8).map(|n| fresh(&format!("n{n}"))).collect();

    let asked = ids.iter().map(|id| lab.api.create(Api::wanted(id)));
    let answers = futures::future::join_all(asked).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (3, 5));
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "STORE_QUOTA_EXCEEDED"));
        let violations = status.get_details_quota_failure().unwrap().violations;
        assert_eq!(violations[0].subject, "tenant/default");
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert_eq!(["quota", "used", "limit"].map(|key| metadata[key].as_str()), ["stores", "3", "3"]);
    }
    assert_eq!(used(&lab.api).await, [named("stores", 3, 3)]);
    let refused = "SELECT count(*) FROM audit_events WHERE outcome = 'REJECTED' AND reason = 'STORE_QUOTA_EXCEEDED'";
    assert_eq!(lab.database.value(refused).await, "5");
    let check = CreateStoreRequest { validate_only: true, ..Api::wanted("late") };
    assert_eq!(reason(&lab.api.create(check.clone()).await.unwrap_err()), "STORE_QUOTA_EXCEEDED");
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    stranger.create(Api::wanted("tea")).await.expect("another tenant has its own");

    let gone = format!("UPDATE stores SET state = 'DELETED' WHERE uid = '{}'", made[0].as_ref().unwrap().uid);
    lab.database.execute(&gone).await;
    lab.api.create(check).await.expect("a place is free");
    lab.api.create(Api::wanted("late")).await.expect("and can be had");
    assert_eq!(used(&lab.api).await, [named("stores", 3, 3)]);
}

#[tokio::test]
async fn hundred_creations_on_two_servers_fill_a_quota_of_10_exactly() {
    let setup = edge_setup().with("STOREPLANE_QUOTA_STORES", "10");
    let lab = setup.clone().start().await;
    let second = Server::start(&setup, &lab.database).await;
    // Several callers on each: none of them is limited by itself.
    let mut callers = Vec::new();
    for address in [lab.server.address(), second.address()].repeat(5) {
        callers.push(Api::connect(address, &lab.database.token("default", "operator").await));
    }
    let ids: Vec<_> = (0..100).map(|n| fresh(&format!("race{n}"))).collect();
    let began = std::time::Instant::now();
    let asked = ids.iter().zip(callers.iter().cycle()).map(|(id, api)| create(api, id));
    let answers = futures::future::join_all(asked).await;
    let took = began.elapsed();

    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    print_line(&format!("quota race: 100 creations on 2 servers, quota 10: {} made in {took:?}", made.len()));
    assert_eq!((made.len(), refused.len()), (10, 90));
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "STORE_QUOTA_EXCEEDED"));
    }
    assert_eq!(lab.database.value("SELECT count(*) FROM stores").await, "10");
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn one_caller_creates_only_so_many_stores_in_the_window() {
    let setup = edge_setup().with("STOREPLANE_QUOTA_CREATIONS", "5");
    let lab = setup.clone().start().await;
    let second = Server::start(&setup, &lab.database).await;
    let token = lab.database.token("default", "operator").await;
    let (here, there) = (Api::connect(lab.server.address(), &token), Api::connect(second.address(), &token));
    let ids: Vec<_> = (0..20).map(|n| fresh(&format!("n{n}"))).collect();
    let asked = ids.iter().zip([&here, &there].into_iter().cycle()).map(|(id, api)| create(api, id));
    let answers = futures::future::join_all(asked).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (5, 15), "whichever server was asked");
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "CREATION_RATE_EXCEEDED"));
        let delay = retry_after(&status);
        assert!((Duration::from_mins(12)..=Duration::from_mins(15)).contains(&delay), "{delay:?}");
    }
    assert_eq!(used(&here).await, [named("creations", 5, 5)]);
    // A copy counts as a creation; its retry does not.
    let newest = "UPDATE operations SET kind = 'COPY', prior = {} WHERE id = (
        SELECT id FROM operations WHERE requested_by <> 'test' ORDER BY created_at DESC LIMIT 1)";
    for (prior, count) in [("'{}'", 4), ("NULL", 5)] {
        lab.database.execute(&newest.replace("{}", prior)).await;
        assert_eq!(used(&here).await, [named("creations", count, 5)]);
    }
    let check = CreateStoreRequest { validate_only: true, ..Api::wanted("late") };
    assert_eq!(reason(&there.create(check).await.unwrap_err()), "CREATION_RATE_EXCEEDED");
    assert_eq!(used(&lab.api).await, [named("creations", 0, 5)], "each caller has its own");
    let request_id = Uuid::new_v4().to_string();
    let request = CreateStoreRequest { request_id, ..Api::wanted(&fresh("other")) };
    let store = lab.api.create(request.clone()).await.expect("another caller");
    for _ in 0..7 {
        assert_eq!(lab.api.create(request.clone()).await.unwrap().uid, store.uid, "a repeated request is not counted");
    }
    assert_eq!(used(&lab.api).await, [named("creations", 1, 5)]);

    // The oldest one leaves the window.
    lab.database
        .execute(
            "UPDATE operations SET created_at = created_at - interval '15 min' WHERE id = (
                SELECT id FROM operations WHERE requested_by <> 'test' ORDER BY created_at LIMIT 1)",
        )
        .await;
    here.create(Api::wanted(&fresh("late"))).await.expect("one is possible");
    assert_eq!(reason(&here.create(Api::wanted("later")).await.unwrap_err()), "CREATION_RATE_EXCEEDED");
}

#[tokio::test]
async fn one_caller_deletes_only_so_many_stores_in_the_window() {
    let lab = edge_setup().with("STOREPLANE_QUOTA_DELETIONS", "2").start().await;
    let ids: Vec<_> = (0..6).map(|n| fresh(&format!("n{n}"))).collect();
    for id in &ids {
        lab.api.create(Api::wanted(id)).await.unwrap();
    }
    let answers = futures::future::join_all(ids.iter().map(|id| lab.api.delete(id))).await;
    let (deleted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((deleted.len(), refused.len()), (2, 4));
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "DELETION_RATE_EXCEEDED"));
        assert!(retry_after(&status) > Duration::from_mins(12));
    }
    for store in deleted.into_iter().map(Result::unwrap) {
        lab.api.delete(&store.store_id).await.expect("a deletion in progress is unchanged");
        let force = DeleteStoreRequest { store_id: store.store_id, force: true, ..DeleteStoreRequest::default() };
        lab.api.stores.clone().delete_store(force).await.expect("nor is it counted again with force");
    }
    assert_eq!(used(&lab.api).await, [named("deletions", 2, 2)]);
    let provisioning = "SELECT count(*) FROM stores WHERE state = 'PROVISIONING'";
    assert_eq!(lab.database.value(provisioning).await, "4", "what was refused changed nothing");
}

pub(crate) async fn with_quotas(lab: &Lab, quotas: TenantQuotas) {
    let platform = Api::connect(lab.server.address(), &lab.database.token("default", "platform_admin").await);
    let tenant = Some(Tenant { quotas: Some(quotas), ..Tenant::default() });
    let new = CreateTenantRequest { tenant_id: "acme".into(), tenant: tenant.clone(), ..Default::default() };
    match platform.tenants.clone().create_tenant(new).await {
        Ok(_) => {}
        Err(status) if reason(&status) == "TENANT_ALREADY_EXISTS" => {
            let update = UpdateTenantRequest { tenant_id: "acme".into(), tenant, ..Default::default() };
            platform.tenants.clone().update_tenant(update).await.unwrap();
        }
        Err(status) => panic!("{status:?}"),
    }
}

#[tokio::test]
async fn plans_count_with_their_sizes_and_may_be_restricted() {
    let lab = edge().await;
    let operator = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    let of_plan = |plan: &str| {
        let mut request = Api::wanted(&fresh(plan));
        request.store.as_mut().unwrap().plan = plan.to_owned();
        operator.create(request)
    };
    // The plan small has 4 CPUs, 1152 MiB and 4 GiB, standard 6, 3 GiB and 40 GiB.
    let (memory, storage) = ("5Gi".to_owned(), "unlimited".to_owned());
    with_quotas(&lab, TenantQuotas { cpu: "20".into(), memory, storage, ..TenantQuotas::default() }).await;
    of_plan("small").await.unwrap();
    of_plan("standard").await.unwrap();
    let (mib, gib) = (1 << 20, 1 << 30);
    let expected = [named("cpu", 10_000, 20_000), named("memory", 1152 * mib + 3 * gib, 5 * gib)];
    assert_eq!(used(&operator).await, expected);
    let refused = of_plan("small").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "RESOURCE_QUOTA_EXCEEDED"));
    let violations = refused.get_details_quota_failure().unwrap().violations;
    assert_eq!(violations.len(), 1);
    assert!(violations[0].description.starts_with("memory: "), "{violations:?}");

    let plans = vec!["small".to_owned()];
    with_quotas(&lab, TenantQuotas { memory: "unlimited".into(), plans, ..TenantQuotas::default() }).await;
    of_plan("small").await.unwrap();
    let refused = of_plan("standard").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "PLAN_NOT_ALLOWED"));
    let mut platform = operator.platform.clone();
    let mut allowed = async || {
        let engines = platform.list_engines(ListEnginesRequest {}).await.unwrap().into_inner().engines;
        engines[0].plans.iter().filter(|plan| plan.allowed).map(|plan| plan.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(allowed().await, ["small"]);
    with_quotas(&lab, TenantQuotas { plans: vec!["*".into()], ..TenantQuotas::default() }).await;
    assert!(allowed().await.len() > 1);
    of_plan("standard").await.expect("every plan");
    let refused = of_plan("large").await.unwrap_err();
    assert_eq!(reason(&refused), "RESOURCE_QUOTA_EXCEEDED", "20 CPUs are used");
}
