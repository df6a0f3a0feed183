//! Scheduled backups: which stores are backed up when, and stores that are overdue. `retention`: which backups are kept.

mod retention;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::access::Access;
use storeplane_core::backup::BackupTrigger;
use storeplane_core::backup::schedule::{Policies, SchedulePolicy};
use storeplane_core::command::StoreRef;
use storeplane_core::engine::Catalog;
use storeplane_core::identity::Caller;
use storeplane_core::ids::{BackupId, OperationId, StoreUid, Tenant};
use storeplane_core::operation::Step;
use storeplane_core::ports::{Clock as _, Stores as _, Target};
use storeplane_core::transition::backup_request::back_up;
use storeplane_core::transition::request::Request;
use storeplane_core::transition::{Decision, operation};
use storeplane_server::backup_schedule::{BackupScheduler, Progress};
use storeplane_server::config::{Config, Overrides};
use storeplane_server::postgres::{
    self, BackupRetention, BackupSchedule, LiveStoreRepository, PgStores, PoolOptions, QuotaPolicy, RestoreTests,
};
use storeplane_server::restore_tests::RestoreTester;
use storeplane_server::system::{RandomIds, SystemClock};
use uuid::Uuid;

use crate::harness::{DEFAULT_ENGINE, Database, Setup, Writer, catalog, charts, fresh};
use crate::metrics::{read, with_metrics};
use crate::overview::MANY;

const DAY: time::Duration = time::Duration::DAY;
const DAILY: SchedulePolicy = SchedulePolicy {
    every: Some(DAY),
    keep: time::Duration::days(14),
    keep_weekly: 8,
    keep_deleted: time::Duration::days(30),
};
const ACTIVE: &str = "SELECT count(*) FROM operations WHERE kind = 'BACKUP' AND state IN ('PENDING', 'RUNNING')";

struct Scene {
    database: Database,
    writer: Writer,
    stores: PgStores,
    catalog: Arc<Catalog>,
}

impl Scene {
    async fn new() -> Self {
        let database = Database::create().await;
        let file = format!("[charts]\ndir = '{}'\ndefault_engine = '{DEFAULT_ENGINE}'", charts().display());
        let config = Config::parse(&file, &Overrides::default()).expect("a configuration");
        let quotas = QuotaPolicy::default();
        Self {
            writer: Writer::new(&database.url, 4),
            stores: PgStores::new(database.pool.clone(), Arc::new(SystemClock), quotas),
            catalog: catalog(&config).await,
            database,
        }
    }

    fn scheduler(&self, default: SchedulePolicy, max_running: u32) -> BackupScheduler {
        let pool = postgres::connect(&self.database.url, 4).expect("a pool");
        let ids = Arc::new(RandomIds);
        let catalog = Arc::clone(&self.catalog);
        let tests = RestoreTests::new(pool.clone(), catalog, "localhost".into(), Arc::<RandomIds>::clone(&ids));
        BackupScheduler {
            schedule: BackupSchedule::new(pool.clone(), Arc::clone(&self.catalog), Arc::<RandomIds>::clone(&ids)),
            retention: BackupRetention::new(pool.clone(), ids),
            live_stores: LiveStoreRepository::new(pool, Arc::new(SystemClock)),
            policies: Policies { default, plans: [].into() },
            max_running,
            tester: RestoreTester { tests, every: None, max_running: 1 },
            url: self.database.url.parse().expect("a URL"),
        }
    }

    /// A round of a new server.
    async fn round(&self, max_running: u32) -> Progress {
        let mut progress = Progress::default();
        Box::pin(self.scheduler(DAILY, max_running).round(&mut progress)).await.expect("a round");
        progress
    }

    /// A store that became READY so long ago.
    async fn ready(&self, store_id: &str, days: u32) -> StoreUid {
        let uid = self.writer.ready(store_id, "default").await;
        self.database
            .execute(&format!("UPDATE stores SET ready_at = now() - interval '{days} days' WHERE uid = '{uid}'"))
            .await;
        uid
    }

    async fn value(&self, sql: &str) -> String {
        self.database.value(sql).await
    }

