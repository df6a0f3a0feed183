//! Writes histories as the server does, without a cluster: the same code, the same transactions, and nobody who waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use storeplane_core::access::Access;
use storeplane_core::backup_policy::BackupPolicy;
use storeplane_core::command::{Idempotency, StoreRef};
use storeplane_core::error::PortError;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::ids::{OperationId, RequestId, StoreId, StoreUid, Tenant};
use storeplane_core::names::Placement;
use storeplane_core::operation::{Operation, OperationKind, OperationState};
use storeplane_core::ports::{Applied, Clock, Stores as _, Target};
use storeplane_core::store::{CleanupPolicy, Environment, Spec, State, Store, Versions};
use storeplane_core::transition::{Change, Decision, Snapshot};
use storeplane_server::postgres::{self, PgStores, Pool, QuotaPolicy};
use storeplane_server::system::SystemClock;
use time::OffsetDateTime;
use uuid::Uuid;

/// Lets a write take its time inside of Postgres: after its events have their numbers, and between them and the commit.
pub(crate) const SLOW_WRITES: &str = "
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(coalesce((NEW.details->>TG_ARGV[0])::float8, 0) / 1000);
  IF TG_ARGV[0] = 'commit_ms' AND NEW.details ? 'fails' THEN RAISE EXCEPTION 'as the test wants it'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER slow_insert BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION slow('insert_ms');
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION slow('commit_ms');";

/// One transaction on one store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Write {
    /// How many events.
    pub(crate) events: usize,
    /// With [`SLOW_WRITES`]: how long it takes before its events are there.
    pub(crate) insert: Duration,
    /// The same between that and the commit.
    pub(crate) commit: Duration,
    /// With a request id, which is stored before the store is locked.
    pub(crate) as_request: bool,
    /// It is rolled back at the commit.
    pub(crate) fails: bool,
    /// Bytes of text in each event.
    pub(crate) text: usize,
}

impl Write {
    pub(crate) fn of(events: usize) -> Self {
        Self { events, ..Self::default() }
    }

    fn happened(&self) -> Vec<NewEvent> {
        let message = |n| format!("number {n} {}", "x".repeat(self.text));
        let mut events: Vec<_> =
            (0..self.events).map(|n| NewEvent::new(EventType::ResourceChanged, message(n))).collect();
        if let Some(first) = events.first_mut() {
            let mut details = BTreeMap::from([
                ("insert_ms".to_owned(), self.insert.as_millis().to_string()),
                ("commit_ms".to_owned(), self.commit.as_millis().to_string()),
            ]);
            if self.fails {
                details.insert("fails".to_owned(), "yes".to_owned());
            }
            first.details = details;
        }
        events
    }
}

pub(crate) struct Writer {
    pool: Pool,
    stores: PgStores,
}

impl Writer {
    /// With as many transactions at once.
    pub(crate) fn new(url: &str, at_once: u32) -> Self {
        let pool = postgres::connect(url, at_once).expect("a Postgres URL");
        Self { stores: PgStores::new(pool.clone(), Arc::new(SystemClock), QuotaPolicy::default()), pool }
    }

