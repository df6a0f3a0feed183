//! Clients that do not read: nothing is buffered for them, and they miss nothing. `STOREPLANE_STALL_SECONDS` sets
//! how long they stall (3).

use std::time::{Duration, Instant};

use storeplane_proto::v1::{WatchStoreRequest, WatchStoresRequest, watch_store_response, watch_stores_response};

use crate::grpc_raw::{edge, edge_setup};
use crate::harness::{Proxy, Write, Writer, authority, env};

/// Of each kind.
const SLEEPERS: usize = 8;
/// While they stall: transactions, events per transaction and bytes per event, 16 MB in all.
const WRITES: usize = 80;
const EVENTS: usize = 50;
const TEXT: usize = 4096;
/// The memory limit of all stalled clients together. Buffering for one alone would take 16 MB.
const MOST: i64 = 60 * 1024;

/// Resident memory, in kB.
pub(crate) fn resident(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn stalled_clients_use_bounded_memory_and_miss_nothing() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("tea", "default").await;
    let seconds = std::env::var("STOREPLANE_STALL_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let (mut singles, mut wholes) = (Vec::new(), Vec::new());
    for _ in 0..SLEEPERS {
        let request = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
        singles.push(lab.api.stores.clone().watch_store(request).await.unwrap().into_inner());
        wholes.push(lab.api.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner());
    }
    let before = resident(lab.server.pid());

    let began = Instant::now();
    for _ in 0..WRITES {
        writer.write("default", "tea", &Write { text: TEXT, ..Write::of(EVENTS) }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(seconds).saturating_sub(began.elapsed())).await;
    let grown = resident(lab.server.pid()) - before;

    eprintln!(
        "{} clients slept for {:?} over {} MB of events: {} MB more",
        2 * SLEEPERS,
        began.elapsed(),
        (WRITES * EVENTS * TEXT) >> 20,
        grown >> 10
    );
    assert!(grown < MOST, "{grown} kB more");
    let last = i64::try_from(1 + WRITES * EVENTS).unwrap();
    let single = singles.into_iter().map(|mut stream| async move {
        let mut last_seen = 0;
        while last_seen < last {
            let message = stream.message().await.unwrap().unwrap();
            if let Some(watch_store_response::Update::Event(event)) = message.update {
                assert_eq!(event.sequence, last_seen + 1);
                last_seen = event.sequence;
            }
        }
    });
    let whole = wholes.into_iter().map(|mut stream| async move {
        let mut last_seen = 1;
        while last_seen < last {
            let message = stream.message().await.unwrap().unwrap();
            if let Some(watch_stores_response::Update::Event(event)) = message.update {
                assert_eq!(event.sequence, last_seen + 1);
                last_seen = event.sequence;
            }
        }
    });
    let reading = futures::future::join(futures::future::join_all(single), futures::future::join_all(whole));
    tokio::time::timeout(Duration::from_mins(4), reading).await.expect("all of it, in the end");
}

#[tokio::test]
async fn long_transaction_delays_watch_stores_but_not_watch_store() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("tea", "default").await;
    let request = WatchStoreRequest { store_id: "tea".into(), after_sequence: 1, ..WatchStoreRequest::default() };
    let mut single = lab.api.stores.clone().watch_store(request).await.unwrap().into_inner();
    let mut whole = lab.api.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();
    while !matches!(whole.message().await.unwrap().unwrap().update, Some(watch_stores_response::Update::CaughtUp(_))) {}
    // Another application's, in another database of the same server.
    let elsewhere = sea_orm::Database::connect(env("STOREPLANE_TEST_DATABASE_URL")).await.unwrap();
    let long = sea_orm::TransactionTrait::begin(&elsewhere).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&long, "SELECT pg_current_xact_id()").await.unwrap();

    writer.write("default", "tea", &Write::of(1)).await.unwrap();
    let live = async {
        loop {
            let message = single.message().await.unwrap().unwrap();
            if let Some(watch_store_response::Update::Event(event)) = message.update {
                return event.sequence;
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_mins(1), live).await.expect("at once"), 2);
    let early = tokio::time::timeout(Duration::from_secs(1), whole.message()).await;
    assert!(early.is_err(), "an older transaction could still slip in: {early:?}");
    long.rollback().await.unwrap();
    let message = tokio::time::timeout(Duration::from_mins(1), whole.message()).await.expect("now it is settled");
    assert!(matches!(message.unwrap().unwrap().update, Some(watch_stores_response::Update::Event(_))));
}

#[tokio::test]
async fn watch_started_before_postgres_misses_nothing() {
    let proxy = Proxy::to(authority(&env("STOREPLANE_TEST_DATABASE_URL"))).await;
    let mut setup = edge_setup();
    setup.database_proxy = Some(proxy.address);
    proxy.cut();
    let lab = setup.start().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("tea", "default").await;
    proxy.mend();
    let request = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
    let mut stream = loop {
        if let Ok(stream) = lab.api.stores.clone().watch_store(request.clone()).await {
            break stream.into_inner();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    while !matches!(stream.message().await.unwrap().unwrap().update, Some(watch_store_response::Update::CaughtUp(_))) {}

    writer.write("default", "tea", &Write::of(1)).await.unwrap();

    let message = tokio::time::timeout(Duration::from_mins(1), stream.message()).await.expect("it is reported");
    assert!(matches!(message.unwrap().unwrap().update, Some(watch_store_response::Update::Event(_))));
}
