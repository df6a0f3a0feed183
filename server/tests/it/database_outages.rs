//! Database failures other than an outage: nothing is lost, callers get the reason, and work resumes.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait as _;
use storeplane_proto::v1::{ListStoresRequest, StoreState};
use storeplane_server::postgres::{Pool, PoolOptions, PoolSizes, Pools, WhileOpen};
use tonic::Code;

use crate::grpc_raw::{edge, edge_setup, http};
use crate::harness::{Api, Bouncer, Database, Lab, Proxy, Setup, authority, env, fresh, print_line, reason};

/// After the network went silent, work and watches resume within 30 s; a busy machine has twice that.
const SILENT: Duration = Duration::from_mins(1);

/// Creates a store as soon as that is possible again.
async fn create_when_possible(api: &Api, id: &str, limit: Duration) -> Duration {
    let began = Instant::now();
    loop {
        match api.create(Api::wanted(id)).await {
            Ok(_) => return began.elapsed(),
            Err(status) if status.code() == Code::Unavailable && began.elapsed() < limit => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(status) => panic!("after {:?}: {status:?}", began.elapsed()),
        }
    }
}

#[tokio::test]
async fn dropped_packets_cause_only_short_interruption() {
    let proxy = Proxy::to(authority(&env("STOREPLANE_TEST_DATABASE_URL"))).await;
    let setup = Setup { database_proxy: Some(proxy.address), ..Setup::small() };
    let lab = setup.start().await;
    let (before, after) = (fresh("before"), fresh("after"));
    lab.api.create(Api::wanted(&before)).await.unwrap();
    let watch = lab.api.clone();
    let watched = before.clone();
    let watch = tokio::spawn(async move { watch.settle(&watched).await.0 });
    lab.api.until_told(&before, "STEP_STARTED").await;

    proxy.silence();
    let began = Instant::now();
    let called = create_when_possible(&lab.api, &after, SILENT).await;
    assert_eq!(watch.await.unwrap().state(), StoreState::Ready);
    let watched = began.elapsed();
    assert_eq!(lab.api.settle(&after).await.0.state(), StoreState::Ready);

    let worked = began.elapsed();
    print_line(&format!(
        "after packets were dropped: a call {called:?}, the watch's end {watched:?}, another store {worked:?}"
    ));
    assert!(watched < SILENT && worked < SILENT, "{watched:?} {worked:?}");
    lab.database.assert_sound().await;
    for id in [&before, &after] {
        lab.api.delete(id).await.unwrap();
        lab.api.settle(id).await;
    }
}