    /// A store that is READY, with one event, whose operation has ended: no worker touches it. Its event has its place in
    /// the order of all, for which it may have waited for transactions of other tests on that Postgres.
    pub(crate) async fn ready(&self, store_id: &str, tenant: &str) -> StoreUid {
        let (id, tenant): (StoreId, Tenant) = (store_id.parse().expect("an id"), tenant.parse().expect("a tenant"));
        let (uid, operation, now) = (StoreUid(Uuid::now_v7()), OperationId(Uuid::now_v7()), SystemClock.now());
        let store = Store {
            uid,
            id: id.clone(),
            tenant: tenant.clone(),
            spec: Spec {
                smtp: None,
                plugins: storeplane_core::plugins::Plugins::new(),
                display_name: "Tea".into(),
                engine: "woocommerce".into(),
                plan: "small".into(),
                admin_email: "a@example.com".into(),
                cleanup_policy: CleanupPolicy::Keep,
                deletion_protection: false,
                environment: Environment::Production,
                domains: storeplane_core::host_name::ServedDomains::default(),
                labels: BTreeMap::new(),
                backup_policy: BackupPolicy::default(),
            },
            source: None,
            placement: Placement::new(&id, &tenant, "shops.test"),
            state: State::Ready,
            state_changed_at: now,
            conditions: Vec::new(),
            step: None,
            failure: None,
            versions: Versions::default(),
            revision: 0,
            simulated: true,
            secure: false,
            operation,
            last_sequence: 0,
            created_at: now,
            ready_at: Some(now),
            updated_at: now,
            deleted_at: None,
        };
        let operation = ended(operation, &store, now);
        let events = vec![NewEvent::state(State::Ready, "is ready")];
        let change = Change { events, ..Change::of(Snapshot { store, operation, backup: None }) };
        let uid = self.stores.create(&Access::whole(tenant), change, None).await.expect("a new store").store.uid;
        let held_back = format!(
            "SELECT FROM events WHERE store = '{uid}' AND transaction >= pg_snapshot_xmin(pg_current_snapshot())"
        );
        let held_back = Statement::from_string(DatabaseBackend::Postgres, held_back);
        while self.pool.query_one_raw(held_back.clone()).await.expect("an answer").is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        uid
    }

    /// Lets something happen to a store.
    pub(crate) async fn write(&self, tenant: &str, store_id: &str, write: &Write) -> Result<Applied, PortError> {
        let request = write.as_request.then(|| RequestId(Uuid::new_v4()));
        let transition = |known| {
            let mut change = Change::of(known);
            change.events = write.happened();
            Ok(change)
        };
        self.change(tenant, store_id, Idempotency::of(request, "Test", &[store_id]), &transition).await
    }

    /// A further operation, which has succeeded as well.
    pub(crate) async fn operate(&self, tenant: &str, store_id: &str) -> Applied {
        self.operation(tenant, store_id, OperationState::Succeeded).await
    }

    /// A further operation, which has failed.
    pub(crate) async fn fail(&self, tenant: &str, store_id: &str) -> Applied {
        self.operation(tenant, store_id, OperationState::Failed).await
    }

    async fn operation(&self, tenant: &str, store_id: &str, state: OperationState) -> Applied {
        let (request, now) = (Some(RequestId(Uuid::new_v4())), SystemClock.now());
        let transition = |known| {
            let mut change = Change::of(known);
            let ended = ended(OperationId(Uuid::now_v7()), &change.store, now);
            change.operation = Operation { state, ..ended };
            change.store.operation = change.operation.id;
            change.events = Write::of(1).happened();
            Ok(change)
        };
        self.change(tenant, store_id, Idempotency::of(request, "Test", &[]), &transition).await.expect("an operation")
    }

    /// Lets a store be gone.
    pub(crate) async fn delete(&self, tenant: &str, store_id: &str) {
        let now = SystemClock.now();
        for state in [State::Deleting, State::Deleted] {
            let transition = |known| {
                let mut change = Change::of(known);
                change.store.move_to(state, now)?;
                change.events = vec![NewEvent::state(state, "goes")];
                Ok(change)
            };
            self.change(tenant, store_id, None, &transition).await.expect("a deletion");
        }
    }

    async fn change(
        &self,
        tenant: &str,
        store_id: &str,
        idempotency: Option<Idempotency>,
        transition: &Decision<'_>,
    ) -> Result<Applied, PortError> {
        let target = Target::Store(StoreRef { id: store_id.parse().expect("an id"), uid: None });
        self.stores.change(&Access::whole(tenant.parse().expect("a tenant")), &target, idempotency, transition).await
    }
}

fn ended(id: OperationId, store: &Store, now: OffsetDateTime) -> Operation {
    Operation {
        id,
        store: store.uid,
        store_id: store.id.clone(),
        tenant: store.tenant.clone(),
        kind: OperationKind::Create,
        state: OperationState::Succeeded,
        step: None,
        reached: None,
        force: false,
        restore: None,
        update: None,
        prior: None,
        undoing: false,
        cancel_requested: false,
        failure: None,
        claims: 1,
        requested_by: "test".into(),
        trace: None,
        created_at: now,
        started_at: Some(now),
        ended_at: Some(now),
    }
}
