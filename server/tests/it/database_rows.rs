//! Rows written by a newer server, and texts that Postgres rejects: shown as far as possible, and blocking nothing.

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::access::Access;
use storeplane_core::audit::{Action, AuditRecord, Outcome};
use storeplane_core::error::PortError;
use storeplane_core::identity::Credential;
use storeplane_core::ids::{Tenant, TokenId};
use storeplane_core::ports::{Clock as _, Stores as _};
use storeplane_core::query::{PageStart, StoreQuery};
use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{
    GetOperationRequest, ListAuditEventsRequest, ListOperationsRequest, ListStoresRequest, StoreState,
    WatchStoreRequest,
};
use storeplane_server::postgres::{PgStores, QuotaPolicy};
use storeplane_server::system::SystemClock;
use tonic::Code;
use uuid::Uuid;

use crate::grpc_raw::edge;
use crate::harness::{Api, COUNTED, Database, Setup, fresh, reason};

/// The first page of all stores.
pub(crate) async fn list_all(stores: &PgStores) -> Result<usize, PortError> {
    let query = StoreQuery::check(&Access::whole(Tenant::default()), "", "", 50, PageStart::First)?;
    Ok(stores.list(&query).await?.items.len())
}

/// The record of a request about `target` that was done.
pub(crate) fn record(tenant: &str, target: &str) -> AuditRecord {
    let (tenant, now) = (tenant.parse().expect("a tenant"), SystemClock.now());
    AuditRecord::new(Uuid::now_v7(), now, tenant, "viewer", Action::CreateStore, target)
}

/// Records a refused request about `target`.
pub(crate) async fn refuse(stores: &PgStores, target: &str) -> Result<(), PortError> {
    let record = AuditRecord {
        credential: Some(Credential::Token(TokenId(Uuid::nil()))),
        outcome: Outcome::Denied,
        reason: "PERMISSION_DENIED".into(),
        ..record("default", target)
    };
    stores.record(record).await
}

fn stores(database: &Database) -> PgStores {
    PgStores::new(database.pool.clone(), Arc::new(SystemClock), QuotaPolicy::default())
}

/// Values that only a newer release stores.
const NEWER_SCHEMA: &str = "
ALTER TABLE stores DROP CONSTRAINT stores_state_check, DROP CONSTRAINT stores_cleanup_policy_check;
ALTER TABLE operations DROP CONSTRAINT operations_state_check, DROP CONSTRAINT operations_kind_check";

/// Changes rows as only a newer release would: an operation's step, a store's state, an operation's kind.
async fn age_rows(database: &Database, [step, state, kind]: [&String; 3]) {
    let of = |id: &str| format!("WHERE store_id = '{id}'");
    database.execute(NEWER_SCHEMA).await;
    for change in [
        "UPDATE operations SET lease_owner = NULL, lease_expires_at = NULL".to_owned(),
        format!(
            "UPDATE operations SET state = 'RUNNING', step = 'DANCE', reached = 'DANCE', failure = NULL {}",
            of(step)
        ),
        format!(
            "UPDATE stores SET state = 'PAUSED', cleanup_policy = 'ASK', conditions = '[{{\"kind\": 1}}]', \
             failure = '{{\"reason\": \"MOON_PHASE\", \"message\": \"The moon is full.\", \"details\": []}}' {}",
            of(state)
        ),
        format!("UPDATE operations SET kind = 'POLISH' {}", of(kind)),
        format!("UPDATE events SET details = '{{\"number\": 7}}', kind = 'NOVEL' {}", of(state)),
    ] {
        database.execute(&change).await;
    }
}

