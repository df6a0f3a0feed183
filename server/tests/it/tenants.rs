//! TenantService: tenants are created, changed, suspended and deleted by platform administrators.

use std::time::Duration;

use storeplane_core::audit::{Action, AuditRecord};
use storeplane_core::ids::Tenant;
use storeplane_core::ports::Tenants as _;
use storeplane_core::tenant::{CreateTenantInput, TenantCommand};
use storeplane_proto::FieldMask;
use storeplane_proto::v1::{
    self, CreateTenantRequest, CreateTokenRequest, DeleteTenantRequest, GetTenantRequest, ListAuditEventsRequest,
    ListTenantsRequest, ResumeTenantRequest, SuspendTenantRequest, TenantQuotas, TenantState, UpdateTenantRequest,
    WatchStoresRequest,
};
use storeplane_server::postgres::Tenants;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, fresh, reason};
use crate::tokens::end;

/// A suspension takes effect within 10 s; a busy machine may need longer.
const PATIENCE: Duration = Duration::from_mins(1);

async fn as_role(lab: &Lab, tenant: &str, role: &str) -> Api {
    Api::connect(lab.server.address(), &lab.database.token(tenant, role).await)
}

fn new(tenant_id: &str) -> CreateTenantRequest {
    CreateTenantRequest { tenant_id: tenant_id.to_owned(), ..CreateTenantRequest::default() }
}

async fn create(api: &Api, request: CreateTenantRequest) -> Result<v1::Tenant, Status> {
    api.tenants.clone().create_tenant(request).await.map(tonic::Response::into_inner)
}

async fn get(api: &Api, tenant_id: &str) -> Result<v1::Tenant, Status> {
    let request = GetTenantRequest { tenant_id: tenant_id.to_owned() };
    api.tenants.clone().get_tenant(request).await.map(tonic::Response::into_inner)
}

async fn update(api: &Api, request: UpdateTenantRequest) -> Result<v1::Tenant, Status> {
    api.tenants.clone().update_tenant(request).await.map(tonic::Response::into_inner)
}

async fn suspend(api: &Api, tenant_id: &str) -> v1::Tenant {
    let request = SuspendTenantRequest { tenant_id: tenant_id.to_owned(), ..SuspendTenantRequest::default() };
    api.tenants.clone().suspend_tenant(request).await.expect("suspended").into_inner()
}

async fn resume(api: &Api, tenant_id: &str) -> v1::Tenant {
    let request = ResumeTenantRequest { tenant_id: tenant_id.to_owned(), ..ResumeTenantRequest::default() };
    api.tenants.clone().resume_tenant(request).await.expect("resumed").into_inner()
}

async fn delete(api: &Api, tenant_id: &str) -> Result<v1::Tenant, Status> {
    let request = DeleteTenantRequest { tenant_id: tenant_id.to_owned(), ..DeleteTenantRequest::default() };
    api.tenants.clone().delete_tenant(request).await.map(tonic::Response::into_inner)
}

