//! The service over ports in memory.

mod backups;
mod memory;
mod rollouts;
mod sessions;
mod tenants;
mod tokens;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use memory::{Memory, lock};
use time::OffsetDateTime;

use super::*;
use crate::access::{Access, Scope, Selection};
use crate::audit::{AuditEvent, AuditRecord};
use crate::backup::Backup;
use crate::command::Idempotency;
use crate::command::tests::catalog;
use crate::engine::AdminSecret;
use crate::identity::{Credential, Proof, Role};
use crate::ids::{StoreId, Tenant, TokenId};
use crate::live_view::{LiveLogs, LiveResource};
use crate::ports::AdminLogin;
use crate::query::{AuditQuery, OperationQuery, Page, PageStart, ReleasePage, ReleaseQuery, StoreQuery};
use crate::release::{Ownership, Release, ReleaseInventory, ReleaseScope};
use crate::store::{CleanupPolicy, State};
use crate::transition::copy::{Copy, CopyDecision};
use crate::transition::{Change, Snapshot};

fn service(memory: &Arc<Memory>) -> Service {
    service_of(memory, Some("platform"))
}

fn service_of(memory: &Arc<Memory>, platform: Option<&str>) -> Service {
    let memory = || Arc::clone(memory);
    let ports = Ports {
        stores: memory(),
        backups: memory(),
        rollouts: memory(),
        credentials: memory(),
        live_view: memory(),
        releases: memory(),
        tokens: memory(),
        sessions: memory(),
        tenants: memory(),
        clock: memory(),
        ids: memory(),
    };
    let platform = platform.map(|tenant| tenant.parse().expect("a tenant"));
    let lifetimes = Lifetimes { default: time::Duration::DAY, max: time::Duration::DAY };
    Service::new(ports, Arc::new(catalog()), "localhost", platform, lifetimes, Quotas::unlimited())
}

#[test]
fn only_the_platform_s_tenant_sees_releases_of_others() {
    let memory = Arc::new(Memory::default());
    let query = ReleaseQuery::check(&Access::whole(Tenant::default()), "", "", 0, PageStart::First).expect("valid");
    let seen_by = |platform: Option<&str>, tenant: &str, scope: Scope| {
        let access = Access { tenant: tenant.parse().expect("a tenant"), scope };
        let caller = Caller { access, ..caller() };
        let (ReleasePage { page, total }, scope) =
            now(service_of(&memory, platform).releases(&caller, &query)).expect("releases");
        assert_eq!(total, page.items.len());
        (page.items.iter().map(|release| release.name[..1].to_owned()).collect::<String>(), scope)
    };
    let seen = |platform, tenant| seen_by(platform, tenant, Scope::All);
    assert_eq!(seen(Some("default"), "default"), ("abcdef".into(), ReleaseScope::Cluster));
    assert_eq!(seen(Some("default"), "acme"), ("bd".into(), ReleaseScope::Tenant));
    assert_eq!(seen(None, "default"), ("ac".into(), ReleaseScope::Tenant));
    for platform in [None, Some("default")] {
        assert_eq!(seen_by(platform, "default", only("c-orphan")), ("c".into(), ReleaseScope::Tenant), "{platform:?}");
        assert_eq!(
            seen_by(platform, "default", only("b-store")),
            (String::new(), ReleaseScope::Tenant),
            "{platform:?}"
        );
    }
}

/// The result of a future that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("memory never waits"),
    }
}

fn caller() -> Caller {
    Caller {
        credential: Credential::Token(TokenId(uuid::Uuid::nil())),
        name: "ci".into(),
        access: Access::whole(Tenant::default()),
        role: Role::Operator,
        expires: None,
        proof: Proof::Signed,
        origin: Arc::default(),
    }
}

/// A scope of one store.
fn only(store_id: &str) -> Scope {
    Selection::new(vec![StoreId::stored(store_id.into())], None).map_or(Scope::All, Scope::Only)
}

fn wanted(store_id: &str) -> CreateStoreInput {
    CreateStoreInput {
        store_id: store_id.into(),
        display_name: "Kaffee & Kuchen".into(),
        admin_email: "a@b.co".into(),
        cleanup_policy: Some(CleanupPolicy::Keep),
        ..CreateStoreInput::default()
    }
}

fn create(memory: &Arc<Memory>, store_id: &str) -> Result<Store, PortError> {
    now(service(memory).create(&caller(), None, wanted(store_id), false))
}

fn command(store_id: &str, etag: &str) -> StoreCommand {
    StoreCommand::check("DeleteStore", store_id, "", etag, "").expect("valid")
}

/// Action, outcome and reason of each record, in order.
fn audit(memory: &Memory) -> Vec<String> {
    let line = |it: &AuditRecord| format!("{} {} {}", it.action.as_str(), it.outcome.as_str(), it.reason);
    lock(&memory.audit).iter().map(|record| line(record).trim_end().to_owned()).collect()
}

