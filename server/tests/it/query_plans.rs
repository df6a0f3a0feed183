//! With thousands of rows, each hot query uses an index and reads about as many rows as it returns.
//!
//! The figures are Postgres' own counts for the real queries, so there is no copy of a query that could differ.

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::access::{Access, Scope, Selection};
use storeplane_core::command::StoreRef;
use storeplane_core::event::Cursor;
use storeplane_core::ids::{OperationId, StoreUid, Tenant};
use storeplane_core::overview::OverviewQuery;
use storeplane_core::ports::{Backups as _, Stores as _};
use storeplane_core::query::{AuditQuery, BackupQuery, OperationQuery, PageStart, Paged as _, StoreQuery};
use storeplane_server::metrics::metrics;
use storeplane_server::postgres::{
    ClaimScope, EventLog, PgBackups, PgStores, PoolOptions, Queue, QuotaPolicy, Sampler,
};
use storeplane_server::system::SystemClock;
use uuid::Uuid;

use crate::harness::Database;
use crate::overview::MANY;

const FEW_ACTIVE: &str = "UPDATE operations SET state = 'SUCCEEDED', ended_at = now() WHERE state = 'RUNNING'
  AND id NOT IN (SELECT id FROM operations WHERE state = 'RUNNING' LIMIT 20)";
/// Three backups of each store, of which few are to be removed.
const BACKUPS: &str = "INSERT INTO backups SELECT gen_random_uuid(), uid, store_id, tenant,
    CASE WHEN store_id = 's1' THEN 'DELETING' WHEN n = 2 THEN 'FAILED' ELSE 'COMPLETE' END,
    'ON_DEMAND', '', 'test', gen_random_uuid(), engine, '1', '1', false, NULL, '[]', NULL, created_at + n * interval '1 s', NULL
  FROM stores, generate_series(1, 3) n";
/// A page.
const PAGE: i32 = 50;

struct Scene {
    database: Database,
    stores: PgStores,
    log: EventLog,
    queue: Queue,
    pool: storeplane_server::postgres::Pool,
}

impl Scene {
    async fn new() -> Self {
        let database = Database::create().await;
        database.execute(MANY).await;
        // As if they were from before the chain, which would be locked for all of them.
        database.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_append").await;
        let audits = "INSERT INTO audit_events SELECT gen_random_uuid(), created_at, tenant, 'a', NULL, 'CREATE_STORE', store_id, uid, operation, 'ACCEPTED', '' FROM stores";
        database.execute(audits).await;
        database.execute(BACKUPS).await;
        database.execute("VACUUM ANALYZE").await;
        // One connection, whose counts are complete once it has been asked to flush them.
        let options = PoolOptions { connections: 1, acquire_timeout: Duration::from_mins(1), ..PoolOptions::default() };
        let pool = options.connect(&database.url).unwrap();
        Self {
            stores: PgStores::new(pool.clone(), Arc::new(SystemClock), QuotaPolicy::default()),
            log: EventLog::new(pool.clone()),
            queue: Queue::new(pool.clone(), Duration::from_secs(15)),
            database,
            pool,
        }
    }

    /// Changes rows. Its own reads are counted before it returns: the statement's session flushes them as soon as it is idle.
    async fn prepare(&self, sql: &str) {
        self.database.execute(&format!("{sql}; SELECT pg_stat_force_next_flush()")).await;
    }