    async fn change(&self, store_id: &str, transition: &Decision<'_>) {
        let target = Target::Store(StoreRef { id: store_id.parse().expect("an id"), uid: None });
        let access = Access::whole(Tenant::default());
        self.stores.change(&access, &target, None, transition).await.expect("a change");
    }

    /// Ends the store's backup as a worker does.
    async fn complete(&self, store_id: &str) {
        let transition = |snapshot| {
            let claimed = operation::claim(snapshot, SystemClock.now());
            let verified = claimed.then(|snapshot| {
                let step = Step::VerifyBackup;
                Ok(operation::step_succeeded(snapshot, step, Duration::ZERO, true, SystemClock.now()))
            })?;
            verified.then(|snapshot| operation::succeeded(snapshot, None, SystemClock.now()))
        };
        self.change(store_id, &transition).await;
    }

    /// A backup that is not made by an operation of this test. `created_at` is an SQL expression.
    async fn backup(&self, store: StoreUid, (state, trigger): (&str, &str), created_at: &str) -> Uuid {
        let id = Uuid::now_v7();
        self.database
            .execute(&format!(
                "INSERT INTO backups (id, store, store_id, tenant, state, trigger, description, requested_by, operation,
                     engine, chart_version, app_version, simulated, parts, created_at, completed_at)
                 SELECT '{id}', uid, store_id, tenant, '{state}', '{trigger}', '', 'test', gen_random_uuid(), engine,
                     chart_version, app_version, true, '[]', {created_at}, {created_at}
                 FROM stores WHERE uid = '{store}'"
            ))
            .await;
        id
    }

    /// Status and reason of the store's condition.
    async fn condition(&self, store: StoreUid) -> String {
        self.value(&format!(
            "SELECT c->>'status' || ' ' || (c->>'reason') FROM stores, jsonb_array_elements(conditions) c
             WHERE uid = '{store}' AND c->>'kind' = 'BackedUp'"
        ))
        .await
    }
}

#[tokio::test]
async fn due_stores_are_backed_up_once() {
    let scene = Scene::new().await;
    for store in ["late", "later", "deleted", "busy"] {
        scene.ready(store, 9).await;
    }
    scene.ready("young", 0).await;
    scene.writer.delete("default", "deleted").await;
    let busy = "UPDATE operations SET state = 'RUNNING', ended_at = NULL WHERE store_id = 'busy'";
    scene.database.execute(busy).await;

    let progress = scene.round(10).await;

    assert_eq!(progress, Progress::default(), "no store waits");
    let made = "SELECT string_agg(concat_ws(' ', b.store_id, b.trigger, b.state, b.requested_by, o.kind, o.state), ', '
        ORDER BY b.store_id) FROM backups b JOIN operations o ON o.id = b.operation";
    let one = |store| format!("{store} SCHEDULED CREATING scheduler BACKUP PENDING");
    assert_eq!(scene.value(made).await, format!("{}, {}", one("late"), one("later")));
    let records = "SELECT count(*) FROM audit_events WHERE action = 'CREATE_BACKUP' AND actor = 'scheduler'
        AND credential_kind = '' AND outcome = 'ACCEPTED' AND operation IN (SELECT operation FROM backups)";
    assert_eq!(scene.value(records).await, "2");
    scene.round(10).await;
    assert_eq!(scene.value("SELECT count(*) FROM backups").await, "2", "its backup has not ended");
    scene.complete("late").await;
    scene.round(10).await;
    assert_eq!(scene.value("SELECT count(*) FROM backups").await, "2", "nine missed backups are caught up by one");
    scene.database.execute("UPDATE backups SET created_at = created_at - interval '1 day'").await;
    scene.round(10).await;
    let again = "SELECT count(*) FROM backups WHERE store_id = 'late'";
    assert_eq!(scene.value(again).await, "2", "the next one is due a day later");
}