#[test]
fn each_mutation_has_exactly_one_audit_record_whatever_its_outcome() {
    let memory = Arc::new(Memory::default());
    let (service, caller) = (service(&memory), caller());
    create(&memory, "demo").expect("created");
    assert!(create(&memory, "demo").is_err());
    assert!(create(&memory, "--help").is_err());
    let operation = lock(&memory.stores)[0].operation.id.to_string();
    let cancel = |etag: &str| CancelOperation::check(&operation, "", etag, "").expect("valid");
    assert!(now(service.cancel(&caller, None, cancel("0000000000000000"))).is_err());
    now(service.cancel(&caller, None, cancel(""))).expect("cancelled");
    now(service.retry(&caller, None, command("demo", ""))).expect("a cancelled creation is retried");
    assert!(now(service.retry(&caller, None, command("demo", ""))).is_err(), "a retry runs");
    assert!(now(service.delete(&caller, None, command("other", ""))).is_err());
    let forced = StoreCommand::check_delete("demo", "", "", "", true).expect("valid");
    let deleting = now(service.delete(&caller, None, forced)).expect("accepted");
    assert_eq!(deleting.state, State::Deleting);
    assert_eq!(
        audit(&memory),
        [
            "CREATE_STORE ACCEPTED",
            "CREATE_STORE REJECTED STORE_ALREADY_EXISTS",
            "CREATE_STORE REJECTED INVALID_REQUEST",
            "CANCEL_OPERATION REJECTED STALE_ETAG",
            "CANCEL_OPERATION ACCEPTED",
            "RETRY_STORE ACCEPTED",
            "RETRY_STORE REJECTED NOT_RETRYABLE",
            "DELETE_STORE REJECTED STORE_NOT_FOUND",
            "FORCE_DELETE_STORE ACCEPTED",
        ]
    );
}

#[test]
fn refusal_is_not_answered_unless_it_is_recorded() {
    let memory = Arc::new(Memory { is_read_only: true, ..Memory::default() });
    let refused = now(service(&memory).delete(&caller(), None, command("other", "")));
    assert!(matches!(refused, Err(PortError::Internal(_))), "{refused:?}");
}

#[test]
fn recorded_target_is_short_and_without_control_characters() {
    let memory = Arc::new(Memory::default());
    create(&memory, &format!("a\u{1b}[2J{}", "b".repeat(500))).expect_err("no id");
    let target = lock(&memory.audit)[0].target.clone();
    assert!(target.starts_with("a\u{fffd}[2J") && target.len() <= TARGET_MAX + '…'.len_utf8(), "{target}");
}

#[test]
fn validation_stores_and_records_nothing() {
    let memory = Arc::new(Memory::default());
    let validated = now(service(&memory).create(&caller(), None, wanted("demo"), true)).expect("valid");
    assert_eq!(validated.id.as_str(), "demo");
    now(service(&memory).create(&caller(), None, wanted("-"), true)).expect_err("no id");
    assert_eq!((lock(&memory.stores).len(), audit(&memory).len()), (0, 0));
}

#[test]
fn taken_generated_id_is_replaced_by_another_a_few_times() {
    let memory = Arc::new(Memory::default());
    assert_eq!(create(&memory, "").expect("created").id.as_str(), "kaffee-kuchen-aaaaa");
    lock(&memory.words).extend(["bbbbb", "aaaaa"]);
    assert_eq!(create(&memory, "").expect("created").id.as_str(), "kaffee-kuchen-bbbbb");
    let taken = create(&memory, "");
    assert!(matches!(taken, Err(PortError::Refused(DomainError::AlreadyExists { .. }))), "{taken:?}");
}

#[test]
fn scoped_caller_creates_only_stores_of_its_scope() {
    let memory = Arc::new(Memory::default());
    let prefix = Selection::new(Vec::new(), Some("shop-".parse().expect("a prefix"))).map_or(Scope::All, Scope::Only);
    let create = |store_id: &str, scope: &Scope| {
        let access = Access { scope: scope.clone(), ..caller().access };
        let created = now(service(&memory).create(&Caller { access, ..caller() }, None, wanted(store_id), false));
        created.map(|store| store.id.to_string()).map_err(|error| match error {
            PortError::Refused(refusal) => refusal.to_string(),
            other => panic!("{other}"),
        })
    };
    let outside = |id: &str| {
        Err(format!("this token may not create the store \"{id}\": its id is outside the scope of the token"))
    };
    assert_eq!(create("tea", &Scope::All), Ok("tea".into()));
    assert_eq!(create("tea", &prefix), outside("tea"), "whether it exists ...");
    assert_eq!(create("mate", &prefix), outside("mate"), "... or not");
    assert_eq!(create("shop-1", &prefix), Ok("shop-1".into()));
    assert_eq!(create("", &prefix), Ok("shop-kaffee-kuchen-aaaaa".into()));
    assert_eq!(create("mate", &only("mate")), Ok("mate".into()));
    let generated = create("", &only("mate")).expect_err("no id can be generated");
    assert!(generated.starts_with("store_id must be set"), "{generated}");
    let refused: Vec<_> = audit(&memory).into_iter().filter(|record| !record.contains("ACCEPTED")).collect();
    let denied = "CREATE_STORE DENIED STORE_OUTSIDE_SCOPE";
    assert_eq!(refused, [denied, denied, "CREATE_STORE REJECTED INVALID_REQUEST"]);
}