    /// Table scans and rows read so far.
    async fn counts(&self) -> (i64, i64) {
        // Postgres skips a flush while another one holds its lock: several, with a pause, leave nothing uncounted.
        for _ in 0..3 {
            for sql in ["SELECT pg_stat_force_next_flush()", "SELECT 1"] {
                sea_orm::ConnectionTrait::execute_unprepared(&self.pool, sql).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let sum =
            "SELECT sum(seq_scan) || ' ' || sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables
                   WHERE relname IN ('stores', 'operations', 'events', 'audit_events', 'backups')";
        let text = self.database.value(sum).await;
        let (scans, rows) = text.split_once(' ').expect("two figures");
        (scans.parse().unwrap(), rows.parse().unwrap())
    }

    /// Asserts what a query reads.
    async fn reads<T>(&self, name: &str, at_most: i64, query: impl Future<Output = T>) -> T {
        let before = self.counts().await;
        let answer = query.await;
        let after = self.counts().await;
        let (scans, rows) = (after.0 - before.0, after.1 - before.1);
        assert!(scans == 0 && rows <= at_most, "{name}: {scans} whole tables, {rows} rows");
        answer
    }
}

#[tokio::test]
async fn hot_queries_read_only_returned_rows() {
    let scene = Scene::new().await;
    let (stores, log) = (&scene.stores, &scene.log);
    let tenant = &Tenant::default();
    let access = &Access::whole(tenant.clone());
    for order in ["", "create_time", "store_id", "store_id desc"] {
        let mut query = StoreQuery::check(access, "", order, PAGE, PageStart::First).unwrap();
        // Deep into the list, where an OFFSET or a condition without an index would have read all previous rows.
        for page in 0..4 {
            let name = format!("ListStores by {order:?}, page {page}");
            let found = scene.reads(&name, 60, stores.list(&query)).await.unwrap();
            let next = query.next(&found).expect("another page");
            query = StoreQuery::check(access, "", order, PAGE, PageStart::After(next)).unwrap();
            if page == 0 {
                query.limit = 4000;
                let found = stores.list(&query).await.unwrap();
                // Counts this read, not the next page.
                scene.counts().await;
                let next = query.next(&found).unwrap();
                query = StoreQuery::check(access, "", order, PAGE, PageStart::After(next)).unwrap();
            }
        }
    }
    let all = StoreQuery::check(access, "", "", PAGE, PageStart::First).unwrap();
    let total = scene.reads("total_size", 1100, stores.count(&all)).await.unwrap();
    assert!((8000..12_000).contains(&total), "an estimate of 9,900: {total}");
    let few = StoreQuery::check(access, "state = PROVISIONING", "", PAGE, PageStart::First).unwrap();
    assert_eq!(scene.reads("total_size of few", 200, stores.count(&few)).await.unwrap(), 100, "few are counted");

    let one = StoreRef { id: "s4711".parse().unwrap(), uid: None };
    let store = scene.reads("GetStore", 2, stores.find(access, &one)).await.unwrap().expect("a store");
    let of_one = OperationQuery::check(access, "s4711", "", PAGE, PageStart::First).unwrap();
    let found = scene.reads("ListOperations of a store", 2, stores.operations(&of_one)).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let every = OperationQuery::check(access, "", "", PAGE, PageStart::First).unwrap();
    let found = scene.reads("ListOperations", 60, stores.operations(&every)).await.unwrap();
    let next = every.next(&found).unwrap();
    let next = OperationQuery::check(access, "", "", PAGE, PageStart::After(next)).unwrap();
    scene.reads("ListOperations, page 2", 60, stores.operations(&next)).await.unwrap();
    scene.reads("GetOperation", 1, stores.operation(access, store.operation)).await.unwrap().expect("an operation");
    let audit = AuditQuery::check(tenant, "", PAGE, PageStart::First).unwrap();
    let found = scene.reads("ListAuditEvents", 60, stores.audit_events(&audit)).await.unwrap();
    let next = audit.next(&found).unwrap();
    let next = AuditQuery::check(tenant, "", PAGE, PageStart::After(next)).unwrap();
    scene.reads("ListAuditEvents, page 2", 60, stores.audit_events(&next)).await.unwrap();

    scene.reads("a store's events", 12, log.after(StoreUid(store.uid.0), 0, 64)).await.unwrap();
    let head = log.head().await.unwrap();
    scene.reads("new events", 2, log.after_cursor(head, 500)).await.unwrap();
    scene.reads("unsettled events", 2, log.unsettled(head)).await.unwrap();
    scene.reads("events from the start", 510, log.after_cursor(Cursor::default(), 500)).await.unwrap();
    scene.reads("the last state changes", 25, log.last_state_changes(access, 20)).await.unwrap();

    backups_are_read_by_index(&scene).await;
    scoped_queries_read_only_the_scope(&scene).await;
    // 20 operations are active, all held by others. With 200, Postgres rightly prefers to hash the stores once.
    scene.prepare(FEW_ACTIVE).await;
    scene.database.execute("VACUUM ANALYZE").await;
    assert!(Box::pin(scene.reads("a claim", 500, scene.queue.claim(&ClaimScope::default()))).await.unwrap().is_none());
    let ids: Vec<_> = (0..256).map(|_| OperationId(Uuid::now_v7())).collect();
    scene.reads("a renewal", 40, scene.queue.renew(&ids)).await.unwrap();
    scene.reads("cancellations", 40, scene.queue.cancelled(&ids)).await.unwrap();
    Box::pin(figures_are_read_from_indexes(&scene)).await;
    marked_stores_are_read_by_index(&scene, access).await;
}

async fn backups_are_read_by_index(scene: &Scene) {
    let (backups, access) = (&PgBackups::new(scene.pool.clone()), &Access::whole(Tenant::default()));
    let every = BackupQuery::check(access, "", "", PAGE, PageStart::First).unwrap();
    let found = scene.reads("ListBackups", 60, backups.list(&every)).await.unwrap();
    let next = every.next(&found).unwrap();
    let next = BackupQuery::check(access, "", "", PAGE, PageStart::After(next)).unwrap();
    assert_eq!(scene.reads("ListBackups, page 2", 60, backups.list(&next)).await.unwrap().items.len(), 50);
    let of_one = BackupQuery::check(access, "s4711", "", PAGE, PageStart::First).unwrap();
    assert_eq!(scene.reads("ListBackups of a store", 6, backups.list(&of_one)).await.unwrap().items.len(), 3);
    let one = found.items[0].id;
    scene.reads("GetBackup", 1, backups.find(access, one)).await.unwrap().expect("a backup");
    let removed = scene.reads("backups to remove", 12, backups.to_remove(None, 50)).await.unwrap();
    assert_eq!(removed.len(), 6, "what has failed is removed already");
}

/// Of 10,000 stores, two ids and a prefix with which eleven begin.
async fn scoped_queries_read_only_the_scope(scene: &Scene) {
    let (stores, log) = (&scene.stores, &scene.log);
    let ids = ["s17", "s9000"].map(|id| id.parse().unwrap()).to_vec();
    let scope = Selection::new(ids, Some("s471".parse().unwrap())).map(Scope::Only).unwrap();
    let access = &Access { tenant: Tenant::default(), scope };
    for order in ["", "update_time", "store_id desc"] {
        let query = StoreQuery::check(access, "", order, PAGE, PageStart::First).unwrap();
        let name = format!("ListStores of a scope by {order:?}");
        assert_eq!(scene.reads(&name, 30, stores.list(&query)).await.unwrap().items.len(), 13);
        assert_eq!(scene.reads("total_size of a scope", 30, stores.count(&query)).await.unwrap(), 13);
    }
    let every = OperationQuery::check(access, "", "", PAGE, PageStart::First).unwrap();
    let found = scene.reads("ListOperations of a scope", 30, stores.operations(&every)).await.unwrap();
    assert_eq!(found.items.len(), 13);
    let backups = &PgBackups::new(scene.pool.clone());
    let every = BackupQuery::check(access, "", "", PAGE, PageStart::First).unwrap();
    assert_eq!(scene.reads("ListBackups of a scope", 60, backups.list(&every)).await.unwrap().items.len(), 39);
    let events = scene.reads("events of a scope", 300, log.after_cursor_of(access, Cursor::default(), 64)).await;
    assert_eq!(events.unwrap().len(), 64, "of 130");
    let every = Selection::new(Vec::new(), Some("s".parse().unwrap())).map(Scope::Only).unwrap();
    let every = &Access { tenant: Tenant::default(), scope: every };
    let events = scene.reads("events of a large scope", 300, log.after_cursor_of(every, Cursor::default(), 64)).await;
    let whole = &Access::whole(Tenant::default());
    assert_eq!(events.unwrap(), log.after_cursor_of(whole, Cursor::default(), 64).await.unwrap());
    scene.reads("the last event of a scope", 300, log.head_of(access)).await.unwrap();
    let changes = scene.reads("the last state changes of a scope", 300, log.last_state_changes(access, 20)).await;
    assert_eq!(changes.unwrap().len(), 20);
    let now = time::OffsetDateTime::now_utc();
    let overview = OverviewQuery::check(access, "test", time::Duration::days(90), now).unwrap();
    let overview = scene.reads("GetOverview of a scope", 1000, stores.overview(&overview)).await.unwrap();
    assert_eq!(overview.states.iter().map(|(_, count)| count).sum::<i64>(), 13);
}

/// Of 10,000 stores, eleven.
async fn marked_stores_are_read_by_index(scene: &Scene, access: &Access) {
    let marked = "UPDATE stores SET conditions = '[{\"kind\": \"BackedUp\", \"reason\": \"BACKUP_OVERDUE\"},
        {\"kind\": \"ConfigurationDrifted\", \"status\": \"True\"}]' WHERE store_id LIKE 's77%9'";
    scene.prepare(marked).await;
    scene.database.execute("VACUUM ANALYZE stores").await;
    for filter in ["backup_overdue = true", "drifted = true"] {
        let marked = StoreQuery::check(access, filter, "", PAGE, PageStart::First).unwrap();
        scene.reads("ListStores of marked stores", 60, scene.stores.list(&marked)).await.unwrap();
        assert_eq!(scene.reads("their number", 60, scene.stores.count(&marked)).await.unwrap(), 11, "{filter}");
    }
}

/// What Postgres tells for the metrics.
async fn figures_are_read_from_indexes(scene: &Scene) {
    let overdue = "UPDATE operations SET lease_expires_at = clock_timestamp() - interval '100 s' WHERE id IN (
        SELECT id FROM operations WHERE state = 'RUNNING' ORDER BY id LIMIT 3)";
    scene.prepare(overdue).await;
    let sampler = Sampler::new(scene.pool.clone());
    scene.reads("the figures for the metrics", 200, sampler.sample(metrics())).await.unwrap();
    let all = metrics();
    let [queued, running, age] = [&all.operations_queued, &all.operations_running, &all.operations_queued_age]
        .map(|gauges| gauges.with(["CREATE"]).get());
    assert_eq!((queued.to_string(), running.to_string()), ("3".into(), "17".into()));
    assert!((100.0..200.0).contains(&age), "{age}");
    let stores = ["READY", "UPDATING"].map(|state| all.stores.with([state]).get().to_string());
    assert_eq!(stores, ["19400", "0"], "a state without stores is shown too");
    assert!(all.database_clock_offset.with([]).get().abs() < 5.0, "the same machine");
}