#[tokio::test]
async fn several_servers_neither_double_backups_nor_exceed_the_limit() {
    let scene = Scene::new().await;
    for number in 0..6 {
        scene.ready(&format!("s{number}"), 3 + number).await;
    }
    let servers: Vec<_> = (0..4).map(|_| scene.scheduler(DAILY, 3)).collect();
    let mut progress = vec![Progress::default(); servers.len()];

    let rounds = servers.iter().zip(&mut progress).map(|(server, progress)| server.round(progress));
    for ended in futures::future::join_all(rounds).await {
        ended.unwrap();
    }

    assert_eq!(scene.value(ACTIVE).await, "3");
    assert!(progress.iter().all(|progress| (3..=6).contains(&progress.waiting.len())), "{progress:?}");
    let longest = "SELECT string_agg(store_id, ' ' ORDER BY store_id) FROM backups";
    assert_eq!(scene.value(longest).await, "s3 s4 s5", "those that have been due the longest");
    // A caller's backup starts in spite of the limit.
    let caller = Caller::server("scheduler", Tenant::default());
    let (operation, audit) = (OperationId(Uuid::now_v7()), Uuid::now_v7());
    let request = Request { caller: &caller, now: SystemClock.now(), operation, audit, trace: None };
    let new = (BackupId(Uuid::now_v7()), BackupTrigger::OnDemand, "");
    scene.change("s0", &|snapshot| back_up(snapshot, None, new, &scene.catalog, &request)).await;
    scene.complete("s3").await;
    assert_eq!(scene.round(3).await.waiting.len(), 2);
    assert_eq!(scene.value(ACTIVE).await, "3", "it counts, and none is started for the one that ended");
    scene.complete("s4").await;
    let rounds = servers.iter().zip(&mut progress).map(|(server, progress)| server.round(progress));
    for ended in futures::future::join_all(rounds).await {
        ended.unwrap();
    }
    assert_eq!(scene.value(ACTIVE).await, "3");
    assert_eq!(scene.value("SELECT count(DISTINCT store) FROM backups").await, "5", "one more");
    assert_eq!(scene.value("SELECT count(*) FROM backups").await, "5", "and none twice");
}

#[tokio::test]
async fn failed_backup_is_tried_again_after_an_hour() {
    let scene = Scene::new().await;
    scene.ready("tea", 9).await;
    scene.round(10).await;
    let fail = "UPDATE backups SET state = 'FAILED', created_at = now() - interval '3 hours';
        UPDATE operations SET state = 'FAILED', ended_at = now() - interval '59 min' WHERE kind = 'BACKUP'";
    scene.database.execute(fail).await;

    scene.round(10).await;
    assert_eq!(scene.value("SELECT count(*) FROM backups").await, "1", "not at once");
    scene.database.execute("UPDATE operations SET ended_at = now() - interval '61 min' WHERE kind = 'BACKUP'").await;
    scene.round(10).await;
    assert_eq!(scene.value("SELECT count(*) FROM backups WHERE state = 'CREATING'").await, "1");
}

#[tokio::test]
async fn store_without_a_recent_backup_is_overdue_until_the_next_one() {
    let scene = Scene::new().await;
    let (tea, new) = (scene.ready("tea", 3).await, scene.ready("new", 1).await);

    scene.round(10).await;

    assert_eq!(
        (scene.condition(tea).await, scene.condition(new).await),
        ("False BACKUP_OVERDUE".into(), String::new())
    );
    let events = "SELECT count(*) FROM events WHERE kind = 'CONDITION_CHANGED' AND store_id = 'tea'";
    scene.round(10).await;
    assert_eq!(scene.value(events).await, "1", "it is said once");
    scene.complete("tea").await;
    assert_eq!(scene.condition(tea).await, "True ");
    scene.database.execute("UPDATE backups SET created_at = now() - interval '49 hours' WHERE store_id = 'tea'").await;
    scene.round(0).await;
    assert_eq!(scene.condition(tea).await, "False BACKUP_OVERDUE");
    let off = SchedulePolicy { every: None, ..DAILY };
    Box::pin(scene.scheduler(off, 10).round(&mut Progress::default())).await.unwrap();
    assert_eq!(scene.condition(tea).await, "True ", "without a schedule no store is overdue");
    assert_eq!(scene.value(events).await, "4");
}