#[tokio::test]
async fn open_circuit_fails_api_calls_at_once_and_background_work_waits() {
    let database = Database::create().await;
    let proxy = Proxy::to(authority(&database.url)).await;
    let url = database.url.replace(&authority(&database.url), &proxy.address.to_string());
    let pools = Pools::new(&url, PoolSizes { work: 2, watch: 2, api: 2 }, false).unwrap();
    let ask = async |pool: &Pool| pool.execute_unprepared("SELECT 1").await.is_ok();
    assert!(ask(&pools.api).await);

    proxy.cut();
    let began = Instant::now();
    while !pools.circuit.is_open() {
        assert!(!ask(&pools.api).await);
        assert!(began.elapsed() < SILENT, "the circuit stays closed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    proxy.mend();
    // API calls make no attempt. The first one of background work is the trial.
    assert!(!ask(&pools.api).await);
    assert!(ask(&pools.work).await);
    assert!(ask(&pools.api).await);
}

#[tokio::test]
async fn exhausted_pool_does_not_open_the_circuit() {
    const WAIT: Duration = Duration::from_secs(1);
    let database = Database::create().await;
    let options =
        PoolOptions { connections: 1, acquire_timeout: WAIT, while_open: WhileOpen::Fail, ..PoolOptions::default() };
    let pool = options.connect(&database.url).unwrap();
    let holder = pool.clone();
    let held = tokio::spawn(async move { holder.execute_unprepared("SELECT pg_sleep(7)").await });
    while database.value("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(7)'").await == "0" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // As many failures would open it, if no connection could be made.
    for attempt in 0..6 {
        let began = Instant::now();
        let refused = pool.execute_unprepared("SELECT 1").await;
        assert!(held.is_finished() || refused.is_err() && began.elapsed() >= WAIT, "attempt {attempt}: {refused:?}");
    }
    held.await.unwrap().unwrap();
    pool.execute_unprepared("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn standby_after_failover_is_abandoned() {
    let lab = edge().await;
    let name = lab.database.value("SELECT current_database()").await;
    // New connections reach a read-only server; the old ones are closed, as by a failover.
    lab.database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    lab.database.end_connections("%").await;

    let refused = loop {
        let status = lab.api.create(Api::wanted(&fresh("standby"))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        if reason(&status) == "DATABASE_READ_ONLY" {
            break status;
        }
    };
    assert!(refused.message().contains("standby"), "{refused:?}");
    let unready = async {
        loop {
            let answer = http(lab.server.address(), "GET /readyz", &[], b"").await;
            if answer.status == 503 && String::from_utf8_lossy(&answer.body).contains("standby") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), unready).await.expect("/readyz names the standby");

    // The server is writable again. Nothing closes the connections that were made meanwhile.
    let reset = format!("BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT");
    lab.database.execute(&reset).await;
    let took = create_when_possible(&lab.api, &fresh("primary"), Duration::from_mins(1)).await;
    print_line(&format!("after the failover was over: a call {took:?}"));
}

#[tokio::test]
async fn full_disk_loses_nothing() {
    let lab = Setup::small().start().await;
    let id = fresh("full");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    lab.api.until_told(&id, "STEP_STARTED").await;
    lab.database
        .execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION full_disk();",
        )
        .await;

    let status = lab.api.create(Api::wanted(&fresh("no-room"))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "DATABASE_FULL"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    lab.database.execute("DROP TRIGGER full_disk ON events").await;

    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn cancelled_begin_leaves_no_open_transaction() {
    let database = Database::create().await;
    let stores = storeplane_server::postgres::connect(&database.url, 2).unwrap();
    let stores = storeplane_server::postgres::PgStores::new(
        stores,
        std::sync::Arc::new(storeplane_server::system::SystemClock),
        storeplane_server::postgres::QuotaPolicy::default(),
    );
    for wait in 0..200 {
        let listing = crate::database_rows::list_all(&stores);
        let _ = tokio::time::timeout(Duration::from_micros(wait * 20), listing).await;
        let writing = crate::database_rows::refuse(&stores, "x");
        let _ = tokio::time::timeout(Duration::from_micros(wait * 20), writing).await;
    }
    // Postgres itself would end one only after 10 s.
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let began = Instant::now();
    while database.value(open).await != "0" {
        assert!(began.elapsed() < Duration::from_secs(8), "a transaction stays open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn store_lifecycle_works_through_pgbouncer() {
    let database = Database::create().await;
    let Some(bouncer) = Bouncer::before(&database.url).await else {
        return print_line("skipped: pgbouncer is not installed (Debian's package has it)");
    };
    let setup = Setup { database_proxy: Some(bouncer.address), ..Setup::small() };
    let setup = setup.with("STOREPLANE_LISTEN_DATABASE_URL", database.url.clone());
    let lab = setup.start_on(database).await;
    let ids: Vec<_> = (0..4).map(|n| fresh(&format!("pooled{n}"))).collect();

    futures::future::join_all(ids.iter().map(|id| lab.api.ready(id))).await;
    let request = ListStoresRequest { filter: "state = READY AND pooled".into(), ..ListStoresRequest::default() };
    let page = lab.api.stores.clone().list_stores(request).await.unwrap().into_inner();
    assert_eq!((page.stores.len(), page.total_size), (4, 4));
    for id in &ids {
        lab.api.delete(id).await.unwrap();
        assert_eq!(lab.api.settle(id).await.0.state(), StoreState::Deleted);
    }

    lab.database.assert_sound().await;
    let log = bouncer.log();
    assert!(log.contains("login attempt") && !log.contains("unsupported startup parameter"), "{log}");
}

#[tokio::test]
async fn health_probes_use_worker_pool() {
    // Calls wait for a locked row; the workers' connections are free meanwhile.
    let lab = edge_setup().with("STOREPLANE_DATABASE_POOL_SIZE", "2").start().await;
    let Lab { database, api, .. } = &lab;
    let id = fresh("held");
    api.create(Api::wanted(&id)).await.unwrap();
    let holder = storeplane_server::postgres::connect(&database.url, 1).unwrap();
    let held = tokio::spawn(async move {
        let sql = format!("BEGIN; SELECT FROM stores WHERE store_id = '{id}' FOR UPDATE; SELECT pg_sleep(4); COMMIT");
        holder.execute_unprepared(&sql).await.map(|_| id)
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stored = database.value("SELECT store_id FROM stores").await;
    let calls = futures::future::join_all((0..4).map(|_| api.delete(&stored)));
    let probe = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = http(lab.server.address(), "GET /readyz", &[], b"").await;
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    let (_, answer) = tokio::join!(calls, probe);
    assert!(!answer.contains("postgres: the database"), "{answer}");
    held.await.unwrap().unwrap();
}