fn failed(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

/// Repeats a call until it ends with this reason; empty for success.
async fn until<T>(wanted: &str, call: impl AsyncFn() -> Result<T, Status>) {
    let reached = async {
        while call().await.err().map(|status| reason(&status)).unwrap_or_default() != wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never {wanted:?}"));
}

#[tokio::test]
async fn tenants_are_created_listed_and_changed() {
    let lab = edge().await;
    let platform = as_role(&lab, "default", "platform_admin").await;
    let quotas = TenantQuotas { stores: Some(3), memory: "64Gi".into(), ..TenantQuotas::default() };
    let tenant = v1::Tenant { display_name: "Acme & Söhne".into(), quotas: Some(quotas), ..v1::Tenant::default() };
    let request_id = uuid::Uuid::new_v4().to_string();
    let request = CreateTenantRequest { tenant: Some(tenant), request_id, ..new("acme") };

    let check = CreateTenantRequest { validate_only: true, ..request.clone() };
    assert_eq!(create(&platform, check).await.unwrap().display_name, "Acme & Söhne");
    assert_eq!(failed(&get(&platform, "acme").await.unwrap_err()), (Code::NotFound, "TENANT_NOT_FOUND".into()));
    let created = create(&platform, request.clone()).await.unwrap();
    assert_eq!(create(&platform, request).await.unwrap(), created, "a repeated request");
    assert_eq!(get(&platform, "acme").await.unwrap(), created);
    assert_eq!((created.state(), created.created_by.as_str()), (TenantState::Active, "test 1"));
    let effective = created.effective_quotas.clone().unwrap();
    assert_eq!((effective.stores, effective.memory.as_str(), effective.plans), (Some(3), "64Gi", vec!["*".to_owned()]));
    assert_eq!(failed(&create(&platform, new("acme")).await.unwrap_err()).1, "TENANT_ALREADY_EXISTS");

    let tenant = v1::Tenant {
        quotas: Some(TenantQuotas { stores: Some(-1), ..TenantQuotas::default() }),
        display_name: "ignored: not in the mask".into(),
        ..v1::Tenant::default()
    };
    let change = UpdateTenantRequest {
        tenant_id: "acme".into(),
        tenant: Some(tenant),
        update_mask: Some(FieldMask { paths: vec!["quotas".into()] }),
        etag: created.etag.clone(),
        ..UpdateTenantRequest::default()
    };
    let check = UpdateTenantRequest { validate_only: true, ..change.clone() };
    assert_eq!(update(&platform, check).await.unwrap().quotas.unwrap().stores, Some(-1));
    assert_eq!(get(&platform, "acme").await.unwrap(), created, "nothing was stored");
    let changed = update(&platform, change.clone()).await.unwrap();
    let quotas = changed.quotas.clone().unwrap();
    assert_eq!((quotas.stores, quotas.memory.as_str()), (Some(-1), ""), "absent: the default");
    assert_eq!((&changed.display_name, &changed.uid), (&created.display_name, &created.uid));
    let stale = update(&platform, change).await.unwrap_err();
    assert_eq!(failed(&stale), (Code::Aborted, "STALE_ETAG".into()));
    assert_eq!(stale.get_details_error_info().unwrap().metadata["etag"], changed.etag);

    // A tenant's first token adds it, as it does for the command line.
    lab.database.token("beta", "viewer").await;
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTenantsRequest { page_size: 1, page_token };
        let page = platform.tenants.clone().list_tenants(request).await.unwrap().into_inner();
        ids.extend(page.tenants.into_iter().map(|tenant| tenant.tenant_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(ids, ["acme", "beta", "default"]);
    let audit = ListAuditEventsRequest { filter: "target = acme".into(), ..ListAuditEventsRequest::default() };
    let records = platform.audit.clone().list_audit_events(audit).await.unwrap().into_inner().audit_events;
    let told: Vec<_> = records.iter().rev().map(|it| (it.action.as_str(), it.reason.as_str())).collect();
    let expected = [
        ("CREATE_TENANT", ""),
        ("CREATE_TENANT", "TENANT_ALREADY_EXISTS"),
        ("UPDATE_TENANT", ""),
        ("UPDATE_TENANT", "STALE_ETAG"),
    ];
    assert_eq!(told, expected, "in the tenant of the platform administrator");
}

#[tokio::test]
async fn admin_reads_its_own_tenant_and_no_other() {
    let lab = edge().await;
    let platform = as_role(&lab, "default", "platform_admin").await;
    let admin = as_role(&lab, "acme", "admin").await;
    create(&platform, new("beta")).await.unwrap();
    assert_eq!(get(&admin, "").await.unwrap().tenant_id, "acme");
    assert_eq!(get(&admin, "acme").await.unwrap(), get(&platform, "acme").await.unwrap());
    let (other, never) = (get(&admin, "beta").await.unwrap_err(), get(&admin, "never").await.unwrap_err());
    assert_eq!(failed(&other), (Code::NotFound, "TENANT_NOT_FOUND".into()));
    let words = |status: &Status, id: &str| {
        (status.message().replace(id, "ID"), format!("{:?}", status.get_error_details()).replace(id, "ID"))
    };
    assert_eq!(words(&other, "beta"), words(&never, "never"), "as if it did not exist");
}

#[tokio::test]
async fn suspended_tenant_is_refused_everywhere_and_its_stores_stay() {
    let lab = edge().await;
    let platform = as_role(&lab, "default", "platform_admin").await;
    let operator = as_role(&lab, "acme", "operator").await;
    let bystander = as_role(&lab, "beta", "operator").await;
    let id = fresh("tea");
    let store = operator.create(Api::wanted(&id)).await.unwrap();
    let mut watch = operator.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap();

    let suspended = suspend(&platform, "acme").await;
    assert_eq!(suspended.state(), TenantState::Suspended);
    assert!(suspended.suspend_time.is_some());
    assert_eq!(suspend(&platform, "acme").await, suspended, "unchanged");
    until("TENANT_SUSPENDED", async || operator.get(&id).await).await;
    let refused = operator.create(Api::wanted("late")).await.unwrap_err();
    assert_eq!(failed(&refused), (Code::PermissionDenied, "TENANT_SUSPENDED".into()));
    assert_eq!(failed(&end(watch).await), (Code::PermissionDenied, "TENANT_SUSPENDED".into()));
    bystander.create(Api::wanted(&fresh("other"))).await.expect("another tenant is unaffected");

    let state = format!("SELECT state FROM stores WHERE uid = '{}'", store.uid);
    assert_eq!(lab.database.value(&state).await, "PROVISIONING", "its stores are unchanged");
    let denied = "SELECT sum(count) FROM audit_events WHERE tenant = 'acme' AND outcome = 'DENIED'
        AND action = 'CREATE_STORE' AND reason = 'TENANT_SUSPENDED'";
    assert_eq!(lab.database.value(denied).await, "1");
    let mut request = tonic::Request::new(v1::GetStoreRequest { store_id: id.clone(), ..Default::default() });
    request.metadata_mut().insert("storeplane-tenant", "acme".parse().unwrap());
    platform.stores.clone().get_store(request).await.expect("a platform administrator may act in it");

    assert_eq!(resume(&platform, "acme").await.state(), TenantState::Active);
    until("", async || operator.get(&id).await).await;
}

#[tokio::test]
async fn tenant_is_deleted_with_its_tokens_once_its_stores_are_gone() {
    let lab = edge().await;
    let platform = as_role(&lab, "default", "platform_admin").await;
    let operator = as_role(&lab, "acme", "operator").await;
    let store = operator.create(Api::wanted(&fresh("tea"))).await.unwrap();
    let not_empty = delete(&platform, "acme").await.unwrap_err();
    assert_eq!(failed(&not_empty), (Code::FailedPrecondition, "TENANT_NOT_EMPTY".into()));
    assert_eq!(not_empty.get_details_error_info().unwrap().metadata["stores"], "1");
    operator.get(&store.store_id).await.expect("nothing was changed");
    lab.database.execute(&format!("UPDATE stores SET state = 'DELETED' WHERE uid = '{}'", store.uid)).await;

    let deleted = delete(&platform, "acme").await.unwrap();
    assert_eq!(deleted.state(), TenantState::Deleted);
    assert_eq!(delete(&platform, "acme").await.unwrap(), deleted, "unchanged");
    until("TOKEN_INVALID", async || operator.get(&store.store_id).await).await;
    assert_eq!(failed(&get(&platform, "acme").await.unwrap_err()).1, "TENANT_NOT_FOUND");
    let default = delete(&platform, "default").await.unwrap_err();
    assert_eq!(failed(&default), (Code::FailedPrecondition, "TENANT_NOT_DELETABLE".into()));

    // Nothing is created in it any more, not even by a platform administrator, and its name is not given away.
    assert_eq!(failed(&create(&platform, new("acme")).await.unwrap_err()).1, "TENANT_DELETED");
    let mut store = tonic::Request::new(Api::wanted("late"));
    store.metadata_mut().insert("storeplane-tenant", "acme".parse().unwrap());
    let refused = platform.stores.clone().create_store(store).await.unwrap_err();
    assert_eq!(failed(&refused), (Code::FailedPrecondition, "TENANT_DELETED".into()));
    let token = CreateTokenRequest { name: "late".into(), role: "admin".into(), ..CreateTokenRequest::default() };
    let mut token = tonic::Request::new(token);
    token.metadata_mut().insert("storeplane-tenant", "acme".parse().unwrap());
    let refused = platform.tokens.clone().create_token(token).await.unwrap_err();
    assert_eq!(failed(&refused), (Code::FailedPrecondition, "TENANT_DELETED".into()));
}

/// A token that a deletion misses would open a deleted tenant.
#[tokio::test]
async fn deletion_and_creations_of_tokens_do_not_miss_each_other() {
    let database = crate::harness::Database::create().await;
    let tenants = Tenants::new(&database.tokens());
    let record = |target: &str| {
        let (id, now) = (uuid::Uuid::now_v7(), time::OffsetDateTime::now_utc());
        AuditRecord::new(id, now, Tenant::default(), "test", Action::DeleteTenant, target)
    };
    let mut created = 0;
    for round in 0..10 {
        let id = format!("t{round}");
        let input = CreateTenantInput { tenant_id: id.clone(), ..CreateTenantInput::default() };
        tenants.create(input.check().unwrap(), record(&id)).await.unwrap();
        let command = TenantCommand::check("DeleteTenant", &id, "", "").unwrap();
        let tokens = database.tokens();
        let creations = (0..4).map(|number| {
            let wanted = storeplane_core::token::CreateToken {
                name: format!("ci {number}"),
                role: storeplane_core::identity::Role::Admin,
                scope: storeplane_core::access::Scope::All,
                lifetime: None,
                idempotency: None,
            };
            let (tokens, tenant) = (tokens.clone(), id.parse().unwrap());
            async move {
                let author = storeplane_core::token::Author::system("test");
                storeplane_core::ports::Tokens::create(&tokens, &tenant, wanted, &author).await
            }
        });
        let (deleted, tokens) =
            tokio::join!(tenants.delete(&command, record(&id)), futures::future::join_all(creations));
        deleted.unwrap();
        created += tokens.iter().filter(|token| token.is_ok()).count();
        let valid = format!("SELECT count(*) FROM tokens WHERE tenant = '{id}' AND revoked_at IS NULL");
        assert_eq!(database.value(&valid).await, "0", "round {round}");
    }
    assert!(created > 0, "some tokens were created before the deletion");
}