/// Lists, reads and watches show such rows as far as possible. Returns the store of each.
async fn assert_shown(
    api: &Api,
    state: &str,
    step: &str,
) -> (storeplane_proto::v1::Store, storeplane_proto::v1::Store) {
    let page = api.stores.clone().list_stores(ListStoresRequest::default()).await.unwrap().into_inner();
    assert_eq!(page.stores.len(), 4);
    let paused = api.get(state).await.unwrap();
    assert_eq!((paused.state(), paused.reason.as_str()), (StoreState::Unspecified, "UNREADABLE"));
    assert_eq!(paused.message, "The moon is full.");
    let dancing = api.get(step).await.unwrap();
    assert_eq!(dancing.state(), StoreState::Provisioning);
    let request = GetOperationRequest { operation_id: dancing.operation.clone() };
    let operation = api.operations.clone().get_operation(request).await.unwrap().into_inner();
    assert_eq!((operation.reason.as_str(), operation.step.as_str()), ("UNREADABLE", ""));
    let operations =
        api.operations.clone().list_operations(ListOperationsRequest::default()).await.unwrap().into_inner();
    assert_eq!(operations.operations.len(), 4);
    let request = storeplane_proto::v1::GetOverviewRequest::default();
    let states = api.platform.clone().get_overview(request).await.unwrap().into_inner().states;
    assert!(states.iter().any(|each| each.state() == StoreState::Unspecified && each.count == 1), "{states:?}");
    let request = WatchStoreRequest { store_id: state.into(), ..WatchStoreRequest::default() };
    let mut watch = api.stores.clone().watch_store(request).await.unwrap().into_inner();
    loop {
        match watch.message().await.unwrap().unwrap().update.unwrap() {
            Update::Event(event) => {
                assert_eq!((event.r#type.as_str(), event.details["number"].as_str()), ("NOVEL", "7"));
            }
            Update::CaughtUp(_) => break,
            _ => {}
        }
    }
    (paused, dancing)
}

#[tokio::test]
async fn rows_of_newer_server_are_shown_and_block_nothing() {
    let setup = Setup { kubeconfig: "/no/such/kubeconfig".into(), ..Setup::small() };
    let mut lab = setup.start().await;
    let (step, state, kind) = (fresh("step"), fresh("state"), fresh("kind"));
    for id in [&step, &state, &kind] {
        lab.api.create(Api::wanted(id)).await.unwrap();
    }
    lab.server.kill9();
    age_rows(&lab.database, [&step, &state, &kind]).await;

    lab.server.set("KUBECONFIG", crate::harness::Account::usual().kubeconfig.to_str().unwrap());
    lab.server.restart().await;
    let fine = fresh("fine");
    lab.api.ready(&fine).await;

    let (paused, dancing) = assert_shown(&lab.api, &state, &step).await;

    // The unreadable operations are unchanged, and logged.
    let left = lab.database.value("SELECT count(*) FROM operations WHERE step = 'DANCE' OR kind = 'POLISH'").await;
    assert_eq!(left, "2");
    let logged = async {
        while !(lab.server.log().contains(&paused.uid) && lab.server.log().contains(&dancing.operation)) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), logged).await.expect("the log names the rows");

    // Such a store can be deleted.
    for id in [&state, &step, &kind, &fine] {
        lab.api.delete(id).await.unwrap();
        assert_eq!(lab.api.settle(id).await.0.state(), StoreState::Deleted);
    }
}

#[tokio::test]
async fn nul_in_request_is_not_an_internal_error() {
    let lab = edge().await;
    let id = fresh("nul");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    for filter in ["store_id = \"a\0b\"", "\"a\0b\""] {
        let request = ListStoresRequest { filter: filter.into(), ..ListStoresRequest::default() };
        let answer = lab.api.stores.clone().list_stores(request).await;
        let status = answer.as_ref().err().map(tonic::Status::code);
        assert!(matches!(status, None | Some(Code::InvalidArgument)), "{answer:?}");
        let request = ListAuditEventsRequest { filter: filter.replace("store_id", "target"), ..Default::default() };
        let answer = lab.api.audit.clone().list_audit_events(request).await;
        let status = answer.as_ref().err().map(tonic::Status::code);
        assert!(matches!(status, None | Some(Code::InvalidArgument)), "{answer:?}");
    }
    refuse(&stores(&lab.database), "a\0b").await.unwrap();
    assert_eq!(lab.database.value("SELECT target FROM audit_events WHERE outcome = 'DENIED'").await, "a\u{FFFD}b");
}

#[tokio::test]
async fn refusals_cannot_fill_the_audit_log() {
    let database = Database::create().await;
    let stores = stores(&database);
    for _ in 0..20 {
        refuse(&stores, "same").await.unwrap();
    }
    for n in 0..300 {
        refuse(&stores, &format!("different-{n}")).await.unwrap();
    }
    refuse(&stores, "same").await.unwrap();
    // A new hour may have begun meanwhile.
    let rows: u32 = database.value("SELECT count(*) FROM audit_events").await.parse().unwrap();
    assert!((101..=202).contains(&rows), "{rows}");
    assert_eq!(database.value(&format!("SELECT sum(count) FROM {COUNTED}")).await, "321");
    assert_eq!(database.value(&format!("SELECT sum(count) FROM {COUNTED} WHERE target = 'same'")).await, "21");
    let others = database.value(&format!("SELECT sum(count) FROM {COUNTED} WHERE target = '*'")).await;
    assert!(others.parse::<u32>().unwrap() >= 98, "{others}");
}

#[tokio::test]
async fn timestamps_are_equal_in_every_response() {
    let lab = edge().await;
    let id = fresh("time");
    let created = lab.api.create(Api::wanted(&id)).await.unwrap();
    let read = lab.api.get(&id).await.unwrap();
    assert_eq!((created.create_time, created.state_time), (read.create_time, read.state_time));
    let deleting = lab.api.delete(&id).await.unwrap();
    let read = lab.api.get(&id).await.unwrap();
    // A worker may have begun meanwhile, which changes update_time.
    assert_eq!((deleting.create_time, deleting.state_time), (read.create_time, read.state_time));
    assert_ne!(read.state_time, created.state_time);
}

#[tokio::test]
async fn row_locked_for_too_long_is_unavailable_and_not_too_slow() {
    let lab = edge().await;
    lab.api.create(Api::wanted("tea")).await.unwrap();
    let pool = lab.database.pool.clone();
    // One implicit transaction, as a paused server's would be.
    let holding = tokio::spawn(async move {
        sea_orm::ConnectionTrait::execute_unprepared(&pool, "SELECT FROM stores FOR UPDATE; SELECT pg_sleep(8)").await
    });
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while lab.database.value(sleeping).await == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let status = lab.api.delete("tea").await.unwrap_err();

    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DATABASE_UNAVAILABLE"), "{status:?}");
    holding.await.unwrap().unwrap();
    lab.api.delete("tea").await.unwrap();
}
