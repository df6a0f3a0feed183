//! The service over ports in memory.

mod backups;
mod sessions;
mod tenants;
mod tokens;

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

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

/// One tenant's stores and the audit log. Idempotency and lists are the database's, and tested there.
#[derive(Default)]
struct Memory {
    stores: Mutex<Vec<Snapshot>>,
    audit: Mutex<Vec<AuditRecord>>,
    /// Ids that are given out again and again, as if the random source had little luck.
    words: Mutex<Vec<&'static str>>,
    uuids: AtomicUsize,
    /// The audit log cannot be written.
    is_read_only: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

impl Memory {
    fn store(&self, change: Change) -> Applied {
        lock(&self.audit).extend(change.audit);
        let snapshot = Snapshot {
            store: change.store.clone(),
            operation: change.operation.clone(),
            backup: change.backup.clone(),
        };
        let mut stores = lock(&self.stores);
        stores.retain(|known| known.store.uid != change.store.uid);
        stores.push(snapshot);
        Applied { store: change.store, operation: change.operation, backup: change.backup }
    }
}

#[async_trait::async_trait]
impl Stores for Memory {
    async fn create(&self, _: &Access, change: Change, _: Option<Idempotency>) -> Result<Applied, PortError> {
        if lock(&self.stores).iter().any(|known| known.store.id == change.store.id) {
            return Err(DomainError::AlreadyExists { name: change.store.id.to_string() }.into());
        }
        Ok(self.store(change))
    }

    async fn copy(
        &self,
        _: &Access,
        source: &StoreRef,
        _: Option<Idempotency>,
        decide: &CopyDecision<'_>,
    ) -> Result<Applied, PortError> {
        let found = lock(&self.stores).iter().find(|known| known.store.id == source.id).cloned();
        let found = found.ok_or_else(|| DomainError::NotFound { kind: "store", name: "it".into() })?;
        let Copy { store, source } = decide(found)?;
        if let Some(source) = source {
            self.store(source);
        }
        Ok(self.store(store))
    }

    async fn change(
        &self,
        _: &Access,
        target: &Target,
        _: Option<Idempotency>,
        transition: &Decision<'_>,
    ) -> Result<Applied, PortError> {
        let is_target = |known: &&Snapshot| match target {
            Target::Store(wanted) => known.store.id == wanted.id && wanted.uid.is_none_or(|uid| uid == known.store.uid),
            Target::Operation(id) => known.operation.id == *id,
        };
        let found = lock(&self.stores).iter().find(is_target).cloned();
        let found = found.ok_or_else(|| DomainError::NotFound { kind: "store", name: "it".into() })?;
        Ok(self.store(transition(found)?))
    }

    async fn record(&self, audit: AuditRecord) -> Result<(), PortError> {
        if self.is_read_only {
            return Err(PortError::Internal("the audit log cannot be written".into()));
        }
        lock(&self.audit).push(audit);
        Ok(())
    }

    async fn state_mark(&self) -> Result<String, PortError> {
        Ok(String::new())
    }

    async fn find(&self, _: &Access, wanted: &StoreRef) -> Result<Option<Store>, PortError> {
        Ok(lock(&self.stores).iter().find(|known| known.store.id == wanted.id).map(|known| known.store.clone()))
    }

    async fn is_reused(&self, _: &Access, _: &StoreId) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn list(&self, _: &StoreQuery) -> Result<Page<Store>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn count(&self, _: &StoreQuery) -> Result<i64, PortError> {
        Ok(0)
    }

    async fn operation(&self, _: &Access, _: OperationId) -> Result<Option<Operation>, PortError> {
        Ok(None)
    }

    async fn operations(&self, _: &OperationQuery) -> Result<Page<Operation>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn audit_events(&self, _: &AuditQuery) -> Result<Page<AuditEvent>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn check_quotas(&self, _: &Store, _: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn check_backup_quota(&self, _: &Backup) -> Result<(), PortError> {
        Ok(())
    }

    async fn overview(&self, _: &OverviewQuery) -> Result<Overview, PortError> {
        Err(PortError::Internal("there is none in memory".into()))
    }
}

impl Clock for Memory {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

impl Ids for Memory {
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.uuids.fetch_add(1, Ordering::Relaxed) as u128)
    }

    fn random_text(&self, _: usize) -> String {
        lock(&self.words).pop().unwrap_or("aaaaa").to_owned()
    }
}

#[async_trait::async_trait]
impl Credentials for Memory {
    async fn admin(&self, _: &Store, _: &AdminSecret) -> Result<Option<AdminLogin>, PortError> {
        Ok(None)
    }
}

#[async_trait::async_trait]
impl LiveView for Memory {
    async fn resources(&self, _: &Store) -> Result<Vec<LiveResource>, PortError> {
        Ok(Vec::new())
    }

    async fn logs(&self, _: &Store, _: u32) -> Result<LiveLogs, PortError> {
        Err(PortError::Internal("there are none in memory".into()))
    }
}

#[async_trait::async_trait]
impl Releases for Memory {
    async fn inventory(&self) -> Result<ReleaseInventory, PortError> {
        let release = |(name, ownership, tenant): (&str, Ownership, &str)| Release {
            namespace: name.into(),
            name: name.into(),
            ownership,
            store_id: name.into(),
            store_uid: None,
            tenant: tenant.into(),
            status: "deployed".into(),
            revision: 1,
            chart: String::new(),
            chart_version: String::new(),
            updated_at: None,
        };
        let releases = [
            ("a-store", Ownership::Store, "default"),
            ("b-store", Ownership::Store, "acme"),
            ("c-orphan", Ownership::Orphan, "default"),
            ("d-orphan", Ownership::Orphan, "acme"),
            ("e-orphan", Ownership::Orphan, ""),
            ("f-foreign", Ownership::Foreign, ""),
        ];
        Ok(ReleaseInventory { releases: releases.map(release).into(), scope: ReleaseScope::Cluster })
    }
}

fn service(memory: &Arc<Memory>) -> Service {
    service_of(memory, Some("platform"))
}

fn service_of(memory: &Arc<Memory>, platform: Option<&str>) -> Service {
    let memory = || Arc::clone(memory);
    let ports = Ports {
        stores: memory(),
        backups: memory(),
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