#[tokio::test]
async fn rounds_read_from_indexes() {
    let scene = Scene::new().await;
    let (stores, _) = MANY.split_once("INSERT INTO events").expect("events are last");
    scene.database.execute(stores).await;
    let backups = "INSERT INTO backups (id, store, store_id, tenant, state, trigger, description, requested_by, operation,
            engine, chart_version, app_version, simulated, parts, created_at, completed_at)
        SELECT gen_random_uuid(), uid, store_id, tenant, CASE WHEN n = 1 THEN 'FAILED' ELSE 'COMPLETE' END, 'SCHEDULED', '', 'test',
            gen_random_uuid(), engine, '1', '1', true, '[]', now() - n * interval '1 day', now()
        FROM stores, generate_series(1, 10) n WHERE store_id LIKE 's1%'";
    scene.database.execute(backups).await;
    scene.database.execute("VACUUM ANALYZE").await;
    // One connection, whose counts are complete once it has been asked to flush them.
    let options = PoolOptions { connections: 1, acquire_timeout: Duration::from_mins(1), ..PoolOptions::default() };
    let pool = options.connect(&scene.database.url).unwrap();
    let schedule = BackupSchedule::new(pool.clone(), Arc::clone(&scene.catalog), Arc::new(RandomIds));
    let retention = BackupRetention::new(pool.clone(), Arc::new(RandomIds));
    let counts = async || {
        for _ in 0..3 {
            for sql in ["SELECT pg_stat_force_next_flush()", "SELECT 1"] {
                sea_orm::ConnectionTrait::execute_unprepared(&pool, sql).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let sum = "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('stores', 'operations', 'backups')";
        scene.value(sum).await
    };
    let (now, nil) = (schedule.now().await.unwrap(), StoreUid(Uuid::nil()));
    let policies = Policies { default: DAILY, plans: [].into() };
    let before = counts().await;

    let (shops, next) = schedule.shops(nil).await.unwrap();
    assert_eq!((shops.len(), next), (500, shops.last().map(|shop| shop.uid)), "a page");
    let (shops, _) = schedule.shops(next.unwrap()).await.unwrap();
    assert_eq!(shops.len(), 500);
    let (expired, next) = retention.complete(nil, &policies, now).await.unwrap();
    assert!(next.is_some() && expired.is_empty());
    assert_eq!(retention.failed(now + time::Duration::days(15)).await.unwrap().values().flatten().count(), 100);

    assert_eq!(counts().await, before, "no table was read as a whole");
}

#[tokio::test]
async fn server_backs_up_stores_that_are_due() {
    let storage = tempfile::tempdir().unwrap();
    std::fs::create_dir(storage.path().join("volume")).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (setup, metrics) = with_metrics(Setup::small());
    let file = std::fs::read_to_string(setup.charts.join("storeplane.toml")).unwrap();
    let backups = format!(
        "{file}\n[backups]\nstorage = 'volume'\n[backups.volume]\npath = {:?}\nlisten = '{port}'\nurl = 'http://{port}'\n",
        storage.path().join("volume")
    );
    std::fs::write(storage.path().join("storeplane.toml"), backups).unwrap();
    let setup = setup.with("STOREPLANE_CONFIG", storage.path().join("storeplane.toml").to_str().unwrap());
    let mut lab = setup.start().await;
    let id = fresh("due");
    lab.api.ready(&id).await;
    lab.database.execute("UPDATE stores SET ready_at = now() - interval '3 days'").await;
    lab.server.terminate().await;

    lab.server.restart().await;

    let ended = "SELECT string_agg(state || ' ' || trigger, ', ') FROM backups";
    let began = std::time::Instant::now();
    while lab.database.value(ended).await != "COMPLETE SCHEDULED" {
        assert!(began.elapsed() < Duration::from_mins(1), "{}", lab.database.value(ended).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let counted = async |series| read(metrics, series).await;
    assert_eq!(counted("storeplane_backups_total{outcome=\"COMPLETE\"}").await, Some(1.0));
    assert_eq!(counted("storeplane_backups_total{outcome=\"FAILED\"}").await, Some(0.0));
    assert!(counted("storeplane_backups_overdue").await.is_some());
    assert!(lab.server.log().contains("this server schedules backups"));
    lab.api.delete(&id).await.unwrap();
}
